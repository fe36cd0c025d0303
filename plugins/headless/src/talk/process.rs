//! The processes in which a conversation goes on, one after the other.

use berth_agents::live::{Begin, Live, Protocol};
use berth_plugin::jobs::Spec;
use berth_plugin::settings::Agent;
use berth_plugin::{Command, Error, Message, Result, log};

use crate::kept::conversation::Conversation;
use crate::kept::input::Part;
use crate::kept::message;
use crate::kept::note::{Kind, Note};
use crate::kept::process::{Ending, Process};
use crate::kept::talk::{self, Fate, Talk};
use crate::read;
use crate::setup::Setup;
use crate::start::command::{PROGRAM, Start, Way, protocol};
use crate::start::limits;
use crate::start::submit::submit;
use crate::talk::change::{change, write};
use crate::talk::give::give;
use crate::talk::took;

/// The process of a conversation, to which nothing was given yet.
pub(crate) fn live(agent: &Agent, id: &str, talk: &Talk) -> Live {
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
pub(crate) fn command(setup: &Setup, id: &str, talk: &Talk) -> Result<Command> {
    let agent = setup.agent(Some(&talk.agent))?;
    let left = limits::left(&setup.settings, id, &Conversation::find(id)?.unwrap_or_default())?;
    let command = match protocol(agent) {
        Protocol::Acp => Command::new(PROGRAM, agent.headless.clone().unwrap_or_default()),
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
                options: &talk.options,
            };
            start.talking()?
        }
    };
    Ok(command.directory(&talk.directory))
}

/// Submits the process of a conversation, if that was not done, and writes what is kept for it.
pub(crate) fn start(setup: &Setup, id: &str) -> Result<()> {
    let talk = Talk::find(id)?.ok_or_else(|| talk::unknown(id))?;
    if talk.process.job.is_some() {
        return write(id).map(drop);
    }
    let note = Note {
        kind: Kind::Conversation,
        host: talk.host.clone(),
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
    let job = submit(note.host.as_deref(), spec)?;
    change(id, |talk| {
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
    write(id).map(drop)
}

/// Begins the next process of a conversation whose last one has ended or is being ended, with all that waits for it.
/// `more` is a message that begins it.
pub(crate) fn next(setup: &Setup, id: &str, more: Option<&Message>) -> Result<()> {
    let talk = read::talk::look(id)?.ok_or_else(|| talk::unknown(id))?.0;
    command(setup, id, &talk)?;
    let agent = setup.agent(Some(&talk.agent))?;
    if talk.is_lost() {
        return Err(Error::Refused(
            "its process has ended, and the conversation is lost with it, since this agent cannot load one again: create a new \
             session".to_owned(),
        ));
    }
    took::keep(&talk)?;
    Talk::is_alive(id)?;
    let mut left: Vec<Part> = Vec::new();
    change(id, |talk| {
        left.clear();
        if talk.process.is_open() {
            // Another call was quicker.
            return more.map_or(Ok(()), |more| give(talk, more));
        }
        let mut process = Process::new(talk.process.number + 1, live(agent, id, talk));
        std::mem::swap(&mut talk.process, &mut process);
        left = process.input.drop_rest();
        let is_over = process.ending == Some(Ending::Person);
        for message in process.live.messages() {
            match Fate::of(&message.state) {
                Some(fate) => talk.remember(&message.id, fate),
                None if is_over => talk.remember(&message.id, Fate::Cancelled),
                None => {
                    if let Some(message) = message::find(id, &message.id)? {
                        give(talk, &message)?;
                    }
                }
            }
        }
        more.map_or(Ok(()), |more| give(talk, more))
    })?;
    Talk::is_alive(id)?;
    left.iter().for_each(Part::forget);
    if let Err(error) = start(setup, id) {
        let why = error.to_string();
        log::warn(format_args!(
            "the process of session {id} could not be started yet: {why}"
        ));
        change(id, |talk| {
            talk.process.trouble = Some(why.clone());
            Ok(())
        })?;
    }
    Ok(())
}
