//! Panes, and what is asked of those who show them, for native tests.

use berth_agents::Screen;
use berth_plugin::testing::{Host, RawOutput};
use berth_plugin::{Command, NewSession, SessionQuery, context};
use serde_json::Value;

use crate::grant;
use crate::look::{CLOSE, Look};
use crate::panes::{Pane, parse};

/// A row of the list of panes.
#[must_use]
pub fn row(id: &str, name: &str, window: &str, process: &str, directory: &str) -> String {
    format!(
        "{id}:$7:1700000000:1700000009:0:::0:0:120:60:1:{}:{}:{}:{}:{name}{window}{process}{directory}\n",
        name.len(),
        window.len(),
        process.len(),
        directory.len()
    )
}

/// The pane of such a row.
///
/// # Panics
/// If the row cannot be read.
#[must_use]
pub fn pane(id: &str, name: &str, window: &str, process: &str) -> Pane {
    let rows = row(id, name, window, process, "/p");
    parse(rows.as_bytes()).map_or_else(|| panic!("{rows} cannot be read"), |mut panes| panes.remove(0))
}

/// A look at a pane that shows this.
#[must_use]
pub fn look(screen: &str) -> Look {
    Look {
        dead: false,
        in_mode: false,
        history: 0,
        process: String::new(),
        above: Vec::new(),
        screen: Screen::parse(screen, None),
    }
}

/// A request for a session without any choices.
#[must_use]
pub fn request(id: &str) -> NewSession {
    NewSession {
        id: id.to_owned(),
        name: None,
        project: None,
        directory: None,
        agent: None,
        message: None,
        resume: None,
        fork: false,
        worktree: None,
        options: Vec::new(),
    }
}

/// A query for all sessions.
#[must_use]
pub fn everything() -> SessionQuery {
    SessionQuery {
        states: Vec::new(),
        limit: 50,
        after: None,
    }
}

/// What tmux prints for a command, each part of which `one` carries out: it answers what that prints, or what is wrong with
/// it, which ends the command.
///
/// # Panics
/// If the grant of tmux does not have a part.
pub fn carried_out(
    command: &Command,
    mut one: impl FnMut(&[String]) -> std::result::Result<String, String>,
) -> RawOutput {
    let mut printed = String::new();
    for args in command.args.split(|arg| arg == ";") {
        assert!(is_granted(args), "the manifest does not ask for {args:?}");
        match one(args) {
            Ok(more) => printed.push_str(&more),
            Err(stderr) => {
                return RawOutput {
                    stdout: printed.into_bytes(),
                    ..Host::failed(1, stderr)
                };
            }
        }
    }
    Host::printed(printed)
}

/// The argument after this flag.
#[must_use]
pub fn after(args: &[String], flag: &str) -> Option<String> {
    let at = args.iter().position(|arg| arg == flag)?;
    args.get(at + 1).cloned()
}

/// What tmux prints of a pane with these lines, of which the last `rows` are its screen, where `process` is in front.
#[must_use]
pub fn header(format: &str, lines: &[String], rows: usize, process: &str) -> String {
    let history = lines.len() - rows;
    match format {
        CLOSE => format!("0:0:{rows}:{history}:0:{}:{process}\n", process.len()),
        _ => format!("{rows}:{history}:0:\n"),
    }
}

/// What `capture-pane` with these arguments prints of it.
///
/// # Panics
/// If these are none.
#[must_use]
pub fn captured(args: &[String], lines: &[String], rows: usize) -> String {
    let history = lines.len() - rows;
    let index = |flag, otherwise: i64| {
        let number = after(args, flag).map_or(Ok(otherwise), |number| number.parse());
        let index = number
            .ok()
            .and_then(|number| history.checked_add_signed(isize::try_from(number).ok()?));
        index.unwrap_or_default()
    };
    let last = i64::try_from(rows).map_or(i64::MAX, |rows| rows - 1);
    let shown = &lines[index("-S", 0)..=index("-E", last)];
    shown.iter().map(|line| format!("{line}\n")).collect()
}

/// The lines as a screen of at least so many rows has them.
#[must_use]
pub fn filled(mut lines: Vec<String>, rows: usize) -> Vec<String> {
    let rows = lines.len().max(rows);
    lines.resize(rows, String::new());
    lines
}

/// Whether the grant of tmux has this argument list, in a call such as this one. A word matches one argument, and an
/// agent's command matches the rest.
#[must_use]
pub fn is_granted(args: &[String]) -> bool {
    let tmux = grant::tmux();
    let lists = |name: &str| tmux[name].as_array().cloned().unwrap_or_default();
    let mut granted = lists("read");
    if context::may_act() {
        granted.extend(lists("control"));
    }
    let fits = |list: &Value| {
        let list: Vec<_> = list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let (list, args) = match list.split_last() {
            Some((&"@agent", list)) => (list, &args[..list.len().min(args.len())]),
            _ => (list.as_slice(), args),
        };
        let same = |(wanted, arg): (&&str, &String)| wanted.starts_with(['<', '@']) || wanted == arg;
        list.len() == args.len() && list.iter().zip(args).all(same)
    };
    granted.iter().any(fits)
}
