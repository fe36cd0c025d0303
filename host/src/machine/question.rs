//! The operator's own question to a program, such as its version. Plugins are not involved.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::child::{Ended, Start, run};

/// Bytes that are kept of what it prints.
const OUTPUT: u64 = 64 << 10;

/// The name of who asks, instead of a backend.
const ASKS: &str = "doctor";

/// Runs `program` with just this `environment`, in the root directory and without input. The answer is whether it
/// succeeded, and the first line that it printed, preferably on standard output; empty if it printed nothing.
///
/// # Errors
/// If it cannot be started, or does not end `within` that time; then it is ended.
pub async fn ask(
    program: &Path,
    args: &[String],
    environment: &[(OsString, OsString)],
    within: Duration,
) -> io::Result<(bool, String)> {
    let ended = run(Start {
        backend: ASKS,
        program,
        args: args.iter().map(String::as_str).collect(),
        environment,
        added: &[],
        directory: None,
        stdin: Vec::new(),
        deadline: Instant::now() + within,
        output: OUTPUT,
        lingers: false,
    })
    .await?;
    match ended {
        Ended::Finished(output) => {
            let line = first_line(&output.stdout).or_else(|| first_line(&output.stderr));
            Ok((output.status == Some(0), line.unwrap_or_default()))
        }
        Ended::TimedOut(after) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it did not end within {after:.0?}"),
        )),
    }
}

/// The first line that holds anything.
fn first_line(printed: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(printed);
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty()).map(str::to_owned)
}
