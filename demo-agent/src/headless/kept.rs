//! What is kept of a conversation from one start to the next: one small file for each, below the state folder of this user.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Conversations that are kept. Then the oldest go.
const MOST: usize = 1_000;
/// Characters that are kept of a message.
const LONGEST: usize = 200;
/// Answers that are remembered, and the most characters of each.
const TOLD: usize = 50;
const LONGEST_TOLD: usize = 4_000;
/// Ids of messages that are remembered.
const KNOWN: usize = 200;

/// What a conversation remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// How many messages came.
    pub(super) messages: u64,
    /// What it has cost so far, in cents.
    pub(super) cents: u64,
    /// The beginning of its first message.
    pub(super) first: String,
    /// The ids of the last messages that were taken up.
    #[serde(default)]
    known: Vec<String>,
    /// The last messages with their answers, where they can be told again.
    #[serde(default)]
    pub(super) told: Vec<(String, String)>,
}

impl Memory {
    pub(super) fn hear(&mut self, message: &str) {
        if self.messages == 0 {
            self.first = message.chars().take(LONGEST).collect();
        }
        self.messages += 1;
    }

    /// What is said to a message that has no orders.
    pub(super) fn repeat(&self, message: &str) -> String {
        let said = format!("You said: {}", message.lines().next().unwrap_or_default());
        match self.messages {
            0 | 1 => said,
            number => format!(
                "{said}\nIt is message {number} of our conversation, which began with: {}",
                self.first
            ),
        }
    }

    pub(super) fn tell(&mut self, message: &str, answer: &str) {
        let cut = |text: &str| text.chars().take(LONGEST_TOLD).collect();
        self.told.push((cut(message), cut(answer)));
        let surplus = self.told.len().saturating_sub(TOLD);
        self.told.drain(..surplus);
    }

    /// A message with this id is not taken up again.
    pub(super) fn note(&mut self, id: &str) {
        self.known.push(id.to_owned());
        let surplus = self.known.len().saturating_sub(KNOWN);
        self.known.drain(..surplus);
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.known.iter().any(|known| known == id)
    }
}

/// Where conversations are kept.
#[derive(Debug, Clone)]
pub(super) struct Kept(pub(super) PathBuf);

impl Kept {
    /// In `$XDG_STATE_HOME`, or `~/.local/state`.
    ///
    /// # Errors
    /// Neither `XDG_STATE_HOME` nor `HOME` says where that is.
    pub(super) fn find() -> anyhow::Result<Self> {
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
        let state = state.context(
            "neither XDG_STATE_HOME nor HOME names a folder to remember conversations in: pass one of them on",
        )?;
        Ok(Self(state.join("berth-demo-agent")))
    }

    /// None if it does not know the conversation.
    ///
    /// # Errors
    /// Its file cannot be read.
    pub(super) fn read(&self, id: Uuid) -> anyhow::Result<Option<Memory>> {
        let path = self.path(id);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
            Ok(bytes) => {
                let memory = serde_json::from_slice(&bytes);
                memory.map(Some).with_context(|| format!("reading {}", path.display()))
            }
        }
    }

    /// Keeps it, in one step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, id: Uuid, memory: &Memory) -> anyhow::Result<()> {
        let path = self.path(id);
        let write = || -> io::Result<()> {
            fs::create_dir_all(&self.0)?;
            let draft = path.with_extension(format!("{}.draft", std::process::id()));
            fs::write(&draft, serde_json::to_vec(memory)?)?;
            fs::rename(&draft, &path)
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// Lets the oldest go, if there are too many.
    pub(super) fn tidy(&self) {
        let age = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
        if paths.len() > MOST {
            paths.sort_by_cached_key(|path| age(path));
            for path in &paths[..paths.len() - MOST] {
                // Another one may have done it.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn path(&self, id: Uuid) -> PathBuf {
        self.0.join(format!("{id}.json"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn remembers_a_conversation_and_lets_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept(folder.path().join("state"));
        let id = Uuid::new_v4();
        assert_eq!(kept.read(id).unwrap(), None);
        let mut memory = Memory::default();
        memory.hear("one");
        memory.hear("two");
        kept.write(id, &memory).unwrap();
        assert_eq!(kept.read(id).unwrap(), Some(memory.clone()));
        assert_eq!((memory.messages, &*memory.first), (2, "one"));
        let old = fs::File::open(kept.path(id)).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        for _ in 0..MOST {
            fs::write(kept.path(Uuid::new_v4()), "{}").unwrap();
        }
        kept.tidy();
        assert_eq!(kept.read(id).unwrap(), None);
        assert_eq!(fs::read_dir(&kept.0).unwrap().count(), MOST);
    }
}
