//! The bundled backend that runs coding agents without a terminal.
//!
//! A conversation is a session here. A run is one request and its answer, and the job that carries it out. A conversation
//! that a person leads (`talk`) has a process of its own, an interactive job. The host keeps the jobs, so all of it
//! survives berth. What an agent's lines mean is known to `berth_agents`: `headless` for runs, `live` for processes with
//! which one talks.

mod build;
mod cut;
mod describe;
mod kept;
mod manifest;
mod read;
mod run;
mod setup;
mod shown;
mod start;
mod talk;
mod tools;
mod upkeep;

#[cfg(test)]
mod fake;

use berth_plugin::{
    Answered, Backend, ChangePage, Changes, Control, Delivery, Description, Event, LogPage, LogQuery, Manifest,
    Message, Needs, NewSession, OptionState, Options, OwnTools, ProjectPage, Projects, Receipt, Result, Session,
    SessionPage, SessionQuery, ToolCall, ToolOutput, Transcripts, TurnPage, TurnQuery, Upkeep, Upkept,
};
use setup::Setup;
use shown::{changes, log, options, sessions, turns};
use talk::{answer, begin, deliver, end};

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
        log::read(id, &query)
    }
}

impl Control for Plugin {
    fn create_session(request: NewSession) -> Result<Session> {
        let setup = Setup::of_host()?;
        let id = begin::create(&setup, &request)?;
        sessions::get(&setup, &id)
    }

    fn send_message(id: &str, message: Message) -> Result<Delivery> {
        deliver::send(&Setup::of_host()?, id, &message)
    }

    fn cancel_message(id: &str, message: &str) -> Result<()> {
        deliver::cancel(id, message)
    }

    fn respond(id: &str, answers: Vec<Answered>) -> Result<Delivery> {
        answer::respond(id, &answers)
    }

    fn interrupt(id: &str) -> Result<Receipt> {
        answer::interrupt(id)
    }

    fn terminate(id: &str) -> Result<Receipt> {
        end::terminate(id)
    }
}

impl Options for Plugin {
    fn list_options(id: &str) -> Result<Vec<OptionState>> {
        options::list(id)
    }

    fn set_option(id: &str, name: &str, value: &str) -> Result<()> {
        answer::set(id, name, value)
    }
}

impl Transcripts for Plugin {
    fn read_turns(id: &str, query: TurnQuery) -> Result<TurnPage> {
        turns::read(&Setup::of_host()?, id, &query)
    }
}

impl Changes for Plugin {
    fn get_changes(id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
        changes::get(id, after, limit)
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
        upkeep::run(&Setup::of_host()?, &events)
    }
}

impl Manifest for Plugin {
    fn needs() -> Needs {
        manifest::needs()
    }
}

berth_plugin::export!(Plugin: Control, Options, Transcripts, Changes, Projects, OwnTools, Upkeep, Manifest);
