//! Which conversation of its agent each session has, and where the agent keeps it.
//!
//! Only the agent's own record of the process that a pane was started with says so. A conversation is never guessed by
//! its age or place: to show a wrong one would be worse than to show none.

use std::collections::{BTreeMap, BTreeSet};

use berth_agents::{Conversation, Conversations, Process};
use berth_plugin::files::{self, Entry, Listing, Slice};
use berth_plugin::{Error, Result, store};

use crate::found::Found;
use crate::panes;
use crate::setup::Setup;

const KEY: &str = "conversations";
/// Conversations that are remembered; of more, the oldest go.
const MOST: usize = 500;
/// Bytes of a process's record.
const RECORD: u32 = 16 << 10;
/// Records that are read at once, on a host in one round trip: one read takes no more.
const RECORDS: usize = 200;

/// A conversation, and the file that it is kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Talk {
    pub(crate) id: String,
    pub(crate) path: String,
    /// Bytes of the file; none, while nothing was said.
    pub(crate) size: u64,
}

/// What is remembered of a session, because an agent removes its record when it ends: the session's id and start, the
/// conversation and its file.
type Known = (String, u64, String, String);

/// The conversation of each of `all`, where it is known.
pub(crate) fn of(setup: &Setup, all: &[&Found<'_>]) -> Vec<Option<Talk>> {
    if all.iter().all(|found| kept(found).is_none()) {
        return vec![None; all.len()];
    }
    let mut known: Vec<Known> = store::get(KEY).ok().flatten().unwrap_or_default();
    // Without that it is not known of any.
    let processes = panes::processes().unwrap_or_default();
    let records = records(setup, all, &processes);
    let sought = |(found, records): (&&Found<'_>, &Records<'_>)| {
        let kept = kept(found)?;
        match found.pane.end {
            None => living(kept, found, *processes.get(&found.pane.id)?, records),
            Some(_) => ended(&known, found),
        }
    };
    let sought: Vec<Option<Sought>> = all.iter().zip(&records).map(sought).collect();
    let folders = Folders::of(sought.iter().flatten());
    let mut is_new = false;
    let mut talks = Vec::with_capacity(all.len());
    for (found, sought) in all.iter().zip(sought) {
        let lives = found.pane.end.is_none();
        let talk = sought.and_then(|sought| sought.talk(lives, &folders));
        if let Some(talk) = talk.as_ref().filter(|_| lives) {
            is_new |= remember(&mut known, found, talk);
        }
        talks.push(talk);
    }
    if is_new {
        known.drain(..known.len().saturating_sub(MOST));
        // Without that, it is not known after the session has ended.
        let _ = store::put(KEY, &known);
    }
    talks
}

fn kept<'a>(found: &Found<'a>) -> Option<&'a Conversations> {
    found.agent?.agent.conversations()
}

/// What there is of a session's process, each with the folder of its agent's in which it was.
type Records<'a> = Vec<(&'a str, Vec<u8>)>;

/// Those of each session: all is read together.
fn records<'a>(setup: &'a Setup, all: &[&Found<'a>], processes: &BTreeMap<String, u32>) -> Vec<Records<'a>> {
    let mut asked = Vec::new();
    for (index, found) in all.iter().enumerate().filter(|(_, found)| found.pane.end.is_none()) {
        let Some((kept, pid)) = kept(found).zip(processes.get(&found.pane.id)) else {
            continue;
        };
        let homes = setup.folders.iter().filter_map(|folder| kept.home(folder));
        asked.extend(homes.map(|home| (index, home, kept.record(home, *pid))));
    }
    let mut records = vec![Vec::new(); all.len()];
    for some in asked.chunks(RECORDS) {
        let slices = some.iter().map(|(_, _, path)| Slice {
            path: path.clone(),
            start: 0,
            max: RECORD,
        });
        for ((index, home, _), record) in some.iter().zip(files::read_all(slices)) {
            records[*index].extend(record.ok().map(|record| (*home, record)));
        }
    }
    records
}

/// A conversation, and where it may be kept: folders, and the name of its file there.
struct Sought {
    id: String,
    places: Vec<(String, String)>,
}

impl Sought {
    /// It as it is kept. While its agent lives it need not be there yet.
    fn talk(self, lives: bool, folders: &Folders) -> Option<Talk> {
        let there = self.places.iter().find_map(|(folder, name)| {
            let size = folders.size(folder, name)?;
            Some((folder, name, size))
        });
        let first = || self.places.first().map(|(folder, name)| (folder, name, 0));
        let (folder, name, size) = there.or_else(|| first().filter(|_| lives))?;
        Some(Talk {
            path: format!("{folder}/{name}"),
            size,
            id: self.id,
        })
    }
}

/// The conversation of a session whose agent lives, by one of `records`.
fn living(kept: &Conversations, found: &Found<'_>, pid: u32, records: &Records<'_>) -> Option<Sought> {
    let process = Process {
        pid,
        since: found.pane.created * 1000,
        directory: &found.pane.directory,
    };
    let mut records = records.iter();
    let (home, conversation) = records.find_map(|(home, record)| Some((home, Conversation::of(record, &process)?)))?;
    Some(Sought {
        places: kept.places(home, &conversation).collect(),
        id: conversation.id,
    })
}

/// The one that a session had when it was last looked at.
fn ended(known: &[Known], found: &Found<'_>) -> Option<Sought> {
    let is_it = |(session, created, _, _): &&Known| *session == found.id && *created == found.pane.created;
    let (_, _, id, path) = known.iter().rfind(is_it)?;
    let (folder, name) = path.rsplit_once('/')?;
    Some(Sought {
        id: id.clone(),
        places: vec![(folder.to_owned(), name.to_owned())],
    })
}

/// Whether it was not known yet.
fn remember(known: &mut Vec<Known>, found: &Found<'_>, talk: &Talk) -> bool {
    let is = (found.id.clone(), found.pane.created, talk.id.clone(), talk.path.clone());
    if known.contains(&is) {
        return false;
    }
    known.retain(|(session, ..)| *session != found.id);
    known.push(is);
    true
}

/// What is in folders.
struct Folders(BTreeMap<String, Vec<Entry>>);

impl Folders {
    /// Those in which any of these may be, all looked at together.
    fn of<'a>(sought: impl Iterator<Item = &'a Sought>) -> Self {
        let places = sought.flat_map(|sought| &sought.places);
        let folders: BTreeSet<&String> = places.map(|(folder, _)| folder).collect();
        let listed = files::entries_all(folders.iter().map(|folder| Listing::new(*folder)));
        let entries = |(folder, entries): (&String, Result<Vec<Entry>>)| {
            let entries = match entries {
                // All together are too many for one answer.
                Err(Error::Limited(_)) => files::entries(folder),
                entries => entries,
            };
            (folder.clone(), entries.unwrap_or_default())
        };
        Self(folders.into_iter().zip(listed).map(entries).collect())
    }

    /// Bytes of a file that is there and not empty.
    fn size(&self, folder: &str, name: &str) -> Option<u64> {
        let entry = self.0.get(folder)?.iter().find(|entry| entry.name == name)?;
        (entry.size > 0).then_some(entry.size)
    }
}

/// Part of a conversation's file: at most `max` bytes from `start` on.
pub(crate) fn part(talk: &Talk, start: u64, max: u32) -> Slice {
    let path = talk.path.clone();
    Slice { path, start, max }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use berth_plugin::Backend as _;

    use crate::Plugin;
    use crate::fake::{Fake, everything};

    #[test]
    fn the_folders_of_all_conversations_are_looked_at_in_one_question() {
        let said = |words: &str| {
            let message = serde_json::json!({"content": words});
            let at = "2026-01-01T08:00:00.000Z";
            serde_json::json!({"type": "user", "timestamp": at, "message": message}).to_string() + "\n"
        };
        let fake = Fake::conversing(&said("app"));
        for number in 0..9 {
            let name = format!("other-{number}");
            fake.converses_beside(&name, &format!("/p/{name}"), &said(&name));
        }
        let before = fake.host.listings();
        let page = Plugin::list_sessions(everything()).unwrap();
        assert_eq!(fake.host.listings() - before, 1);
        assert_eq!(page.sessions.len(), 10);
        for session in page.sessions {
            assert_eq!(session.task, Some(session.id));
        }
    }
}
