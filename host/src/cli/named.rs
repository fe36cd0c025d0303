//! From what a person typed to the one session that is meant, for what acts on it.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::connection::Connection;
use super::print;

/// How much of a name is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The beginning of a name or id, if only one session has it.
    Beginning,
    /// The whole name or id, as what is done cannot be undone.
    Whole,
}

/// The whole id of the session called `name`. A whole id is taken as it is.
///
/// This does not count as a look at the session, so that an answer goes only to the question that the person has seen.
///
/// # Errors
/// If no session or several are called so: the error names the candidates.
pub(crate) async fn session_id(connection: &Connection, name: &str, by: By) -> anyhow::Result<String> {
    if name.contains('/') {
        return Ok(name.to_owned());
    }
    let found = connection.ask("fetch", json!({"id": name})).await?;
    if found.failed {
        bail!("{}", found.text);
    }
    let found = found.structured.unwrap_or_default();
    let id = found["id"].as_str().context("the answer names no session")?;
    if by == By::Whole && !is_whole(&found, name) {
        bail!("there is no session `{}`; did you mean {id}?", print::safe(name));
    }
    Ok(id.to_owned())
}

/// Whether `name` is all of the name or the id of the session that was `found`.
fn is_whole(found: &Value, name: &str) -> bool {
    let id = found["id"].as_str().and_then(|id| id.split_once('/'));
    // It goes on with the agent and the state.
    let called = found["title"].as_str().and_then(|title| title.rsplit_once(" ("));
    id.is_some_and(|(_, id)| id == name) || called.is_some_and(|(called, _)| called == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_is_not_its_beginning() {
        let found = json!({"id": "local/fix-2-x7", "title": "fix (2) (claude, waiting)"});
        for (name, whole) in [
            ("fix-2-x7", true),
            ("fix (2)", true),
            ("fix", false),
            ("fix-2", false),
            ("", false),
            ("fix (2) (claude, waiting)", false),
        ] {
            assert_eq!(is_whole(&found, name), whole, "{name}");
        }
    }
}
