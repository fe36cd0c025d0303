//! `berth completions`: what a shell needs to complete berth's commands.

use std::process::ExitCode;

use clap::Command;
use clap_complete::{Shell, generate};

use super::print;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(options: &Options, mut command: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(options.shell, &mut command, "berth", &mut script);
    print::line(String::from_utf8(script)?.trim_end());
    Ok(ExitCode::SUCCESS)
}
