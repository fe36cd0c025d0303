//! `berth`: arguments in, one command out.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
