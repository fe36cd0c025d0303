//! What a call means: a shared tool with its arguments, or a plugin's own.

use serde_json::{Map, Value};

use super::arguments::{
    self, CheckPrompts, CreateSession, Fetch, GetChanges, GetLogs, GetSessionStatus, InterruptSession, ListProjects,
    ListSessions, RespondToPrompt, Search, SendMessage, SetSession, TerminateSession,
};
use super::{Mistake, OwnCall};

/// A call that makes sense.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    ListSessions(ListSessions),
    CreateSession(CreateSession),
    SendMessage(SendMessage),
    GetLogs(GetLogs),
    GetSessionStatus(GetSessionStatus),
    InterruptSession(InterruptSession),
    TerminateSession(TerminateSession),
    CheckPrompts(CheckPrompts),
    RespondToPrompt(RespondToPrompt),
    SetSession(SetSession),
    GetChanges(GetChanges),
    ListProjects(ListProjects),
    Search(Search),
    Fetch(Fetch),
    Own(OwnCall<'a>),
}

impl Request<'_> {
    /// A call of the shared tool `name`.
    pub(super) fn of_shared(name: &str, given: Map<String, Value>) -> Result<Self, Mistake> {
        use arguments::read;
        Ok(match name {
            "list_sessions" => Self::ListSessions(read(name, given)?),
            "create_session" => Self::CreateSession(read(name, given)?),
            "send_message" => Self::SendMessage(read(name, given)?),
            "get_logs" => Self::GetLogs(read(name, given)?),
            "get_session_status" => Self::GetSessionStatus(read(name, given)?),
            "interrupt_session" => Self::InterruptSession(read(name, given)?),
            "terminate_session" => Self::TerminateSession(read(name, given)?),
            "check_prompts" => Self::CheckPrompts(read(name, given)?),
            "respond_to_prompt" => Self::RespondToPrompt(read(name, given)?),
            "set_session" => Self::SetSession(read(name, given)?),
            "get_changes" => Self::GetChanges(read(name, given)?),
            "list_projects" => Self::ListProjects(read(name, given)?),
            "search" => Self::Search(read(name, given)?),
            "fetch" => Self::Fetch(read(name, given)?),
            _ => return Err(Mistake::new(format!("there is no tool `{}`", name.escape_debug()))),
        })
    }
}
