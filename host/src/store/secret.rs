//! Files that hold one random text each, such as a secret: made on first use.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Error, files};

/// Bytes of a secret.
const SECRET: usize = 32;

/// A key for digests that nobody can make without it. `Debug` does not show it.
#[derive(Clone)]
pub(super) struct Key(Hmac<Sha256>);

impl Key {
    /// Reads the key at `path`, making it first if there is none.
    pub(super) fn load_or_create(path: &Path) -> Result<Self, Error> {
        let text = load_or_create(path)?;
        // HMAC takes a key of any length.
        Hmac::new_from_slice(text.as_bytes())
            .map(Self)
            .map_err(|_| Error::Token { path: path.to_owned() })
    }

    /// The HMAC-SHA256 of `parts`, each with its length before it, so that no two lists of parts give the same text.
    pub(super) fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key(…)")
    }
}

/// The text of the secret at `path`, made first if there is none. Two processes at once end up with the same one.
pub(super) fn load_or_create(path: &Path) -> Result<String, Error> {
    digits::<SECRET>(path)?.ok_or_else(|| Error::Token { path: path.to_owned() })
}

/// The random bytes at `path` in hexadecimal digits, made first if there are none; nothing if something else is there.
pub(super) fn digits<const BYTES: usize>(path: &Path) -> Result<Option<String>, Error> {
    if !path.try_exists().map_err(Error::io("look at", path))? {
        files::create(path, &format!("{}\n", files::random_hex::<BYTES>()?))?;
    }
    let file = files::open(path, OpenOptions::new().read(true))?;
    let mut bytes = Vec::new();
    file.take(2 * BYTES as u64 + 2)
        .read_to_end(&mut bytes)
        .map_err(Error::io("read", path))?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let is_whole = text.len() == 2 * BYTES && text.iter().all(u8::is_ascii_hexdigit);
    Ok(is_whole.then(|| text.iter().copied().map(char::from).collect()))
}
