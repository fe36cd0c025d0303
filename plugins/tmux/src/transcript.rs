//! The turns of a session's conversation, from the file that its agent keeps. It can be large: only the part that is
//! asked for is read.

use berth_agents::{Said, Who, turns};
use berth_plugin::{Error, Result, Role, Turn, TurnPage, TurnQuery, files};

use crate::clock::pause;
use crate::conversations::{self, Talk};
use crate::found::{self, Found};
use crate::setup::Setup;

/// How much of the end is read first, and at most, for the last turns.
const FIRST: u32 = 256 << 10;
const MOST: u32 = 4 << 20;
/// How much is read at once from a given turn on, and how often.
const AT_ONCE: u32 = 4 << 20;
const READS: usize = 4;
/// Turns of one page.
const TURNS: u32 = 1000;
/// Characters of a conversation's id that are in the ids of its turns.
const PREFIX: usize = 8;
/// How long a message may take to be in the file after Enter, in milliseconds.
const KEPT_MS: u64 = 3000;
const POLL_MS: u64 = 50;

/// Reads a page.
pub(crate) fn read(setup: &Setup, id: &str, query: &TurnQuery) -> Result<TurnPage> {
    let found = found::find(setup, id)?;
    if found.agent.is_none_or(|entry| entry.agent.conversations().is_none()) {
        return Err(Error::Unsupported);
    }
    let talk = talk(setup, &found).ok_or_else(|| {
        Error::Refused(
            "it is not known which conversation it has: either its agent's own record of that is not there, or `files` in \
             this backend's table does not grant it"
                .to_owned(),
        )
    })?;
    if talk.size == 0 {
        return Err(Error::Refused("nothing was said in its conversation yet".to_owned()));
    }
    Reader { talk: &talk }.page(query)
}

/// The conversation of one session.
fn talk(setup: &Setup, found: &Found<'_>) -> Option<Talk> {
    conversations::of(setup, &[found]).pop().flatten()
}

/// The end of a conversation just before a message is entered.
pub(crate) struct Mark(Option<Talk>);

impl Mark {
    pub(crate) fn of(setup: &Setup, found: &Found<'_>) -> Self {
        Self(talk(setup, found))
    }

    /// Whether the conversation soon holds this text after the mark, as what a person said: the whole of it and nothing
    /// else.
    pub(crate) fn is_followed_by(&self, text: &str) -> bool {
        let Some(talk) = &self.0 else { return false };
        let is_it = |said: &Said| said.who == Who::Person && said.text.trim_end() == text.trim_end();
        for _ in 0..KEPT_MS / POLL_MS {
            if let Ok(bytes) = bytes(talk, talk.size, MOST)
                && turns(talk.size, &bytes).iter().any(is_it)
            {
                return true;
            }
            pause(POLL_MS);
        }
        false
    }
}

/// A part of the file.
fn bytes(talk: &Talk, start: u64, max: u32) -> Result<Vec<u8>> {
    let mut read = files::read_all([conversations::part(talk, start, max)]);
    let missing = || Err(Error::Failed("the host gave no answer".to_owned()));
    read.pop().unwrap_or_else(missing)
}

/// The turns in a part of a file that begins at `start`, without the line that begins before it.
pub(crate) fn whole_turns(start: u64, bytes: &[u8]) -> Vec<Said> {
    if start == 0 {
        return turns(0, bytes);
    }
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => turns(start + end as u64 + 1, &bytes[end + 1..]),
        None => Vec::new(),
    }
}

/// Reads one conversation.
struct Reader<'a> {
    talk: &'a Talk,
}

impl Reader<'_> {
    fn page(&self, query: &TurnQuery) -> Result<TurnPage> {
        let limit = query.limit.clamp(1, TURNS) as usize;
        if let Some(before) = &query.before {
            return match self.place(before) {
                Some(place) => self.before(place, limit),
                None => self.gone(limit),
            };
        }
        match &query.after {
            None => self.before((self.talk.size, 0), limit),
            Some(after) => match self.place(after) {
                Some(place) => self.after(place, limit),
                None => self.gone(limit),
            },
        }
    }

    /// The last turns before a place.
    fn before(&self, (end, part): (u64, usize), limit: usize) -> Result<TurnPage> {
        let mut max = FIRST;
        loop {
            let start = end.saturating_sub(max.into());
            // Of the line at the end itself, the turns before its own count too.
            let more = if part == 0 { 0 } else { MOST };
            let length = u32::try_from(end - start)
                .unwrap_or(MOST)
                .saturating_add(more)
                .min(MOST);
            let mut said = whole_turns(start, &bytes(self.talk, start, length)?);
            said.retain(|said| said.place < (end, part));
            if said.len() >= limit || start == 0 || max >= MOST {
                let more = start > 0 || said.len() > limit;
                said.drain(..said.len().saturating_sub(limit));
                return Ok(self.answer(said, more, false));
            }
            max = (max * 4).min(MOST);
        }
    }

    /// The first turns after a place.
    fn after(&self, place: (u64, usize), limit: usize) -> Result<TurnPage> {
        let (mut start, mut said) = (place.0, Vec::new());
        for _ in 0..READS {
            let bytes = bytes(self.talk, start, AT_ONCE)?;
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                // What follows is not whole yet.
                return match bytes.len() < AT_ONCE as usize {
                    true => Ok(self.answer(said, false, false)),
                    false => self.gone(limit),
                };
            };
            said.extend(
                turns(start, &bytes[..=end])
                    .into_iter()
                    .filter(|said| said.place > place),
            );
            if said.len() > limit {
                said.truncate(limit);
                return Ok(self.answer(said, true, false));
            }
            start += end as u64 + 1;
        }
        match said.is_empty() {
            // Then nothing could be named from which to go on.
            true => self.gone(limit),
            false => Ok(self.answer(said, start < self.talk.size, false)),
        }
    }

    /// What is answered where a place no longer exists: the last turns.
    fn gone(&self, limit: usize) -> Result<TurnPage> {
        let page = self.before((self.talk.size, 0), limit)?;
        Ok(TurnPage { gap: true, ..page })
    }

    /// The place that the id of a turn names, if it is one of this conversation and a line begins there.
    fn place(&self, id: &str) -> Option<(u64, usize)> {
        let place = id.strip_prefix(self.prefix())?.strip_prefix('-')?;
        let (line, part) = place.split_once('-')?;
        let (line, part): (u64, usize) = (line.parse().ok()?, part.parse().ok()?);
        let before = bytes(self.talk, line.saturating_sub(1), 2).ok()?;
        let begins = match line {
            0 => before.first() == Some(&b'{'),
            _ => before == b"\n{",
        };
        begins.then_some((line, part))
    }

    fn prefix(&self) -> &str {
        self.talk.id.get(..PREFIX).unwrap_or(&self.talk.id)
    }

    fn answer(&self, said: Vec<Said>, more: bool, gap: bool) -> TurnPage {
        let turns = said.into_iter().map(|said| self.turn(said)).collect();
        TurnPage { turns, more, gap }
    }

    fn turn(&self, said: Said) -> Turn {
        let role = match said.who {
            Who::Person => Role::Person,
            Who::Agent => Role::Agent,
            Who::Thought => Role::Thought,
            Who::Tool => Role::Tool,
            Who::System => Role::System,
        };
        let (line, part) = said.place;
        Turn {
            at: said.at,
            tool: said.tool,
            failed: said.failed,
            ..Turn::new(format!("{}-{line}-{part}", self.prefix()), role, said.text)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, Transcripts as _, store};
    use serde_json::json;

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, everything};

    fn line(who: &str, text: &str) -> String {
        json!({"type": who, "timestamp": "2026-11-26T17:30:27.961Z", "message": {"content": text}}).to_string() + "\n"
    }

    /// What a person and the agent said in turn.
    fn talk(from: usize, to: usize) -> String {
        let who = |number: usize| if number.is_multiple_of(2) { "user" } else { "assistant" };
        (from..to)
            .map(|number| line(who(number), &format!("turn {number}")))
            .collect()
    }

    fn query(limit: u32, after: Option<&str>, before: Option<&str>) -> TurnQuery {
        TurnQuery {
            limit,
            after: after.map(str::to_owned),
            before: before.map(str::to_owned),
        }
    }

    fn page(query: TurnQuery) -> TurnPage {
        Plugin::read_turns("app", query).unwrap()
    }

    fn texts(page: &TurnPage) -> Vec<&str> {
        page.turns.iter().map(|turn| turn.text.as_str()).collect()
    }

    #[test]
    fn the_last_turns_come_in_order_and_pages_lead_both_ways_from_them() {
        let fake = Fake::conversing(&talk(0, 6));
        let last = page(query(2, None, None));
        assert_eq!(
            (texts(&last), last.more, last.gap),
            (vec!["turn 4", "turn 5"], true, false)
        );
        assert_eq!((last.turns[0].role, last.turns[1].role), (Role::Person, Role::Agent));
        assert_eq!(last.turns[0].at, Some(1_795_714_227_961));
        let before = page(query(9, None, Some(&last.turns[0].id)));
        assert_eq!(texts(&before), ["turn 0", "turn 1", "turn 2", "turn 3"]);
        assert!(!before.more);
        let after = page(query(2, Some(&before.turns[1].id), None));
        assert_eq!((texts(&after), after.more), (vec!["turn 2", "turn 3"], true));
        // At the end there is nothing more, until something is said.
        let end = &last.turns[1].id;
        assert_eq!(texts(&page(query(9, Some(end), None))), [""; 0]);
        fake.keeps("11111111-aaaa", &(talk(0, 7) + "{\"type\":\"user\",\"mess"));
        assert_eq!(texts(&page(query(9, Some(end), None))), ["turn 6"]);
    }

    #[test]
    fn of_a_large_conversation_only_what_is_asked_for_is_read() {
        let filler = line("of a later version", &"x".repeat(1 << 20));
        let lines = [talk(0, 2), filler.repeat(3), talk(2, 3), filler.repeat(6), talk(3, 5)].concat();
        let fake = Fake::conversing(&lines);
        // Four MiB before the end nothing else was said.
        let last = page(query(9, None, None));
        assert_eq!((texts(&last), last.more), (vec!["turn 3", "turn 4"], true));
        let first = page(query(
            9,
            None,
            Some(&format!("11111111-{}-0", talk(0, 2).len() + filler.len() * 3)),
        ));
        assert_eq!((texts(&first), first.more), (vec!["turn 0", "turn 1"], false));
        let next = page(query(2, Some(&first.turns[1].id), None));
        assert_eq!((texts(&next), next.gap), (vec!["turn 2", "turn 3"], false));
        drop(fake);
    }

    #[test]
    fn a_turn_that_is_not_of_this_conversation_is_a_gap_and_the_last_turns_come() {
        let fake = Fake::conversing(&talk(0, 3));
        for other in [
            "22222222-0-0",
            "11111111-1-0",
            "11111111-99999-0",
            "11111111",
            "7-00000000",
            "",
            "11111111--1-0",
        ] {
            for query in [query(1, Some(other), None), query(1, None, Some(other))] {
                let page = page(query);
                assert_eq!((texts(&page), page.gap), (vec!["turn 2"], true), "{other}");
            }
        }
        // The agent begins another conversation in the same process.
        let before = page(query(1, None, None)).turns[0].id.clone();
        fake.converses_in("22222222-bbbb", 1_700_000_000_500);
        fake.keeps("22222222-bbbb", &line("user", "from the start"));
        let page = page(query(5, Some(&before), None));
        assert_eq!((texts(&page), page.gap), (vec!["from the start"], true));
    }

    #[test]
    fn a_conversation_is_shown_only_where_the_agents_record_is_that_of_its_process() {
        let fake = Fake::conversing(&talk(0, 2));
        let refused = || match Plugin::read_turns("app", query(5, None, None)) {
            Err(Error::Refused(why)) => {
                let session = Plugin::get_session("app").unwrap();
                assert!(!session.facts.iter().any(|(name, _)| name == "conversation"));
                assert_eq!(Plugin::list_sessions(everything()).unwrap().sessions[0].task, None);
                why
            }
            other => panic!("{other:?}"),
        };
        // What a process left that had the same number before this session began.
        fake.converses_in("11111111-aaaa", 1_699_999_999_999);
        assert!(refused().contains("not known which conversation"));
        fake.converses_in("../../x", 1_700_000_000_500);
        refused();
        fake.converses_in("33333333-none", 1_700_000_000_500);
        assert!(refused().contains("nothing was said"));
        fake.converses_in("11111111-aaaa", 1_700_000_000_500);
        fake.denies("#{pane_id}:#{pane_pid}:");
        refused();
        fake.works_again();
        assert_eq!(page(query(5, None, None)).turns.len(), 2);
    }

    #[test]
    fn an_agent_of_which_no_conversations_are_known_has_none() {
        let _fake = Fake::new();
        assert_eq!(Plugin::read_turns("app", query(5, None, None)), Err(Error::Unsupported));
    }

    #[test]
    fn what_was_said_is_known_after_the_agent_has_ended_and_removed_its_record() {
        let fake = Fake::conversing(&talk(0, 2));
        Plugin::get_session("app").unwrap();
        fake.ends();
        std::fs::remove_dir_all(fake.host.directory().join("agent/sessions")).unwrap();
        assert_eq!(page(query(5, None, None)).turns.len(), 2);
        let session = Plugin::get_session("app").unwrap();
        assert!(
            session
                .facts
                .contains(&("conversation".to_owned(), "11111111-aaaa".to_owned()))
        );
        // Another session of this name is not the one of which that is known.
        fake.was_made(1_700_000_001);
        assert!(matches!(
            Plugin::read_turns("app", query(5, None, None)),
            Err(Error::Refused(_))
        ));
        assert!(store::keys("").unwrap().contains(&"conversations".to_owned()));
    }

    #[test]
    fn a_listed_session_tells_what_it_was_asked_and_what_it_said_last() {
        let fake = Fake::conversing(&(talk(0, 2) + &line("user", "do\n it  now")));
        let before = fake.host.commands().len();
        let session = Plugin::list_sessions(everything()).unwrap().sessions.remove(0);
        assert_eq!(fake.host.commands().len() - before, 3);
        assert_eq!(session.task.as_deref(), Some("do it now"));
        assert_eq!(session.last_output.as_deref(), Some("turn 1"));
    }

    #[test]
    fn without_a_conversation_the_screen_and_what_was_sent_tell_it() {
        let fake = Fake::new();
        let message = berth_plugin::Message {
            id: "1".to_owned(),
            text: "hello".to_owned(),
            attachments: Vec::new(),
        };
        <Plugin as berth_plugin::Control>::send_message("app", message).unwrap();
        let session = Plugin::get_session("app").unwrap();
        assert_eq!(session.task.as_deref(), Some("hello"));
        assert_eq!(session.last_output.as_deref(), Some("You said: hello"));
        drop(fake);
    }
}
