//! What is given to a client to keep and must come back as it was: encrypted and authenticated by a key of berth's own.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{Error, secret};

/// What is sealed for one purpose does not open for another, should the key ever have a second one.
const PURPOSE: &[u8] = b"berth: a form";
/// Bytes of a sealed text that are looked at; ours are far shorter.
const LONGEST: usize = 4096;

/// Seals texts and opens them again. `Debug` does not show the key.
pub struct Seal(LessSafeKey);

impl Seal {
    /// Reads the key at `path`, making it first if there is none.
    pub(super) fn load_or_create(path: &Path) -> Result<Self, Error> {
        let damaged = || Error::Token { path: path.to_owned() };
        let key = hex::decode(secret::load_or_create(path)?).map_err(|_| damaged())?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| damaged())?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// `plain`, so that nobody without the key can read it, change it or make another one; nothing if the system gives
    /// no random numbers.
    pub fn seal(&self, plain: &[u8]) -> Option<String> {
        let mut once = [0; NONCE_LEN];
        getrandom::fill(&mut once).ok()?;
        let mut sealed = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(once);
        self.0
            .seal_in_place_append_tag(nonce, Aad::from(PURPOSE), &mut sealed)
            .ok()?;
        Some(BASE64.encode([&once[..], &sealed].concat()))
    }

    /// What was sealed; nothing if it was not sealed by this key, or is not as it was then.
    pub fn open(&self, sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > LONGEST {
            return None;
        }
        let sealed = BASE64.decode(sealed).ok()?;
        let (once, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*once);
        let opened = self.0.open_in_place(nonce, Aad::from(PURPOSE), &mut sealed).ok()?;
        Some(opened.to_vec())
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seal(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn seal(place: &tempfile::TempDir, name: &str) -> Seal {
        Seal::load_or_create(&place.path().join(name)).unwrap()
    }

    #[test]
    fn what_was_sealed_opens_as_it_was_for_the_same_key_also_after_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let sealed = seal(&place, "key").seal(b"a text").unwrap();
        assert_eq!(seal(&place, "key").open(&sealed).unwrap(), b"a text");
        assert_eq!(seal(&place, "other").open(&sealed), None);
        let mode = std::fs::metadata(place.path().join("key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_same_text_is_never_sealed_twice_alike_and_shows_nothing_of_itself() {
        let place = tempfile::tempdir().unwrap();
        let seal = seal(&place, "key");
        let (one, other) = (seal.seal(b"local/fix").unwrap(), seal.seal(b"local/fix").unwrap());
        assert_ne!(one, other);
        let bytes = BASE64.decode(&one).unwrap();
        assert!(!bytes.windows(5).any(|part| part == b"local"));
    }

    #[test]
    fn a_change_of_any_byte_and_any_other_length_is_found() {
        let place = tempfile::tempdir().unwrap();
        let seal = seal(&place, "key");
        let sealed = BASE64.decode(seal.seal(b"a text").unwrap()).unwrap();
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(seal.open(&BASE64.encode(changed)), None, "byte {at}, bit {bit}");
            }
            assert_eq!(seal.open(&BASE64.encode(&sealed[..at])), None, "its first {at} bytes");
        }
        assert_eq!(seal.open(&BASE64.encode([&sealed[..], b"x"].concat())), None);
        for text in ["", "x", "not base64!", &"A".repeat(1 << 20)] {
            assert_eq!(seal.open(text), None);
        }
    }
}
