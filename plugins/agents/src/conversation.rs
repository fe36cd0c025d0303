//! Where an agent keeps its conversations, and which of them one of its processes has now.

use serde::Deserialize;

/// The longest id of a conversation, in characters.
const ID_MAX: usize = 64;

/// The folders in which an agent keeps its conversations, by their names in a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversations {
    /// It has a record of each process that runs, called by the process's number.
    processes: String,
    /// It has a folder for each directory in which it was started, and in that the conversations.
    kept: String,
}

/// A process of which the conversation is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Process<'a> {
    /// Its number.
    pub pid: u32,
    /// The earliest time at which it can have begun, in milliseconds.
    pub since: u64,
    /// Where it was started.
    pub directory: &'a str,
}

/// The conversation that a process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: String,
    /// The directories for which it may be kept.
    directories: Vec<String>,
}

/// The record of a process, as the agent writes it. Whatever else is in it does not matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    pid: u32,
    session_id: String,
    cwd: String,
    started_at: u64,
}

impl Conversations {
    /// The agent's own folder, if `folder` is that of its processes.
    #[must_use]
    pub fn home<'a>(&self, folder: &'a str) -> Option<&'a str> {
        folder.strip_suffix(self.processes.as_str())?.strip_suffix('/')
    }

    /// The path of the record of a process.
    #[must_use]
    pub fn record(&self, home: &str, pid: u32) -> String {
        format!("{home}/{}/{pid}.json", self.processes)
    }

    /// The folders in which a conversation may be kept, and the name of its file there.
    pub fn places<'a>(
        &self,
        home: &str,
        conversation: &'a Conversation,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let kept = format!("{home}/{}", self.kept);
        let name = format!("{}.jsonl", conversation.id);
        let directories = conversation.directories.iter();
        directories.map(move |directory| (format!("{kept}/{}", folder_of(directory)), name.clone()))
    }
}

impl Conversation {
    /// What the record of a process says, if it is one of this process: another process may have had the number before,
    /// and what is left of that one must not count.
    #[must_use]
    pub fn of(record: &[u8], process: &Process<'_>) -> Option<Self> {
        let record: Record = serde_json::from_slice(record).ok()?;
        let in_directory = record
            .cwd
            .strip_prefix(process.directory)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_its = record.pid == process.pid && record.started_at >= process.since && in_directory;
        let mut directories = vec![record.cwd];
        if directories[0] != process.directory {
            directories.push(process.directory.to_owned());
        }
        (is_its && is_id(&record.session_id)).then_some(Self {
            id: record.session_id,
            directories,
        })
    }
}

/// Whether it is a plain name, which leads to no other file.
fn is_id(id: &str) -> bool {
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What the agent calls the folder for a directory. It counts UTF-16 units.
fn folder_of(directory: &str) -> String {
    let plain = |unit: u16| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte),
        _ => '-',
    };
    directory.encode_utf16().map(plain).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::profile::Agent;

    /// As Claude Code 2.1.329 wrote it.
    const RECORD: &str = r#"{"pid":25920,"sessionId":"f11da1bd-96d0-4fa3-bd6e-a20e74092eec","cwd":"/home/dev/my app","startedAt":1795714294108,"procStart":"6152147","version":"2.1.329","peerProtocol":1,"kind":"interactive","entrypoint":"cli","name":"app-1b","nameSource":"derived","status":"idle","updatedAt":1795714308526}"#;

    fn process(pid: u32, since: u64, directory: &str) -> Process<'_> {
        Process { pid, since, directory }
    }

    fn claude() -> Conversations {
        Agent::load("claude", None).unwrap().conversations().unwrap().clone()
    }

    #[test]
    fn the_record_of_a_process_leads_to_its_conversation() {
        let conversations = claude();
        let home = conversations.home("/home/dev/.claude/sessions").unwrap();
        assert_eq!(home, "/home/dev/.claude");
        assert_eq!(
            conversations.record(home, 25920),
            "/home/dev/.claude/sessions/25920.json"
        );
        let its = process(25920, 1_795_714_293_000, "/home/dev/my app");
        let conversation = Conversation::of(RECORD.as_bytes(), &its).unwrap();
        let places: Vec<_> = conversations.places(home, &conversation).collect();
        assert_eq!(
            places,
            [(
                "/home/dev/.claude/projects/-home-dev-my-app".to_owned(),
                "f11da1bd-96d0-4fa3-bd6e-a20e74092eec.jsonl".to_owned()
            )]
        );
        let below = Conversation::of(RECORD.as_bytes(), &process(25920, 0, "/home/dev")).unwrap();
        assert_eq!(conversations.places(home, &below).count(), 2);
    }

    #[test]
    fn a_record_that_may_be_of_another_process_says_nothing() {
        for other in [
            process(1, 0, "/home/dev/my app"),
            // It was left by one that ended before this one began.
            process(25920, 1_795_714_294_109, "/home/dev/my app"),
            process(25920, 0, "/home/dev/my"),
            process(25920, 0, "/home/dev/other"),
        ] {
            assert_eq!(Conversation::of(RECORD.as_bytes(), &other), None, "{other:?}");
        }
    }

    #[test]
    fn what_is_no_record_or_names_another_file_says_nothing() {
        let its = process(25920, 0, "/home/dev/my app");
        for (from, to) in [
            ("f11da1bd-96d0-4fa3-bd6e-a20e74092eec", "../secrets"),
            ("f11da1bd-96d0-4fa3-bd6e-a20e74092eec", ""),
            ("\"sessionId\"", "\"session\""),
            ("1795714294108", "\"now\""),
            ("{", ""),
        ] {
            let record = RECORD.replacen(from, to, 1);
            assert_eq!(Conversation::of(record.as_bytes(), &its), None, "{record}");
        }
    }

    #[test]
    fn other_folders_are_not_the_agents() {
        for folder in [
            "/home/dev/.claude/projects",
            "/home/dev/.claude/my-sessions",
            "sessions",
            "",
        ] {
            assert_eq!(claude().home(folder), None, "{folder}");
        }
    }

    #[test]
    fn a_directory_has_the_folder_that_the_agent_makes_of_it() {
        assert_eq!(folder_of("/a/b.c_d é🎉"), "-a-b-c-d----");
    }
}
