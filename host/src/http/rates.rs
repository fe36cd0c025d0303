//! How often: each caller, each address and each app has a budget per minute.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::refusal::refuse;
use crate::admission::place;
use crate::config;

/// Keys that a budget remembers at least, before those whose budget is whole again are forgotten.
const REMEMBERED: usize = 4_096;

/// How many refusals that cost strangers nothing are recorded in a minute, of all together. The record is never cut, so
/// they could otherwise fill the disk with them.
const FREE_REFUSALS: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// All budgets.
#[derive(Debug)]
pub struct Rates {
    tools: Budget<String>,
    login: Budget<IpAddr>,
    register: Budget<IpAddr>,
    token: Budget<IpAddr>,
    app: Budget<String>,
    free_refusals: DefaultDirectRateLimiter,
}

/// What an address may do only so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    LogIn,
    Register,
    /// Anything else of the authorization server.
    Token,
}

impl Rates {
    /// The budgets that the operator set.
    pub fn new(rates: &config::Rates) -> Self {
        Self {
            tools: Budget::new(rates.tools, "[server.rates] tools"),
            login: Budget::new(rates.login, "[server.rates] login"),
            register: Budget::new(rates.register, "[server.rates] register"),
            token: Budget::new(rates.token, "[server.rates] token"),
            app: Budget::new(rates.token, "[server.rates] token"),
            free_refusals: RateLimiter::direct(Quota::per_minute(FREE_REFUSALS)),
        }
    }

    /// The refusal of a request to MCP by the caller known as `principal`, if it asks too often.
    pub(super) fn tool(&self, principal: &str) -> Option<Response> {
        self.tools.spend(principal)
    }

    /// The refusal of what somebody at `address` does, if it is done too often.
    pub(super) fn act(&self, act: Act, address: IpAddr) -> Option<Response> {
        let budget = match act {
            Act::LogIn => &self.login,
            Act::Register => &self.register,
            Act::Token => &self.token,
        };
        budget.spend(&place(address))
    }

    /// The refusal of a request for tokens by the app `client_id`, which has shown its secret, if it asks too often.
    pub(super) fn app(&self, client_id: &str) -> Option<Response> {
        self.app.spend(client_id)
    }

    /// Whether one more refusal that cost a stranger nothing is to be recorded.
    pub(super) fn records_free_refusal(&self) -> bool {
        self.free_refusals.check().is_ok()
    }
}

/// So much per minute for each key, and as much at once.
#[derive(Debug)]
struct Budget<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock>,
    /// How many keys call for forgetting some.
    full: AtomicUsize,
    key: &'static str,
}

impl<K: Hash + Eq + Clone> Budget<K> {
    fn new(per_minute: usize, key: &'static str) -> Self {
        let count = u32::try_from(per_minute)
            .ok()
            .and_then(NonZeroU32::new)
            .unwrap_or(NonZeroU32::MAX);
        Self {
            limiter: RateLimiter::keyed(Quota::per_minute(count)),
            full: AtomicUsize::new(REMEMBERED),
            key,
        }
    }

    fn spend<Q>(&self, key: &Q) -> Option<Response>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        if self.limiter.len() > self.full.load(Ordering::Relaxed) {
            self.forget();
        }
        let refused = self.limiter.check_key(&key.to_owned()).err()?;
        Some(self.refuse(refused.wait_time_from(DefaultClock::default().now())))
    }

    /// Looks through all keys, so the next time is when there are twice as many as stay now.
    fn forget(&self) {
        self.limiter.retain_recent();
        self.full
            .store(REMEMBERED.max(2 * self.limiter.len()), Ordering::Relaxed);
    }

    fn refuse(&self, wait: Duration) -> Response {
        let seconds = wait.as_secs() + 1;
        let mut response = refuse(
            StatusCode::TOO_MANY_REQUESTS,
            &format!(
                "too often; try again in {seconds} s ({} sets how often per minute)",
                self.key
            ),
        );
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn rates() -> Rates {
        Rates::new(&config::Rates {
            tools: 3,
            login: 2,
            register: 1,
            token: 2,
        })
    }

    #[test]
    fn each_caller_has_a_budget_of_its_own_and_hears_when_to_come_again() {
        let rates = rates();
        assert!((0..3).all(|_| rates.tool("one").is_none()));
        let refused = rates.tool("one").unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u64 = refused.headers()[header::RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=21).contains(&seconds), "{seconds}");
        assert!(rates.tool("other").is_none());
    }

    #[test]
    fn each_act_has_a_budget_of_its_own() {
        let rates = rates();
        let address = "192.0.2.1".parse().unwrap();
        assert!(rates.act(Act::Register, address).is_none());
        assert!(rates.act(Act::Register, address).is_some());
        assert!(rates.act(Act::LogIn, address).is_none());
        assert!(rates.act(Act::Token, address).is_none());
        assert!((0..2).all(|_| rates.app("app").is_none()));
        assert!(rates.app("app").is_some());
    }

    #[test]
    fn a_network_cannot_get_round_by_changing_its_address() {
        let rates = rates();
        assert!(rates.act(Act::Register, "2001:db8::1".parse().unwrap()).is_none());
        assert!(rates.act(Act::Register, "2001:db8::2".parse().unwrap()).is_some());
    }

    #[test]
    fn a_flood_of_names_is_forgotten_once_their_budget_is_whole() {
        let rates = Rates::new(&config::Rates {
            tools: 100_000_000,
            login: 1,
            register: 1,
            token: 1,
        });
        for number in 0..3 * REMEMBERED {
            assert!(rates.tool(&number.to_string()).is_none());
        }
        assert!(
            rates.tools.limiter.len() <= REMEMBERED + 1,
            "{}",
            rates.tools.limiter.len()
        );
    }
}
