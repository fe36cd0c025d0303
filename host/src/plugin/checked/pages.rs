//! The pages of a list of sessions: each is checked as it comes, so that memory never holds more of a list than is
//! allowed.

use std::collections::HashMap;

use super::{BYTES, ID, LIST, LOOKED_AT, Listed, Weighed, in_words, is_cursor, named, session, told};
use crate::session::{Error, Session, State, Verbs};

/// Pages by which one list of sessions is asked for.
const PAGES: usize = 64;

/// Whether what is listed so far is enough for who asks, so that no further page is asked for.
pub type Enough<'a> = &'a (dyn Fn(&[Session]) -> bool + Sync);

/// A page of a list, as a plugin gave it.
pub(in crate::plugin) struct Page<T> {
    /// What is listed.
    pub(in crate::plugin) items: Vec<T>,
    /// What could not be looked at, and why.
    pub(in crate::plugin) problems: Vec<(String, Error)>,
    /// Where the next page begins.
    pub(in crate::plugin) next: Option<String>,
}

impl<T: Weighed> Weighed for Page<T> {
    fn weight(&self) -> usize {
        self.items.weight() + self.problems.weight() + self.next.weight()
    }
}

/// The room that a list has left.
#[derive(Clone, Copy)]
pub(in crate::plugin) struct Room {
    sessions: usize,
    bytes: usize,
    /// Bytes that may still be looked at.
    left: usize,
}

/// The usable part of a page.
pub(in crate::plugin) struct Part {
    listed: Listed<Session>,
    /// The ids of all that it had.
    ids: Vec<String>,
    room: Room,
    problems: Vec<String>,
    next: Option<String>,
}

/// Those sessions of `given` that are in a `wanted` state, while there is `room`, with what is `possible` at all. A
/// session with a fault stays, without the wrong part.
pub(in crate::plugin) fn part(given: Page<Session>, wanted: &[State], possible: Verbs, mut room: Room) -> Part {
    let mut sessions = given.items;
    sessions.retain(|session| wanted.is_empty() || wanted.contains(&session.state));
    let what = if room.sessions == LIST {
        "sessions"
    } else {
        "further sessions"
    };
    let mut listed = Listed::first(&mut sessions, room.sessions, what);
    room.sessions -= sessions.len();
    // A longer text is not an id, even if several sessions have it.
    let ids = sessions.iter().map(|session| &session.id).filter(|id| id.len() <= ID);
    let ids = ids.cloned().collect();
    for one in sessions {
        match session(one, possible, room.left) {
            Err(fault) => listed.fault(format!("its plugin {fault}; that session is left out")),
            Ok((session, faults, looked_at)) => {
                room.left -= looked_at;
                room.bytes = room.bytes.saturating_sub(session.weight());
                if room.is_used_up() {
                    listed.too_large();
                    break;
                }
                faults.into_iter().for_each(|fault| listed.fault(fault));
                listed.items.push(session);
            }
        }
    }
    Part {
        listed,
        ids,
        room,
        problems: told(given.problems).collect(),
        next: given.next,
    }
}

impl Room {
    fn is_used_up(self) -> bool {
        self.bytes == 0 || self.left == 0
    }
}

/// The pages of one list of sessions, as they come.
pub(in crate::plugin) struct Pages {
    listed: Listed<Session>,
    times: HashMap<String, usize>,
    room: Room,
    problems: Vec<String>,
    next: Option<String>,
    pages: usize,
    /// Why not all was listed.
    ended: Option<String>,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            listed: Listed::default(),
            times: HashMap::new(),
            room: Room {
                sessions: LIST,
                bytes: BYTES,
                left: LOOKED_AT,
            },
            problems: Vec::new(),
            next: None,
            pages: 0,
            ended: None,
        }
    }
}

impl Pages {
    /// The room for further pages.
    pub(in crate::plugin) fn room(&self) -> Room {
        self.room
    }

    /// How many sessions that may be.
    pub(in crate::plugin) fn limit(&self) -> u32 {
        u32::try_from(self.room.sessions).unwrap_or(u32::MAX)
    }

    /// Where the next page begins; none: at the beginning.
    pub(in crate::plugin) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// No page came yet.
    pub(in crate::plugin) fn are_none(&self) -> bool {
        self.pages == 0
    }

    /// The next page could not be fetched.
    pub(in crate::plugin) fn end(&mut self, why: &Error) {
        let why = in_words(why.clone());
        self.ended = Some(format!("only part of its sessions is known: {why}"));
    }

    /// Adds a page that was checked against the room there is. Answers whether to ask for another page: not where what is
    /// listed so far is `enough`.
    pub(in crate::plugin) fn add(&mut self, part: Part, enough: Enough<'_>) -> bool {
        self.pages += 1;
        self.room = part.room;
        self.listed.items.extend(part.listed.items);
        for fault in part.listed.faults {
            self.listed.fault(fault);
        }
        for id in part.ids {
            *self.times.entry(id).or_insert(0) += 1;
        }
        self.problems.extend(part.problems);
        let Some(next) = part.next else { return false };
        if self.room.is_used_up() || enough(&self.listed.items) {
            return false;
        }
        if self.room.sessions == 0 {
            self.ended = Some(format!(
                "it has more than {LIST} sessions; only the first {LIST} are shown"
            ));
        } else if self.pages >= PAGES {
            self.ended = Some(format!(
                "its plugin lists its sessions in more than {PAGES} pages; the rest is left out"
            ));
        } else if !is_cursor(&next) || self.next.as_ref() == Some(&next) {
            self.ended = Some("its plugin's list of sessions goes on where it was; the rest is left out".into());
        }
        self.next = Some(next);
        self.ended.is_none()
    }

    /// All sessions whose ids are unique, and the faults of the plugin among the errors.
    pub(in crate::plugin) fn into_list(mut self) -> (Listed<Session>, Vec<String>) {
        let mut listed = Listed::default();
        for session in self.listed.items {
            // If several have one id, nobody can say which is meant.
            match self.times.get_mut(&session.id).map(std::mem::take) {
                Some(1) => listed.items.push(session),
                Some(0) => {}
                _ => {
                    let id = named(&session.id);
                    listed.fault(format!(
                        "its plugin gives several sessions the id `{id}`; they are left out"
                    ));
                }
            }
        }
        self.listed.faults.into_iter().for_each(|fault| listed.fault(fault));
        let faults = listed.faults.clone();
        self.ended.into_iter().for_each(|why| listed.fault(why));
        self.problems.into_iter().for_each(|problem| listed.fault(problem));
        (listed, faults)
    }
}
