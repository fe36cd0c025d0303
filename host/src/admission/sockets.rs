//! TCP connections: a stranger's until a token was shown on it, and a caller's from then on.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::numbers::{CALLERS_SOCKETS, ONE_ADDRESS_SOCKETS, STRANGERS_SOCKETS};
use super::pool::{Bounds, ById, Claim, Held, Pool};
use super::turned_away::{Kind, Ledger, What};
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

    /// See [`Admission::socket`](super::Admission::socket). The connection that makes room is of the address that has
    /// most, or of this one if it has as many as it may. The newer half of these is spared, so that a new client has
    /// time to show who it is, however many come at once. In the older half it is one that has come least far, and
    /// among several a random one: nobody can predict who is next, or outlast all others by being quick.
    pub(super) fn admit(self: &Arc<Self>, network: IpAddr, shared: bool, speaks: bool) -> Arc<Socket> {
        let each = if shared { STRANGERS_SOCKETS } else { ONE_ADDRESS_SOCKETS };
        let leave = CancellationToken::new();
        let stage = if speaks { Stage::Heard } else { Stage::Silent };
        let (number, sent_away) = self.strangers().admit(network, each, stage, leave.clone());
        if let Some(network) = sent_away {
            self.ledger.note(Kind::Strangers, &network.to_string(), What::Socket);
        }
        Arc::new(Socket {
            sockets: self.clone(),
            number,
            network,
            each,
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
    /// Its number among strangers' connections.
    number: u64,
    /// Where it is from, and how many strangers from there may be connected.
    network: IpAddr,
    each: usize,
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

    /// A request of `caller` was let in on it, so it belongs to that caller from now on, if there is room.
    pub fn show(&self, caller: &Principal) {
        if self.callers.get().is_some() {
            return;
        }
        if let Ok(held) = self.sockets.callers.try_enter(Claim::of(caller)) {
            self.sockets.strangers().leave(self.number);
            // Requests of a connection come one after the other; if there were two, one would be given back.
            let _ = self.callers.set(held);
        }
    }

    /// Whether its client does better to take a new connection for its next request: this one is a stranger's, half of
    /// the places are taken, so it may have to make room just when that request comes.
    pub fn is_soon_to_leave(&self) -> bool {
        self.callers.get().is_none() && self.sockets.strangers().crowd(self.network, self.each)
    }

    /// A whole head of a request has come, which is checked and answered for as long as the returned value is kept: a
    /// stranger's connection then makes room last.
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
    network: IpAddr,
    stage: Stage,
    leave: CancellationToken,
}

/// The connections of strangers, by number.
#[derive(Debug, Default)]
struct Strangers {
    /// The number of the last one.
    last: u64,
    /// In the order in which they came.
    sockets: BTreeMap<u64, Stranger>,
    networks: HashMap<IpAddr, usize>,
}

impl Strangers {
    /// Takes one in from `network`, which may have at most `each`; and answers whose connection had to make room for
    /// it.
    fn admit(&mut self, network: IpAddr, each: usize, stage: Stage, leave: CancellationToken) -> (u64, Option<IpAddr>) {
        let next = match self.networks.get(&network) {
            Some(own) if *own >= each => self.next_to_leave(|other| other == network),
            _ if self.sockets.len() < STRANGERS_SOCKETS => None,
            _ => {
                let most = self.networks.values().max();
                self.next_to_leave(|other| self.networks.get(&other) == most)
            }
        };
        let sent_away = next.and_then(|number| self.leave(number));
        self.last += 1;
        *self.networks.entry(network).or_default() += 1;
        self.sockets.insert(self.last, Stranger { network, stage, leave });
        let from = sent_away.map(|stranger| {
            stranger.leave.cancel();
            stranger.network
        });
        (self.last, from)
    }

    /// Which of those from some networks makes room: of the older half, any of those that have come least far.
    fn next_to_leave(&self, from: impl Fn(IpAddr) -> bool) -> Option<u64> {
        let those: Vec<_> = self.sockets.iter().filter(|(_, socket)| from(socket.network)).collect();
        let older = &those[..those.len().div_ceil(2)];
        let least = older.iter().map(|(_, socket)| socket.stage).min()?;
        let mut candidates: Vec<u64> = older
            .iter()
            .filter(|(_, socket)| socket.stage == least)
            .map(|(number, _)| **number)
            .collect();
        Some(candidates.swap_remove(any_below(candidates.len())))
    }

    /// Whether half of all places are taken, or half of the `each` that `network` may have.
    fn crowd(&self, network: IpAddr, each: usize) -> bool {
        let own = self.networks.get(&network).copied().unwrap_or_default();
        own * 2 >= each || self.sockets.len() * 2 >= STRANGERS_SOCKETS
    }

    fn reach(&mut self, number: u64, stage: Stage) {
        if let Some(socket) = self.sockets.get_mut(&number) {
            socket.stage = stage;
        }
    }

    fn leave(&mut self, number: u64) -> Option<Stranger> {
        let socket = self.sockets.remove(&number)?;
        if let Some(own) = self.networks.get_mut(&socket.network) {
            *own -= 1;
            if *own == 0 {
                self.networks.remove(&socket.network);
            }
        }
        Some(socket)
    }
}

/// A number below `count` that nobody can predict; 0 if the system gives none.
fn any_below(count: usize) -> usize {
    let random = getrandom::u64().unwrap_or_default();
    usize::try_from(random % (count.max(1) as u64)).unwrap_or_default()
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
        fn admit(&mut self, network: &str, each: usize) -> (u64, Option<String>) {
            let token = CancellationToken::new();
            let network = network.parse().unwrap();
            let (number, sent_away) = self.strangers.admit(network, each, Stage::Silent, token.clone());
            self.tokens.push((number, token));
            (number, sent_away.map(|network| network.to_string()))
        }

        fn sent_away(&self) -> Vec<u64> {
            let sent = self.tokens.iter().filter(|(_, token)| token.is_cancelled());
            sent.map(|(number, _)| *number).collect()
        }

        /// Whether this one is still there.
        fn holds(&self, number: u64) -> bool {
            self.strangers.sockets.contains_key(&number)
        }
    }

    /// Numbers the address of a stranger.
    fn address(number: usize) -> String {
        format!("10.0.{}.{}", number / 256, number % 256)
    }

    #[test]
    fn an_address_at_its_bound_makes_room_itself() {
        let mut house = House::default();
        let other = house.admit("192.0.2.1", 2).0;
        let first = house.admit("192.0.2.2", 2).0;
        house.admit("192.0.2.2", 2);
        assert_eq!(house.admit("192.0.2.2", 2).1.as_deref(), Some("192.0.2.2"));
        assert_eq!(house.sent_away(), [first]);
        assert!(house.holds(other));
    }

    #[test]
    fn where_all_is_full_the_address_that_has_most_makes_room() {
        let mut house = House::default();
        let honest = house.admit("192.0.2.1", ONE_ADDRESS_SOCKETS).0;
        while house.strangers.sockets.len() < STRANGERS_SOCKETS {
            house.admit("127.0.0.1", STRANGERS_SOCKETS);
        }
        for from in ["192.0.2.9", "127.0.0.1", "127.0.0.1"] {
            assert_eq!(house.admit(from, STRANGERS_SOCKETS).1.as_deref(), Some("127.0.0.1"));
        }
        assert_eq!(house.strangers.sockets.len(), STRANGERS_SOCKETS);
        assert!(house.holds(honest));
    }

    #[test]
    fn of_addresses_that_have_as_many_those_who_have_just_come_are_spared() {
        let mut house = House::default();
        for number in 0..STRANGERS_SOCKETS + STRANGERS_SOCKETS / 2 {
            house.admit(&address(number), ONE_ADDRESS_SOCKETS);
        }
        let newer = u64::try_from(STRANGERS_SOCKETS / 2).unwrap();
        let sent_away = house.sent_away();
        assert_eq!(sent_away.len(), STRANGERS_SOCKETS / 2);
        assert!(
            (house.strangers.last - newer + 1..=house.strangers.last).all(|number| house.holds(number)),
            "{sent_away:?}"
        );
    }

    /// However the others that come look: each of them is at the stage that is given, and stays there.
    #[test]
    fn whoever_has_just_come_has_time_whatever_those_after_it_do() {
        for stage in [Stage::Silent, Stage::Heard, Stage::Answering] {
            let mut house = House::default();
            let flood = |house: &mut House, count: usize| {
                for _ in 0..count {
                    let number = house.admit("127.0.0.1", STRANGERS_SOCKETS).0;
                    house.strangers.reach(number, stage);
                }
            };
            flood(&mut house, 3 * STRANGERS_SOCKETS);
            let honest = house.admit("127.0.0.1", STRANGERS_SOCKETS).0;
            flood(&mut house, STRANGERS_SOCKETS / 2 - 1);
            assert!(house.holds(honest), "{stage:?}");
        }
    }

    #[test]
    fn nobody_can_tell_who_is_next() {
        let next = || {
            let mut house = House::default();
            (0..=STRANGERS_SOCKETS).for_each(|_| drop(house.admit("127.0.0.1", STRANGERS_SOCKETS)));
            house.sent_away()
        };
        let first = next();
        assert_eq!(first.len(), 1);
        // Of 128 that may be next, it is the same one 64 times in a row less often than anybody could ever see.
        assert!((0..64).any(|_| next() != first));
    }

    #[test]
    fn silent_ones_make_room_before_idle_ones_and_those_before_what_is_answered() {
        let mut house = House::default();
        let stages = [Stage::Answering, Stage::Heard, Stage::Silent];
        for stage in stages.into_iter().chain(stages) {
            let number = house.admit("192.0.2.1", 6).0;
            house.strangers.reach(number, stage);
        }
        // Each newcomer makes the older half begin one later.
        let mut in_turn = Vec::new();
        for _ in 0..5 {
            in_turn.extend(house.strangers.next_to_leave(|_| true));
            house.admit("192.0.2.1", 6);
        }
        assert_eq!(in_turn, [3, 2, 5, 6, 7], "silent, idle, idle, silent, and a newcomer");
        assert_eq!(house.sent_away(), [2, 3, 5, 6, 7]);
    }

    #[test]
    fn half_of_the_places_are_a_crowd() {
        let mut house = House::default();
        let crowd = |house: &House, network: &str| house.strangers.crowd(network.parse().unwrap(), ONE_ADDRESS_SOCKETS);
        for number in 0..STRANGERS_SOCKETS / 2 {
            let (of_one, other) = (crowd(&house, "192.0.2.1"), crowd(&house, "192.0.2.9"));
            assert_eq!(of_one, number >= ONE_ADDRESS_SOCKETS / 2, "{number}");
            assert!(!other, "{number}");
            let one = number < ONE_ADDRESS_SOCKETS;
            house.admit(if one { "192.0.2.1" } else { "192.0.2.2" }, STRANGERS_SOCKETS);
        }
        assert!(crowd(&house, "192.0.2.9"));
    }

    #[test]
    fn who_left_is_not_counted() {
        let mut house = House::default();
        for _ in 0..10 {
            let number = house.admit("192.0.2.1", 1).0;
            house.strangers.leave(number);
            assert!(house.strangers.leave(number).is_none(), "twice is once");
        }
        assert!(house.strangers.sockets.is_empty() && house.strangers.networks.is_empty());
        assert_eq!(house.sent_away(), Vec::<u64>::new());
    }
}
