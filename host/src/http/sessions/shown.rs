//! What the pages show of the tools' answers.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What `list_sessions` answers.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) errors: Vec<NotKnown>,
    pub(super) sessions: Vec<Session>,
    pub(super) next: Option<String>,
}

/// What is not known of a backend, and why.
#[derive(Debug, Deserialize)]
pub(super) struct NotKnown {
    pub(super) backend: String,
    pub(super) error: String,
}

/// What `get_session_status` and `respond_to_prompt` answer.
#[derive(Debug, Deserialize)]
pub(super) struct Acted {
    pub(super) session: Session,
    pub(super) receipt: Option<String>,
    pub(super) note: Option<String>,
}

/// What `get_logs` answers.
#[derive(Debug, Deserialize)]
pub(super) struct Logs {
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Session {
    pub(super) session_id: String,
    pub(super) name: String,
    pub(super) agent: String,
    pub(super) directory: Option<String>,
    pub(super) project: Option<String>,
    pub(super) state: String,
    pub(super) summary: Option<String>,
    pub(super) task: Option<String>,
    pub(super) last_output: Option<String>,
    #[serde(default)]
    pub(super) prompts: Vec<Prompt>,
    pub(super) attention: Option<Attention>,
    pub(super) can: Vec<String>,
    pub(super) since: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) active_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Attention {
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Prompt {
    pub(super) prompt_id: String,
    pub(super) kind: String,
    pub(super) question: String,
    pub(super) detail: Option<String>,
    pub(super) choices: Vec<Choice>,
    pub(super) multiple: bool,
    pub(super) accepts_text: bool,
    pub(super) text_schema: Option<serde_json::Value>,
    pub(super) dismissible: bool,
    pub(super) cut: bool,
    pub(super) on_terminal_only: bool,
    pub(super) group: Option<String>,
    pub(super) given: Option<Given>,
    #[serde(default)]
    pub(super) facts: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) description: Option<String>,
    pub(super) effect: Effect,
    pub(super) ticked: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effect {
    Accepts,
    Widens,
    Declines,
    Neutral,
}

/// An answer that is kept until its group is complete.
#[derive(Debug, Deserialize)]
pub(super) struct Given {
    pub(super) choices: Vec<String>,
    pub(super) text: Option<String>,
    pub(super) dismiss: bool,
}

impl Session {
    /// As people call it.
    pub(super) fn title(&self) -> &str {
        match self.name.is_empty() {
            true => &self.session_id,
            false => &self.name,
        }
    }

    /// Where it works, as briefly as that is known.
    pub(super) fn place(&self) -> &str {
        let known = [&self.project, &self.directory];
        known.into_iter().flatten().next().map_or("", String::as_str)
    }

    /// How long ago it last did something.
    pub(super) fn age(&self) -> Option<String> {
        let times = [&self.active_at, &self.since, &self.created_at];
        times.into_iter().flatten().find_map(|time| crate::age::since(time))
    }

    /// Whether it waits for a person.
    pub(super) fn waits(&self) -> bool {
        self.state == "waiting" || self.attention.is_some()
    }

    /// Its state in words.
    pub(super) fn state_in_words(&self) -> &str {
        match self.state.as_str() {
            "queued" => "waits for its turn",
            "busy" => "at work",
            "waiting" => "asks you",
            "failed" => "has failed",
            "ended" => "has ended",
            "unreachable" => "not reachable",
            "unknown" => "not understood",
            state => state,
        }
    }

    /// Whether it does nothing more.
    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.state.as_str(),
            "done" | "failed" | "ended" | "cancelled" | "interrupted"
        )
    }

    /// Whether it shows what its backend does not understand, and takes an Escape.
    pub(super) fn can_be_left(&self) -> bool {
        self.state == "unknown" && self.prompts.is_empty() && self.can.iter().any(|verb| verb == "respond")
    }
}

impl Effect {
    /// What a choice with it does, in words.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Accepts => "Allows this once",
            Self::Widens => "Allows more than this, from now on",
            Self::Declines => "Refuses",
            Self::Neutral => "",
        }
    }

    /// How the button of such a choice looks.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Accepts => "accepts",
            Self::Widens => "widens",
            Self::Declines | Self::Neutral => "",
        }
    }
}

impl Prompt {
    /// Why it can only be declined from here.
    pub(super) fn only_declined(&self) -> Option<&'static str> {
        match (self.cut, self.on_terminal_only) {
            (true, _) => Some("A part of this is not shown here, so from here you can only refuse it."),
            (_, true) => Some("Only your own terminal can accept this; from here you can refuse it."),
            _ => None,
        }
    }

    /// All of it that a person decides by.
    pub(super) fn as_decided(&self) -> String {
        let Self {
            question,
            detail,
            choices,
            cut,
            on_terminal_only,
            facts,
            ..
        } = self;
        let choices: Vec<_> = choices
            .iter()
            .map(|choice| (&choice.key, &choice.label, &choice.description, choice.effect))
            .collect();
        format!("{question:?} {detail:?} {choices:?} {cut} {on_terminal_only} {facts:?}")
    }
}
