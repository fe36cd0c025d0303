//! The lines that the agent prints, one JSON object each, as Claude Code prints them.

use std::io::Write;

use anyhow::Context as _;
use serde_json::{Value, json};
use uuid::Uuid;

/// What the agent can do beyond the lines that it always prints.
const CAPABILITIES: [&str; 3] = ["msg_lifecycle_v1", "interrupt_receipt_v1", "interrupt_cancel_queued_v1"];

/// Where they go.
pub(super) struct Stream {
    output: Box<dyn Write + Send>,
    /// The conversation, which each line names.
    session: Uuid,
    pub(super) model: String,
    /// What was told last, if states are told.
    state: Option<&'static str>,
}

/// What talks to the model was answered with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) text: String,
}

impl ApiError {
    pub(super) fn of(status: u16) -> Self {
        let why = "the demo agent was told to fail";
        let text = match status {
            401 => format!("Failed to authenticate. API Error: 401 {why}"),
            429 => format!("API Error: Request rejected (429) · {why}"),
            _ => format!(
                "API Error: {status} {why}. This is a server-side issue, usually temporary — try again in a moment."
            ),
        };
        Self { status, text }
    }

    fn error(&self) -> &'static str {
        match self.status {
            401 => "authentication_failed",
            429 => "rate_limit",
            _ => "server_error",
        }
    }
}

impl Stream {
    /// It tells states where somebody wants to know them.
    pub(super) fn new(output: Box<dyn Write + Send>, session: Uuid, model: &str, tells_states: bool) -> Self {
        Self {
            output,
            session,
            model: model.to_owned(),
            state: tells_states.then_some("idle"),
        }
    }

    pub(super) fn init(&mut self, directory: &str, mode: &str) -> anyhow::Result<()> {
        let model = self.model.clone();
        self.line(
            "system",
            json!({
                "subtype": "init", "cwd": directory, "model": model, "permissionMode": mode,
                "tools": ["Bash", "Read", "Write"], "mcp_servers": [], "slash_commands": [], "agents": [],
                "capabilities": CAPABILITIES, "apiKeySource": "none", "claude_code_version": "demo-agent",
            }),
        )
    }

    pub(super) fn text(&mut self, text: &str) -> anyhow::Result<()> {
        self.assistant(&json!({ "type": "text", "text": text }), &json!({}))
    }

    pub(super) fn tool_use(&mut self, id: &str, name: &str, input: &Value) -> anyhow::Result<()> {
        self.assistant(
            &json!({ "type": "tool_use", "id": id, "name": name, "input": input }),
            &json!({}),
        )
    }

    pub(super) fn tool_result(&mut self, id: &str, text: &str, is_error: bool) -> anyhow::Result<()> {
        let content = json!({ "type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error });
        self.user(&content)
    }

    pub(super) fn denied(&mut self, id: &str, name: &str, why: &str) -> anyhow::Result<()> {
        self.line(
            "system",
            json!({ "subtype": "permission_denied", "tool_name": name, "tool_use_id": id, "message": why }),
        )
    }

    /// It was interrupted, maybe while somebody was asked about a tool.
    pub(super) fn interrupted(&mut self, was_asking: bool) -> anyhow::Result<()> {
        let what = if was_asking { " for tool use" } else { "" };
        self.user(&json!({ "type": "text", "text": format!("[Request interrupted by user{what}]") }))
    }

    /// A message that the client named is queued, started, completed or cancelled.
    pub(super) fn receipt(&mut self, uuid: Option<&str>, state: &str) -> anyhow::Result<()> {
        let Some(uuid) = uuid else { return Ok(()) };
        self.line("command_lifecycle", json!({ "command_uuid": uuid, "state": state }))
    }

    /// Says a message of the client again.
    pub(super) fn replay(&mut self, uuid: &str, content: &Value) -> anyhow::Result<()> {
        let message = json!({ "role": "user", "content": content });
        let fields = json!({ "message": message, "parent_tool_use_id": null, "isReplay": true, "uuid": uuid });
        self.line("user", fields)
    }

    /// What the agent does, if that changed.
    pub(super) fn state(&mut self, state: &'static str) -> anyhow::Result<()> {
        if self.state.is_none_or(|told| told == state) {
            return Ok(());
        }
        self.state = Some(state);
        self.line("system", json!({ "subtype": "session_state_changed", "state": state }))
    }

    pub(super) fn mode(&mut self, mode: &str) -> anyhow::Result<()> {
        let fields = json!({ "subtype": "status", "status": null, "permissionMode": mode });
        self.line("system", fields)
    }

    /// Answers a request of the client.
    pub(super) fn respond(&mut self, id: &str, response: &Value) -> anyhow::Result<()> {
        self.response(&json!({ "subtype": "success", "request_id": id, "response": response }))
    }

    /// What still waits for an answer stands beside the answer, as with the real one.
    pub(super) fn initialized(&mut self, id: &str, response: &Value, pending: &Value) -> anyhow::Result<()> {
        self.response(&json!({
            "subtype": "success", "request_id": id, "response": response, "pending_permission_requests": pending,
        }))
    }

    pub(super) fn refuse(&mut self, id: &str, why: &str, code: &str) -> anyhow::Result<()> {
        self.response(&json!({ "subtype": "error", "request_id": id, "error": why, "error_code": code }))
    }

    fn response(&mut self, response: &Value) -> anyhow::Result<()> {
        self.print(&json!({ "type": "control_response", "response": response }))
    }

    /// A request to the client needs no answer any more.
    pub(super) fn withdraw(&mut self, id: &str) -> anyhow::Result<()> {
        self.print(&json!({ "type": "control_cancel_request", "request_id": id }))
    }

    pub(super) fn api_error(&mut self, error: &ApiError) -> anyhow::Result<()> {
        self.assistant(
            &json!({ "type": "text", "text": error.text }),
            &json!({ "error": error.error(), "is_api_error_message": true, "api_error_status": error.status }),
        )
    }

    /// The limit is reached until `resets`, in seconds since 1970.
    pub(super) fn limited(&mut self, resets: u64) -> anyhow::Result<()> {
        let info = json!({ "status": "rejected", "resetsAt": resets, "rateLimitType": "five_hour" });
        self.line("rate_limit_event", json!({ "rate_limit_info": info }))
    }

    /// The last line of an answer.
    pub(super) fn result(&mut self, fields: Value) -> anyhow::Result<()> {
        self.line("result", fields)
    }

    fn assistant(&mut self, content: &Value, more: &Value) -> anyhow::Result<()> {
        // What the agent says of itself comes from no model.
        let model = match more.get("error") {
            Some(_) => "<synthetic>",
            None => &*self.model,
        };
        let message = json!({
            "id": format!("msg_{}", Uuid::new_v4().simple()), "type": "message", "role": "assistant", "model": model,
            "content": [content], "stop_reason": null, "usage": { "input_tokens": 10, "output_tokens": 20 },
        });
        let fields = json!({ "message": message, "parent_tool_use_id": null });
        self.line("assistant", with(fields, more.clone()))
    }

    fn user(&mut self, content: &Value) -> anyhow::Result<()> {
        let message = json!({ "role": "user", "content": [content] });
        self.line("user", json!({ "message": message, "parent_tool_use_id": null }))
    }

    fn line(&mut self, kind: &str, fields: Value) -> anyhow::Result<()> {
        let head = json!({ "type": kind, "session_id": self.session.to_string(), "uuid": Uuid::new_v4().to_string() });
        self.print(&with(head, fields))
    }

    /// Prints a line as it is, whole.
    pub(super) fn print(&mut self, line: &Value) -> anyhow::Result<()> {
        let mut line = line.to_string();
        line.push('\n');
        self.output
            .write_all(line.as_bytes())
            .and_then(|()| self.output.flush())
            .context("writing to standard output")
    }
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}
