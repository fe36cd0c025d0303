//! The id of a session: its host, and the name of its tmux session there. It is never a UUID, so those are free for
//! sessions of another kind.

use std::fmt::{self, Display, Formatter};

use berth_panes::digest;
use berth_plugin::{Error, Result};

/// Characters at the end of an id that identify the request, so that no id is used twice.
const REQUEST: usize = 6;
/// Characters of the name of a tmux session.
const PANE: usize = 64;

/// The id of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) host: String,
    /// The name of its tmux session.
    pub(crate) pane: String,
}

impl Id {
    /// That of the session called `name` which this request starts.
    pub(crate) fn of_start(host: &str, name: &str, request: &str) -> Self {
        let plain = match name.trim_start_matches(['-', '_']) {
            "" => "session",
            plain => plain,
        };
        Self {
            host: host.to_owned(),
            pane: format!("{plain}-{}", digest::word(request, REQUEST)),
        }
    }

    /// That of the tmux session called `pane`, if this backend may have made that.
    pub(crate) fn of_pane(host: &str, pane: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_name = (1..=PANE).contains(&pane.len()) && !pane.starts_with(['-', '_']) && pane.chars().all(is_plain);
        is_name.then(|| Self {
            host: host.to_owned(),
            pane: pane.to_owned(),
        })
    }

    /// # Errors
    /// No session has this id.
    pub(crate) fn parse(id: &str) -> Result<Self> {
        let read = id.split_once(':').and_then(|(host, pane)| Self::of_pane(host, pane));
        read.ok_or_else(unknown)
    }

    /// How tmux is told of exactly this session.
    pub(crate) fn target(&self) -> String {
        target(&self.pane)
    }
}

/// How tmux is told of exactly the session of this name: without the `=` it would take a name's beginning for another.
pub(crate) fn target(pane: &str) -> String {
    format!("={pane}:")
}

/// There is no session of an id.
pub(crate) fn unknown() -> Error {
    Error::NotFound("there is no such session: list_sessions shows all sessions".to_owned())
}

impl Display for Id {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.pane)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn an_id_names_its_host_and_comes_back_as_it_was() {
        let id = Id::of_start("mac", "my_app", "1");
        assert!(id.to_string().starts_with("mac:my_app-"), "{id}");
        assert_eq!(Id::parse(&id.to_string()).unwrap(), id);
        assert_ne!(Id::of_start("mac", "my_app", "2"), id);
        assert!(Id::of_start("mac", "--", "1").pane.starts_with("session-"));
        assert!(Id::of_start("mac", "-x", "1").pane.starts_with("x-"));
    }

    #[test]
    fn what_is_not_such_an_id_is_not_found() {
        for id in [
            "",
            "mac",
            "mac:",
            "mac:-x",
            "mac:a b",
            "mac:a:b",
            "0d1f2c3b-1111-4222-8333-444455556666",
        ] {
            assert!(matches!(Id::parse(id), Err(Error::NotFound(_))), "{id}");
        }
    }
}
