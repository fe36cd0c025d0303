//! The bundled backend of what is on other machines: Claude Code's remote control, and tasks for agents, on several hosts at
//! once.
//!
//! A session of remote control is a process of Claude Code in a tmux session on a host, with which a person goes on at its
//! address, in a browser or an app. This plugin starts it, finds its address on its screen, says why it ended, and brings it
//! back. No message goes through it.
//!
//! A session of the other kind is a conversation that `ask_claude` began: jobs on a host, with everything that
//! `berth_headless` does with conversations. Its id tells it from the first kind.

mod address;
mod describe;
mod end;
mod hosts;
mod id;
mod kept;
mod launch;
mod log;
mod manifest;
mod place;
mod projects;
mod question;
mod respond;
mod restart;
mod screen;
mod sessions;
mod setup;
mod start;
mod surroundings;
mod terminate;
mod upkeep;

#[cfg(test)]
mod delegation;
#[cfg(test)]
mod fake;

use berth_headless::{ask, sessions as runs};
use berth_plugin::{
    Answered, Backend, ChangePage, Changes, Control, Delivery, Description, Error, Event, LogPage, LogQuery, Manifest,
    Message, Needs, NewSession, OptionState, Options, OwnTools, ProjectPage, Projects, Receipt, Result, Session,
    SessionPage, SessionQuery, ToolCall, ToolOutput, Transcripts, TurnPage, TurnQuery, Upkeep, Upkept,
};
use setup::Setup;

/// The backend; on its own target it is exported as a component.
pub struct Plugin;

impl Backend for Plugin {
    fn describe() -> Result<Description> {
        Ok(describe::describe(&Setup::of_host()?))
    }

    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        let setup = Setup::of_host()?;
        runs::list_beside(&setup.runs, &query, || sessions::all(&setup))
    }

    fn get_session(id: &str) -> Result<Session> {
        let setup = Setup::of_host()?;
        match runs::is_id(id) {
            true => runs::get(&setup.runs, id),
            false => sessions::get(&setup, id),
        }
    }

    fn read_log(id: &str, query: LogQuery) -> Result<LogPage> {
        match runs::is_id(id) {
            true => runs::read_log(id, &query),
            false => log::read(id, &query),
        }
    }
}

impl Control for Plugin {
    fn create_session(request: NewSession) -> Result<Session> {
        start::create(&Setup::of_host()?, &request)
    }

    fn send_message(id: &str, message: Message) -> Result<Delivery> {
        of_runs(id)?;
        runs::send(&Setup::of_host()?.runs, id, &message)
    }

    fn cancel_message(id: &str, message: &str) -> Result<()> {
        match runs::is_id(id) {
            true => runs::cancel_message(id, message),
            false => Err(Error::Unsupported),
        }
    }

    fn respond(id: &str, answers: Vec<Answered>) -> Result<Delivery> {
        match runs::is_id(id) {
            true => runs::respond(id, &answers),
            false => respond::respond(id, &answers),
        }
    }

    fn interrupt(id: &str) -> Result<Receipt> {
        of_runs(id)?;
        runs::interrupt(id)
    }

    fn terminate(id: &str) -> Result<Receipt> {
        match runs::is_id(id) {
            true => runs::terminate(id),
            false => terminate::terminate(id),
        }
    }
}

impl Options for Plugin {
    fn list_options(id: &str) -> Result<Vec<OptionState>> {
        of_runs(id)?;
        runs::options(id)
    }

    fn set_option(id: &str, name: &str, value: &str) -> Result<()> {
        of_runs(id)?;
        runs::set_option(id, name, value)
    }
}

impl Transcripts for Plugin {
    fn read_turns(id: &str, query: TurnQuery) -> Result<TurnPage> {
        match runs::is_id(id) {
            true => runs::read_turns(&Setup::of_host()?.runs, id, &query),
            false => Err(Error::Unsupported),
        }
    }
}

impl Changes for Plugin {
    fn get_changes(id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
        of_runs(id)?;
        runs::changes(id, after, limit)
    }
}

impl Projects for Plugin {
    fn list_projects() -> Result<ProjectPage> {
        Ok(projects::list())
    }
}

impl OwnTools for Plugin {
    fn call_tool(call: ToolCall) -> Result<ToolOutput> {
        ask::call(&Setup::of_host()?.runs, &call)
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

/// What can be done only with the conversations of `ask_claude`.
fn of_runs(id: &str) -> Result<()> {
    match runs::is_id(id) {
        true => Ok(()),
        false => Err(Error::Refused(
            "this is a session of remote control, so that is done at its `url`".to_owned(),
        )),
    }
}

berth_plugin::export!(Plugin: Control, Options, Transcripts, Changes, Projects, OwnTools, Upkeep, Manifest);
