//! Who may hold what of berth at once, and ask how often: a socket, room for a body, a place at work, a wait, a turn.
//!
//! Each has a bound per caller beside the one for all, whatever carries the call: a caller can use up only its own.
//! Callers that only read have half of everything, so they never shut out those that act, and the operator has places
//! that no app can take. [`numbers`] has all the bounds, and `docs/security.md` explains them.

pub mod numbers;
mod place;
mod pool;
mod rates;
mod sockets;
mod turned_away;

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::place::Place;
pub use self::pool::Held;
use self::pool::{Bounds, ById, Claim, Pool, Rank};
use self::rates::Budgets;
pub use self::rates::{Act, Rates, TooOften};
use self::sockets::Sockets;
pub use self::sockets::{Answering, Socket};
use self::turned_away::Ledger;
pub use self::turned_away::{Kind, Refusal, What};
use crate::network::network;
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
    listening: Arc<Pool<ById>>,
    strangers: Arc<Pool<IpAddr>>,
    rates: RwLock<Arc<Budgets>>,
    ledger: Ledger,
}

impl Rooms {
    fn budgets(&self) -> Arc<Budgets> {
        self.rates.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Admission {
    /// `max_requests` bounds what is at work at once, and `max_body` is the longest body, in bytes. Who is turned away
    /// is recorded by `recorder`, in tasks of `tasks`, which end soon after `ending`.
    pub fn new(
        max_requests: usize,
        max_body: usize,
        rates: &Rates,
        recorder: Recorder,
        tasks: TaskTracker,
        ending: CancellationToken,
    ) -> Self {
        let ledger = Ledger::new(recorder, tasks, ending);
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
            listening: Pool::new(Bounds {
                each: numbers::ONE_CALLERS_LISTENING,
                ..Bounds::shared(numbers::LISTENING)
            }),
            strangers: Pool::new(Bounds {
                others: numbers::STRANGERS_REQUESTS,
                ..Bounds::shared(numbers::STRANGERS_REQUESTS)
            }),
            rates: RwLock::new(Arc::new(Budgets::new(rates))),
            ledger,
        }))
    }

    /// From now on callers may ask as often as `rates` says. What they have spent counts only while that stays the same.
    pub fn set_rates(&self, rates: &Rates) {
        if self.0.budgets().are_of(rates) {
            return;
        }
        *self.0.rates.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Budgets::new(rates));
    }

    /// Takes in a TCP connection from `address`, a stranger's until it shows more. With `shared`, strangers of many
    /// networks come from that address, as through a tunnel; `speaks` says that its first byte is there already. If
    /// there is no room, another one is told to make some: see `Sockets::admit`.
    pub fn socket(&self, address: IpAddr, shared: bool, speaks: bool) -> Arc<Socket> {
        self.0.sockets.admit(network(address), shared, speaks)
    }

    /// A connection to the unix socket by `peer`, for as long as the returned value is kept.
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
            self.0.ledger.refuse(Kind::Callers, who.id(), What::Socket, full)
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
        entered.map_err(|full| self.0.ledger.refuse(Kind::Callers, caller.id(), What::Body, full))
    }

    /// A place at work for a call of `caller`.
    ///
    /// # Errors
    /// If there is none within 2 seconds.
    pub async fn place(&self, caller: &Principal) -> Result<Place, Refusal> {
        let entered = self.0.work.enter(Claim::of(caller), numbers::PATIENCE).await;
        let refused = |full| self.0.ledger.refuse(Kind::Callers, caller.id(), What::Place, full);
        let work = entered.map_err(refused)?;
        Ok(Place::new(self.0.clone(), caller.clone(), work))
    }

    /// A place for the request of a stranger at `address`, for as long as the returned value is kept.
    ///
    /// # Errors
    /// If there is none within 2 seconds.
    pub async fn strangers_place(&self, address: IpAddr) -> Result<Held<IpAddr>, Refusal> {
        let network = network(address);
        let claim = Claim::one(network, Rank::Acts);
        let entered = self.0.strangers.enter(claim, numbers::PATIENCE).await;
        let refused = |full| {
            self.0
                .ledger
                .refuse(Kind::Strangers, &network.to_string(), What::Place, full)
        };
        entered.map_err(refused)
    }

    /// Counts a request to MCP by `caller`, whatever carries it.
    ///
    /// # Errors
    /// If it asks too often.
    pub fn turn(&self, caller: &Principal) -> Result<(), TooOften> {
        let turn = self.0.budgets().tool(caller.id());
        turn.inspect_err(|_| self.0.ledger.note(Kind::Callers, caller.id(), What::Turn))
    }

    /// Counts what a stranger at `address` does.
    ///
    /// # Errors
    /// If it is done too often.
    pub fn strangers_turn(&self, act: Act, address: IpAddr) -> Result<(), TooOften> {
        let who = || network(address).to_string();
        let turn = self.0.budgets().act(act, address);
        turn.inspect_err(|_| self.0.ledger.note(Kind::Strangers, &who(), What::Turn))
    }

    /// Counts a request for tokens by the app `client_id`, which has shown its secret.
    ///
    /// # Errors
    /// If it asks too often.
    pub fn apps_turn(&self, client_id: &str) -> Result<(), TooOften> {
        let turn = self.0.budgets().app(client_id);
        turn.inspect_err(|_| self.0.ledger.note(Kind::Callers, client_id, What::Turn))
    }

    /// Whether a refusal that a stranger at `address` can cause at will has an entry of its own in the record. One that
    /// has none is counted, and reported with others.
    pub fn records_try(&self, address: IpAddr) -> bool {
        self.0.ledger.records(Kind::Tries, &network(address).to_string())
    }
}

#[cfg(test)]
pub(crate) mod tests;
