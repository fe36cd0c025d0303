//! A session of the protocol: one conversation in its directory.

use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::kept::{Kept, Memory};
use super::super::permission::Rules;
use super::wire::{INTERNAL, INVALID, NOT_FOUND, Refusal};

/// The modes that it has, with their names.
const MODES: [(&str, &str); 4] = [
    ("default", "Ask"),
    ("acceptEdits", "Write without asking"),
    ("plan", "Plan"),
    ("bypassPermissions", "Ask nothing"),
];

/// What is known of it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: Uuid,
    pub(super) directory: String,
    pub(super) memory: Memory,
    pub(super) rules: Rules,
    /// What is never to be asked again, because it was rejected for always.
    pub(super) rejected: Vec<String>,
}

impl Session {
    /// A new conversation.
    pub(super) fn begin(params: &Value) -> Result<Self, Refusal> {
        Self::with(Uuid::new_v4(), Memory::default(), params)
    }

    /// One that was kept.
    pub(super) fn load(params: &Value, kept: &Kept) -> Result<Self, Refusal> {
        let named = params["sessionId"].as_str().unwrap_or_default();
        let unknown = || Refusal {
            code: NOT_FOUND,
            why: format!("Resource not found: session {named:?}"),
        };
        let id = Uuid::try_parse(named).map_err(|_| unknown())?;
        let memory = kept.read(id).map_err(|error| Refusal {
            code: INTERNAL,
            why: format!("{error:#}"),
        })?;
        Self::with(id, memory.ok_or_else(unknown)?, params)
    }

    fn with(id: Uuid, memory: Memory, params: &Value) -> Result<Self, Refusal> {
        let directory = params["cwd"].as_str().unwrap_or_default();
        if !Path::new(directory).is_absolute() || !Path::new(directory).is_dir() {
            let why = format!("Invalid params: cwd {directory:?} is not the absolute path of a directory");
            return Err(Refusal { code: INVALID, why });
        }
        Ok(Self {
            id,
            directory: directory.to_owned(),
            memory,
            rules: Rules::new(&[], "default"),
            rejected: Vec::new(),
        })
    }

    pub(super) fn modes(&self) -> Value {
        let all: Vec<Value> = MODES
            .iter()
            .map(|(id, name)| json!({ "id": id, "name": name }))
            .collect();
        json!({ "currentModeId": self.rules.mode(), "availableModes": all })
    }

    pub(super) fn set_mode(&mut self, mode: &str) -> Result<Value, Refusal> {
        if !MODES.iter().any(|(id, _)| *id == mode) {
            let why = format!("Invalid params: there is no mode {mode:?}");
            return Err(Refusal { code: INVALID, why });
        }
        self.rules.set_mode(mode);
        Ok(json!({}))
    }
}
