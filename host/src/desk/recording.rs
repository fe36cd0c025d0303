//! Every call is recorded before it is answered, and one that changes something also before it is done.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use futures::FutureExt as _;
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use super::{By, Caller, Desk, Returned, ToolAnswer, ToolError, log_line};
use crate::catalog::Catalog;
use crate::store::Recorder;
use crate::store::audit::{Entry, Event, Outcome, Unrecorded};

impl Desk {
    /// Calls a tool. What came of it stands in `recorder` before this returns, and is one line of the log.
    ///
    /// What may change something is recorded before it is done as well. While that is impossible, nothing is done, and
    /// the error reports that. What was done is answered as it is, with a note where its outcome could not be recorded.
    pub async fn call(
        &self,
        caller: &Caller,
        recorder: &Recorder,
        name: &str,
        given: Map<String, Value>,
    ) -> Result<ToolAnswer, ToolError> {
        // What is logged within calls that run at one time can be told apart by this number.
        static CALLS: AtomicU64 = AtomicU64::new(1);
        let span = tracing::info_span!("call", n = CALLS.fetch_add(1, Ordering::Relaxed));
        self.recorded(caller, recorder, name, given).instrument(span).await
    }

    async fn recorded(
        &self,
        caller: &Caller,
        recorder: &Recorder,
        name: &str,
        given: Map<String, Value>,
    ) -> Result<ToolAnswer, ToolError> {
        let began = Instant::now();
        // The call begins and ends with this one, whatever is loaded meanwhile.
        let generation = self.present();
        let catalog = generation.catalog_for(caller, name, &given).await;
        let mut entry = Entry {
            grants: Some(generation.grants()),
            ..entry(&catalog, caller, recorder, name, &given)
        };
        let begun = match catalog.acts(&caller.principal, name) {
            true => recorder.intend(&entry).await.map(Some),
            false => recorder.ready().await.map(|()| None),
        };
        let intention = match begun {
            Ok(intention) => intention,
            Err(why) => {
                entry.outcome = Outcome::Refused;
                log_line::write(recorder, &entry, None);
                return Err(undone(why));
            }
        };
        // A fault is recorded as well before it goes on.
        let ended = AssertUnwindSafe(generation.answer(&catalog, caller, name, given))
            .catch_unwind()
            .await;
        entry.duration = Some(began.elapsed());
        match &ended {
            Ok(Ok(answer)) => note(&mut entry, answer),
            Ok(Err(error)) => entry.outcome = error.outcome,
            Err(_) => entry.outcome = Outcome::Fault,
        }
        let acted = intention.as_ref().map(|intention| intention.seq);
        let recorded = match intention {
            Some(intention) => recorder.conclude(intention, entry.clone()).await,
            None => recorder.record(entry.clone()).await,
        };
        if let (Err(_), None, Ok(_)) = (&recorded, acted, &ended) {
            // It is not answered.
            entry.outcome = Outcome::Refused;
        }
        log_line::write(recorder, &entry, recorded.ok().or(acted));
        let outcome = ended.unwrap_or_else(|fault| resume_unwind(fault));
        match (recorded, acted) {
            (Ok(_), _) => outcome,
            (Err(why), Some(_)) => unconcluded(outcome, why, catalog.has_notes(name)),
            (Err(why), None) => Err(unread(why)),
        }
    }
}

/// What is known before the call.
fn entry(catalog: &Catalog, caller: &Caller, recorder: &Recorder, name: &str, given: &Map<String, Value>) -> Entry {
    let (digest, text) = match &caller.by {
        // What was filled in says what was done.
        By::Form(Some(Returned {
            filled: Some(filled), ..
        })) => {
            let filled = json!({"choices": filled.choices, "text": filled.text});
            let mut given = given.clone();
            given.insert("(form)".into(), filled);
            recorder.arguments(&given)
        }
        _ => recorder.arguments(given),
    };
    let (backend, session) = catalog.target(&caller.principal, name, given);
    Entry {
        at: SystemTime::now(),
        event: Event::Call,
        principal: caller.principal.id().to_owned(),
        tool: name.to_owned(),
        backend,
        session,
        arguments: Some(digest),
        outcome: Outcome::Done,
        duration: None,
        cost: None,
        text,
        grants: None,
    }
}

/// Nothing can be recorded, so the call is not made.
pub(super) fn undone(why: Unrecorded) -> ToolError {
    ToolError::refused(format!(
        "{why}; what cannot be recorded is not done, so nothing was changed"
    ))
}

/// A call that only reads could not be recorded after it was made.
fn unread(why: Unrecorded) -> ToolError {
    ToolError::refused(format!(
        "{why}; what cannot be recorded is not answered, and nothing was changed"
    ))
}

/// What came of a call, with a note that it could not be recorded: as the last words, and with `in_data` also there.
fn unconcluded(
    outcome: Result<ToolAnswer, ToolError>,
    why: Unrecorded,
    in_data: bool,
) -> Result<ToolAnswer, ToolError> {
    let note = format!(
        "The beginning of this call is recorded; its outcome could not be recorded yet: {why}. It is written as soon as that works; \
         do not repeat the call for it."
    );
    let mut answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            let text = format!("{error}\n{note}");
            return Err(ToolError { text, ..error });
        }
    };
    let text = match (answer.text, &answer.structured) {
        (Some(text), _) => text,
        (None, Some(structured)) => structured.to_string(),
        (None, None) => String::new(),
    };
    answer.text = Some(format!("{text}\n{note}").trim_start().to_owned());
    if let (true, Some(Value::Object(fields))) = (in_data, &mut answer.structured) {
        let all = match fields.get("note") {
            Some(Value::String(said)) => format!("{said} {note}"),
            _ => note,
        };
        fields.insert("note".into(), all.into());
    }
    Ok(answer)
}

/// What only the answer tells: how it went, what it cost, and which session was made or meant.
fn note(entry: &mut Entry, answer: &ToolAnswer) {
    entry.outcome = answer.outcome;
    let Some(structured) = &answer.structured else { return };
    entry.cost = structured["cost_usd"].as_f64();
    if let (false, Some(id)) = (
        entry.session.contains('/'),
        structured["session"]["session_id"].as_str(),
    ) {
        // An own tool may answer any words here.
        let backend = id.split_once('/').map_or("", |(backend, _)| backend);
        if entry.backend.is_empty() || entry.backend == backend {
            (entry.backend, entry.session) = (backend.to_owned(), id.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn noted(outcome: Outcome, structured: Value) -> Entry {
        let mut entry = Entry::at_door(Event::Call, "local", "");
        let structured = Some(structured);
        note(
            &mut entry,
            &ToolAnswer {
                text: None,
                structured,
                further: Vec::new(),
                outcome,
                goes_on: None,
            },
        );
        entry
    }

    #[test]
    fn a_cost_is_noted_where_it_is_a_number() {
        assert_eq!(noted(Outcome::Done, json!({"cost_usd": 0.25})).cost, Some(0.25));
        for other in [
            json!({"cost_usd": "0.25"}),
            json!({"cost": 1}),
            json!([1]),
            json!("cost_usd"),
            json!(null),
        ] {
            assert_eq!(noted(Outcome::Done, other).cost, None);
        }
    }

    #[test]
    fn a_session_that_was_named_by_less_is_recorded_by_its_id_and_never_as_one_of_another_backend() {
        let about = |backend: &str, session: &str, answered: &str| {
            let mut entry = Entry {
                backend: backend.into(),
                session: session.into(),
                ..Entry::at_door(Event::Call, "local", "")
            };
            let answer = self::answered(None, Some(json!({"session": {"session_id": answered}})));
            note(&mut entry, &answer);
            (entry.backend, entry.session)
        };
        let one = |backend: &str, session: &str| (backend.to_owned(), session.to_owned());
        assert_eq!(about("", "fix", "local/fix-1"), one("local", "local/fix-1"));
        assert_eq!(about("local", "", "local/fix-1"), one("local", "local/fix-1"));
        assert_eq!(about("local", "local/fix", "local/fix-1"), one("local", "local/fix"));
        assert_eq!(about("local", "", "other/fix-1"), one("local", ""));
    }

    #[test]
    fn an_own_tool_that_says_it_failed_is_recorded_so() {
        assert_eq!(noted(Outcome::Failed, json!({})).outcome, Outcome::Failed);
        assert_eq!(noted(Outcome::Done, json!({})).outcome, Outcome::Done);
    }

    fn answered(text: Option<&str>, structured: Option<Value>) -> ToolAnswer {
        ToolAnswer {
            text: text.map(str::to_owned),
            structured,
            further: Vec::new(),
            outcome: Outcome::Done,
            goes_on: None,
        }
    }

    #[test]
    fn what_was_done_and_not_recorded_is_answered_with_a_note() {
        let noted = |answer, in_data| unconcluded(Ok(answer), Unrecorded, in_data).unwrap();
        let said = noted(
            answered(Some("Message: submitted."), Some(json!({"receipt": "submitted"}))),
            true,
        );
        let text = said.text.unwrap();
        assert!(
            text.starts_with("Message: submitted.\n") && text.contains("do not repeat the call"),
            "{text}"
        );
        let data = said.structured.unwrap();
        assert_eq!(data["receipt"], "submitted");
        assert!(data["note"].as_str().unwrap().contains("do not repeat the call"));

        let both = noted(answered(None, Some(json!({"note": "It is still at work."}))), true)
            .structured
            .unwrap();
        assert!(
            both["note"]
                .as_str()
                .unwrap()
                .starts_with("It is still at work. The beginning of this")
        );
        let closed = noted(answered(None, Some(json!({"ended": true}))), false);
        assert_eq!(closed.structured, Some(json!({"ended": true})));
        assert!(closed.text.unwrap().starts_with("{\"ended\":true}\n"));
        let list = noted(answered(None, Some(json!([1]))), true);
        assert_eq!(list.structured, Some(json!([1])));
        assert!(
            noted(answered(None, None), true)
                .text
                .unwrap()
                .starts_with("The beginning of this")
        );
    }

    #[test]
    fn a_refusal_that_was_not_recorded_keeps_its_words() {
        let refused = unconcluded(Err(ToolError::refused("it has ended")), Unrecorded, true).unwrap_err();
        assert!(refused.text.starts_with("it has ended\n") && refused.text.contains("do not repeat"));
        assert_eq!(refused.outcome, Outcome::Refused);
    }
}
