//! Calls that change a session run one at a time, in the order of asking.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// Whose turn it is, for each session by its whole id.
#[derive(Default)]
pub(crate) struct Orders(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

impl Orders {
    /// Waits for the turn of a caller who acts on the session `session_id`.
    pub(crate) async fn turn(&self, session_id: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            match turns.get(session_id).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    let turn = Arc::default();
                    turns.insert(session_id.to_owned(), Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}
