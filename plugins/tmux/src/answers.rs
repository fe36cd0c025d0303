//! What is kept for each session between calls: how many questions were answered, and which.

use std::fmt::{self, Display};
use std::result;

use berth_plugin::{Error, Result, Timestamp, store, time};
use serde::{Deserialize, Serialize};

/// How many ids of answered prompts are kept.
const REMEMBERED: usize = 16;
/// The key that closes a dialog is pressed at most once in this time, in milliseconds: a second one may do something in
/// what is seen next.
const CLOSED_MS: u64 = 4000;
/// What the key of a record begins with; the session's id follows.
pub(crate) const PREFIX: &str = "answers-";

/// The answers given to one session.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    pub(crate) count: u64,
    last: Vec<String>,
    /// When the key that closes a dialog was last pressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
}

impl Given {
    /// Whether this prompt was answered before.
    pub(crate) fn holds(&self, prompt: &str) -> bool {
        self.last.iter().any(|id| id == prompt)
    }
}

/// What was answered in this session so far.
pub(crate) fn of(session: &str) -> result::Result<Given, Damage> {
    let given = store::get(&key(session)).map_err(|why| Damage { why: why.to_string() })?;
    Ok(given.unwrap_or_default())
}

/// Remembers an answer, before its keys are pressed: a call that is cut off must not be repeated.
pub(crate) fn record(session: &str, prompt: &str) -> Result<()> {
    let recorded = store::try_update(&key(session), |given: &mut Given| {
        if given.holds(prompt) {
            return Err(Error::Conflict(
                "this prompt was just answered by another call, so nothing was pressed".to_owned(),
            ));
        }
        given.count += 1;
        given.last.push(prompt.to_owned());
        let surplus = given.last.len().saturating_sub(REMEMBERED);
        given.last.drain(..surplus);
        Ok(())
    });
    recorded.map_err(|error| not_pressed(session, error))
}

fn not_pressed(session: &str, error: Error) -> Error {
    match error {
        Error::Conflict(_) => error,
        error => Error::Refused(format!(
            "the answer to {session} could not be remembered, so nothing was pressed: {error}"
        )),
    }
}

/// Notes that the key that closes a dialog is about to be pressed.
///
/// # Errors
/// It was pressed a moment ago.
pub(crate) fn close(session: &str) -> Result<()> {
    let noted = store::try_update(&key(session), |given: &mut Given| {
        let now = time::now();
        if given.closed_at.is_some_and(|at| now.saturating_sub(at) < CLOSED_MS) {
            return Err(Error::Conflict(format!(
                "a dialog of this session was dismissed less than {} s ago, so nothing was pressed: look at the session, and \
                 dismiss this one afterwards",
                CLOSED_MS / 1000
            )));
        }
        given.closed_at = Some(now);
        Ok(())
    });
    noted.map_err(|error| not_pressed(session, error))
}

/// Begins a damaged record again, while no question is open. It counts from a number that no record ever reached, so
/// no id of an earlier prompt is valid again.
pub(crate) fn begin_again(session: &str) {
    let key = key(session);
    let fresh = Given {
        count: time::now(),
        ..Given::default()
    };
    if let (Ok(Some(damaged)), Ok(fresh)) = (store::raw::get(&key), serde_json::to_vec(&fresh)) {
        // A record that cannot be written stays damaged, and that is reported again.
        let _ = store::raw::put(&key, &fresh, Some(damaged.version));
    }
}

/// Forgets an ended session.
pub(crate) fn forget(session: &str) {
    // A record that stays behind is removed by the next upkeep.
    let _ = store::remove(&key(session));
}

fn key(session: &str) -> String {
    format!("{PREFIX}{session}")
}

/// A record of answers that cannot be read: what was answered is then not known.
#[derive(Debug)]
pub(crate) struct Damage {
    why: String,
}

impl Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "The record of answers to this session is damaged, so it takes no answer from here: {}. Answer on the \
             terminal (berth attach); a new record begins once the session is looked at with no question open.",
            self.why
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;

    #[test]
    fn an_answered_prompt_is_remembered() {
        let _host = Host::new();
        assert_eq!(of("a").unwrap(), Given::default());
        record("a", "p1").unwrap();
        record("a", "p2").unwrap();
        let given = of("a").unwrap();
        assert_eq!(given.count, 2);
        assert!(given.holds("p1") && given.holds("p2") && !given.holds("p3"));
        assert_eq!(of("b").unwrap().count, 0);
    }

    #[test]
    fn a_dialog_is_not_closed_twice_in_a_moment() {
        let host = Host::new();
        close("a").unwrap();
        assert!(matches!(close("a"), Err(Error::Conflict(_))));
        close("b").unwrap();
        let long_ago = Given {
            closed_at: Some(time::now() - CLOSED_MS),
            ..of("a").unwrap()
        };
        store::put("answers-a", &long_ago).unwrap();
        host.before_put(|| close("a").unwrap());
        assert!(
            matches!(close("a"), Err(Error::Conflict(_))),
            "nor by two calls at once"
        );
    }

    #[test]
    fn of_calls_at_once_one_answers() {
        let host = Host::new();
        host.before_put(|| record("a", "p1").unwrap());
        assert!(matches!(record("a", "p1"), Err(Error::Conflict(_))));
        assert_eq!(of("a").unwrap().count, 1);
    }

    #[test]
    fn only_so_many_ids_are_kept_and_the_count_goes_on() {
        let _host = Host::new();
        for number in 0..40 {
            record("a", &format!("p{number}")).unwrap();
        }
        let given = of("a").unwrap();
        assert_eq!((given.count, given.last.len()), (40, REMEMBERED));
        assert!(given.holds("p39") && !given.holds("p0"));
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let _host = Host::new();
        store::raw::put("answers-a", br#"{"count":3,"last":["p1","p3"]}"#, None).unwrap();
        let given = of("a").unwrap();
        assert_eq!((given.count, given.holds("p3")), (3, true));
    }

    #[test]
    fn a_damaged_record_is_said_and_not_a_clean_slate() {
        let _host = Host::new();
        for text in [
            "",
            "{",
            "null",
            "7",
            r#"{"count":1,"la"#,
            r#"{"count":-1,"last":[]}"#,
            r#"{"count":"1","last":[]}"#,
            r#"{"count":1,"last":[7]}"#,
            r#"{"version":2,"count":1,"last":[]}"#,
            "\u{0}\u{0}\u{0}",
        ] {
            store::raw::put("answers-a", text.as_bytes(), None).unwrap();
            let damage = of("a").unwrap_err().to_string();
            assert!(
                damage.contains("is damaged") && damage.contains("berth attach"),
                "{damage}"
            );
            assert!(matches!(record("a", "p"), Err(Error::Refused(_))));
            let kept = store::raw::get("answers-a").unwrap().unwrap();
            assert_eq!(kept.value, text.as_bytes(), "it is left as it is");
            assert_eq!(of("b").unwrap(), Given::default());
        }
    }

    #[test]
    fn a_record_that_begins_again_counts_from_where_none_was() {
        let _host = Host::new();
        record("a", "p1").unwrap();
        begin_again("b");
        assert_eq!(of("b").unwrap(), Given::default(), "what is not there is not damaged");
        store::raw::put("answers-a", b"{", None).unwrap();
        begin_again("a");
        assert!(of("a").unwrap().count > 1_000_000_000_000);
    }
}
