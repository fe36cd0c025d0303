//! How often: each caller, each address and each app has a budget per minute, whatever carries the requests.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use thiserror::Error;

use crate::network::network;
use crate::principal::Principal;

/// The number of keys from which a budget forgets those that are full again.
const REMEMBERED: usize = 4_096;

/// `[server.rates]`: how often per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Requests of one caller to MCP.
    pub tools: usize,
    /// Attempts to log in from one address.
    pub login: usize,
    /// Registrations of apps from one address.
    pub register: usize,
    /// Other requests to the authorization server from one address, and for tokens by one app with a secret.
    pub token: usize,
}

/// All budgets.
#[derive(Debug)]
pub(super) struct Budgets {
    of: Rates,
    tools: Budget<String>,
    login: Budget<IpAddr>,
    register: Budget<IpAddr>,
    token: Budget<IpAddr>,
    app: Budget<String>,
}

/// What an address may do only so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// To give the passphrase.
    LogIn,
    /// To make an app known.
    Register,
    /// All other requests to the authorization server.
    Token,
}

/// Somebody asks too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too often; try again in {seconds} s ({key} sets how often per minute{together})")]
pub struct TooOften {
    /// In how many seconds one more request is accepted.
    pub seconds: u64,
    /// The key of the configuration.
    key: &'static str,
    /// What counts together, where that is not plain.
    together: &'static str,
}

impl Budgets {
    /// The budgets that the operator set.
    pub(super) fn new(rates: &Rates) -> Self {
        Self {
            of: *rates,
            tools: Budget::new(rates.tools, "[server.rates] tools"),
            login: Budget::new(rates.login, "[server.rates] login"),
            register: Budget::new(rates.register, "[server.rates] register"),
            token: Budget::new(rates.token, "[server.rates] token"),
            app: Budget::new(rates.token, "[server.rates] token"),
        }
    }

    /// Whether they are those that `rates` says.
    pub(super) fn are_of(&self, rates: &Rates) -> bool {
        self.of == *rates
    }

    /// Counts a request to MCP by the caller known as `principal`.
    pub(super) fn tool(&self, principal: &str) -> Result<(), TooOften> {
        let together = match principal == Principal::local().id() {
            true => "; all programs on this machine count together, and a personal token has turns of its own",
            false => "",
        };
        let spent = self.tools.spend(principal);
        spent.map_err(|refusal| TooOften { together, ..refusal })
    }

    /// Counts what somebody at `address` does.
    pub(super) fn act(&self, act: Act, address: IpAddr) -> Result<(), TooOften> {
        let budget = match act {
            Act::LogIn => &self.login,
            Act::Register => &self.register,
            Act::Token => &self.token,
        };
        budget.spend(&network(address))
    }

    /// Counts a request for tokens by the app `client_id`, which has shown its secret.
    pub(super) fn app(&self, client_id: &str) -> Result<(), TooOften> {
        self.app.spend(client_id)
    }
}

/// A number per minute for each key, and as many at once.
#[derive(Debug)]
struct Budget<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock>,
    /// The number of keys at which some are forgotten.
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

    fn spend<Q>(&self, key: &Q) -> Result<(), TooOften>
    where
        Q: ToOwned<Owned = K> + ?Sized,
    {
        if self.limiter.len() > self.full.load(Ordering::Relaxed) {
            self.forget();
        }
        self.limiter.check_key(&key.to_owned()).map_err(|refused| TooOften {
            seconds: refused.wait_time_from(DefaultClock::default().now()).as_secs() + 1,
            key: self.key,
            together: "",
        })
    }

    /// Looks through all keys, so the next time is when there are twice as many as stay now.
    fn forget(&self) {
        self.limiter.retain_recent();
        self.full
            .store(REMEMBERED.max(2 * self.limiter.len()), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn rates() -> Budgets {
        Budgets::new(&Rates {
            tools: 3,
            login: 2,
            register: 1,
            token: 2,
        })
    }

    #[test]
    fn each_caller_has_a_budget_of_its_own_and_hears_when_to_come_again() {
        let rates = rates();
        assert!((0..3).all(|_| rates.tool("one").is_ok()));
        let refused = rates.tool("one").unwrap_err();
        assert!((1..=21).contains(&refused.seconds), "{refused}");
        let told = refused.to_string();
        assert!(
            told.contains(&format!("try again in {} s", refused.seconds)) && told.contains("[server.rates] tools"),
            "{told}"
        );
        assert!(!told.contains("this machine"), "{told}");
        assert!(rates.tool("other").is_ok());
    }

    #[test]
    fn who_shares_a_budget_with_the_machines_other_programs_hears_so_and_what_helps() {
        let rates = rates();
        let local = Principal::local();
        assert!((0..3).all(|_| rates.tool(local.id()).is_ok()));
        let told = rates.tool(local.id()).unwrap_err().to_string();
        for said in [
            "all programs on this machine",
            "[server.rates] tools",
            "personal token",
            "try again in",
        ] {
            assert!(told.contains(said), "{told}");
        }
    }

    #[test]
    fn each_act_has_a_budget_of_its_own() {
        let rates = rates();
        let address = "192.0.2.1".parse().unwrap();
        assert!(rates.act(Act::Register, address).is_ok());
        assert!(rates.act(Act::Register, address).is_err());
        assert!(rates.act(Act::LogIn, address).is_ok());
        assert!(rates.act(Act::Token, address).is_ok());
        assert!((0..2).all(|_| rates.app("app").is_ok()));
        assert!(rates.app("app").is_err());
    }

    #[test]
    fn a_network_cannot_get_round_by_changing_its_address() {
        let rates = rates();
        assert!(rates.act(Act::Register, "2001:db8::1".parse().unwrap()).is_ok());
        assert!(rates.act(Act::Register, "2001:db8::2".parse().unwrap()).is_err());
    }

    #[test]
    fn a_flood_of_names_is_forgotten_once_their_budget_is_whole() {
        let rates = Budgets::new(&Rates {
            tools: 100_000_000,
            login: 1,
            register: 1,
            token: 1,
        });
        for number in 0..3 * REMEMBERED {
            assert!(rates.tool(&number.to_string()).is_ok());
        }
        assert!(
            rates.tools.limiter.len() <= REMEMBERED + 1,
            "{}",
            rates.tools.limiter.len()
        );
    }
}
