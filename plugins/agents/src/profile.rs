//! An agent's profile: the data file, and the keys that an operator overrides.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::conversation::Conversations;
use crate::dialog::Dialog;
use crate::pattern::Pattern;

const PROFILES: [(&str, &str); 3] = [
    ("claude", include_str!("../data/claude.json")),
    ("demo", include_str!("../data/demo.json")),
    ("shell", include_str!("../data/shell.json")),
];

/// The names of the profiles that are built in.
pub fn known() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// Why a profile could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no built-in profile of this name.
    #[error("there is no profile \"{0}\": use one of {list}", list = known().collect::<Vec<_>>().join(", "))]
    Unknown(String),
    /// The operator's `signs` are not an object.
    #[error("`signs` must be a table of keys of the profile")]
    NotATable,
    /// A key of `signs` is unknown, or its value is not what that key takes.
    #[error("`signs`: {0}")]
    Signs(#[from] serde_json::Error),
    /// A pattern of `signs` is not a regular expression.
    #[error("`signs`: the pattern {0:?}: {1}")]
    Expression(String, regex_lite::Error),
}

/// One agent, ready to judge screens and to plan keys.
#[derive(Debug)]
pub struct Agent {
    pub(crate) profile: Profile,
}

impl Agent {
    /// Loads the built-in profile `name`, with single keys replaced by those of `signs`. Whether its patterns are regular
    /// expressions is for [`Agent::check`].
    ///
    /// # Errors
    /// The profile is unknown, a key of `signs` is unknown, or a value does not fit its key.
    pub fn load(name: &str, signs: Option<&Value>) -> Result<Self, ProfileError> {
        let (_, data) = PROFILES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| ProfileError::Unknown(name.to_owned()))?;
        let mut keys: Map<String, Value> = serde_json::from_str(data)?;
        match signs {
            None | Some(Value::Null) => {}
            Some(Value::Object(signs)) => keys.extend(signs.clone()),
            Some(_) => return Err(ProfileError::NotATable),
        }
        let profile = serde_json::from_value(Value::Object(keys))?;
        Ok(Self { profile })
    }

    /// Makes sure that every pattern can be used. This compiles them all, so it is done once, when berth starts.
    ///
    /// # Errors
    /// A pattern is not a regular expression.
    pub fn check(&self) -> Result<(), ProfileError> {
        let bad = |(text, error)| ProfileError::Expression(text, error);
        self.profile
            .patterns()
            .try_for_each(|pattern| pattern.check().map_err(bad))
    }

    /// Whether the agent runs under this process name.
    #[must_use]
    pub fn runs_as(&self, process: &str) -> bool {
        let process = process.trim_start_matches('-');
        self.profile.processes.iter().any(|name| name == process)
    }

    /// The names under which it runs.
    #[must_use]
    pub fn processes(&self) -> &[String] {
        &self.profile.processes
    }

    /// How long after its start the agent may still lose an Enter, in milliseconds.
    #[must_use]
    pub fn ready_ms(&self) -> u64 {
        self.profile.ready_ms
    }

    /// How long to wait between a text and its Enter, in milliseconds.
    #[must_use]
    pub fn submit_pause_ms(&self) -> u64 {
        self.profile.submit_pause_ms
    }

    /// How long a menu must have been shown before it takes keys, in milliseconds.
    #[must_use]
    pub fn menu_pause_ms(&self) -> u64 {
        self.profile.menu_pause_ms
    }

    /// The key that empties a composer with something in it, if there is one.
    #[must_use]
    pub fn clear_key(&self) -> Option<&str> {
        self.profile.clear.as_deref()
    }

    /// The key that closes a dialog without an answer, if there is one.
    #[must_use]
    pub fn dismiss_key(&self) -> Option<&str> {
        self.profile.dismiss.as_deref()
    }

    /// The key that interrupts the agent while it is busy.
    #[must_use]
    pub fn interrupt_key(&self) -> &str {
        &self.profile.interrupt
    }

    /// Where it keeps its conversations, if that is known.
    #[must_use]
    pub fn conversations(&self) -> Option<&Conversations> {
        self.profile.conversations.as_ref()
    }
}

/// How the screen of an agent is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// A composer between two rules, with a status line above and a footer below.
    Boxed,
    /// A prompt on the cursor's line, as a shell has.
    Line,
}

/// What a screen without any of the known signs means. Idle is not among the choices: a false idle is the worst error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unrecognised {
    #[default]
    Unknown,
    Busy,
}

/// The keys of a data file. Patterns are regular expressions for one line without its trailing blanks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// Names of the process, as the terminal's foreground group shows it.
    pub(crate) processes: Vec<String>,
    pub(crate) layout: Layout,
    #[serde(default)]
    pub(crate) ready_ms: u64,
    /// Where it keeps its conversations.
    #[serde(default)]
    pub(crate) conversations: Option<Conversations>,
    /// The line above and below a composer, and above a dialog.
    #[serde(default)]
    pub(crate) rule: Pattern,
    /// What precedes the composer's text and a menu's highlighted choice.
    #[serde(default)]
    pub(crate) markers: Vec<String>,
    /// A shell's prompt, up to where the typed text begins.
    #[serde(default)]
    pub(crate) prompt: Pattern,
    /// Composer texts that nobody typed; dim text counts as one anyway.
    #[serde(default)]
    pub(crate) placeholders: Vec<Pattern>,
    /// The line of a composer that stands for one long paste. The group `lines` is the number of its lines, or `breaks`
    /// that of its line breaks, if it has several.
    #[serde(default)]
    pub(crate) paste_marker: Pattern,
    /// The line above a composer that shows only the end of its text.
    #[serde(default)]
    pub(crate) cut_above: Pattern,
    /// A line above the composer that says the agent is at work.
    #[serde(default)]
    pub(crate) spinner: Pattern,
    /// A line of the list of commands that opens below a composer with the beginning of a command.
    #[serde(default)]
    pub(crate) suggestion: Pattern,
    /// The last line of a panel that shows something and only wants to be closed.
    #[serde(default)]
    pub(crate) panel: Pattern,
    #[serde(default)]
    pub(crate) busy_footer: Pattern,
    /// If it is set, only a footer that matches is idle.
    #[serde(default)]
    pub(crate) idle_footer: Pattern,
    /// A line above the composer that says something works in the background.
    #[serde(default)]
    pub(crate) background: Pattern,
    /// The same below the composer.
    #[serde(default)]
    pub(crate) background_footer: Pattern,
    /// A line between what the agent said last and the composer, which says that it is done.
    #[serde(default)]
    pub(crate) finished: Pattern,
    /// The first line of what the agent says.
    #[serde(default)]
    pub(crate) says: Pattern,
    /// What the agent says last if it wants a login, is at a limit of its use, or failed.
    #[serde(default)]
    pub(crate) login: Pattern,
    /// What the footer says if it wants a login.
    #[serde(default)]
    pub(crate) login_footer: Pattern,
    #[serde(default)]
    pub(crate) limit: Pattern,
    #[serde(default)]
    pub(crate) error: Pattern,
    /// Lines just above the composer that are not output of the agent.
    #[serde(default)]
    pub(crate) chrome: Pattern,
    #[serde(default)]
    pub(crate) unrecognised: Unrecognised,
    /// What it prints when it ends because it was asked to.
    #[serde(default)]
    pub(crate) leave: Pattern,
    /// Dialogs that are known, of which the first that fits counts.
    #[serde(default)]
    pub(crate) dialogs: Vec<Dialog>,
    /// The hint below a menu.
    #[serde(default)]
    pub(crate) menu_footer: Pattern,
    /// The first line below a rule within a dialog.
    #[serde(default)]
    pub(crate) goes_on: Pattern,
    /// The first line of a dialog with the names of its questions.
    #[serde(default)]
    pub(crate) header: Pattern,
    /// Such a line with one question only.
    #[serde(default)]
    pub(crate) only_one: Pattern,
    /// What a dialog shows that is not about what it asks.
    #[serde(default)]
    pub(crate) furniture: Pattern,
    /// What a dialog shows if a part of it did not fit.
    #[serde(default)]
    pub(crate) cut: Pattern,
    /// The end of a question that is answered by the letter y or n.
    #[serde(default)]
    pub(crate) letters: Pattern,
    /// Labels that grant nothing and stop.
    #[serde(default)]
    pub(crate) declines: Pattern,
    /// Words of a label that does more than answer this once.
    #[serde(default)]
    pub(crate) lasts: Pattern,
    /// Labels that allow what is asked for, this once.
    #[serde(default)]
    pub(crate) accepts: Pattern,
    /// The line of a menu of several ticks that hands them in.
    #[serde(default)]
    pub(crate) submit: Pattern,
    /// The label of the choice that hands in all answers.
    #[serde(default)]
    pub(crate) completes: Pattern,
    /// The hint that a key turns a choice into a field for words.
    #[serde(default)]
    pub(crate) amends: Pattern,
    /// That key.
    #[serde(default)]
    pub(crate) amend: Option<String>,
    /// The key that leaves a menu of several ticks.
    #[serde(default = "enter")]
    pub(crate) multiple_done: String,
    /// The key that closes a menu without an answer.
    #[serde(default)]
    pub(crate) dismiss: Option<String>,
    pub(crate) interrupt: String,
    /// The key that empties a composer with something in it, in all modes of its editor. On an empty one it may do
    /// something else.
    #[serde(default)]
    pub(crate) clear: Option<String>,
    /// Beginnings of a text that the agent would run as its own shell escape.
    #[serde(default)]
    pub(crate) refuse_leading: Vec<String>,
    /// Whole texts that the agent would take for something other than a message.
    #[serde(default)]
    pub(crate) refuse_whole: Vec<String>,
    /// The beginning of a command of the agent's own.
    #[serde(default)]
    pub(crate) command_prefix: Option<String>,
    /// Commands that it knows and does not list below the composer.
    #[serde(default)]
    pub(crate) commands: Vec<String>,
    /// What it says to a command that it does not know.
    #[serde(default)]
    pub(crate) unknown_command: Pattern,
    /// A `\` at the end makes Enter a new line.
    #[serde(default)]
    pub(crate) trailing_backslash_continues: bool,
    /// Its editor changes tabs, blanks at the end and what cannot be seen.
    #[serde(default)]
    pub(crate) edits: bool,
    /// What is longer than that does not count as its user's own words.
    #[serde(default)]
    pub(crate) paste: Option<Limit>,
    #[serde(default = "pause")]
    pub(crate) submit_pause_ms: u64,
    #[serde(default = "pause")]
    pub(crate) menu_pause_ms: u64,
}

/// The longest paste that counts as typed.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limit {
    /// UTF-16 units.
    pub(crate) units: usize,
    /// Line breaks.
    pub(crate) breaks: usize,
    /// On a terminal with fewer rows than these and `breaks` together, so many fewer line breaks.
    pub(crate) rows_without: usize,
}

impl Profile {
    /// Every pattern. A new field does not compile until it is added here.
    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        let Self {
            rule,
            prompt,
            paste_marker,
            cut_above,
            spinner,
            suggestion,
            panel,
            busy_footer,
            idle_footer,
            background,
            background_footer,
            finished,
            says,
            login,
            login_footer,
            limit,
            error,
            unknown_command,
            chrome,
            leave,
            menu_footer,
            goes_on,
            header,
            only_one,
            furniture,
            cut,
            letters,
            declines,
            lasts,
            accepts,
            submit,
            completes,
            amends,
            placeholders,
            dialogs,
            processes: _,
            layout: _,
            ready_ms: _,
            markers: _,
            unrecognised: _,
            amend: _,
            multiple_done: _,
            dismiss: _,
            interrupt: _,
            clear: _,
            refuse_leading: _,
            refuse_whole: _,
            command_prefix: _,
            commands: _,
            trailing_backslash_continues: _,
            edits: _,
            paste: _,
            submit_pause_ms: _,
            menu_pause_ms: _,
            conversations: _,
        } = self;
        let dialogs = dialogs.iter().flat_map(Dialog::patterns);
        placeholders.iter().chain(dialogs).chain([
            rule,
            prompt,
            paste_marker,
            cut_above,
            spinner,
            suggestion,
            panel,
            busy_footer,
            idle_footer,
            background,
            background_footer,
            finished,
            says,
            login,
            login_footer,
            limit,
            error,
            unknown_command,
            chrome,
            leave,
            menu_footer,
            goes_on,
            header,
            only_one,
            furniture,
            cut,
            letters,
            declines,
            lasts,
            accepts,
            submit,
            completes,
            amends,
        ])
    }

    /// Whether `text` is a command of the agent's own.
    pub(crate) fn is_command(&self, text: &str) -> bool {
        self.command_prefix
            .as_ref()
            .is_some_and(|prefix| text.starts_with(prefix))
    }
}

fn enter() -> String {
    "Enter".to_owned()
}

fn pause() -> u64 {
    300
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_built_in_profile_loads() {
        for name in known() {
            Agent::load(name, None).unwrap().check().unwrap();
        }
    }

    #[test]
    fn refuses_an_unknown_key_of_signs_by_its_name() {
        let error = Agent::load("claude", Some(&json!({"bussy_footer": "x"}))).unwrap_err();
        assert!(error.to_string().contains("bussy_footer"), "{error}");
    }

    #[test]
    fn every_key_of_signs_is_documented() {
        let document = include_str!("../../../docs/agents.md");
        let error = Agent::load("claude", Some(&json!({"no such key": 1})))
            .unwrap_err()
            .to_string();
        let (_, keys) = error.split_once("expected one of ").unwrap();
        let keys: Vec<&str> = keys.split('`').skip(1).step_by(2).collect();
        assert!(keys.len() > 50, "{keys:?}");
        for key in keys {
            assert!(document.contains(&format!("`{key}`")), "{key}");
        }
    }

    #[test]
    fn refuses_a_pattern_that_is_not_a_regular_expression() {
        let agent = Agent::load("claude", Some(&json!({"rule": "("}))).unwrap();
        let error = agent.check().unwrap_err();
        assert!(error.to_string().contains("\"(\""), "{error}");
    }

    #[test]
    fn names_the_profiles_there_are_when_one_is_unknown() {
        let error = Agent::load("clade", None).unwrap_err();
        assert!(error.to_string().contains("claude, demo, shell"), "{error}");
    }

    #[test]
    fn plain_text_and_an_expression_match_alike() {
        let pattern = |text: &str| serde_json::from_value::<Pattern>(json!(text)).unwrap();
        let (text, expression) = (pattern(" "), pattern("[ ]"));
        assert!(matches!(text, Pattern::Text(_)) && matches!(expression, Pattern::Expression(_)));
        for pattern in [text, expression] {
            assert!(pattern.is_set() && pattern.matches("a b") && !pattern.matches("ab"));
            assert_eq!(
                (pattern.end_of_match("ä b"), pattern.end_of_match("ab")),
                (Some(3), None)
            );
        }
        assert!(matches!(pattern("a.b"), Pattern::Expression(_)));
    }

    #[test]
    fn an_operator_replaces_single_keys() {
        let agent = Agent::load("claude", Some(&json!({"refuse_leading": [], "processes": ["cc"]}))).unwrap();
        assert!(agent.runs_as("cc") && !agent.runs_as("claude"));
        assert!(agent.profile.refuse_leading.is_empty());
    }
}
