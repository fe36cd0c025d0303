//! The command of an agent without a terminal, with its options.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_agents::headless;
use berth_agents::live::Protocol;
use berth_plugin::jobs::Spec;
use berth_plugin::settings::Agent;
use berth_plugin::{Command, Error, Result};

use crate::kept::note::Note;
use crate::start::limits::Left;
use crate::start::request;

/// The grant that runs agents.
pub(crate) const PROGRAM: &str = "agent";
/// The options of a session that an agent may declare.
pub(crate) const OPTIONS: [&str; 2] = ["mode", "model"];

/// What an agent is started for.
pub(crate) struct Start<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) way: Way<'a>,
    pub(crate) left: Left,
    pub(crate) tools: &'a [String],
    /// The project's own settings count.
    pub(crate) trusted: bool,
    /// The model and the mode, where they are not the agent's own.
    pub(crate) options: &'a BTreeMap<String, String>,
}

/// How its conversation begins. All ids are the agent's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way<'a> {
    New(&'a str),
    Resumes(&'a str),
    /// A copy of another one.
    Copies {
        of: &'a str,
        to: &'a str,
    },
}

impl Start<'_> {
    /// The job of a run: it asks a person where its note says so.
    ///
    /// # Errors
    /// `Denied` if the agent lacks an option that is needed.
    pub(crate) fn spec(&self, key: String, note: &Note, prompt: &str) -> Result<Spec> {
        let mut command = self.command()?.directory(&note.directory);
        for (name, value) in self.options {
            command.args.extend(self.option(declared(self.agent, name), value)?);
        }
        let spec = match &note.asks {
            Some(message) => {
                let mut command = command.stdin(request::input(note, message, prompt));
                command.args.extend(self.option("ask", "")?);
                // How long it may take without the time in which it waits for a person is looked after by `upkeep`.
                Spec::new(key, note.queue(), command).interactive().watched()
            }
            None => Spec::new(key, note.queue(), command.stdin(headless::message(prompt)))
                .ends_in(Duration::from_millis(note.timeout_ms)),
        };
        Ok(spec.note(note.text()?))
    }

    /// The command of a process with which one talks: it asks a person, and has those of its options that the agent
    /// declares.
    ///
    /// # Errors
    /// `Denied` if the agent lacks an option that is needed.
    pub(crate) fn talking(&self) -> Result<Command> {
        let mut command = self.command()?;
        command.args.extend(self.option("ask", "")?);
        for (name, value) in self.options.iter().filter(|(name, _)| declares(self.agent, name)) {
            command.args.extend(self.option(declared(self.agent, name), value)?);
        }
        Ok(command)
    }

    /// The command.
    ///
    /// # Errors
    /// `Denied` if the agent lacks an option that is needed.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut args = self.agent.headless.clone().unwrap_or_default();
        match self.way {
            Way::New(id) => args.extend(self.option("session", id)?),
            Way::Resumes(id) => args.extend(self.option("resume", id)?),
            Way::Copies { of, to } => {
                args.extend(self.option("resume", of)?);
                args.extend(self.option("fork", "")?);
                args.extend(self.option("session", to)?);
            }
        }
        if let Some(turns) = self.left.turns {
            args.extend(self.option("turns", &turns.to_string())?);
        }
        if let Some(usd) = self.left.usd {
            args.extend(self.option("budget", &format!("{:.2}", (usd * 100.0).floor() / 100.0))?);
        }
        // An option counts once, and no tool has a comma in it.
        if !self.tools.is_empty() {
            args.extend(self.option("tools", &self.tools.join(","))?);
        }
        let sources = if self.trusted { "user,project,local" } else { "user" };
        args.extend(self.option("sources", sources)?);
        Ok(Command::new(PROGRAM, args))
    }

    fn option(&self, name: &str, value: &str) -> Result<Vec<String>> {
        let own = self.agent.headless_options.as_ref();
        let declared = own
            .and_then(|own| own.get(name))
            .or_else(|| self.agent.options.get(name));
        let declared = declared.ok_or_else(|| {
            Error::Denied(format!(
                "agent {0} has no option `{name}`, which a run needs; [agents.{0}.headless_options] would declare it",
                self.agent.name
            ))
        })?;
        Ok(declared.iter().map(|arg| fill(arg, value)).collect())
    }
}

/// What it speaks while one talks with it.
pub(crate) fn protocol(agent: &Agent) -> Protocol {
    match agent.protocol.as_deref() {
        Some("acp") => Protocol::Acp,
        _ => Protocol::StreamJson,
    }
}

/// Whether an agent declares an option of a session. With ACP it says itself which it has.
pub(crate) fn declares(agent: &Agent, name: &str) -> bool {
    protocol(agent) == Protocol::Acp || has(agent, declared(agent, name))
}

/// The name under which it does.
fn declared<'a>(agent: &Agent, name: &'a str) -> &'a str {
    match name {
        "mode" if !has(agent, "mode") => "permission_mode",
        name => name,
    }
}

fn has(agent: &Agent, name: &str) -> bool {
    let own = agent.headless_options.as_ref();
    agent.options.contains_key(name) || own.is_some_and(|own| own.contains_key(name))
}

/// An argument with the value in the place of its `<word>`.
fn fill(arg: &str, value: &str) -> String {
    let place = arg
        .find('<')
        .and_then(|from| Some((from, from + arg[from..].find('>')? + 1)));
    place.map_or_else(
        || arg.to_owned(),
        |(from, to)| format!("{}{value}{}", &arg[..from], &arg[to..]),
    )
}
