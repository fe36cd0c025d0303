//! A call that is repeated with its id answers the run that it has started, as that is now. So the host asks again what came
//! of a run, also where the call may only read.

use berth_plugin::{Error, Result, jobs};

use crate::kept::conversation::Conversation;
use crate::read::run::{self, Seen};

/// The run that an earlier call with this id has started; none: there was no such call. `session` is the conversation with
/// which it was to go on.
pub(crate) fn find(call: &str, session: Option<&str>) -> Result<Option<Seen>> {
    let conversation = session.map_or_else(|| call.to_owned(), |id| id.trim().to_ascii_lowercase());
    let kept = Conversation::find(&conversation)?.unwrap_or_default();
    let key = key(call);
    for run in kept.runs.iter().rev() {
        match jobs::get(&run.id) {
            Ok(job) if job.key == key => return run::look(job).map(Some),
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// The key of the job that a call starts.
pub(crate) fn key(call: &str) -> String {
    format!("run/{call}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{OwnTools as _, ToolCall};
    use serde_json::json;

    use crate::Plugin;
    use crate::fake::{FIRST, end, host, result, run, upkeep};

    fn again(number: u32, more: &serde_json::Value) -> berth_plugin::ToolOutput {
        let mut arguments = json!({"project": "app", "prompt": "do it"});
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Plugin::call_tool(ToolCall {
            id: format!("00000000-0000-4000-8000-{number:012}"),
            name: "claude_run".into(),
            arguments: arguments.to_string(),
        })
        .unwrap()
    }

    #[test]
    fn a_repeated_call_answers_its_own_run_and_names_a_session_only_while_that_goes_on() {
        let host = host();
        let first = run(1, json!({}));
        let waits = again(1, &json!({}));
        assert_eq!(waits.session.as_deref(), Some(FIRST));
        assert!(waits.structured.unwrap().contains("\"queued\""));
        end(&host, &first, &result(FIRST, json!({})), 0);
        upkeep();
        let second = run(2, json!({"sessionId": FIRST}));
        assert_ne!(first, second);
        let done = again(1, &json!({}));
        assert_eq!(done.session, None, "its work is over, though its conversation goes on");
        let told: serde_json::Value = serde_json::from_str(&done.structured.unwrap()).unwrap();
        assert_eq!((&told["jobId"], &told["state"]), (&json!(first), &json!("done")));
        assert_eq!(told["output"], "it is done");
        let other = again(2, &json!({"sessionId": FIRST}));
        assert!(other.structured.unwrap().contains(&second));
        assert_eq!(other.session.as_deref(), Some(FIRST));
    }
}
