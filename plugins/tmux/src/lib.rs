//! The bundled backend that drives coding agents in tmux sessions.
//!
//! It reads state and questions off the panes' screens, types messages and answers only after it has looked, and looks
//! again to see their effect. What it knows about each agent comes from `berth_agents`.

mod answers;
mod changes;
mod clock;
mod composer;
mod conversations;
mod create;
mod delivery;
mod describe;
mod drafts;
mod found;
mod interrupt;
mod log;
mod manifest;
mod names;
mod paste;
mod projects;
mod prompts;
mod respond;
mod screens;
mod sessions;
mod setup;
mod terminate;
mod told;
mod transcript;
mod upkeep;

#[cfg(test)]
mod fake;

use berth_panes::{arguments, digest, done, look, panes, tmux};
use berth_plugin::{
    Answered, Backend, ChangePage, Changes, Control, Delivery, Description, Event, LogPage, LogQuery, Manifest,
    Message, Needs, NewSession, ProjectPage, Projects, Receipt, Result, Session, SessionPage, SessionQuery,
    Transcripts, TurnPage, TurnQuery, Upkeep, Upkept,
};
use setup::Setup;

/// The backend; on its own target it is exported as a component.
pub struct Plugin;

impl Backend for Plugin {
    fn describe() -> Result<Description> {
        let setup = Setup::of_host()?;
        setup.check()?;
        Ok(describe::describe(&setup))
    }

    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        sessions::list(&Setup::of_host()?, &query)
    }

    fn get_session(id: &str) -> Result<Session> {
        sessions::get(&Setup::of_host()?, id)
    }

    fn read_log(id: &str, query: LogQuery) -> Result<LogPage> {
        log::read(&Setup::of_host()?, id, &query)
    }
}

impl Control for Plugin {
    fn create_session(request: NewSession) -> Result<Session> {
        create::create(&Setup::of_host()?, &request)
    }

    fn send_message(id: &str, message: Message) -> Result<Delivery> {
        delivery::send(&Setup::of_host()?, id, &message)
    }

    fn respond(id: &str, answers: Vec<Answered>) -> Result<Delivery> {
        respond::respond(&Setup::of_host()?, id, answers)
    }

    fn interrupt(id: &str) -> Result<Receipt> {
        interrupt::interrupt(&Setup::of_host()?, id)
    }

    fn terminate(id: &str) -> Result<Receipt> {
        terminate::terminate(&Setup::of_host()?, id)
    }
}

impl Transcripts for Plugin {
    fn read_turns(id: &str, query: TurnQuery) -> Result<TurnPage> {
        transcript::read(&Setup::of_host()?, id, &query)
    }
}

impl Changes for Plugin {
    fn get_changes(id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
        changes::get(&Setup::of_host()?, id, after, limit)
    }
}

impl Projects for Plugin {
    fn list_projects() -> Result<ProjectPage> {
        Ok(berth_plugin::projects::list())
    }
}

impl Upkeep for Plugin {
    fn run(_: Vec<Event>) -> Result<Upkept> {
        upkeep::run(&Setup::of_host()?)
    }
}

impl Manifest for Plugin {
    fn needs() -> Needs {
        manifest::needs()
    }
}

berth_plugin::export!(Plugin: Control, Transcripts, Changes, Projects, Upkeep, Manifest);
