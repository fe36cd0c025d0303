//! Tasks in the protocol's shape (`io.modelcontextprotocol/tasks`).

use std::collections::BTreeMap;

use rmcp::ErrorData;
use rmcp::model::{
    ClientCapabilities, CreateTaskResult, DetailedTask, GetTaskResult, InputResponses, ProtocolVersion,
    RequestMetaObject, ServerCapabilities, Task as Shape, TaskPayload, TaskStatus,
};
use serde_json::Value;

use super::forms;
use crate::desk::{Accepted, Filled, Form, Now, Task, ToolError};
use crate::text::{clean, short_line};

/// After how many milliseconds a client should ask again.
const POLL: u64 = 2_000;
/// Characters of the words on how a task is.
const MESSAGE: usize = 400;
/// Answers of one request.
const ANSWERS: usize = 64;

/// Whether the client of this very request takes tasks: earlier requests and its name say nothing.
pub(super) fn takes(meta: &RequestMetaObject) -> bool {
    let has_them = meta
        .protocol_version()
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    has_them && meta.client_capabilities().is_some_and(|able| able.supports_tasks())
}

/// The error for a request about a task whose client does not take tasks.
pub(super) fn demand(meta: &RequestMetaObject) -> Result<(), ErrorData> {
    match takes(meta) {
        true => Ok(()),
        false => Err(ErrorData::missing_required_client_capability(
            ClientCapabilities::builder().enable_tasks().build(),
        )),
    }
}

/// `capabilities` as a client of a revision without tasks has them.
pub(super) fn without(mut capabilities: ServerCapabilities) -> ServerCapabilities {
    capabilities.extensions = None;
    capabilities
}

/// The answer to a call whose work goes on.
pub(super) fn accepted(accepted: &Accepted) -> CreateTaskResult {
    let shape = shape(accepted, &accepted.created);
    CreateTaskResult::new(shape.with_status_message("its work goes on"))
}

/// The answer to who asks how a task is. `result` is the answer of its tool, where there is one.
pub(super) fn told(task: &Task, result: Option<Value>) -> Result<GetTaskResult, ErrorData> {
    let fault = |what: &str| ErrorData::internal_error(format!("a task cannot be shown: {what}"), None);
    let payload = match &task.now {
        Now::Working => TaskPayload::Working,
        Now::Cancelled => TaskPayload::Cancelled,
        Now::Answered(_) => match result {
            Some(Value::Object(result)) => TaskPayload::Completed { result },
            _ => return Err(fault("its result is not an object")),
        },
        Now::Asks(shown) => {
            let request = |form: &Form| Ok((form.state.clone(), forms::request(form)?));
            let input_requests = shown
                .iter()
                .map(request)
                .collect::<Result<BTreeMap<_, _>, ErrorData>>()?;
            TaskPayload::InputRequired { input_requests }
        }
    };
    let mut shape = shape(&task.accepted, &task.updated);
    if let Some(message) = &task.message {
        shape = shape.with_status_message(short_line(&clean(message), MESSAGE));
    }
    Ok(GetTaskResult::new(DetailedTask::new(shape, payload)))
}

/// What a client gives for the questions of a task.
pub(super) fn answers(given: &InputResponses) -> Result<BTreeMap<String, Option<Filled>>, ErrorData> {
    if given.len() > ANSWERS {
        let why = format!("tasks/update: at most {ANSWERS} answers can be given at once");
        return Err(ErrorData::invalid_params(why, None));
    }
    let answer = |(key, response): (&String, &Value)| (key.clone(), forms::filled(response));
    Ok(given.iter().map(answer).collect())
}

/// What could not be done with a task.
pub(super) fn error(error: &ToolError) -> ErrorData {
    ErrorData::invalid_params(clean(&error.to_string()), None)
}

fn shape(accepted: &Accepted, updated: &str) -> Shape {
    Shape::new(&accepted.id, TaskStatus::Working, &accepted.created, updated)
        .with_ttl_ms(accepted.kept)
        .with_poll_interval_ms(POLL)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_takes_tasks_if_this_request_says_so_in_a_revision_that_has_them() {
        let tasks = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
        for (version, capabilities, is_taken) in [
            ("2026-07-28", tasks.clone(), true),
            ("2026-07-28", json!({}), false),
            (
                "2026-07-28",
                json!({"extensions": {"io.modelcontextprotocol/ui": {}}}),
                false,
            ),
            ("2026-07-28", json!({"tasks": {}}), false),
            ("2025-11-25", tasks, false),
        ] {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": version,
                "io.modelcontextprotocol/clientCapabilities": capabilities,
            });
            let meta: RequestMetaObject = serde_json::from_value(meta).unwrap();
            assert_eq!(takes(&meta), is_taken, "{version} {capabilities}");
            assert_eq!(demand(&meta).is_ok(), is_taken);
        }
        assert!(!takes(&RequestMetaObject::new()));
    }
}
