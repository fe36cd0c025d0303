//! Secrets that are handed out once and kept as digests: codes, tokens, and the cookie of a login.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::store::secret::Key;
use crate::store::{Error, files};

/// What every secret begins with, so that scanners of published code know one.
const PREFIX: &str = "berth_";

/// 256 bits, written as hexadecimal digits.
const DIGITS: usize = 64;

/// Bytes of a seal: enough that nobody finds another text with this seal by trying here.
const SEAL: usize = 16;

/// A secret for the one for whom it was made: `berth_` and 64 hexadecimal digits, and for a refresh token also its
/// family. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(String);

/// The family that a refresh token names. Numbers begin again with a new database, and the key outlives that; for that
/// reason there is the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) family: i64,
    /// When it was approved, in seconds since 1970.
    pub(super) created: i64,
}

impl Secret {
    /// The secret itself, to be handed over; never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A new one of 256 random bits.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn random() -> Result<Self, Error> {
        files::random_hex::<{ DIGITS / 2 }>().map(|digits| Self(format!("{PREFIX}{digits}")))
    }

    /// The one that follows from `origin` for a `purpose`: always the same, and nobody without `key` can compute it.
    pub(super) fn derived(key: &Key, purpose: &str, origin: &str) -> Self {
        let tag = key.tag(&[purpose.as_bytes(), origin.as_bytes()]);
        Self(PREFIX.to_owned() + &hex::encode(tag))
    }

    /// This secret with the family that it belongs to, sealed by `key`: a text with such a seal was made here, and is
    /// recognised even if nothing else is kept of it.
    pub(super) fn sealed(self, key: &Key, origin: Origin) -> Self {
        Self(origin.written(key, &self.0))
    }

    /// Whether `presented` has the form of one.
    pub fn is_well_formed(presented: &str) -> bool {
        presented
            .strip_prefix(PREFIX)
            .is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// What is kept of it: its SHA-256.
    pub fn digest(&self) -> [u8; 32] {
        digest(&self.0)
    }
}

impl Origin {
    /// Whether `presented` was made for this family.
    pub(super) fn fits(self, key: &Key, presented: &str) -> bool {
        secret_in(presented).is_some_and(|secret| {
            let made = self.written(key, secret);
            made.as_bytes().ct_eq(presented.as_bytes()).into()
        })
    }

    fn written(self, key: &Key, secret: &str) -> String {
        let (family, created) = (self.family.to_be_bytes(), self.created.to_be_bytes());
        let tag = key.tag(&[b"family", secret.as_bytes(), &family, &created]);
        format!("{secret}_{}_{}", self.family, hex::encode(&tag[..SEAL]))
    }
}

/// The number of the family that `presented` names, which [`Origin::fits`] checks.
pub(super) fn named_family(presented: &str) -> Option<i64> {
    let (family, _) = presented
        .strip_prefix(secret_in(presented)?)?
        .strip_prefix('_')?
        .split_once('_')?;
    family.parse().ok()
}

fn secret_in(presented: &str) -> Option<&str> {
    presented
        .get(..PREFIX.len() + DIGITS)
        .filter(|secret| Secret::is_well_formed(secret))
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// The SHA-256 of a secret. To find one that matches, 256 random bits must be guessed, so a plain hash is enough.
pub(super) type Digest = [u8; 32];

/// The digest of a secret that someone presents.
pub(super) fn digest(presented: &str) -> Digest {
    Sha256::digest(presented.as_bytes()).into()
}
