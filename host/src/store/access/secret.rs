//! Secrets that are handed out once and kept as digests: codes, tokens, and the cookie of a login.

use std::fmt::{self, Write as _};

use sha2::{Digest as _, Sha256};

use crate::store::secret::Key;
use crate::store::{Error, files};

/// What every secret begins with, so that scanners of published code know one.
const PREFIX: &str = "berth_";

/// 256 bits, written as hexadecimal digits.
const DIGITS: usize = 64;

/// A secret for whoever it was made for: `berth_` and 64 hexadecimal digits. `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(String);

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

    /// The one that follows from `origin` for a `purpose`: always the same, and nobody without `key` can tell it.
    pub(super) fn derived(key: &Key, purpose: &str, origin: &str) -> Self {
        let mut text = PREFIX.to_owned();
        for byte in key.tag(&[purpose.as_bytes(), origin.as_bytes()]) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Whether `presented` could be one at all.
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

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

/// The SHA-256 of a secret. It takes 256 random bits to find one that fits, so a plain hash is enough.
pub(super) type Digest = [u8; 32];

/// The digest of a secret that someone presents.
pub(super) fn digest(presented: &str) -> Digest {
    Sha256::digest(presented.as_bytes()).into()
}
