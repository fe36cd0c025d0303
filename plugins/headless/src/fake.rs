//! A host with an agent, projects, and jobs that a test lets run and end.

use berth_plugin::jobs::{Channel, Phase};
use berth_plugin::testing::Host;
use berth_plugin::{Control as _, Message, NewSession, OwnTools as _, Result, Session, ToolCall, Upkeep as _};
use serde_json::{Value, json};

use crate::Plugin;

/// The id of the first call of a test, and so that of the conversation that it begins.
pub(crate) const FIRST: &str = "00000000-0000-4000-8000-000000000001";

/// A host with two projects and an agent that takes every option of runs, and asks nobody.
pub(crate) fn host() -> Host {
    let host = Host::new();
    host.file("app/x", "");
    host.file("web/x", "");
    agents_on(&host, false);
    host
}

/// Gives a host an agent that takes every option of runs, and asks persons or not.
pub(crate) fn agents_on(host: &Host, asks: bool) {
    host.agents(agents(asks));
}

/// The same with an agent that asks persons.
pub(crate) fn asking_host() -> Host {
    let host = host();
    host.agents(agents(true));
    host
}

fn agents(asks: bool) -> Value {
    let mut agent = json!({
        "name": "claude",
        "command": ["env", "claude"],
        "headless": ["env", "claude", "-p"],
        "installed": true,
        "options": {"resume": ["--resume", "<uuid>"]},
        "headless_options": {
            "session": ["--session-id", "<uuid>"],
            "turns": ["--max-turns=<int>"],
            "budget": ["--max-budget-usd=<usd>"],
            "tools": ["--allowedTools=<tools>"],
            "sources": ["--setting-sources=<sources>"],
            "fork": ["--fork-session"],
            "mode": ["--permission-mode=<mode>"],
            "model": ["--model=<model>"],
        },
    });
    if asks {
        agent["headless_options"]["ask"] = json!(["--permission-prompt-tool", "stdio", "--replay-user-messages"]);
    }
    json!([agent])
}

/// Calls a tool; `number` tells calls apart.
pub(crate) fn call(number: u32, name: &str, arguments: Value) -> Result<Value> {
    let output = Plugin::call_tool(ToolCall {
        id: format!("00000000-0000-4000-8000-{number:012}"),
        name: name.to_owned(),
        arguments: arguments.to_string(),
    })?;
    let text = match &output.content[0] {
        berth_plugin::Content::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        Some(&text),
        output.structured.as_ref(),
        "the text and the data are the same"
    );
    Ok(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// Runs a request in project `app` and answers its id.
pub(crate) fn run(number: u32, more: Value) -> String {
    let mut arguments = json!({"project": "app", "prompt": "do it"});
    if let (Some(all), Some(more)) = (arguments.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    let answer = call(number, "claude_run", arguments).unwrap_or_else(|error| panic!("{error}"));
    answer["jobId"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn status(id: &str) -> Value {
    call(999, "claude_job_status", json!({"jobId": id})).unwrap_or_else(|error| panic!("{error}"))
}

/// The line with which an agent ends a request of this conversation.
pub(crate) fn result(conversation: &str, more: Value) -> String {
    let mut line = json!({
        "type": "result", "subtype": "success", "is_error": false, "session_id": conversation,
        "num_turns": 2, "total_cost_usd": 0.5, "permission_denials": [], "result": "it is done",
    });
    if let (Some(all), Some(more)) = (line.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    format!("{line}\n")
}

/// Lets a job run to its end, after it has printed this.
pub(crate) fn end(host: &Host, id: &str, printed: &str, status: i32) {
    host.start_job(id)
        .print_job(id, Channel::Output, printed)
        .end_job(id, Phase::Exited, Some(status));
}

pub(crate) fn upkeep() {
    if let Err(error) = Plugin::run(Vec::new()) {
        panic!("{error}");
    }
}

/// Begins a conversation in project `app`; `number` tells requests apart.
pub(crate) fn begin(number: u32, message: Option<&str>) -> Session {
    let id = uuid(number);
    let message = message.map(|text| Message {
        id: uuid(number + 100),
        text: text.to_owned(),
        attachments: Vec::new(),
    });
    let request = NewSession {
        id,
        name: None,
        project: Some("app".to_owned()),
        directory: None,
        agent: None,
        message,
        resume: None,
        fork: false,
        worktree: None,
        options: Vec::new(),
    };
    Plugin::create_session(request).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// What an agent prints when it begins: it tells all that it can.
pub(crate) fn init(conversation: &str) -> String {
    line(&json!({
        "type": "system", "subtype": "init", "session_id": conversation, "model": "m", "permissionMode": "default",
        "capabilities": ["msg_lifecycle_v1", "interrupt_receipt_v1", "interrupt_cancel_queued_v1"],
    }))
}

/// The agent's receipt of a message: queued, started, completed or cancelled.
pub(crate) fn receipt(conversation: &str, message: &str, state: &str) -> String {
    line(&json!({
        "type": "system", "subtype": "command_lifecycle", "session_id": conversation, "command_uuid": message, "state": state,
    }))
}

/// What the agent is doing: idle, running or requires_action.
pub(crate) fn doing(conversation: &str, state: &str) -> String {
    line(&json!({
        "type": "system", "subtype": "session_state_changed", "session_id": conversation, "state": state,
    }))
}

/// A request of the agent for a permission.
pub(crate) fn asks(conversation: &str, request: &str, command: &str) -> String {
    line(&json!({
        "type": "control_request", "request_id": request, "session_id": conversation,
        "request": {
            "subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}, "tool_use_id": format!("t-{request}"),
            "permission_suggestions": [],
        },
    }))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}
