//! The bundled backend that drives coding agents in tmux sessions.
//!
//! It reads state and questions off the panes' screens, types messages and answers only after it has looked, and looks
//! again to see what became of them. What it knows of each agent comes from `berth_agents`.

mod answers;
mod clock;
mod create;
mod delivery;
mod digest;
mod drafts;
mod interrupt;
mod log;
mod look;
mod panes;
mod projects;
mod prompts;
mod respond;
mod sessions;
mod setup;
mod terminate;
mod tmux;
mod typing;

use berth_plugin::types::{
    Answer, Delivery, Description, Error, LogPage, LogQuery, NewSession, Project, Session, Timestamp, ToolOutput, Verbs,
};
use setup::Setup;

/// The backend; on its own target it is exported as a component.
pub struct Plugin;

impl berth_plugin::Backend for Plugin {
    fn describe() -> Result<Description, Error> {
        Setup::of_host()?;
        Ok(Description {
            about: "Coding agents in tmux sessions, which a person can attach to as well".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            verbs: Verbs::CREATE | Verbs::SEND | Verbs::INTERRUPT | Verbs::TERMINATE | Verbs::RESPOND | Verbs::PROJECTS,
            tools: Vec::new(),
        })
    }

    fn list_sessions() -> Result<Vec<Session>, Error> {
        sessions::list(&Setup::of_host()?)
    }

    fn get_session(id: String) -> Result<Session, Error> {
        sessions::get(&Setup::of_host()?, &id)
    }

    fn read_log(id: String, query: LogQuery) -> Result<LogPage, Error> {
        log::read(&Setup::of_host()?, &id, &query)
    }

    fn create_session(request: NewSession) -> Result<Session, Error> {
        create::create(&Setup::of_host()?, &request)
    }

    fn send_message(id: String, message: String) -> Result<Delivery, Error> {
        delivery::send(&Setup::of_host()?, &id, &message)
    }

    fn respond(id: String, prompt: String, answer: Answer) -> Result<(), Error> {
        respond::respond(&Setup::of_host()?, &id, &prompt, answer)
    }

    fn interrupt(id: String) -> Result<(), Error> {
        interrupt::interrupt(&Setup::of_host()?, &id)
    }

    fn terminate(id: String) -> Result<(), Error> {
        terminate::terminate(&Setup::of_host()?, &id)
    }

    fn list_projects() -> Result<Vec<Project>, Error> {
        projects::list()
    }

    fn call_tool(name: String, _arguments: String) -> Result<ToolOutput, Error> {
        Err(Error::NotFound(format!("this backend has no tool {name:?}")))
    }

    fn upkeep() -> Result<Option<Timestamp>, Error> {
        sessions::forget_ended(&Setup::of_host()?)
    }
}

// Elsewhere the crate is built for its tests, and a linker would stumble over a component's export names.
#[cfg(target_arch = "wasm32")]
berth_plugin::export!(Plugin);
