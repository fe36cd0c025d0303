//! A place at work, and how a call that waits exchanges it.

use std::sync::{Arc, Mutex, PoisonError};

use super::Rooms;
use super::pool::{ById, Claim, Held, Pool};
use super::turned_away::{Kind, Refusal, What};
use crate::principal::Principal;

/// A call's place at work, or among those that wait. Clones are the same place: it is held until the last of them is
/// dropped. The front door puts one into the extensions of each request that it lets in.
#[derive(Clone, Debug)]
pub struct Place(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rooms: Arc<Rooms>,
    caller: Principal,
    held: Mutex<Standing>,
}

#[derive(Debug)]
struct Standing {
    at_work: bool,
    _held: Held<ById>,
}

impl Place {
    pub(super) fn new(rooms: Arc<Rooms>, caller: Principal, work: Held<ById>) -> Self {
        Self(Arc::new(Inner {
            rooms,
            caller,
            held: Mutex::new(Standing {
                at_work: true,
                _held: work,
            }),
        }))
    }

    /// From now until its end the call counts as waiting: it takes a place among the waits, and gives back the one at
    /// work. A call that waits again keeps what it has.
    ///
    /// # Errors
    /// If too many calls wait, of this caller or in total. Then the call stays at work.
    pub fn wait(&self) -> Result<(), Refusal> {
        self.exchange(&self.0.rooms.waits, What::Wait)
    }

    /// The same for one that only listens for changes: it keeps nobody from waiting.
    ///
    /// # Errors
    /// If too many listen, of this caller or in total. Then the call stays at work.
    pub fn listen(&self) -> Result<(), Refusal> {
        self.exchange(&self.0.rooms.listening, What::Listening)
    }

    fn exchange(&self, pool: &Arc<Pool<ById>>, what: What) -> Result<(), Refusal> {
        let Inner { rooms, caller, held } = &*self.0;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.at_work {
            let entered = pool.try_enter(Claim::of(caller));
            let refused = |full| rooms.ledger.refuse(Kind::Callers, caller.id(), what, full);
            *held = Standing {
                at_work: false,
                _held: entered.map_err(refused)?,
            };
        }
        Ok(())
    }
}
