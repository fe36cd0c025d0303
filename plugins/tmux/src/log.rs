//! Reading a session's output.

use berth_agents::{Observation, State};
use berth_panes::scrollback::{self, SCREEN, SCROLLBACK, Shown};
use berth_plugin::{LogPage, LogQuery, Result};

use crate::found::{self, Found};
use crate::look::{self, Look};
use crate::setup::Setup;

/// The views that a log has, the usual one first.
pub(crate) const VIEWS: [&str; 2] = [SCROLLBACK, SCREEN];

/// Reads a page.
pub(crate) fn read(setup: &Setup, id: &str, query: &LogQuery) -> Result<LogPage> {
    let found = found::find(setup, id)?;
    let look = look::close(&found.pane.id)?;
    scrollback::read(&found.pane.id, &look, shown_by(&found, &look), query, VIEWS[0])
}

/// The cursor at the end of an agent's output.
pub(crate) fn end_cursor(look: &Look, seen: &Observation) -> String {
    scrollback::end_cursor(look, shown(seen))
}

fn shown_by(found: &Found, look: &Look) -> Shown {
    match found.agent {
        Some(entry) => shown(&entry.agent.observe(&look.screen)),
        None => Shown::whole(&look.screen),
    }
}

fn shown(seen: &Observation) -> Shown {
    Shown {
        end: seen.content_end,
        grows: seen.state == State::Busy,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Backend as _;

    use super::*;
    use crate::Plugin;
    use crate::fake::Fake;

    fn query(view: Option<&str>, lines: u32, after: Option<&str>) -> LogQuery {
        LogQuery {
            view: view.map(str::to_owned),
            lines,
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn a_log_is_read_on_from_a_cursor_with_nothing_lost_and_nothing_doubled() {
        let fake = Fake::new();
        for number in 0..90 {
            fake.says(&format!("line {number}"));
        }
        let last = Plugin::read_log("app", query(None, 3, None)).unwrap();
        assert_eq!(last.text, "line 87\nline 88\nline 89");
        for number in 90..300 {
            fake.says(&format!("line {number}"));
        }
        let (mut after, mut read) = (last.next, Vec::new());
        loop {
            let page = Plugin::read_log("app", query(Some("scrollback"), 40, Some(&after))).unwrap();
            assert!(!page.gap);
            read.extend(page.text.lines().map(str::to_owned));
            after = page.next;
            if !page.more {
                break;
            }
        }
        let expected: Vec<_> = (90..300).map(|number| format!("line {number}")).collect();
        assert_eq!(read, expected);
        let screen = Plugin::read_log("app", query(Some("screen"), 99, None)).unwrap();
        assert!(
            screen.text.ends_with("demo agent · idle · /help for commands"),
            "{}",
            screen.text
        );
    }

    #[test]
    fn output_that_is_gone_is_a_gap() {
        let fake = Fake::new();
        fake.says("hello");
        let page = Plugin::read_log("app", query(None, 9, Some("5000-0000abcd"))).unwrap();
        assert_eq!((page.text.as_str(), page.gap), ("hello", true));
    }

    #[test]
    fn a_view_that_is_not_there_is_refused_with_those_that_are() {
        let _fake = Fake::new();
        let refused = Plugin::read_log("app", query(Some("transcript"), 9, None)).unwrap_err();
        assert!(
            refused.to_string().contains("scrollback and screen, not transcript"),
            "{refused}"
        );
    }
}
