//! A short digest that tells texts apart, even if somebody wants two to look the same.

use sha2::{Digest, Sha256};

/// The first 64 bits of a SHA-256 over the parts, each with its length before it.
#[must_use]
pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let first = digest.finalize().into_iter().take(8);
    first.fold(0, |number, byte| number << 8 | u64::from(byte))
}

/// A word of at most 12 letters and digits that stands for a text, such as the id that the host made for a call.
#[must_use]
pub fn word(text: &str, length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let digest = of([text]);
    let letters = (0..length).map(|place| ALPHABET[(digest >> (5 * place) & 31) as usize]);
    letters.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_between_parts_counts() {
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
        assert_eq!(of(["ab", "c"]), of(["ab", "c"]));
    }

    #[test]
    fn a_word_stands_for_one_text() {
        assert_eq!(word("a", 6), word("a", 6));
        assert_ne!(word("a", 6), word("b", 6));
        assert_eq!(word("a", 12).len(), 12);
        assert!(word("a", 12).starts_with(&word("a", 6)));
    }
}
