//! The lines that the agent prints, one JSON object each, as Claude Code prints them.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde_json::{Value, json};
use uuid::Uuid;

/// Where they go: standard output.
#[derive(Debug)]
pub(super) struct Stream {
    /// The conversation, which each line names.
    session: Uuid,
    model: String,
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
    pub(super) fn new(session: Uuid, model: &str) -> Self {
        let model = model.to_owned();
        Self { session, model }
    }

    pub(super) fn init(&self, directory: &str, mode: &str) -> anyhow::Result<()> {
        self.line(
            "system",
            json!({
                "subtype": "init", "cwd": directory, "model": self.model, "permissionMode": mode,
                "tools": ["Bash", "Read", "Write"], "mcp_servers": [], "slash_commands": [], "agents": [],
                "capabilities": [], "apiKeySource": "none", "claude_code_version": "demo-agent",
            }),
        )
    }

    pub(super) fn text(&self, text: &str) -> anyhow::Result<()> {
        self.assistant(&json!({ "type": "text", "text": text }), &json!({}))
    }

    pub(super) fn tool_use(&self, id: &str, name: &str, input: &Value) -> anyhow::Result<()> {
        self.assistant(
            &json!({ "type": "tool_use", "id": id, "name": name, "input": input }),
            &json!({}),
        )
    }

    pub(super) fn tool_result(&self, id: &str, text: &str, is_error: bool) -> anyhow::Result<()> {
        let content = json!({ "type": "tool_result", "tool_use_id": id, "content": text, "is_error": is_error });
        self.user(&content)
    }

    pub(super) fn denied(&self, id: &str, name: &str, why: &str) -> anyhow::Result<()> {
        self.line(
            "system",
            json!({ "subtype": "permission_denied", "tool_name": name, "tool_use_id": id, "message": why }),
        )
    }

    pub(super) fn interrupted(&self) -> anyhow::Result<()> {
        self.user(&json!({ "type": "text", "text": "[Request interrupted by user]" }))
    }

    pub(super) fn api_error(&self, error: &ApiError) -> anyhow::Result<()> {
        self.assistant(
            &json!({ "type": "text", "text": error.text }),
            &json!({ "error": error.error(), "is_api_error_message": true, "api_error_status": error.status }),
        )
    }

    /// The limit is reached until `resets`, in seconds since 1970.
    pub(super) fn limited(&self, resets: u64) -> anyhow::Result<()> {
        let info = json!({ "status": "rejected", "resetsAt": resets, "rateLimitType": "five_hour" });
        self.line("rate_limit_event", json!({ "rate_limit_info": info }))
    }

    /// The last line of an answer.
    pub(super) fn result(&self, fields: Value) -> anyhow::Result<()> {
        self.line("result", fields)
    }

    fn assistant(&self, content: &Value, more: &Value) -> anyhow::Result<()> {
        // What the agent says of itself comes from no model.
        let model = match more.get("error") {
            Some(_) => "<synthetic>",
            None => &self.model,
        };
        let message = json!({
            "id": format!("msg_{}", Uuid::new_v4().simple()), "type": "message", "role": "assistant", "model": model,
            "content": [content], "stop_reason": null, "usage": { "input_tokens": 10, "output_tokens": 20 },
        });
        let fields = json!({ "message": message, "parent_tool_use_id": null });
        self.line("assistant", with(fields, more.clone()))
    }

    fn user(&self, content: &Value) -> anyhow::Result<()> {
        let message = json!({ "role": "user", "content": [content] });
        self.line("user", json!({ "message": message, "parent_tool_use_id": null }))
    }

    fn line(&self, kind: &str, fields: Value) -> anyhow::Result<()> {
        let head = json!({ "type": kind, "session_id": self.session.to_string(), "uuid": Uuid::new_v4().to_string() });
        let mut line = with(head, fields).to_string();
        line.push('\n');
        let mut output = io::stdout().lock();
        output
            .write_all(line.as_bytes())
            .and_then(|()| output.flush())
            .context("writing to standard output")
    }
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}
