//! The bundled backend of what is on other machines: Claude Code's remote control, on several hosts at once.
//!
//! A session is a process of Claude Code in a tmux session on a host, with which a person goes on at its address, in a
//! browser or an app. This plugin starts it, finds its address on its screen, says why it ended, and brings it back. No
//! message goes through it.

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
mod fake;

use berth_plugin::{
    Answered, Backend, Control, Delivery, Description, Event, LogPage, LogQuery, Manifest, Needs, NewSession,
    ProjectPage, Projects, Receipt, Result, Session, SessionPage, SessionQuery, Upkeep, Upkept,
};
use setup::Setup;

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
        start::create(&Setup::of_host()?, &request)
    }

    fn respond(id: &str, answers: Vec<Answered>) -> Result<Delivery> {
        respond::respond(id, &answers)
    }

    fn terminate(id: &str) -> Result<Receipt> {
        terminate::terminate(id)
    }
}

impl Projects for Plugin {
    fn list_projects() -> Result<ProjectPage> {
        Ok(projects::list())
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

berth_plugin::export!(Plugin: Control, Projects, Upkeep, Manifest);
