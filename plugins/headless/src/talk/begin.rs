//! The beginning of a conversation.

use std::collections::BTreeMap;

use berth_agents::live::{Begin, Live};
use berth_plugin::{Error, NewSession, Result, ssh, store};

use crate::cut::cut;
use crate::kept::conversation::{Conversation, uuid};
use crate::kept::message;
use crate::kept::process::Process;
use crate::kept::talk::Talk;
use crate::setup::Setup;
use crate::setup::projects::{self, Place};
use crate::start::command::{OPTIONS, declares};
use crate::talk::process::{command, live, start};
use crate::talk::{give, receipt};

/// Bytes of a name, and of the id of another agent's conversation.
const NAME: usize = 200;
/// Keys that say in which session an agent's own conversation goes on.
const TAKEN: &str = "taken/";

/// Begins a conversation, and answers its id. A repeated request answers the same one.
pub(crate) fn create(setup: &Setup, request: &NewSession) -> Result<String> {
    let id = uuid(&request.id)?;
    if Talk::find(&id)?.is_none() {
        begin(setup, &id, request)?;
    }
    if let Err(error) = start(setup, &id) {
        // It may have been started before this call was repeated.
        let is_new = Talk::find(&id)?.is_some_and(|talk| talk.process.job.is_none());
        if is_new {
            Talk::remove(&id)?;
            return Err(error);
        }
    }
    if let Some(message) = &request.message {
        receipt::wait(&id, &message.id);
    }
    Ok(id)
}

fn begin(setup: &Setup, id: &str, request: &NewSession) -> Result<()> {
    let place = place(setup, request)?;
    let agent = setup.agent(request.agent.as_deref())?;
    let mut options = BTreeMap::new();
    for (name, value) in &request.options {
        if !OPTIONS.contains(&name.as_str()) {
            return Err(Error::Invalid(format!(
                "there is no option {name:?} here: {} are known",
                OPTIONS.join(" and ")
            )));
        }
        if !declares(agent, name) {
            return Err(Error::Denied(format!(
                "agent {0} has no option `{name}`; [agents.{0}.headless_options] would declare it",
                agent.name
            )));
        }
        options.insert(name.clone(), value.clone());
    }
    let from = request.resume.clone();
    if let Some(from) = &from {
        free(from, request.fork, &place)?;
    } else if request.fork {
        return Err(Error::Invalid(
            "`fork` makes a copy of the conversation that `resume` names: give that too".to_owned(),
        ));
    }
    let mut talk = Talk {
        name: request.name.as_deref().map(|name| cut(name, NAME)),
        host: ssh::current(),
        project: place.name,
        directory: place.directory,
        agent: agent.name.clone(),
        trusted: place.trusted,
        from,
        is_copy: request.fork,
        options,
        ..Talk::empty(Process::new(1, Live::begin(Begin::default())))
    };
    // What cannot be started is refused before anything is kept.
    command(setup, id, &talk)?;
    talk.process.live = live(agent, id, &talk);
    if let Some(message) = &request.message {
        give::takes(&talk.process.live, message)?;
        message::keep(id, message)?;
        give::give(&mut talk, message)?;
    }
    if let (Some(from), false) = (&talk.from, talk.is_copy) {
        store::put(&format!("{TAKEN}{from}"), &id)?;
    }
    talk.begin(id).map(drop)
}

/// Whether an agent's own conversation may go on here.
fn free(from: &str, is_copy: bool, place: &Place) -> Result<()> {
    let is_id = (1..=NAME).contains(&from.len())
        && from.starts_with(|c: char| c.is_ascii_alphanumeric())
        && from.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c));
    if !is_id {
        return Err(Error::Invalid(format!(
            "`resume` {from:?} is not the id of a conversation"
        )));
    }
    if is_copy {
        return Ok(());
    }
    let session = match store::get::<String>(&format!("{TAKEN}{from}"))? {
        Some(session) if Talk::find(&session)?.is_some() => Some(session),
        _ if Talk::find(from)?.is_some() => Some(from.to_owned()),
        _ => Conversation::find(from)?.map(|_| from.to_owned()),
    };
    match session {
        None => Ok(()),
        Some(session) => Err(Error::Refused(format!(
            "conversation {from} is session {session} of this backend, in project {:?} or another one: send that a message, \
             or continue a copy of it with `fork`",
            place.name
        ))),
    }
}

/// Where a request wants to work.
fn place(setup: &Setup, request: &NewSession) -> Result<Place> {
    match (&request.project, &request.directory) {
        (Some(project), None) => projects::find(setup, project),
        (None, Some(directory)) => projects::at(setup, directory),
        (Some(project), Some(directory)) => {
            let place = projects::find(setup, project)?;
            match projects::at(setup, directory)?.directory == place.directory {
                true => Ok(place),
                false => Err(Error::Invalid(format!(
                    "project {project:?} is in {}, and not in {directory}: give one of them",
                    place.directory
                ))),
            }
        }
        (None, None) => Err(Error::Invalid(
            "name the `project` in which it works, or its `directory`".to_owned(),
        )),
    }
}
