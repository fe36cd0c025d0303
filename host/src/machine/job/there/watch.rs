//! How the jobs on a host stand, as far as it has told: one request for all that are followed, seldom while nothing happens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::{There, Unanswered};
use crate::machine::job::outcome::Trouble;
use crate::machine::job::place::Stage;
use crate::machine::job::sh::{Answer, Item, Request, Standing, Status};

/// Between two looks: after something happened, and at most, while nothing does.
const SOON: Duration = Duration::from_millis(200);
const SELDOM: Duration = Duration::from_secs(2);
/// What is asked for at about the same time is asked together.
const GATHER: Duration = Duration::from_millis(30);
/// How long it is taken for known that the host can be asked.
const KNOWN: Duration = Duration::from_secs(10);
/// Between two attempts to reach the host: after the first, and at most.
const AGAIN: Duration = Duration::from_secs(1);
const AT_LEAST: Duration = Duration::from_secs(15);
/// When a job is asked for again that was too slow to ask for.
const LATER: Duration = Duration::from_secs(60);

/// Why a host cannot be asked, if it cannot.
pub type Reach = watch::Receiver<Option<Arc<str>>>;

/// What is known of the jobs of one host.
#[derive(Default)]
pub(super) struct Known {
    followed: Mutex<HashMap<String, watch::Sender<Option<Seen>>>>,
    /// Why the host cannot be asked, if it could not when it was asked last.
    away: watch::Sender<Option<Arc<str>>>,
    /// When that was, and when that was known.
    asked: Mutex<Option<(Instant, Instant)>>,
    /// When it answered last.
    answered: Mutex<Option<SystemTime>>,
    /// Something happens there about now.
    stirred: Notify,
    attended: AtomicBool,
    /// How often something was told that was not known.
    changes: AtomicUsize,
}

/// How a job stood.
#[derive(Clone)]
struct Seen {
    /// When the host was asked.
    asked: Instant,
    status: Arc<Status>,
}

/// Who wants to know how a job stands: while this is there, it is asked with the others.
#[derive(Debug)]
pub struct Follower(#[allow(dead_code, reason = "it is there")] watch::Receiver<Option<Seen>>);

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.status.fmt(formatter)
    }
}

impl There {
    /// Asks how the jobs stand that are followed, as long as this is awaited.
    pub async fn attend(&self) {
        let known = &self.0.known;
        known.attended.store(true, Ordering::Relaxed);
        let _attended = Attended(self.clone());
        let mut pause = SOON;
        let mut slow = HashMap::new();
        loop {
            if known.followed().is_empty() && self.away().is_none() {
                known.stirred.notified().await;
                sleep(GATHER).await;
                pause = SOON;
                if known.followed().is_empty() && self.is_known() {
                    continue;
                }
            }
            let ids = known.followed();
            let (changes, begun) = (known.changes(), Instant::now());
            match self.look(ids, &mut slow).await {
                Ok(()) if known.changes() != changes => pause = SOON,
                Ok(()) => pause = (pause * 2).clamp(SOON, SELDOM),
                Err(trouble) => {
                    if let Trouble::Directory(cause) = trouble {
                        known.set_away(Instant::now(), cause.to_string().into());
                    }
                    pause = (pause * 2).clamp(AGAIN, AT_LEAST);
                    sleep(AGAIN).await;
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = known.stirred.notified() => {
                    pause = SOON;
                    sleep(GATHER.max(SOON.saturating_sub(begun.elapsed()))).await;
                }
            }
        }
    }

    /// Asks how these jobs stand, all at once. Where that takes too long and the host answers at all, each is asked for alone: what
    /// one of them has there must not hide the others. One that is too slow alone is left until the time in `slow`.
    async fn look(&self, mut ids: Vec<String>, slow: &mut HashMap<String, Instant>) -> Result<(), Trouble> {
        slow.retain(|_, later| *later > Instant::now());
        ids.retain(|id| !slow.contains_key(id));
        let all = |request: &mut Request| ids.iter().try_for_each(|id| request.status(id));
        let asked = Instant::now();
        if !self.is_slow(asked, self.try_ask(0, all).await)? {
            return Ok(());
        }
        let asked = Instant::now();
        match self.try_ask(0, |_| Ok(())).await {
            Ok(_) => {}
            Err(Unanswered::Slow(why)) => return Err(self.trouble(asked, Unanswered::Away(why))),
            Err(why) => return Err(self.trouble(asked, why)),
        }
        for id in ids {
            let asked = Instant::now();
            if self.is_slow(asked, self.try_ask(0, |request| request.status(&id)).await)? {
                tracing::warn!(
                    "the host {}: job {id} takes too long to ask for, and is left for a minute",
                    self.label()
                );
                slow.insert(id, asked + LATER);
            }
        }
        Ok(())
    }

    fn is_slow<T>(&self, asked: Instant, answered: Result<T, Unanswered>) -> Result<bool, Trouble> {
        match answered {
            Ok(_) => Ok(false),
            Err(Unanswered::Slow(_)) => Ok(true),
            Err(why) => Err(self.trouble(asked, why)),
        }
    }

    /// Why the host cannot be asked, if it could not when it was asked last.
    pub fn away(&self) -> Option<Arc<str>> {
        self.0.known.away.borrow().clone()
    }

    /// Why nobody can tell how a job that was begun stands.
    pub fn away_of(&self, id: &str) -> Option<Arc<str>> {
        self.away().or_else(|| self.elsewhere(&*self.0.known.last(id)?))
    }

    /// Whether the host was asked not long ago, so that it is known whether it can be.
    pub fn is_known(&self) -> bool {
        is_known(*lock(&self.0.known.asked))
    }

    /// When the host answered last, by the clock of this machine, if it did since this process began.
    pub fn answered(&self) -> Option<SystemTime> {
        *lock(&self.0.known.answered)
    }

    /// Lets the host be asked soon.
    pub fn stir(&self) {
        self.0.known.stir();
    }

    /// What changes whenever the host is away, or can be asked again, also after a long time in which nobody asked.
    pub fn reach(&self) -> Reach {
        self.0.known.away.subscribe()
    }

    /// Follows a job.
    pub fn follow(&self, id: &str) -> Follower {
        let follower = Follower(self.0.known.follow(id));
        self.0.known.stir();
        follower
    }

    /// How far a job is, by what the host is asked from now on. It waits for that.
    pub(in crate::machine::job) async fn stage(&self, id: &str) -> Result<Stage, Trouble> {
        let since = Instant::now();
        let mut told = self.0.known.follow(id);
        self.0.known.stir();
        let is_new = |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| seen.asked >= since);
        let seen = told.wait_for(is_new).await.ok().and_then(|seen| seen.clone());
        // Who tells is not dropped while somebody waits.
        let status = seen.ok_or_else(|| self.not(None))?.status;
        Ok(status.stage.clone().unwrap_or(Stage::Unclaimed))
    }

    /// Makes sure that this is the host on which a job was that is not there, by what it told last.
    ///
    /// # Errors
    /// It has nothing of this installation.
    pub fn ensure_place(&self, id: &str) -> Result<(), Trouble> {
        match self.0.known.last(id) {
            Some(status) if status.stage.is_none() && !status.is_place => Err(self.no_place()),
            _ => Ok(()),
        }
    }

    /// Returns when a job has no supervisor any more, as far as is known. Calls `printed` when there is more of its output.
    pub async fn listen(&self, id: &str, mut printed: impl FnMut()) {
        let mut told = self.0.known.follow(id);
        let mut before = (0, 0);
        loop {
            let seen = told.borrow_and_update().clone();
            if let Some(Seen { status, .. }) = seen {
                let now = (status.output.end, status.errors.end);
                if now != before {
                    printed();
                }
                before = now;
                if matches!(status.standing, Standing::Gone | Standing::Over) {
                    return;
                }
            }
            if told.changed().await.is_err() {
                return;
            }
        }
    }
}

fn is_known(asked: Option<(Instant, Instant)>) -> bool {
    asked.is_some_and(|(_, told)| told.elapsed() < KNOWN)
}

struct Attended(There);

impl Drop for Attended {
    fn drop(&mut self) {
        self.0.0.known.attended.store(false, Ordering::Relaxed);
    }
}

impl Known {
    /// Takes in what the host told when it was asked.
    pub(super) fn tell(&self, asked: Instant, items: &[Item]) {
        self.set_reach(asked, None);
        *lock(&self.answered) = Some(SystemTime::now());
        let followed = self.lock();
        for item in items {
            let (Some(id), Answer::Status(status)) = (&item.id, &item.answer) else {
                continue;
            };
            let Some(told) = followed.get(id) else { continue };
            told.send_if_modified(|seen| {
                // An answer may come after that to a later question.
                if seen.as_ref().is_some_and(|seen| seen.asked > asked) {
                    return false;
                }
                if seen.as_ref().is_none_or(|seen| *seen.status != *status) {
                    self.changes.fetch_add(1, Ordering::Relaxed);
                }
                *seen = Some(Seen {
                    asked,
                    status: Arc::new(status.clone()),
                });
                true
            });
        }
    }

    /// The host cannot be asked, in these words.
    pub(super) fn set_away(&self, asked: Instant, why: Arc<str>) {
        self.set_reach(asked, Some(why));
    }

    fn set_reach(&self, asked: Instant, away: Option<Arc<str>>) {
        let mut last = lock(&self.asked);
        if last.is_none_or(|(last, _)| last <= asked) {
            let is_new = !is_known(*last);
            *last = Some((asked, Instant::now()));
            self.away.send_if_modified(|before| {
                let turned = before.is_some() != away.is_some();
                if let (true, Some(why)) = (turned, &away) {
                    tracing::warn!("{why}; jobs there go on, and are followed again when it can be asked");
                    // It is asked until it answers, also if nobody follows a job.
                    self.stir();
                }
                *before = away;
                turned || is_new
            });
        }
    }

    /// Why the host cannot be asked, where somebody tries again to.
    pub(super) fn away_while_attended(&self) -> Option<Arc<str>> {
        let attended = self.attended.load(Ordering::Relaxed);
        self.away.borrow().clone().filter(|_| attended)
    }

    /// How a job stood that is followed.
    pub(super) fn last(&self, id: &str) -> Option<Arc<Status>> {
        Some(self.lock().get(id)?.borrow().as_ref()?.status.clone())
    }

    /// Lets it be asked soon how all stands.
    pub(super) fn stir(&self) {
        self.stirred.notify_one();
    }

    fn follow(&self, id: &str) -> watch::Receiver<Option<Seen>> {
        self.lock().entry(id.to_owned()).or_default().subscribe()
    }

    /// The jobs that somebody follows.
    fn followed(&self) -> Vec<String> {
        let mut followed = self.lock();
        followed.retain(|_, told| told.receiver_count() > 0);
        followed.keys().cloned().collect()
    }

    fn changes(&self) -> usize {
        self.changes.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Option<Seen>>>> {
        lock(&self.followed)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
