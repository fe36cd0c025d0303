//! What `@agent` stands for: an agent's command exactly, and then only the options that the operator declared.

use std::collections::BTreeMap;

use super::ENTRY_MARKER;
use super::template::{BadTemplate, Template, Words};

/// An agent's command and the groups of arguments that may follow it.
#[derive(Debug, Clone)]
pub struct AgentCommand {
    /// The agent's name.
    pub name: String,
    /// Its command: at least two words, since programs such as tmux give a single one to a shell.
    pub command: Vec<String>,
    options: BTreeMap<String, Vec<Template>>,
}

/// An agent that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadAgent {
    /// A command that a program such as tmux would give to a shell.
    #[error("a command needs at least two words, since a single one would be given to a shell: write [\"env\", …]")]
    ShortCommand,
    /// A word that is empty or holds a control character.
    #[error("{0:?} is not a word of a command: it is empty or holds a control character")]
    Word(String),
    /// An option that is wrong.
    #[error("{reason}")]
    Option {
        /// The option's name.
        name: String,
        /// What is wrong with it.
        reason: BadOption,
    },
}

/// An option that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadOption {
    /// It does not begin with a flag.
    #[error("an option's first argument must begin with \"-\", such as \"--model=<model>\"")]
    NoFlag,
    /// An argument that is wrong by itself.
    #[error(transparent)]
    Template(#[from] BadTemplate),
}

impl AgentCommand {
    /// Checks and compiles an agent's command and options.
    ///
    /// # Errors
    /// A [`BadAgent`] that says which part is wrong.
    pub fn new(
        name: &str,
        command: Vec<String>,
        options: &BTreeMap<String, Vec<String>>,
        words: &Words,
    ) -> Result<AgentCommand, BadAgent> {
        if command.len() < 2 {
            return Err(BadAgent::ShortCommand);
        }
        if let Some(bad) = command
            .iter()
            .find(|word| word.is_empty() || word.chars().any(char::is_control))
        {
            return Err(BadAgent::Word(bad.clone()));
        }
        let compile = |(name, written): (&String, &Vec<String>)| match compile_option(written, words) {
            Ok(option) => Ok((name.clone(), option)),
            Err(reason) => Err(BadAgent::Option {
                name: name.clone(),
                reason,
            }),
        };
        let options = options.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(AgentCommand {
            name: name.to_owned(),
            command,
            options,
        })
    }

    /// Which words of the command name the entry for this server.
    pub(super) fn entry_places(&self) -> impl Iterator<Item = usize> {
        let words = self.command.iter().enumerate();
        words
            .filter(|(_, word)| word.contains(ENTRY_MARKER))
            .map(|(index, _)| index)
    }

    /// Whether `args` is the command, followed by options, each at most once.
    pub(super) fn matches(&self, args: &[String]) -> bool {
        self.fitting(args) == args.len() && args.len() >= self.command.len()
    }

    /// How many arguments from the first one on are the command and whole options. Options are tried in the order of
    /// their names and never taken back, so the work is bounded.
    pub(super) fn fitting(&self, args: &[String]) -> usize {
        let leading = self
            .command
            .iter()
            .zip(args)
            .take_while(|(word, arg)| word == arg)
            .count();
        if leading < self.command.len() {
            return leading;
        }
        let mut unused: Vec<_> = self.options.values().collect();
        let mut fitting = leading;
        while let Some(at) = unused.iter().position(|option| starts_with(&args[fitting..], option)) {
            fitting += unused.remove(at).len();
        }
        fitting
    }
}

/// The value of an option that its word does not take.
pub(super) struct BadValue {
    /// The option's name.
    pub(super) option: String,
    /// The value.
    pub(super) value: String,
    /// The expression that it must match.
    pub(super) expression: String,
}

impl AgentCommand {
    /// The option whose value is all that keeps `args` from being the command with its options, as far as the first
    /// argument that does not fit shows it.
    pub(super) fn bad_value(&self, args: &[String]) -> Option<BadValue> {
        let fitting = self.fitting(args);
        if fitting < self.command.len() {
            return None;
        }
        self.options.iter().find_map(|(name, option)| {
            let mut unfit = option
                .iter()
                .zip(&args[fitting..])
                .skip_while(|(template, arg)| takes_value(template, arg));
            let (template, arg) = unfit.next()?;
            Some(BadValue {
                option: name.clone(),
                value: template.value(arg)?.to_owned(),
                expression: template.expression()?.to_owned(),
            })
        })
    }
}

fn compile_option(written: &[String], words: &Words) -> Result<Vec<Template>, BadOption> {
    if !written.first().is_some_and(|first| first.starts_with('-')) {
        return Err(BadOption::NoFlag);
    }
    Ok(written
        .iter()
        .map(|argument| Template::parse(argument, words))
        .collect::<Result<_, _>>()?)
}

fn starts_with(args: &[String], option: &[Template]) -> bool {
    args.len() >= option.len()
        && option
            .iter()
            .zip(args)
            .all(|(template, arg)| takes_value(template, arg))
}

/// Whatever the word's expression says, a value must not be empty or look like a flag.
fn takes_value(template: &Template, arg: &str) -> bool {
    template.matches(arg)
        && template
            .value(arg)
            .is_none_or(|value| !value.is_empty() && !value.starts_with('-'))
}
