//! Which conversation of its agent each session has, and where the agent keeps it.
//!
//! Only the agent's own record of the process that a pane was started with says so. A conversation is never guessed by
//! its age or place: to show a wrong one would be worse than to show none.

use std::collections::BTreeMap;

use berth_agents::{Conversation, Conversations, Process};
use berth_plugin::files::{self, Entry, Slice};
use berth_plugin::store;

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
    let mut folders = Folders::default();
    let mut known: Vec<Known> = store::get(KEY).ok().flatten().unwrap_or_default();
    let mut is_new = false;
    // Without that it is not known of any.
    let processes = panes::processes().unwrap_or_default();
    let records = records(setup, all, &processes);
    let mut talks = Vec::with_capacity(all.len());
    for (found, records) in all.iter().zip(&records) {
        let talk = kept(found).and_then(|kept| match found.pane.end {
            None => {
                let pid = *processes.get(&found.pane.id)?;
                living(kept, found, pid, records, &mut folders)
            }
            Some(_) => ended(&known, found, &mut folders),
        });
        if let Some(talk) = talk.as_ref().filter(|_| found.pane.end.is_none()) {
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

/// What there is of each session's process, with the folder of its agent's in which it was: all is read together.
fn records<'a>(
    setup: &'a Setup,
    all: &[&Found<'a>],
    processes: &BTreeMap<String, u32>,
) -> Vec<Vec<(&'a str, Vec<u8>)>> {
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

/// The conversation of a session whose agent lives, by one of `records`.
fn living(
    kept: &Conversations,
    found: &Found<'_>,
    pid: u32,
    records: &[(&str, Vec<u8>)],
    folders: &mut Folders,
) -> Option<Talk> {
    let process = Process {
        pid,
        since: found.pane.created * 1000,
        directory: &found.pane.directory,
    };
    let mut records = records.iter();
    let (home, conversation) = records.find_map(|(home, record)| Some((home, Conversation::of(record, &process)?)))?;
    let places: Vec<_> = kept.places(home, &conversation).collect();
    let there = places.iter().find_map(|(folder, name)| {
        let size = folders.size(folder, name)?;
        Some((folder, name, size))
    });
    let (folder, name, size) = match there {
        Some(there) => there,
        None => places.first().map(|(folder, name)| (folder, name, 0))?,
    };
    Some(Talk {
        path: format!("{folder}/{name}"),
        id: conversation.id,
        size,
    })
}

/// The one that a session had when it was last looked at.
fn ended(known: &[Known], found: &Found<'_>, folders: &mut Folders) -> Option<Talk> {
    let is_it = |(session, created, _, _): &&Known| *session == found.id && *created == found.pane.created;
    let (_, _, id, path) = known.iter().rfind(is_it)?;
    let (folder, name) = path.rsplit_once('/')?;
    Some(Talk {
        id: id.clone(),
        path: path.clone(),
        size: folders.size(folder, name)?,
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

/// What is in folders, each looked at once.
#[derive(Default)]
struct Folders(BTreeMap<String, Vec<Entry>>);

impl Folders {
    /// Bytes of a file that is there and not empty.
    fn size(&mut self, folder: &str, name: &str) -> Option<u64> {
        let entries = match self.0.get(folder) {
            Some(entries) => entries,
            None => {
                let entries = files::entries(folder).unwrap_or_default();
                self.0.entry(folder.to_owned()).or_insert(entries)
            }
        };
        let entry = entries.iter().find(|entry| entry.name == name)?;
        (entry.size > 0).then_some(entry.size)
    }
}

/// Part of a conversation's file: at most `max` bytes from `start` on.
pub(crate) fn part(talk: &Talk, start: u64, max: u32) -> Slice {
    let path = talk.path.clone();
    Slice { path, start, max }
}
