//! Messages that are kept for sessions which cannot take them yet. They are in the store, so they outlive this process, and
//! in memory for whoever looks.
//!
//! Before typing begins the store notes that, and the note goes with what came of it. After a crash in between, the backend
//! is given the message with its id again, and says what became of it instead of typing it twice. Once the backend has
//! forgotten that, the message counts as perhaps typed, and is not given to it any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Caller;
use crate::session::{Attachment, Message, QueuedMessage, Timestamp};
use crate::store;
use crate::store::outbox::{Enclosure, Letter};
use crate::watch::now;

/// How long a message waits at most.
pub(crate) const KEPT: Duration = Duration::from_hours(24);
/// For how long a backend knows what became of a message: see the contract.
const KNOWN: Duration = Duration::from_hours(1);
/// Messages that wait: of one caller, and of all.
const EACH: usize = 32;
const ALL: usize = 128;
/// Looks in which a session must be seen at rest: one alone may fall into a gap between two steps.
const LOOKS: u32 = 2;
/// How long after a refusal a message is tried again: at first, and at the longest.
const AGAIN: Duration = Duration::from_secs(2);
const AGAIN_MOST: Duration = Duration::from_mins(5);
/// The kind of attention that a session needs whose message is not sent any more.
pub(super) const ATTENTION: &str = "message";
/// What is known of a message that was being typed when berth ended.
const CUT_OFF: &str = "may have been typed: berth ended meanwhile";

/// The messages that wait here.
pub(crate) struct Outbox {
    store: Arc<store::Outbox>,
    kept: Mutex<Vec<Kept>>,
    /// What the names of backends mean now: a message shows only where that is what it was kept for.
    meanings: Mutex<BTreeMap<String, String>>,
    added: Notify,
}

struct Kept {
    letter: Letter,
    since: Instant,
    /// Something is being done with it: nobody else begins anything.
    held: bool,
    /// In how many looks, one after the other, its session was seen at rest.
    calm: u32,
    /// When it may be tried again, how long that was put off, and why.
    refused: Option<(Instant, Duration, String)>,
}

/// What was found about a session for which a message waits.
pub(crate) enum Seen {
    AtRest,
    AtWork,
}

impl Outbox {
    /// What `store` has. This blocks.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn of(store: store::Outbox) -> Result<Self, store::Error> {
        let letters = store.all()?;
        Ok(Self {
            store: Arc::new(store),
            kept: Mutex::new(letters.into_iter().map(Kept::new).collect()),
            meanings: Mutex::default(),
            added: Notify::new(),
        })
    }

    /// The names of backends mean this from now on.
    pub(super) fn now_mean(&self, meanings: BTreeMap<String, String>) {
        *self.meanings.lock().unwrap_or_else(PoisonError::into_inner) = meanings;
    }

    /// Whether the session of `letter` belongs to what its backend's name means now.
    fn is_meant(&self, letter: &Letter) -> bool {
        let backend = letter.session.split_once('/').map_or("", |(backend, _)| backend);
        let meanings = self.meanings.lock().unwrap_or_else(PoisonError::into_inner);
        meanings.get(backend) == Some(&letter.meaning)
    }

    /// Keeps a message from `caller` for a session of the backend that means `meaning`.
    ///
    /// # Errors
    /// It is not kept: why.
    pub(super) async fn keep(
        &self,
        caller: &Caller,
        session_id: &str,
        meaning: &str,
        message: &Message,
    ) -> Result<(), String> {
        let letter = Letter {
            id: message.id.clone(),
            session: session_id.to_owned(),
            meaning: meaning.to_owned(),
            principal: caller.principal.id().to_owned(),
            at: now(),
            text: message.text.clone(),
            began: None,
            fate: None,
        };
        self.hold_new(letter.clone())?;
        let (id, enclosures) = (
            message.id.clone(),
            message.attachments.iter().map(enclosure).collect::<Vec<_>>(),
        );
        let put = self.in_store(move |store| store.put(&letter, &enclosures)).await;
        match &put {
            Ok(()) => self.change(&id, |kept| kept.held = false),
            Err(_) => self.forget(&id),
        }
        self.added.notify_one();
        put
    }

    fn hold_new(&self, letter: Letter) -> Result<(), String> {
        let mut all = self.kept();
        let waiting = all.iter().filter(|kept| kept.letter.fate.is_none());
        let own = waiting.clone().filter(|kept| kept.letter.principal == letter.principal);
        if own.count() >= EACH || waiting.count() >= ALL {
            return Err(format!(
                "as many messages as possible wait already, {EACH} of one caller and {ALL} in all; interrupt_session takes one \
                 back"
            ));
        }
        let held = true;
        all.push(Kept {
            held,
            ..Kept::new(letter)
        });
        Ok(())
    }

    /// The messages that wait for this session, each with why it was refused last.
    pub(super) fn queued(&self, session_id: &str) -> Vec<(QueuedMessage, Option<String>)> {
        let all = self.kept();
        let waiting = all
            .iter()
            .filter(|kept| kept.letter.session == session_id && kept.letter.fate.is_none())
            .filter(|kept| self.is_meant(&kept.letter));
        let queued = waiting.map(|kept| {
            let message = QueuedMessage {
                id: kept.letter.id.clone(),
                text: kept.letter.text.clone(),
                at: kept.letter.at,
            };
            (message, kept.refused.as_ref().map(|(_, _, why)| why.clone()))
        });
        queued.collect()
    }

    /// A message to this session that is not sent any more: its id, and why.
    pub(super) fn fate(&self, session_id: &str) -> Option<(String, String)> {
        let all = self.kept();
        let mut own = all
            .iter()
            .filter(|kept| kept.letter.session == session_id && self.is_meant(&kept.letter));
        own.find_map(|kept| Some((kept.letter.id.clone(), kept.letter.fate.clone()?)))
    }

    /// Takes back the messages that wait for this session, or only the one with the id `message`; whether there were any.
    ///
    /// # Errors
    /// They are still kept: why.
    pub(super) async fn take_back(&self, session_id: &str, message: Option<&str>) -> Result<bool, String> {
        let taken: Vec<(String, bool)> = {
            let mut all = self.kept();
            let meant = all.iter_mut().filter(|kept| {
                let letter = &kept.letter;
                let named = letter.session == session_id && message.is_none_or(|id| letter.id == id);
                named && !kept.held && self.is_meant(letter)
            });
            let hold = |kept: &mut Kept| kept.held = true;
            meant
                .map(|kept| {
                    hold(kept);
                    (kept.letter.id.clone(), kept.letter.fate.is_none())
                })
                .collect()
        };
        let mut fault = None;
        for (id, _) in &taken {
            // What cannot be removed is kept as it was, and the others go.
            fault = self.remove(id).await.err().or(fault);
        }
        if let Some(why) = fault {
            return Err(why);
        }
        Ok(taken.iter().any(|(_, waited)| *waited || message.is_some()))
    }

    /// Waits until a message waits for its session.
    pub(super) async fn something_waits(&self) {
        while self.kept().iter().all(|kept| kept.letter.fate.is_some()) {
            self.added.notified().await;
        }
    }

    /// Forgets what became of messages that nobody has asked for in a day.
    pub(super) async fn tidy(&self) {
        let old = |kept: &&Kept| kept.letter.fate.is_some() && until(until(kept.letter.at)) <= now();
        let old: Vec<String> = self
            .kept()
            .iter()
            .filter(old)
            .map(|kept| kept.letter.id.clone())
            .collect();
        for id in old {
            // One that stays is tried again.
            let _ = self.remove(&id).await;
        }
    }

    /// All that wait and with which nothing is being done, each with when it came here.
    pub(super) fn waiting(&self) -> Vec<(Letter, Instant)> {
        let all = self.kept();
        let free = all.iter().filter(|kept| !kept.held && kept.letter.fate.is_none());
        free.map(|kept| (kept.letter.clone(), kept.since)).collect()
    }

    /// Notes how the session of the message `id` was seen. Answers whether the message is to be sent now.
    pub(super) fn seen(&self, id: &str, seen: Seen) -> bool {
        let mut all = self.kept();
        let Some(kept) = all.iter_mut().find(|kept| kept.letter.id == id) else {
            return false;
        };
        kept.calm = match seen {
            Seen::AtRest => kept.calm + 1,
            Seen::AtWork => 0,
        };
        let due = kept.refused.as_ref().is_none_or(|(at, ..)| *at <= Instant::now());
        kept.calm >= LOOKS && due && !kept.held
    }

    /// The message `id`, which is about to be typed; nothing where it was taken back.
    ///
    /// # Errors
    /// It must not be typed, and why.
    pub(super) async fn begin(&self, id: &str) -> Result<Option<Message>, String> {
        let letter = {
            let mut all = self.kept();
            match all.iter_mut().find(|kept| kept.letter.id == id && !kept.held) {
                Some(kept) => {
                    kept.held = true;
                    kept.letter.clone()
                }
                None => return Ok(None),
            }
        };
        // The first time counts: from then on its backend may know it.
        let (own, began) = (id.to_owned(), letter.began.unwrap_or_else(now));
        let noted = self.in_store(move |store| {
            store.set_began(&own, Some(began))?;
            store.enclosures(&own)
        });
        let noted = noted.await;
        if noted.is_err() {
            self.change(id, |kept| kept.held = false);
        }
        Ok(Some(Message {
            id: letter.id,
            text: letter.text,
            attachments: noted?.into_iter().map(attachment).collect(),
        }))
    }

    /// The message of `letter` was not typed this time, and why. What an earlier attempt did stays as it was.
    pub(super) async fn not_typed(&self, letter: &Letter, why: &str) {
        let (id, began) = (letter.id.clone(), letter.began);
        // If that fails, it counts as perhaps typed once its backend has forgotten it, which is safe.
        let _ = self.in_store(move |store| store.set_began(&id, began)).await;
        self.change(&letter.id, |kept| {
            let before = kept.refused.as_ref().map(|(_, pause, _)| *pause);
            let pause = before.map_or(AGAIN, |before| (before * 2).min(AGAIN_MOST));
            kept.refused = Some((Instant::now() + pause, pause, why.to_owned()));
            (kept.held, kept.calm) = (false, 0);
        });
    }

    /// The message `id` is not kept any more: it was typed, taken back, or its session has ended.
    ///
    /// # Errors
    /// It could not be removed: why. It is kept as it was.
    pub(super) async fn remove(&self, id: &str) -> Result<(), String> {
        let own = id.to_owned();
        let removed = self.in_store(move |store| store.remove(&own)).await;
        match &removed {
            Ok(()) => self.forget(id),
            Err(_) => self.change(id, |kept| kept.held = false),
        }
        removed
    }

    /// The message `id` was typed.
    pub(super) async fn sent(&self, id: &str) {
        let own = id.to_owned();
        // If that fails, the note that typing began stays, and it is not typed again.
        let _ = self.in_store(move |store| store.remove(&own)).await;
        self.forget(id);
    }

    /// The message `id` is not sent any more, and why: what follows "its message" in a sentence.
    pub(super) async fn give_up(&self, id: &str, fate: &str) {
        let (own, text) = (id.to_owned(), fate.to_owned());
        let _ = self.in_store(move |store| store.set_fate(&own, &text)).await;
        self.change(id, |kept| {
            kept.letter.fate = Some(fate.to_owned());
            kept.letter.text.clear();
            kept.held = false;
        });
    }

    async fn in_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&store::Outbox) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, String> {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(fault) => Err(fault.to_string()),
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.kept().iter_mut().find(|kept| kept.letter.id == id) {
            change(kept);
        }
    }

    fn forget(&self, id: &str) {
        self.kept().retain(|kept| kept.letter.id != id);
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn new(letter: Letter) -> Self {
        Self {
            letter,
            since: Instant::now(),
            held: false,
            calm: 0,
            refused: None,
        }
    }
}

/// When a message that waits since `at` is given up.
pub(super) fn until(at: Timestamp) -> Timestamp {
    at.saturating_add(milliseconds(KEPT))
}

/// Why `letter` must not be sent any more at the time `now`, if so.
pub(super) fn too_late(letter: &Letter, now: Timestamp) -> Option<&'static str> {
    // Where the clock was set back, nobody can tell how long ago that was.
    let known = |began: Timestamp| began <= now && now - began < milliseconds(KNOWN);
    let over = until(letter.at) <= now;
    match letter.began {
        Some(began) => (over || !known(began)).then_some(CUT_OFF),
        None => over.then_some("waited for 24 hours, and was not sent"),
    }
}

fn milliseconds(time: Duration) -> Timestamp {
    Timestamp::try_from(time.as_millis()).unwrap_or(Timestamp::MAX)
}

fn enclosure(attachment: &Attachment) -> Enclosure {
    Enclosure {
        name: attachment.name.clone(),
        media_type: attachment.media_type.clone(),
        bytes: attachment.bytes.clone(),
    }
}

fn attachment(enclosure: Enclosure) -> Attachment {
    Attachment {
        name: enclosure.name,
        media_type: enclosure.media_type,
        bytes: enclosure.bytes,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const HOUR: Timestamp = 3_600_000;

    fn letter(id: &str, at: Timestamp) -> Letter {
        Letter {
            id: id.to_owned(),
            session: format!("local/{id}"),
            meaning: "one".to_owned(),
            principal: "local".to_owned(),
            at,
            text: "hello".to_owned(),
            began: None,
            fate: None,
        }
    }

    fn outbox() -> Outbox {
        let outbox = Outbox::of(store::Outbox::in_memory().unwrap()).unwrap();
        outbox.now_mean(local_means("one"));
        outbox
    }

    fn local_means(meaning: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("local".to_owned(), meaning.to_owned())])
    }

    #[test]
    fn a_message_waits_for_a_day_and_is_not_typed_again_once_its_backend_may_have_forgotten_it() {
        let began = |began| Letter {
            began: Some(began),
            ..letter("1", 100 * HOUR)
        };
        assert_eq!(too_late(&letter("1", 100 * HOUR), 123 * HOUR), None);
        assert!(
            too_late(&letter("1", 100 * HOUR), 124 * HOUR)
                .unwrap()
                .contains("not sent")
        );
        assert_eq!(too_late(&began(101 * HOUR), 102 * HOUR - 1), None);
        for now in [102 * HOUR, 124 * HOUR, 100 * HOUR] {
            assert!(
                too_late(&began(101 * HOUR), now)
                    .unwrap()
                    .contains("may have been typed"),
                "{now}"
            );
        }
    }

    #[tokio::test]
    async fn a_message_shows_only_where_the_name_of_its_backend_means_what_it_was_kept_for() {
        let outbox = outbox();
        outbox.hold_new(letter("1", 0)).unwrap();
        outbox.change("1", |kept| kept.held = false);
        assert_eq!(outbox.queued("local/1").len(), 1);
        outbox.now_mean(local_means("another"));
        assert_eq!(outbox.queued("local/1").len(), 0);
        assert_eq!(outbox.take_back("local/1", None).await, Ok(false));
        outbox.now_mean(local_means("one"));
        assert_eq!(outbox.queued("local/1").len(), 1, "it was not taken back meanwhile");
    }

    #[test]
    fn who_keeps_many_messages_takes_no_place_of_others() {
        let outbox = outbox();
        let of = |principal: &str, n: usize| Letter {
            principal: principal.to_owned(),
            ..letter(&format!("{principal}-{n}"), 0)
        };
        for caller in ["a", "b", "c", "d"] {
            (0..EACH).for_each(|n| outbox.hold_new(of(caller, n)).unwrap());
            assert!(
                outbox
                    .hold_new(of(caller, EACH))
                    .unwrap_err()
                    .contains("32 of one caller")
            );
        }
        assert!(outbox.hold_new(of("e", 0)).is_err(), "all have their bound too");
        outbox.forget("a-0");
        outbox.hold_new(of("e", 0)).unwrap();
    }

    #[tokio::test]
    async fn what_is_being_typed_is_not_taken_back_and_what_was_taken_back_is_not_typed() {
        let outbox = outbox();
        for id in ["typed", "taken"] {
            outbox.store.put(&letter(id, now()), &[]).unwrap();
            outbox.kept().push(Kept::new(letter(id, now())));
        }
        assert_eq!(outbox.begin("typed").await.unwrap().unwrap().text, "hello");
        assert_eq!(outbox.take_back("local/typed", None).await, Ok(false));
        assert_eq!(outbox.take_back("local/taken", Some("taken")).await, Ok(true));
        assert!(outbox.begin("taken").await.unwrap().is_none());
        let left = outbox.store.all().unwrap();
        assert!(left.len() == 1 && left[0].began.is_some(), "{left:?}");
        // Refused this time: then it was not typed, and may be taken back.
        outbox
            .not_typed(&letter("typed", 0), "a draft is in the composer")
            .await;
        assert_eq!(outbox.store.all().unwrap()[0].began, None);
        assert_eq!(
            outbox.queued("local/typed")[0].1.as_deref(),
            Some("a draft is in the composer")
        );
        assert!(
            !(0..9).any(|_| outbox.seen("typed", Seen::AtRest)),
            "it waits a while first"
        );
        outbox.give_up("typed", "was not sent").await;
        assert!(outbox.queued("local/typed").is_empty() && outbox.waiting().is_empty());
        assert_eq!(outbox.fate("local/typed").unwrap().1, "was not sent");
    }

    #[tokio::test]
    async fn a_session_counts_as_at_rest_only_where_two_looks_agree() {
        let outbox = outbox();
        outbox.kept().push(Kept::new(letter("1", now())));
        let seen = [Seen::AtRest, Seen::AtWork, Seen::AtRest, Seen::AtRest].map(|seen| outbox.seen("1", seen));
        assert_eq!(seen, [false, false, false, true]);
    }

    #[tokio::test]
    async fn what_became_of_a_message_is_forgotten_after_two_days() {
        let store = store::Outbox::in_memory().unwrap();
        for (id, at) in [("old", now() - 49 * HOUR), ("recent", now() - 47 * HOUR)] {
            store.put(&letter(id, at), &[]).unwrap();
            store.set_fate(id, "was not sent").unwrap();
        }
        let outbox = Outbox::of(store).unwrap();
        outbox.now_mean(local_means("one"));
        outbox.tidy().await;
        assert!(outbox.fate("local/old").is_none() && outbox.fate("local/recent").is_some());
    }
}
