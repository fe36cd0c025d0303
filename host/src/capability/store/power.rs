//! What was opened for a backend to keep things in.

use std::sync::Arc;

use crate::contract::types::Error;
use crate::store::{Kept, Unkept};

/// The store of one backend. SQLite works on threads that may block, never on those of the runtime.
#[derive(Debug, Clone)]
pub struct Keeper(Option<Arc<Kept>>);

impl Keeper {
    /// One that keeps things in `kept`.
    pub fn new(kept: Kept) -> Self {
        Self(Some(Arc::new(kept)))
    }

    /// One that keeps nothing, for a plugin that is only looked at.
    pub fn none() -> Self {
        Self(None)
    }

    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Kept) -> Result<T, Unkept> + Send + 'static,
    ) -> Result<T, Error> {
        let Some(kept) = self.0.clone() else {
            return Err(Error::Denied(
                "nothing is kept for a plugin that is only looked at".into(),
            ));
        };
        let worked = tokio::task::spawn_blocking(move || work(&kept)).await;
        match worked {
            Ok(answer) => answer.map_err(error),
            Err(fault) => Err(Error::Failed(fault.to_string())),
        }
    }
}

fn error(why: Unkept) -> Error {
    let words = why.to_string();
    match why {
        Unkept::Conflict { .. } => Error::Conflict(words),
        Unkept::Key | Unkept::Value => Error::Invalid(words),
        Unkept::Full(_) => Error::Limited((words, None)),
        Unkept::Broken(_) => Error::Failed(words),
    }
}
