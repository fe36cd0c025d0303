//! TCP connections: a stranger's until a token was shown on it, and a caller's from then on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::numbers::{CALLERS_SOCKETS, ONE_ADDRESS_SOCKETS, STRANGERS_SOCKETS};
use super::pool::{Bounds, ById, Claim, Held, Pool};
use super::turned_away::{Ledger, What};
use crate::principal::Principal;

/// All TCP connections.
#[derive(Debug)]
pub(super) struct Sockets {
    strangers: Mutex<Strangers>,
    callers: Arc<Pool<ById>>,
    ledger: Ledger,
}

impl Sockets {
    pub(super) fn new(ledger: Ledger) -> Arc<Self> {
        Arc::new(Self {
            strangers: Mutex::default(),
            callers: Pool::new(Bounds::shared(CALLERS_SOCKETS)),
            ledger,
        })
    }

    /// See [`Admission::socket`](super::Admission::socket).
    pub(super) fn admit(self: &Arc<Self>, place: IpAddr, shared: bool) -> Arc<Socket> {
        let each = if shared { STRANGERS_SOCKETS } else { ONE_ADDRESS_SOCKETS };
        let leave = CancellationToken::new();
        let (number, sent_away) = self.strangers().admit(place, each, leave.clone());
        if let Some(place) = sent_away {
            self.ledger.note(&place.to_string(), What::Socket);
        }
        Arc::new(Socket {
            sockets: self.clone(),
            number,
            leave,
            callers: OnceLock::new(),
        })
    }

    fn strangers(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection, until this is dropped.
#[derive(Debug)]
pub struct Socket {
    sockets: Arc<Sockets>,
    /// By which strangers know it.
    number: u64,
    leave: CancellationToken,
    /// What it holds as a caller's.
    callers: OnceLock<Held<ById>>,
}

impl Socket {
    /// Returns when the connection must make room for another.
    pub async fn must_leave(&self) {
        self.leave.cancelled().await;
    }

    /// Its first byte has come.
    pub fn is_heard(&self) {
        self.sockets.strangers().reach(self.number, Stage::Heard);
    }

    /// A request of `caller` was let in on it, so that it is that one's from now on, if there is room.
    pub fn show(&self, caller: &Principal) {
        if self.callers.get().is_some() {
            return;
        }
        if let Ok(held) = self.sockets.callers.try_enter(Claim::of(caller)) {
            self.sockets.strangers().leave(self.number);
            // Requests of a connection come one after the other; were there two, one would be given back.
            let _ = self.callers.set(held);
        }
    }

    /// A request is answered, for as long as what this answers is kept: a stranger's connection then makes room last.
    pub fn answering(self: &Arc<Self>) -> Option<Answering> {
        let strange = self.callers.get().is_none();
        strange.then(|| {
            self.sockets.strangers().reach(self.number, Stage::Answering);
            Answering(self.clone())
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.callers.get().is_none() {
            self.sockets.strangers().leave(self.number);
        }
    }
}

/// See [`Socket::answering`].
#[derive(Debug)]
pub struct Answering(Arc<Socket>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.is_heard();
    }
}

/// How far a stranger's connection has come. Those that have come least far make room first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Silent,
    Heard,
    Answering,
}

#[derive(Debug)]
struct Stranger {
    place: IpAddr,
    stage: Stage,
    /// Orders by when it reached its stage.
    since: u64,
    leave: CancellationToken,
}

/// The connections of strangers, by number.
#[derive(Debug, Default)]
struct Strangers {
    /// Counts all that happens.
    clock: u64,
    sockets: HashMap<u64, Stranger>,
    places: HashMap<IpAddr, usize>,
}

impl Strangers {
    /// Takes one in from `place`, which may have at most `each`; and whose connection was sent away for it.
    fn admit(&mut self, place: IpAddr, each: usize, leave: CancellationToken) -> (u64, Option<IpAddr>) {
        let most = match self.places.get(&place) {
            Some(own) if *own >= each => Some(place),
            _ if self.sockets.len() < STRANGERS_SOCKETS => None,
            _ => self.crowded(),
        };
        let sent_away = most.and_then(|place| self.send_away(place));
        self.clock += 1;
        *self.places.entry(place).or_default() += 1;
        let stranger = Stranger {
            place,
            stage: Stage::Silent,
            since: self.clock,
            leave,
        };
        self.sockets.insert(self.clock, stranger);
        (self.clock, sent_away)
    }

    /// The place that has most; of several, the one whose connection is the first to make room.
    fn crowded(&self) -> Option<IpAddr> {
        let most = self.places.values().max()?;
        let of_these = self
            .sockets
            .values()
            .filter(|socket| self.places.get(&socket.place) == Some(most));
        of_these
            .min_by_key(|socket| (socket.stage, socket.since))
            .map(|socket| socket.place)
    }

    fn send_away(&mut self, place: IpAddr) -> Option<IpAddr> {
        let own = self.sockets.iter().filter(|(_, socket)| socket.place == place);
        let (number, _) = own.min_by_key(|(_, socket)| (socket.stage, socket.since))?;
        let socket = self.leave(*number)?;
        socket.leave.cancel();
        Some(place)
    }

    fn reach(&mut self, number: u64, stage: Stage) {
        self.clock += 1;
        if let Some(socket) = self.sockets.get_mut(&number) {
            (socket.stage, socket.since) = (stage, self.clock);
        }
    }

    fn leave(&mut self, number: u64) -> Option<Stranger> {
        let socket = self.sockets.remove(&number)?;
        if let Some(own) = self.places.get_mut(&socket.place) {
            *own -= 1;
            if *own == 0 {
                self.places.remove(&socket.place);
            }
        }
        Some(socket)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    /// A house full of strangers, and the token of each that was let in.
    #[derive(Default)]
    struct House {
        strangers: Strangers,
        tokens: Vec<(u64, CancellationToken)>,
    }

    impl House {
        fn admit(&mut self, place: &str, each: usize) -> (u64, Option<String>) {
            let token = CancellationToken::new();
            let (number, sent_away) = self.strangers.admit(place.parse().unwrap(), each, token.clone());
            self.tokens.push((number, token));
            (number, sent_away.map(|place| place.to_string()))
        }

        fn sent_away(&self) -> Vec<u64> {
            let sent = self.tokens.iter().filter(|(_, token)| token.is_cancelled());
            sent.map(|(number, _)| *number).collect()
        }
    }

    #[test]
    fn an_address_at_its_bound_makes_room_itself() {
        let mut house = House::default();
        let other = house.admit("192.0.2.1", 2).0;
        let first = house.admit("192.0.2.2", 2).0;
        house.admit("192.0.2.2", 2);
        assert_eq!(house.admit("192.0.2.2", 2).1.as_deref(), Some("192.0.2.2"));
        assert_eq!(house.sent_away(), [first]);
        assert!(house.strangers.sockets.contains_key(&other));
    }

    #[test]
    fn where_all_is_full_the_address_that_has_most_makes_room() {
        let mut house = House::default();
        let honest = house.admit("192.0.2.1", ONE_ADDRESS_SOCKETS).0;
        while house.strangers.sockets.len() < STRANGERS_SOCKETS {
            house.admit("127.0.0.1", STRANGERS_SOCKETS);
        }
        assert_eq!(
            house.admit("192.0.2.9", ONE_ADDRESS_SOCKETS).1.as_deref(),
            Some("127.0.0.1")
        );
        assert_eq!(
            house.admit("127.0.0.1", STRANGERS_SOCKETS).1.as_deref(),
            Some("127.0.0.1")
        );
        assert_eq!(house.strangers.sockets.len(), STRANGERS_SOCKETS);
        assert!(house.strangers.sockets.contains_key(&honest));
    }

    #[test]
    fn of_addresses_that_have_as_many_the_oldest_makes_room() {
        let mut house = House::default();
        for number in 0..STRANGERS_SOCKETS {
            house.admit(&format!("10.0.{}.{}", number / 256, number % 256), ONE_ADDRESS_SOCKETS);
        }
        assert_eq!(
            house.admit("192.0.2.1", ONE_ADDRESS_SOCKETS).1.as_deref(),
            Some("10.0.0.0")
        );
        assert_eq!(
            house.admit("192.0.2.2", ONE_ADDRESS_SOCKETS).1.as_deref(),
            Some("10.0.0.1")
        );
    }

    #[test]
    fn silent_ones_make_room_before_idle_ones_and_those_before_what_is_answered() {
        let mut house = House::default();
        let [answered, idle, silent] = [(); 3].map(|()| house.admit("192.0.2.1", 3).0);
        house.strangers.reach(answered, Stage::Answering);
        house.strangers.reach(idle, Stage::Heard);
        let newcomer = house.admit("192.0.2.1", 3).0;
        house.strangers.reach(newcomer, Stage::Heard);
        let further = house.admit("192.0.2.1", 3).0;
        house.strangers.reach(further, Stage::Heard);
        house.admit("192.0.2.1", 3);
        assert_eq!(house.sent_away(), [idle, silent, newcomer]);
    }

    #[test]
    fn who_left_is_not_counted() {
        let mut house = House::default();
        for _ in 0..10 {
            let number = house.admit("192.0.2.1", 1).0;
            house.strangers.leave(number);
            assert!(house.strangers.leave(number).is_none(), "twice is once");
        }
        assert!(house.strangers.sockets.is_empty() && house.strangers.places.is_empty());
        assert_eq!(house.sent_away(), Vec::<u64>::new());
    }
}
