//! The answer to one message, where the turns of a backend say which message they answer.

use std::time::{Duration, Instant};

use super::settle::{LOOKS, Rest, SILENCE, at_work};
use super::{Caller, Member, transcript};
use crate::session::{QueuedMessage, Role, Session, State, Turn, TurnQuery};

/// Turns at the end of a conversation, among which the answer is looked for.
const LAST: TurnQuery = TurnQuery {
    limit: 200,
    after: None,
    before: None,
};
/// How long a session that works is not asked again for its turns.
const PAUSE: Duration = Duration::from_secs(1);
/// What stands between two things that the agent said.
const BETWEEN: &str = "\n\n";

/// Waits until the message is answered and the session works on it no more, or asks something, or is at rest all the same;
/// at the longest until `deadline`. Answers what the wait came to, and what the agent has said to this message.
///
/// Nothing where the turns do not say what they answer, and nothing is asked.
pub(super) async fn reply(
    caller: &Caller,
    member: &Member,
    id: &str,
    message: &str,
    deadline: Instant,
) -> Option<(Rest, Option<String>)> {
    if !transcript::is_kept(member) {
        return None;
    }
    let began = tokio::time::Instant::now();
    let mut snapshots = member.watched.snapshots();
    let looks = if member.watched.tells_of_changes() { 1 } else { LOOKS };
    let (mut calm, mut is_named, mut said, mut read) = (0, false, None, None::<tokio::time::Instant>);
    let mut stuck = None::<(tokio::time::Instant, Box<Session>)>;
    loop {
        let end = stuck.as_ref().map(|(since, _)| *since + SILENCE);
        let end = end.map_or(deadline.into(), |end| end.min(deadline.into()));
        let look = tokio::time::timeout_at(end, snapshots.changed());
        match caller.while_there(look).await {
            Err(left) => return Some((Rest::Left(left), None)),
            Ok(Err(_)) => {
                let rest = stuck.map_or(Rest::AtWork, |(_, session)| Rest::Settled(session));
                return is_named.then_some((rest, said));
            }
            Ok(Ok(_)) => {}
        }
        let snapshot = snapshots.borrow_and_update().clone();
        let Some(snapshot) = snapshot.filter(|snapshot| snapshot.begun >= began) else {
            continue;
        };
        // What could not be looked at is looked at again.
        let Ok(listed) = &snapshot.sessions else { continue };
        let Some(session) = listed.items.iter().find(|session| session.id == id) else {
            match listed.faults.is_empty() {
                true => return Some((Rest::Gone, said)),
                false => continue,
            }
        };
        let (works, asks) = (at_work(session), session.state == State::Waiting);
        calm = if works { 0 } else { calm + 1 };
        if works && read.is_some_and(|read| read.elapsed() < PAUSE) {
            continue;
        }
        read = Some(tokio::time::Instant::now());
        let page = tokio::time::timeout_at(deadline.into(), member.watched.backend.read_turns(id, &LAST));
        let turns = match caller.while_there(page).await {
            Err(left) => return Some((Rest::Left(left), said)),
            Ok(Ok(Ok(page))) => page.turns,
            Ok(_) if is_named => continue,
            Ok(_) => return None,
        };
        let told = Told::of(&turns, &session.queue, message);
        is_named |= told.is_named;
        said = told.said.or(said);
        // What is asked comes from this message, because nothing was asked when it was taken.
        if !is_named && !asks {
            // A conversation that has just begun may have no turns yet.
            match turns.is_empty() && calm < looks {
                true => continue,
                false => return None,
            }
        }
        // What waits at a session that rests all the same, such as one that wants a login, waits for a person.
        let since = stuck.map_or(snapshot.begun, |(since, _)| since);
        stuck = needs_person(session, told.waits).then(|| (since, Box::new(session.clone())));
        let is_over = told.is_passed || (calm >= looks && !told.waits) || asks;
        if is_over || session.state.is_end() {
            return Some((Rest::Settled(Box::new(session.clone())), said));
        }
    }
}

/// Whether a message waits at a session that does nothing and says why a person should look.
fn needs_person(session: &Session, waits: bool) -> bool {
    waits && !at_work(session) && session.attention.is_some()
}

/// Whether the message was answered, and a later one is worked on, where the turns of the backend say that.
pub(super) async fn is_passed(member: &Member, id: &str, message: &str) -> bool {
    if !transcript::is_kept(member) {
        return false;
    }
    let turns = member.watched.backend.read_turns(id, &LAST).await;
    turns.is_ok_and(|page| Told::of(&page.turns, &[], message).is_passed)
}

/// What is told of one message.
struct Told {
    /// The backend names messages.
    is_named: bool,
    /// What the agent has said to it.
    said: Option<String>,
    /// It was answered, and a later message is worked on.
    is_passed: bool,
    /// It waits behind others.
    waits: bool,
}

impl Told {
    fn of(turns: &[Turn], queue: &[QueuedMessage], message: &str) -> Self {
        let waits = queue.iter().any(|queued| queued.id == message);
        let is_own = |turn: &Turn| turn.message.as_deref() == Some(message);
        let is_answer = |turn: &&Turn| turn.role == Role::Agent && is_own(turn) && !turn.text.trim().is_empty();
        let said: Vec<&str> = turns.iter().filter(is_answer).map(|turn| turn.text.as_str()).collect();
        let last = turns.iter().rposition(is_own);
        let later = last.map_or(&[][..], |last| &turns[last + 1..]);
        Self {
            is_named: waits || turns.iter().any(|turn| turn.message.is_some()),
            is_passed: !said.is_empty() && later.iter().any(|turn| turn.message.is_some()),
            said: (!said.is_empty()).then(|| said.join(BETWEEN)),
            waits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(role: Role, message: Option<&str>, text: &str) -> Turn {
        Turn {
            id: text.into(),
            at: None,
            role,
            text: text.into(),
            tool: None,
            failed: false,
            message: message.map(str::to_owned),
            facts: Vec::new(),
        }
    }

    #[test]
    fn what_the_agent_said_to_one_message_is_its_answer_and_nothing_else() {
        let turns = [
            turn(Role::Person, Some("a"), "first"),
            turn(Role::Agent, Some("a"), "to the first"),
            turn(Role::Person, Some("b"), "second"),
            turn(Role::Thought, Some("b"), "hm"),
            turn(Role::Agent, Some("b"), "I begin"),
            turn(Role::Tool, Some("b"), "make"),
            turn(Role::Agent, Some("b"), "it is done"),
        ];
        let first = Told::of(&turns, &[], "a");
        assert_eq!(first.said.as_deref(), Some("to the first"));
        assert!(first.is_passed && first.is_named && !first.waits);
        let second = Told::of(&turns, &[], "b");
        assert_eq!(second.said.as_deref(), Some("I begin\n\nit is done"));
        assert!(!second.is_passed, "nothing later is worked on");
        let unknown = Told::of(&turns, &[], "c");
        assert!(unknown.is_named && unknown.said.is_none() && !unknown.is_passed);
    }

    #[test]
    fn a_message_that_is_queued_waits_and_a_backend_that_names_none_does_not_tell() {
        let queued = QueuedMessage {
            id: "b".into(),
            text: String::new(),
            at: 0,
        };
        let turns = [turn(Role::Person, None, "first"), turn(Role::Agent, None, "answer")];
        let told = Told::of(&turns, &[queued], "b");
        assert!(told.waits && told.is_named);
        assert!(!Told::of(&turns, &[], "b").is_named);
    }
}
