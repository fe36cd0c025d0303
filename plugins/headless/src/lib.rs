//! The bundled backend that runs coding agents without a terminal.
//!
//! A conversation is a session here, with an id that its agent knows too; a run is one request and its answer, and the
//! job that carries it out. The host keeps the jobs, so a run survives berth. What an agent's lines mean is known to
//! `berth_agents::headless`.

mod allowed;
mod build;
mod built;
mod cancel;
mod changes;
mod command;
mod conversation;
mod describe;
mod judge;
mod limits;
mod list;
mod log;
mod manifest;
mod note;
mod output;
mod projects;
mod run;
mod sessions;
mod setup;
mod state;
mod status;
mod tools;
mod upkeep;

#[cfg(test)]
mod fake;

use berth_plugin::{
    Backend, ChangePage, Changes, Control, Description, Event, LogPage, LogQuery, Manifest, Needs, OwnTools,
    ProjectPage, Projects, Receipt, Result, Session, SessionPage, SessionQuery, ToolCall, ToolOutput, Upkeep, Upkept,
};
use setup::Setup;

/// The backend; on its own target it is exported as a component.
pub struct Plugin;

impl Backend for Plugin {
    fn describe() -> Result<Description> {
        Setup::of_host()?;
        Ok(describe::describe())
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
    fn terminate(id: &str) -> Result<Receipt> {
        cancel::terminate(id)
    }
}

impl Changes for Plugin {
    fn get_changes(id: &str, after: Option<&str>, limit: u32) -> Result<ChangePage> {
        changes::get(id, after, limit)
    }
}

impl Projects for Plugin {
    fn list_projects() -> Result<ProjectPage> {
        Ok(projects::page(&Setup::of_host()?))
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

berth_plugin::export!(Plugin: Control, Changes, Projects, OwnTools, Upkeep, Manifest);
