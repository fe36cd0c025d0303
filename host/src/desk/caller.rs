//! Who calls, and what ends their wait.

use std::pin::pin;
use std::task::Poll;

use futures::poll;
use tokio_util::sync::CancellationToken;

use super::ToolError;
use crate::admission::Place;
use crate::principal::Principal;
use crate::store::audit::Outcome;

/// Who calls a tool.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whom it speaks for.
    pub principal: Principal,
    /// Cancelled when nobody waits for the answer. What waits then ends; what was begun is finished, so that
    /// nothing is left half typed.
    pub gone: CancellationToken,
    /// Cancelled when berth ends.
    pub ending: CancellationToken,
    /// What it holds while it is at work.
    pub place: Place,
    /// Who is at the other end of the call.
    pub by: By,
    /// It takes a task in place of an answer while work goes on.
    pub takes_tasks: bool,
}

/// Who is at the other end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A program. Whether a person has read what it answers, nobody knows.
    Program,
    /// A program that shows forms to its person, and what came back in one if that is why it calls.
    Form(Option<Returned>),
    /// The person, outside of every session.
    Person,
}

/// A form that comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// What berth sealed in it.
    pub state: String,
    /// What the person filled in; none: it was closed.
    pub filled: Option<Filled>,
}

/// What a person filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// The choices taken.
    pub choices: Vec<String>,
    /// Words.
    pub text: Option<String>,
}

/// Why a wait ended before what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The caller is gone.
    Gone,
    /// berth ends.
    Ending,
}

impl Caller {
    /// From now on the call is one that waits and holds no place at work. To ask again is nothing new. So this stands
    /// before any deed.
    pub(crate) fn enter_wait(&self) -> Result<(), ToolError> {
        let entered = self.place.wait();
        entered.map_err(|refusal| ToolError::refused(format!("nothing was done: {refusal}")))
    }

    /// What `turn` gives, at once where it can. Otherwise the call holds no place at work from now on, and waits unless
    /// the caller goes or berth ends before.
    pub(crate) async fn take_turn<T>(&self, turn: impl Future<Output = T>) -> Result<T, ToolError> {
        let mut turn = pin!(turn);
        if let Poll::Ready(taken) = poll!(&mut turn) {
            return Ok(taken);
        }
        self.enter_wait()?;
        Ok(self.while_there(turn).await?)
    }

    /// The outcome of `wait`, unless the caller goes or berth ends before.
    pub(crate) async fn while_there<T>(&self, wait: impl Future<Output = T>) -> Result<T, Left> {
        tokio::select! {
            biased;
            () = self.gone.cancelled() => Err(Left::Gone),
            () = self.ending.cancelled() => Err(Left::Ending),
            outcome = wait => Ok(outcome),
        }
    }
}

impl From<Left> for ToolError {
    /// For who has not done anything yet.
    fn from(left: Left) -> Self {
        match left {
            Left::Gone => Self::gone("the caller is gone, so nothing was done"),
            Left::Ending => Self::refused("berth is ending, so nothing was done; ask again when it runs again"),
        }
    }
}

impl ToolError {
    fn gone(text: &str) -> Self {
        Self {
            outcome: Outcome::Gone,
            ..Self::refused(text)
        }
    }
}
