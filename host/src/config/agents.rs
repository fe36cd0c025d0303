//! `[agents.NAME]`: the coding agents that backends may start.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::source::At;
use super::surroundings::Surroundings;
use super::{Agent, ConfigError, Headless, Question, Sought, Trust, values};
use crate::capability::process::grant::{AgentCommand, BadAgent, ENTRY_MARKER, Words};

/// The word of a command that stands for this binary.
const BERTH_MARKER: &str = "@berth";

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    command: Vec<String>,
    requires: Option<String>,
    #[serde(default)]
    words: BTreeMap<String, String>,
    #[serde(default)]
    options: BTreeMap<String, Vec<String>>,
    headless: Option<Vec<String>>,
    protocol: Option<Protocol>,
    #[serde(default)]
    headless_options: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    widens_unless: BTreeMap<String, Vec<String>>,
    profile: Option<String>,
    signs: Option<serde_json::Value>,
    #[serde(default)]
    doctor: Vec<Vec<String>>,
    #[serde(default)]
    variables: Vec<String>,
    trust: Option<TrustSection>,
}

/// How `headless` is spoken with, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Lines of JSON, as Claude Code has them.
    StreamJson,
    /// The Agent Client Protocol.
    Acp,
}

/// `trust` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustSection {
    file: String,
    folders: String,
    sign: String,
}

impl Section {
    /// Checks the table of the agent `name` at `at`; relative paths start at `folder`.
    pub(super) fn check(
        self,
        name: &str,
        at: &At,
        around: &Surroundings<'_>,
        folder: &Path,
    ) -> Result<Agent, ConfigError> {
        values::name(at, name)?;
        // On another machine this program may not be there, and then an agent that it is, is not.
        let mut all = self.command.iter().chain(self.headless.iter().flatten());
        let berth = around.installation.berth.to_str();
        let berth = berth.filter(|_| all.any(|word| word == BERTH_MARKER));
        let requires = self.requires.or_else(|| berth.map(str::to_owned));
        let command = with_berth(&at.key("command"), self.command, around)?;
        let words = words(&at.key("words"), &self.words)?;
        if let Some(index) = command.iter().position(|word| word.contains(ENTRY_MARKER)) {
            return Err(at
                .key("command")
                .item(index)
                .error("only a job has an entry for this server: write \"@entry\" in `headless`, or remove it"));
        }
        let granted = AgentCommand::new(name, command.clone(), &self.options, &words)
            .map_err(|error| misfit(at, ("command", "options"), &error))?;
        let headless = self
            .headless
            .map(|command| with_berth(&at.key("headless"), command, around));
        let headless = headless_of(
            name,
            at,
            headless.transpose()?,
            self.protocol,
            self.headless_options,
            &self.options,
            &words,
        )?;
        let doctor = self.doctor.into_iter().enumerate();
        let doctor = doctor.map(|(index, command)| question(&at.key("doctor").item(index), command, around, folder));
        Ok(Agent {
            doctor: doctor.collect::<Result<_, _>>()?,
            command,
            requires: requires.map(|program| Sought::new(program, around, folder)),
            words: self.words,
            options: self.options,
            headless,
            widens_unless: self.widens_unless,
            profile: self.profile,
            signs: self.signs,
            variables: self.variables,
            trust: self.trust.map(|trust| Trust {
                file: around.resolve(&trust.file, folder),
                folders: trust.folders,
                sign: trust.sign,
            }),
            granted,
        })
    }
}

/// The command without a terminal. It takes `options` too, beside those that only it has.
fn headless_of(
    name: &str,
    at: &At,
    command: Option<Vec<String>>,
    protocol: Option<Protocol>,
    own: BTreeMap<String, Vec<String>>,
    options: &BTreeMap<String, Vec<String>>,
    words: &Words,
) -> Result<Option<Headless>, ConfigError> {
    let own_at = at.key("headless_options");
    let Some(command) = command else {
        if protocol.is_some() {
            return Err(at
                .key("protocol")
                .error("there is no `headless`, the command that would speak it: add it, or remove `protocol`"));
        }
        return match own.is_empty() {
            true => Ok(None),
            false => {
                Err(own_at.error("there is no `headless`, the command that would take them: add it, or remove them"))
            }
        };
    };
    if let Some(twice) = own.keys().find(|option| options.contains_key(*option)) {
        return Err(own_at
            .key(twice)
            .error("it is in `options` too, which `headless` takes as well: remove one of them, or rename it"));
    }
    let all = options.clone().into_iter().chain(own.clone()).collect();
    let granted = AgentCommand::new(name, command.clone(), &all, words)
        .map_err(|error| misfit(at, ("headless", "headless_options"), &error))?;
    Ok(Some(Headless {
        command,
        protocol: protocol.unwrap_or(Protocol::StreamJson),
        options: own,
        granted,
    }))
}

/// A command that `berth doctor` runs.
fn question(at: &At, command: Vec<String>, around: &Surroundings<'_>, folder: &Path) -> Result<Question, ConfigError> {
    let command = with_berth(at, command, around)?;
    match command.first() {
        Some(program) => Ok(Question {
            program: Sought::new(program.clone(), around, folder),
            command,
        }),
        None => Err(at.error("it is empty: write a command, like [\"agent\", \"--version\"]")),
    }
}

/// Compiles the words of the table at `at`.
pub(super) fn words(at: &At, written: &BTreeMap<String, String>) -> Result<Words, ConfigError> {
    let mut words = Words::default();
    for (name, expression) in written {
        words.add(name, expression).map_err(|error| at.key(name).error(error))?;
    }
    Ok(words)
}

/// Replaces `@berth` in the command with this binary's path.
fn with_berth(at: &At, command: Vec<String>, around: &Surroundings<'_>) -> Result<Vec<String>, ConfigError> {
    let berth = around.installation.berth.to_str();
    let replaced = |word: String| match (word.as_str(), berth) {
        (BERTH_MARKER, Some(berth)) => Ok(berth.to_owned()),
        (BERTH_MARKER, None) => {
            Err(at.error("the path of this binary is not UTF-8: move it, or write a path for @berth"))
        }
        _ => Ok(word),
    };
    command.into_iter().map(replaced).collect()
}

/// What is wrong with a command or with its options, which stand at these keys.
fn misfit(at: &At, (command, options): (&str, &str), error: &BadAgent) -> ConfigError {
    match error {
        BadAgent::Option { name, .. } => at.key(options).key(name).error(error),
        BadAgent::ShortCommand | BadAgent::Word(_) => at.key(command).error(error),
    }
}
