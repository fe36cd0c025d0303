//! Tokens that show a form to be ours: made for one browser, one question, and once.
//!
//! A token is a MAC whose key is the secret in the browser's cookie, so no other site can make one, and none fits
//! another login. What it covers is the purpose of the form and the exact text of the request that it is about.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

/// How long a form may stay open.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How many answers of the last minutes are kept. Only the owner can fill this.
const MOST_SPENT: usize = 1000;

/// What a form is about.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Form<'a> {
    /// Which form it is.
    pub(in crate::http) purpose: &'static str,
    /// The secret in the cookie of the browser that it went to.
    pub(in crate::http) cookie: &'a str,
    /// What it is about, as it sends it back: the query of a request.
    pub(in crate::http) query: &'a str,
}

impl Form<'_> {
    /// A token for this form, shown at `now`.
    pub(in crate::http) fn token(&self, now: SystemTime) -> String {
        let shown = nanoseconds(now);
        format!("{shown:x}.{}", self.mac(shown).unwrap_or_default())
    }

    /// When a form with this token was shown, if it is this form and was shown in the last 15 minutes.
    pub(in crate::http) fn shown(&self, token: &str, now: SystemTime) -> Option<u128> {
        let (shown, mac) = token.split_once('.')?;
        let shown = u128::from_str_radix(shown, 16).ok()?;
        let age = nanoseconds(now).checked_sub(shown)?;
        let genuine: bool = self.mac(shown)?.as_bytes().ct_eq(mac.as_bytes()).into();
        (genuine && age < LIFETIME.as_nanos()).then_some(shown)
    }

    /// In hexadecimal digits. Each part has its length before it, so that no two forms cover the same text.
    fn mac(&self, shown: u128) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.cookie.as_bytes()).ok()?;
        for part in [self.purpose, self.query] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.update(&shown.to_be_bytes());
        Some(hex::encode(mac.finalize().into_bytes()))
    }
}

/// The forms that were finally answered: when each was shown, which tells them apart.
#[derive(Debug, Default)]
pub(in crate::http) struct Spent(Mutex<BTreeSet<u128>>);

impl Spent {
    /// Whether the form that was shown at `shown` is answered for the first time.
    pub(in crate::http) fn spend(&self, shown: u128, now: SystemTime) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = nanoseconds(now).saturating_sub(LIFETIME.as_nanos());
        *spent = spent.split_off(&oldest);
        spent.len() < MOST_SPENT && spent.insert(shown)
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const FORM: Form<'_> = Form {
        purpose: "consent",
        cookie: "secret",
        query: "client_id=a",
    };

    #[test]
    fn a_token_fits_its_own_form_only() {
        let now = SystemTime::now();
        let token = FORM.token(now);
        assert!(FORM.shown(&token, now).is_some());
        let others = [
            Form {
                purpose: "login",
                ..FORM
            },
            Form {
                cookie: "other",
                ..FORM
            },
            Form {
                query: "client_id=b",
                ..FORM
            },
            Form { query: "", ..FORM },
        ];
        for other in others {
            assert_eq!(other.shown(&token, now), None, "{other:?}");
        }
    }

    #[test]
    fn nothing_else_is_a_token() {
        let now = SystemTime::now();
        let token = FORM.token(now);
        let (shown, mac) = token.split_once('.').unwrap();
        let later = u128::from_str_radix(shown, 16).unwrap() + 1;
        for forged in [
            String::new(),
            ".".to_owned(),
            format!("{shown}."),
            format!("{later:x}.{mac}"),
            format!("{shown}.{}", mac.to_uppercase()),
            token[..token.len() - 1].to_owned(),
        ] {
            assert_eq!(FORM.shown(&forged, now), None, "{forged}");
        }
    }

    #[test]
    fn a_form_lies_open_for_a_quarter_of_an_hour() {
        let now = SystemTime::now();
        let token = FORM.token(now);
        assert!(FORM.shown(&token, now + LIFETIME - Duration::from_secs(1)).is_some());
        assert_eq!(FORM.shown(&token, now + LIFETIME), None);
        assert_eq!(FORM.shown(&token, now - Duration::from_secs(1)), None);
    }

    #[test]
    fn a_form_is_answered_once() {
        let (spent, now) = (Spent::default(), SystemTime::now());
        let shown = FORM.shown(&FORM.token(now), now).unwrap();
        assert!(spent.spend(shown, now));
        assert!(!spent.spend(shown, now) && !spent.spend(shown, now + LIFETIME / 2));
        assert!(spent.spend(shown + 1, now));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (spent, now) = (Spent::default(), SystemTime::now());
        let first = nanoseconds(now);
        for shown in 0..MOST_SPENT as u128 {
            assert!(spent.spend(first + shown, now));
        }
        assert!(!spent.spend(first + MOST_SPENT as u128, now));
        assert!(spent.spend(first + 2 * LIFETIME.as_nanos(), now + 2 * LIFETIME));
    }
}
