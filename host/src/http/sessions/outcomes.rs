//! What came of the owner's answers: kept here, so that a page tells it and no address does.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Outcomes of all logins that are kept, the newest ones.
const KEPT: usize = 64;

/// How long one is told.
const TOLD: Duration = Duration::from_secs(60);

/// The last outcomes.
#[derive(Debug, Default)]
pub(super) struct Outcomes(Mutex<VecDeque<Outcome>>);

#[derive(Debug)]
struct Outcome {
    cookie: String,
    session_id: String,
    text: String,
    at: Instant,
}

impl Outcomes {
    /// Keeps `text` for the login by `cookie`, on the page of that session.
    pub(super) fn keep(&self, cookie: &str, session_id: &str, text: String) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|outcome| !outcome.is_of(cookie, session_id));
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(Outcome {
            cookie: cookie.to_owned(),
            session_id: session_id.to_owned(),
            text,
            at: Instant::now(),
        });
    }

    /// What is to be told there now.
    pub(super) fn told(&self, cookie: &str, session_id: &str) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = kept.iter().filter(|outcome| outcome.is_of(cookie, session_id));
        found
            .next()
            .filter(|outcome| outcome.at.elapsed() < TOLD)
            .map(|outcome| outcome.text.clone())
    }
}

impl Outcome {
    fn is_of(&self, cookie: &str, session_id: &str) -> bool {
        self.cookie == cookie && self.session_id == session_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outcome_is_told_to_its_own_login_for_its_own_session_and_for_a_minute() {
        let outcomes = Outcomes::default();
        outcomes.keep("cookie", "local/one", "first".into());
        outcomes.keep("cookie", "local/one", "taken".into());
        assert_eq!(outcomes.told("cookie", "local/one").as_deref(), Some("taken"));
        assert_eq!(outcomes.told("other", "local/one"), None);
        assert_eq!(outcomes.told("cookie", "local/two"), None);
        tokio::time::advance(TOLD).await;
        assert_eq!(outcomes.told("cookie", "local/one"), None);
    }

    #[tokio::test]
    async fn only_the_newest_outcomes_are_kept() {
        let outcomes = Outcomes::default();
        for number in 0..=KEPT {
            outcomes.keep("cookie", &format!("local/{number}"), String::new());
        }
        assert_eq!(outcomes.told("cookie", "local/0"), None);
        assert!(outcomes.told("cookie", "local/1").is_some());
    }
}
