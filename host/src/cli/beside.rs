//! `berth beside`: berth starts a program through this, so that the program ends with berth. Only berth calls it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use berth::machine::accompany;

/// Its name.
pub(crate) const NAME: &str = "beside";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The program, by an absolute path
    program: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options { program, arguments } = options;
    let why = accompany(&program, &arguments).await;
    Err(why).with_context(|| format!("{} cannot be run", program.display()))
}
