//! The lines that go to the client: JSON-RPC 2.0, each whole.

use std::io::Write;

use anyhow::Context as _;
use serde_json::{Value, json};

/// Codes of errors.
pub(super) const PARSE: i64 = -32700;
pub(super) const UNKNOWN_METHOD: i64 = -32601;
pub(super) const INVALID: i64 = -32602;
pub(super) const INTERNAL: i64 = -32603;
pub(super) const NOT_FOUND: i64 = -32002;

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) why: String,
}

/// Where they go.
pub(super) struct Wire {
    output: Box<dyn Write + Send>,
    next: u64,
}

impl Wire {
    pub(super) fn new(output: Box<dyn Write + Send>) -> Self {
        Self { output, next: 0 }
    }

    /// Answers a request of the client.
    pub(super) fn respond(&mut self, id: &Value, outcome: Result<Value, Refusal>) -> anyhow::Result<()> {
        match outcome {
            Ok(result) => self.print(&json!({ "jsonrpc": "2.0", "id": id, "result": result })),
            Err(Refusal { code, why }) => {
                self.print(&json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": why } }))
            }
        }
    }

    /// Tells what happens in a session.
    pub(super) fn update(&mut self, session: &str, update: &Value) -> anyhow::Result<()> {
        let params = json!({ "sessionId": session, "update": update });
        self.print(&json!({ "jsonrpc": "2.0", "method": "session/update", "params": params }))
    }

    /// A part of what a person or the agent says: `agent_message_chunk` or `user_message_chunk`.
    pub(super) fn chunk(&mut self, session: &str, kind: &str, text: &str) -> anyhow::Result<()> {
        let content = json!({ "type": "text", "text": text });
        self.update(session, &json!({ "sessionUpdate": kind, "content": content }))
    }

    /// Asks the client for something, and answers the request's id.
    pub(super) fn request(&mut self, method: &str, params: &Value) -> anyhow::Result<u64> {
        self.next += 1;
        let id = self.next;
        self.print(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        Ok(id)
    }

    fn print(&mut self, line: &Value) -> anyhow::Result<()> {
        let mut line = line.to_string();
        line.push('\n');
        self.output
            .write_all(line.as_bytes())
            .and_then(|()| self.output.flush())
            .context("writing to standard output")
    }
}
