//! The local token: what a caller on this machine shows to be let in.

use std::fmt;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Error, files, secret};

/// The secret that identifies the operator on this machine. `Debug` does not show it.
#[derive(Clone)]
pub struct LocalToken {
    text: String,
    digest: [u8; 32],
}

impl LocalToken {
    /// Whether `presented` is this token. Takes the same time wherever the two differ.
    pub fn matches(&self, presented: &str) -> bool {
        digest(presented).ct_eq(&self.digest).into()
    }

    /// The token itself, for the operator and for processes of the same user; never for a log.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Reads the token at `path`, making it first if there is none. Two processes at once end up with the same one.
    pub(super) fn load_or_create(path: &Path) -> Result<Self, Error> {
        let text = secret::load_or_create(path)?;
        Ok(Self {
            digest: digest(&text),
            text,
        })
    }
}

impl fmt::Debug for LocalToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LocalToken(…)")
    }
}

/// A token that nobody can guess, in 64 hexadecimal digits.
///
/// # Errors
/// The system has no random bytes.
pub fn random_token() -> Result<String, Error> {
    files::random_hex::<32>()
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}
