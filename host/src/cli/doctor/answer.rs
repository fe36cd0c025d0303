//! What a program of this machine answers when it is asked.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use berth::machine::ask;

use super::finding::Finding;
use crate::cli::print;

/// How long a program may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Characters of what it says that are shown.
const SHOWN: usize = 200;

/// What `program`, shown as `name`, says; `fix` is for where it fails.
pub(super) async fn answer(
    about: &str,
    name: &str,
    program: &Path,
    arguments: &[String],
    environment: &[(OsString, OsString)],
    fix: &str,
) -> Finding {
    let command = [&[name.to_owned()], arguments].concat().join(" ");
    match ask(program, arguments, environment, ANSWERS_WITHIN).await {
        Ok((true, line)) => Finding::ok(about, format!("`{command}` says: {}", short(&line))),
        Ok((false, line)) => Finding::fail(about, format!("`{command}` fails and says: {}", short(&line)), fix),
        Err(error) => Finding::fail(about, format!("`{command}`: {error}"), fix),
    }
}

/// Foreign text for a finding, which a terminal or another program gets.
fn short(line: &str) -> String {
    let line = print::safe(line);
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if line.is_empty() => "nothing".to_owned(),
        None => line,
    }
}
