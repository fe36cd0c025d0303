//! What is wrong with a request whose method there is and whose parameters do not have the form of the protocol.

use rmcp::model::ErrorCode;
use serde_json::{Value, json};

/// The methods that are answered here.
const METHODS: [&str; 13] = [
    CALL,
    "initialize",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "tasks/cancel",
    "tasks/get",
    "tasks/update",
    "tools/list",
];
const CALL: &str = "tools/call";
/// Those that a revision without sessions does not have any more (SEP-2575).
const OF_SESSIONS: [&str; 2] = ["initialize", "ping"];

/// The answer to a body that is not a request: it is not JSON, not one of JSON-RPC, or its `params`, or the `_meta` in them,
/// are not an object (JSON-RPC 2.0, 5.1).
pub(super) fn answer(body: &[u8]) -> Value {
    let request: Value = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(fault) => {
            let message = format!("the body is not JSON: {fault}; send one JSON-RPC request");
            return error(&Value::Null, ErrorCode::PARSE_ERROR, &message);
        }
    };
    let id = request.get("id").filter(|id| id.is_string() || id.is_i64());
    if let (Some(id), Some(message)) = (id, of_params(&request)) {
        return error(id, ErrorCode::INVALID_PARAMS, &message);
    }
    let message = match request {
        Value::Array(_) => "a batch of requests is not taken: send one request at a time",
        _ => {
            "this is not a JSON-RPC request: it needs `jsonrpc`, which is \"2.0\", a `method` and, except for a notification, \
             an `id`"
        }
    };
    error(id.unwrap_or(&Value::Null), ErrorCode::INVALID_REQUEST, message)
}

fn error(id: &Value, code: ErrorCode, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code.0, "message": message}})
}

/// What is wrong with the `params` of a request whose method there is.
fn of_params(request: &Value) -> Option<String> {
    let params = request.get("params")?;
    let is_meta = params.get("_meta").is_none_or(Value::is_object);
    match params.is_object() && is_meta {
        true => None,
        false => fault(request.get("method")?.as_str()?, Some(params), false),
    }
}

/// The fault of a request that could not be read, in a sentence; none where there is no such method in its revision, which
/// may be `stateless`.
pub(super) fn fault(method: &str, params: Option<&Value>, stateless: bool) -> Option<String> {
    let is_known = |known: &&str| *known == method && !(stateless && OF_SESSIONS.contains(known));
    let method = METHODS.into_iter().find(is_known)?;
    let fields = match params {
        Some(Value::Object(fields)) => fields,
        None if method == CALL => return Some(format!("{CALL}: `params` are missing: name the tool in `name`")),
        None => return Some(format!("{method}: `params` are missing")),
        Some(other) => return Some(format!("{method}: `params` must be an object, not {}", kind(other))),
    };
    let names_task = fields.get("taskId").is_some_and(Value::is_string);
    let fault = match (fields.get("name"), fields.get("arguments")) {
        (None, _) if method == CALL => "`name` is missing: it names the tool".to_owned(),
        (Some(name), _) if method == CALL && !name.is_string() => {
            format!("`name` must be a string, not {}: it names the tool", kind(name))
        }
        (_, Some(arguments)) if method == CALL && !arguments.is_object() => {
            format!("`arguments` must be an object such as {{}}, not {}", kind(arguments))
        }
        _ if method.starts_with("tasks/") && !names_task => {
            "`taskId` must be there, a string: it names the task".to_owned()
        }
        _ => "`params` do not have the form that the protocol gives them".to_owned(),
    };
    Some(format!("{method}: {fault}"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
