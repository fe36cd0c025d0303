//! The backend `jobs` as a component.

use berth_plugin::{
    Answered, Backend, ChangePage, Changes, Control, Delivery, Description, Event, LogPage, LogQuery, Manifest,
    Message, Needs, NewSession, OptionState, Options, OwnTools, ProjectPage, Projects, Receipt, Result, Session,
    SessionPage, SessionQuery, ToolCall, ToolOutput, Transcripts, TurnPage, TurnQuery, Upkeep, Upkept,
};

use crate::setup::{self, Setup};
use crate::talk::begin;
use crate::{describe, manifest, sessions, tools};

/// The backend; on its own target it is exported as a component.
pub struct Plugin;

impl Backend for Plugin {
    fn describe() -> Result<Description> {
        Ok(describe::describe(&Setup::of_host()?))
    }

    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        sessions::list(&Setup::of_host()?, &query)
    }

    fn get_session(id: &str) -> Result<Session> {
        sessions::get(&Setup::of_host()?, id)
    }

    fn read_log(id: &str, query: LogQuery) -> Result<LogPage> {
        sessions::read_log(id, &query)
    }
}

impl Control for Plugin {
    fn create_session(request: NewSession) -> Result<Session> {
        let setup = Setup::of_host()?;
        let id = begin::create(&setup, &request)?;
        sessions::get(&setup, &id)
    }

    fn send_message(id: &str, message: Message) -> Result<Delivery> {
        sessions::send(&Setup::of_host()?, id, &message)
    }

    fn cancel_message(id: &str, message: &str) -> Result<()> {
        sessions::cancel_message(id, message)
    }

    fn respond(id: &str, answers: Vec<Answered>) -> Result<Delivery> {
        sessions::respond(id, &answers)
    }

    fn interrupt(id: &str) -> Result<Receipt> {
        sessions::interrupt(id)
    }

    fn terminate(id: &str) -> Result<Receipt> {
        sessions::terminate(id)
    }
}

impl Options for Plugin {
    fn list_options(id: &str) -> Result<Vec<OptionState>> {
        sessions::options(id)
    }

    fn set_option(id: &str, name: &str, value: &str) -> Result<()> {
        sessions::set_option(id, name, value)
    }
}

impl Transcripts for Plugin {
    fn read_turns(id: &str, query: TurnQuery) -> Result<TurnPage> {
        sessions::read_turns(&Setup::of_host()?, id, &query)
    }
}

impl Changes for Plugin {
    fn get_changes(id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
        sessions::changes(id, after, limit)
    }
}

impl Projects for Plugin {
    fn list_projects() -> Result<ProjectPage> {
        Ok(setup::projects::page(&Setup::of_host()?))
    }
}

impl OwnTools for Plugin {
    fn call_tool(call: ToolCall) -> Result<ToolOutput> {
        tools::call(&Setup::of_host()?, &call)
    }
}

impl Upkeep for Plugin {
    fn run(events: Vec<Event>) -> Result<Upkept> {
        sessions::upkeep(&Setup::of_host()?, &events)
    }
}

impl Manifest for Plugin {
    fn needs() -> Needs {
        manifest::needs()
    }
}

berth_plugin::export!(Plugin: Control, Options, Transcripts, Changes, Projects, OwnTools, Upkeep, Manifest);
