//! Bytes of any length in the store, whose values are bounded.

use std::hash::{BuildHasher as _, RandomState};

use berth_plugin::{Error, Result, store};

/// Bytes of one value.
const PIECE: usize = 512 << 10;

/// Keeps these bytes under `key`.
pub(crate) fn put(key: &str, bytes: &[u8]) -> Result<()> {
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        store::raw::put(&name(key, number), piece, None)?;
    }
    Ok(())
}

/// The `length` bytes that are kept under `key`.
///
/// # Errors
/// `Failed` if they are not there as a whole.
pub(crate) fn get(key: &str, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    for number in 0..length.div_ceil(PIECE) {
        let piece = store::raw::get(&name(key, number))?;
        bytes.extend(piece.map(|piece| piece.value).unwrap_or_default());
    }
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(Error::Failed(format!("what was kept as {key} is not there as a whole"))),
    }
}

/// Removes what is kept under a key that begins with `prefix`. What cannot be removed is left for the next time.
pub(crate) fn remove(prefix: &str) {
    for key in store::keys(&format!("{prefix}/")).unwrap_or_default() {
        let _ = store::remove(&key);
    }
}

/// Letters that no other call comes upon.
pub(crate) fn unique() -> String {
    format!("{:016x}", RandomState::new().hash_one(0))
}

fn name(key: &str, number: usize) -> String {
    format!("{key}/{number:04}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;

    #[test]
    fn bytes_of_any_length_are_kept_and_what_is_not_whole_is_told() {
        let _host = Host::new();
        for length in [0, 1, PIECE, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            put("a", &bytes).unwrap();
            assert_eq!(get("a", length).unwrap(), bytes);
        }
        store::remove("a/0001").unwrap();
        assert!(matches!(get("a", 3 * PIECE + 7), Err(Error::Failed(_))));
        remove("a");
        assert_eq!(store::keys("a/").unwrap(), [""; 0]);
        assert_ne!(unique(), unique());
    }
}
