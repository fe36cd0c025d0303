//! That a backend cannot start since its host cannot be reached now, which says nothing of its configuration.

use crate::machine::Trouble;
use crate::machine::sh::Fault;

/// Why its host cannot be used, as clients may read it.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
pub(super) struct Away {
    words: String,
    /// All of it, for the log.
    pub(super) whole: String,
}

impl Away {
    /// When the host is tried again is not told: a backend that is down is tried again in its own time.
    pub(super) fn of(trouble: &Trouble) -> Self {
        let lasting = Trouble {
            again: None,
            ..trouble.clone()
        };
        Self {
            words: lasting.for_clients(),
            whole: lasting.to_string(),
        }
    }

    /// The same of a request to `host`, if that is why it was not done.
    pub(super) fn of_fault(host: &str, fault: &Fault) -> Option<Self> {
        match fault {
            Fault::Unopened(why) => why.downcast_ref::<Trouble>().map(Self::of),
            Fault::Lost | Fault::Hung { .. } => {
                let words = format!("the host {host}: {}", fault.with_said());
                Some(Self {
                    whole: words.clone(),
                    words,
                })
            }
            _ => None,
        }
    }
}
