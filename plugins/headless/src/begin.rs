//! The beginning of a conversation, and of each process in which it goes on.

use std::collections::BTreeMap;

use berth_agents::live::{Begin, Live, Protocol};
use berth_plugin::jobs::Spec;
use berth_plugin::settings::Agent;
use berth_plugin::{Command, Error, NewSession, Result, Session, log, store};

use crate::command::{Start, Way, declares};
use crate::conversation::Conversation;
use crate::input::Part;
use crate::judge::cut;
use crate::limits;
use crate::message::{self, fate};
use crate::note::{self, Kind, Note};
use crate::projects::{self, Place};
use crate::run;
use crate::setup::Setup;
use crate::talk::{Ending, Fate, Process, Talk};
use crate::{keep, receipt, sessions};

/// The options of a session that an agent may declare.
pub(crate) const OPTIONS: [&str; 2] = ["mode", "model"];
/// Bytes of a name, and of the id of another agent's conversation.
const NAME: usize = 200;
/// Keys that say in which session an agent's own conversation goes on.
const TAKEN: &str = "taken/";

/// Begins a conversation. A repeated request answers the same one.
pub(crate) fn create(setup: &Setup, request: &NewSession) -> Result<Session> {
    let id = run::uuid(&request.id)?;
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
        receipt::wait(&id, &message.id)?;
    }
    sessions::get(setup, &id)
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
        takes(&talk.process.live, message)?;
        message::keep(id, message)?;
        message::give(&mut talk, message)?;
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

/// Whether a process takes what goes with a message.
pub(crate) fn takes(live: &Live, message: &berth_plugin::Message) -> Result<()> {
    match message.attachments.is_empty() || live.takes_attachments() {
        true => Ok(()),
        false => Err(Error::Refused(
            "this agent takes no attachments: put them in files of the project, and name those".to_owned(),
        )),
    }
}

pub(crate) fn protocol(agent: &Agent) -> Protocol {
    match agent.protocol.as_deref() {
        Some("acp") => Protocol::Acp,
        _ => Protocol::StreamJson,
    }
}

fn live(agent: &Agent, id: &str, talk: &Talk) -> Live {
    let (resume, fork) = match &talk.own_id {
        Some(own) => (Some(own.clone()), false),
        None => (talk.from.clone(), talk.is_copy),
    };
    Live::begin(Begin {
        protocol: protocol(agent),
        conversation: id.to_owned(),
        directory: talk.directory.clone(),
        resume,
        fork,
        mode: talk.options.get("mode").cloned(),
        model: talk.options.get("model").cloned(),
    })
}

/// The command of the next process.
fn command(setup: &Setup, id: &str, talk: &Talk) -> Result<Command> {
    let agent = setup.agent(Some(&talk.agent))?;
    let left = limits::left(&setup.settings, id, &Conversation::find(id)?.unwrap_or_default())?;
    let command = match protocol(agent) {
        Protocol::Acp => Command::new(crate::command::PROGRAM, agent.headless.clone().unwrap_or_default()),
        Protocol::StreamJson => {
            let way = match (&talk.own_id, &talk.from) {
                (Some(own), _) => Way::Resumes(own),
                (None, Some(of)) if talk.is_copy => Way::Copies { of, to: id },
                (None, Some(from)) => Way::Resumes(from),
                (None, None) => Way::New(id),
            };
            let start = Start {
                agent,
                way,
                left,
                tools: &setup.settings.tools,
                trusted: talk.trusted,
            };
            start.talking(&talk.options)?
        }
    };
    Ok(command.directory(&talk.directory))
}

/// Submits the process of a conversation, if that was not done, and writes what is kept for it.
pub(crate) fn start(setup: &Setup, id: &str) -> Result<()> {
    let talk = Talk::find(id)?.ok_or_else(|| crate::talk::unknown(id))?;
    if talk.process.job.is_some() {
        return Talk::write(id).map(drop);
    }
    let note = Note {
        kind: Kind::Conversation,
        project: talk.project.clone(),
        directory: talk.directory.clone(),
        agent: talk.agent.clone(),
        task: talk.task.clone(),
        trusted: talk.trusted,
        left_out: Vec::new(),
        timeout_ms: 0,
        asks: None,
        build: None,
        conversation: id.to_owned(),
    };
    let number = talk.process.number;
    // A queue of its own: runs of its project do not wait for it, and there is never a second process of it.
    let queue = format!("conversation/{id}");
    let spec = Spec::new(format!("live/{id}/{number}"), queue, command(setup, id, &talk)?)
        .interactive()
        .watched()
        .note(note.text()?);
    let job = run::submit(spec)?;
    Talk::change(id, |talk| {
        if talk.process.number == number {
            talk.process.job = Some(job.clone());
            talk.process.trouble = None;
        }
        Ok(())
    })?;
    if let Err(error) = Conversation::begin(&note, &job) {
        log::warn(format_args!(
            "process {job} is not kept with its conversation yet: {error}"
        ));
    }
    Talk::write(id).map(drop)
}

/// Begins the next process of a conversation whose last one has ended or is being ended, with all that waits for it.
/// `more` is a message that begins it.
pub(crate) fn next(setup: &Setup, id: &str, more: Option<&berth_plugin::Message>) -> Result<()> {
    let talk = Talk::look(id)?.ok_or_else(|| crate::talk::unknown(id))?.0;
    command(setup, id, &talk)?;
    let agent = setup.agent(Some(&talk.agent))?;
    if talk.is_lost() {
        return Err(Error::Refused(
            "its process has ended, and the conversation is lost with it, since this agent cannot load one again: create a new \
             session".to_owned(),
        ));
    }
    keep::note(&talk)?;
    Talk::is_alive(id)?;
    let mut left: Vec<Part> = Vec::new();
    Talk::change(id, |talk| {
        left.clear();
        if talk.process.is_open() {
            // Another call was quicker.
            return more.map_or(Ok(()), |more| message::give(talk, more));
        }
        let mut process = Process::new(talk.process.number + 1, live(agent, id, talk));
        std::mem::swap(&mut talk.process, &mut process);
        left = process.input.drop_rest();
        let is_over = process.ending == Some(Ending::Person);
        for message in process.live.messages() {
            match fate(&message.state) {
                Some(fate) => talk.remember(&message.id, fate),
                None if is_over => talk.remember(&message.id, Fate::Cancelled),
                None => {
                    if let Some(message) = message::find(id, &message.id)? {
                        message::give(talk, &message)?;
                    }
                }
            }
        }
        more.map_or(Ok(()), |more| message::give(talk, more))
    })?;
    left.iter().for_each(Part::forget);
    if let Err(error) = start(setup, id) {
        let why = error.to_string();
        log::warn(format_args!(
            "the process of session {id} could not be started yet: {why}"
        ));
        Talk::change(id, |talk| {
            talk.process.trouble = Some(why.clone());
            Ok(())
        })?;
    }
    Ok(())
}

/// What of a task stands for a name.
pub(crate) fn name(talk: &Talk) -> String {
    talk.name.clone().unwrap_or_else(|| note::name(&talk.task))
}
