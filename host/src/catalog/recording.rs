//! Every call is recorded before it is answered.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::{Instant, SystemTime};

use futures::FutureExt as _;
use serde_json::{Map, Value};

use super::{Answer, Caller, Catalog, ToolError};
use crate::store::Recorder;
use crate::store::audit::{Entry, Event, Outcome};

impl Catalog {
    /// Calls a tool. What came of it stands in `recorder` before this returns.
    ///
    /// While nothing can be recorded, nothing is done: the error says so. Of a call that was done before that was
    /// known, the caller gets no answer but that.
    pub async fn call(
        &self,
        caller: &Caller,
        recorder: &Recorder,
        name: &str,
        given: Map<String, Value>,
    ) -> Result<Answer, ToolError> {
        let refused = |why| ToolError::refused(format!("{why}, and nothing is done that cannot be recorded"));
        recorder.ready().await.map_err(refused)?;
        let mut entry = self.entry(caller, recorder, name, &given);
        let began = Instant::now();
        // A fault is recorded as well before it goes on.
        let ended = AssertUnwindSafe(self.answer(caller, name, given)).catch_unwind().await;
        entry.duration = Some(began.elapsed());
        match &ended {
            Ok(Ok(answer)) => note(&mut entry, answer),
            Ok(Err(error)) => entry.outcome = error.outcome,
            Err(_) => entry.outcome = Outcome::Fault,
        }
        let recorded = recorder.record(entry).await;
        let outcome = ended.unwrap_or_else(|fault| resume_unwind(fault));
        recorded.map_err(|why| ToolError::new(format!("the call was carried out, but {why}")))?;
        outcome
    }

    /// What is known before the call.
    fn entry(&self, caller: &Caller, recorder: &Recorder, name: &str, given: &Map<String, Value>) -> Entry {
        let (digest, text) = recorder.arguments(given);
        let (backend, session) = self.target(caller, name, given);
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
        }
    }

    /// The backend and the session that a call is meant for; each is empty where there is none, or not only one.
    fn target(&self, caller: &Caller, name: &str, given: &Map<String, Value>) -> (String, String) {
        let view = self.view(caller);
        let alias = self.aliases.get(name);
        let tool = alias.map_or(name, |alias| &alias.tool);
        let argument = |key: &str| given.get(key).or_else(|| alias?.arguments.get(key));
        let text = |key: &str| argument(key).and_then(Value::as_str);
        let session = text(if tool == "fetch" { "id" } else { "session_id" }).unwrap_or_default();
        let backend = match (text("backend"), session.split_once('/')) {
            (Some(named), _) => Some(named.to_owned()),
            (None, Some((named, _))) => Some(named.to_owned()),
            (None, None) if tool == "create_session" => view.default().map(str::to_owned),
            (None, None) => self.own.backend(tool, None, view).map(str::to_owned),
        };
        (backend.unwrap_or_default(), session.to_owned())
    }
}

/// What only the answer tells: how it went, what it cost, and which session was made.
fn note(entry: &mut Entry, answer: &Answer) {
    entry.outcome = answer.outcome;
    let Some(structured) = &answer.structured else { return };
    entry.cost = structured["cost_usd"].as_f64();
    if let (true, Some(made)) = (entry.session.is_empty(), structured["session"]["session_id"].as_str()) {
        entry.session = made.to_owned();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn noted(outcome: Outcome, structured: Value) -> Entry {
        let mut entry = Entry::at_door(Event::Call, "local", "");
        let structured = Some(structured);
        note(
            &mut entry,
            &Answer {
                text: None,
                structured,
                outcome,
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
    fn an_own_tool_that_says_it_failed_is_recorded_so() {
        assert_eq!(noted(Outcome::Failed, json!({})).outcome, Outcome::Failed);
        assert_eq!(noted(Outcome::Done, json!({})).outcome, Outcome::Done);
    }
}
