//! Panes, and what is asked of those who show them, for native tests.

use berth_agents::Screen;
use berth_plugin::{NewSession, SessionQuery, context};
use serde_json::Value;

use crate::grant;
use crate::look::Look;
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
