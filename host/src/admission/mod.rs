//! Who may hold what of berth at once: a socket, room for a body, a place at work, a wait.
//!
//! Each has a bound per caller beside the one for all, whatever carries the call: a caller can use up only its own. What
//! only reads has half of everything, so it never shuts out what acts, and the operator has places that no app can
//! take. [`numbers`] has all the bounds, and `docs/security.md` explains them.

pub mod numbers;
mod place;
mod pool;
mod sockets;
mod turned_away;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use tokio_util::task::TaskTracker;

pub use self::place::Place;
pub use self::pool::Held;
use self::pool::{Bounds, ById, Claim, Pool, Rank};
use self::sockets::Sockets;
pub use self::sockets::{Answering, Socket};
use self::turned_away::Ledger;
pub use self::turned_away::{Refusal, What};
use crate::peer::Peer;
use crate::principal::Principal;
use crate::store::Recorder;

/// Everything that is held. Clones share it.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Rooms>);

#[derive(Debug)]
struct Rooms {
    sockets: Arc<Sockets>,
    local_sockets: Arc<Pool<Rank>>,
    bodies: Arc<Pool<ById>>,
    work: Arc<Pool<ById>>,
    waits: Arc<Pool<ById>>,
    strangers: Arc<Pool<IpAddr>>,
    ledger: Ledger,
}

impl Admission {
    /// `max_requests` bounds what is at work at once, and `max_body` is the longest body, in bytes. Who is turned away
    /// stands in `recorder`, written by tasks of `tasks`.
    pub fn new(max_requests: usize, max_body: usize, recorder: Recorder, tasks: TaskTracker) -> Self {
        let ledger = Ledger::new(recorder, tasks);
        Self(Arc::new(Rooms {
            sockets: Sockets::new(ledger.clone()),
            local_sockets: Pool::new(Bounds {
                each: numbers::LOCAL_SOCKETS,
                ..Bounds::shared(numbers::LOCAL_SOCKETS)
            }),
            bodies: Pool::new(Bounds::shared(
                numbers::BODIES.max(numbers::BODIES_OF_THE_LONGEST * max_body),
            )),
            work: Pool::new(Bounds::shared(max_requests)),
            waits: Pool::new(Bounds {
                each: numbers::ONE_CALLERS_WAITS,
                ..Bounds::shared(numbers::WAITS)
            }),
            strangers: Pool::new(Bounds::shared(numbers::STRANGERS_REQUESTS)),
            ledger,
        }))
    }

    /// Takes in a TCP connection from `address`, a stranger's until it shows more. With `shared`, strangers of many
    /// places come from that address, as through a tunnel. Where there is no room, the oldest idle connection of the
    /// address that has most is told to make some.
    pub fn socket(&self, address: IpAddr, shared: bool) -> Arc<Socket> {
        self.0.sockets.admit(place(address), shared)
    }

    /// A connection to the unix socket by `peer`, for as long as what this answers is kept.
    ///
    /// # Errors
    /// If there are too many.
    pub fn local_socket(&self, peer: Peer) -> Result<Held<Rank>, Refusal> {
        let rank = if peer == Peer::Operator {
            Rank::Operator
        } else {
            Rank::Reads
        };
        let claim = Claim::one(rank, rank);
        self.0.local_sockets.try_enter(claim).map_err(|full| {
            let who = Principal::local();
            let who = if rank == Rank::Reads { who.only_reading() } else { who };
            self.0.ledger.refuse(who.id(), What::Socket, full)
        })
    }

    /// Room for a body of at most `length` bytes of `caller`, for as long as it arrives and waits for a place.
    ///
    /// # Errors
    /// If there is none within 2 seconds.
    pub async fn body(&self, caller: &Principal, length: usize) -> Result<Held<ById>, Refusal> {
        let mut claim = Claim::of(caller);
        claim.amount = length.max(numbers::LEAST_OF_A_BODY);
        let entered = self.0.bodies.enter(claim, numbers::PATIENCE).await;
        entered.map_err(|full| self.0.ledger.refuse(caller.id(), What::Body, full))
    }

    /// A place at work for a call of `caller`.
    ///
    /// # Errors
    /// If there is none within 2 seconds.
    pub async fn place(&self, caller: &Principal) -> Result<Place, Refusal> {
        let entered = self.0.work.enter(Claim::of(caller), numbers::PATIENCE).await;
        let refused = |full| self.0.ledger.refuse(caller.id(), What::Place, full);
        let work = entered.map_err(refused)?;
        Ok(Place::new(self.0.clone(), caller.clone(), work))
    }

    /// A place for the request of a stranger at `address`, for as long as what this answers is kept.
    ///
    /// # Errors
    /// If there is none within 2 seconds.
    pub async fn strangers_place(&self, address: IpAddr) -> Result<Held<IpAddr>, Refusal> {
        let claim = Claim::one(place(address), Rank::Acts);
        let entered = self.0.strangers.enter(claim, numbers::PATIENCE).await;
        let who = || address.to_canonical().to_string();
        entered.map_err(|full| self.0.ledger.refuse(&who(), What::Place, full))
    }

    /// Notes in the record that `who`, a caller or an address, asked too often.
    pub fn asked_too_often(&self, who: &str) {
        self.0.ledger.note(who, What::Turn);
    }
}

/// What counts as one place to come from: an IPv4 address, or an IPv6 network of 64 bits, which one customer has alone.
pub fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
