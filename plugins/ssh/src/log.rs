//! Reading what a session shows and showed.

use berth_panes::look;
use berth_panes::scrollback::{self, SCREEN, SCROLLBACK, Shown};
use berth_plugin::{LogPage, LogQuery, Result, ssh};

use crate::hosts;
use crate::id::{self, Id};

/// The views that a log has, the usual one first.
pub(crate) const VIEWS: [&str; 2] = [SCREEN, SCROLLBACK];

/// Reads a page.
pub(crate) fn read(id: &str, query: &LogQuery) -> Result<LogPage> {
    let id = Id::parse(id)?;
    let seen = hosts::look_at(&id)?.ok_or_else(id::unknown)?;
    ssh::on(&id.host, || {
        let look = look::close(&seen.pane.id)?;
        scrollback::read(&seen.pane.id, &look, Shown::whole(&look.screen), query, VIEWS[0])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, Error};

    use super::*;
    use crate::Plugin;
    use crate::fake::Fake;

    #[test]
    fn both_views_of_a_session_are_read_on_its_host() {
        let fake = Fake::new();
        let lines: Vec<_> = (0..90).map(|number| format!("line {number}")).collect();
        fake.on("linux").has("a-1", &lines.join("\n"));
        let page = |view: Option<&str>| {
            let query = LogQuery {
                view: view.map(str::to_owned),
                lines: 80,
                after: None,
            };
            Plugin::read_log("linux:a-1", query).unwrap()
        };
        assert!(page(None).text.starts_with("line 40") && page(None).text.ends_with("line 89"));
        assert!(page(Some("scrollback")).text.starts_with("line 10"));
        let query = LogQuery {
            view: Some("transcript".to_owned()),
            lines: 1,
            after: None,
        };
        assert!(matches!(Plugin::read_log("linux:a-1", query), Err(Error::Invalid(_))));
    }
}
