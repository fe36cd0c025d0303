//! The word by which the operator, at a terminal, lets a browser on the same machine in: never on the disk.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use crate::store::{Error, files};

/// How long a word counts.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// Syllables of a word, of 6 random bits each. Guesses are slowed as those of a passphrase are, so that some ten fit into
/// the minute.
const SYLLABLES: usize = 6;
const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";

/// The one word that counts now, if there is one. A further one replaces it.
#[derive(Default)]
pub struct Word(Mutex<Option<(String, Instant)>>);

impl Word {
    /// How long a word counts.
    pub const COUNTS_FOR: Duration = COUNTS_FOR;

    /// A word that counts once, in the minute from `now`, such as `bafiko-tamolu`.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn give(&self, now: Instant) -> Result<String, Error> {
        let word = random()?;
        *self.lock() = Some((word.clone(), now + COUNTS_FOR));
        let (first, second) = word.split_at(word.len() / 2);
        Ok(format!("{first}-{second}"))
    }

    /// Whether `given`, as a person types it, is the word that counts at `now`. Then it counts no more.
    pub fn take(&self, given: &str, now: Instant) -> bool {
        let given: String = given.chars().filter(char::is_ascii_alphanumeric).collect();
        let mut word = self.lock();
        *word = word.take().filter(|(_, until)| now < *until);
        let fits = word
            .as_ref()
            .is_some_and(|(word, _)| word.as_bytes().ct_eq(given.to_ascii_lowercase().as_bytes()).into());
        if fits {
            *word = None;
        }
        fits
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(String, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Word(…)")
    }
}

fn random() -> Result<String, Error> {
    let bits = files::random::<SYLLABLES>()?;
    let letter = |letters: &[u8], bits: u8| char::from(letters[usize::from(bits) % letters.len()]);
    Ok(bits.iter().fold(String::new(), |mut word, bits| {
        word.push(letter(CONSONANTS, bits >> 4));
        word.push(letter(VOWELS, bits & 3));
        word
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_word_counts_once_and_as_people_type_it() {
        let (word, now) = (Word::default(), Instant::now());
        for typed in [
            |word: &str| word.to_owned(),
            |word: &str| word.to_uppercase(),
            |word: &str| format!(" {} ", word.replace('-', " ")),
            |word: &str| word.replace('-', ""),
        ] {
            let given = word.give(now).unwrap();
            assert!(word.take(&typed(&given), now), "{given}");
            assert!(!word.take(&given, now), "{given} counts twice");
        }
    }

    #[test]
    fn a_word_counts_for_a_minute() {
        let (word, now) = (Word::default(), Instant::now());
        let given = word.give(now).unwrap();
        assert!(!word.take(&given, now + COUNTS_FOR));
        assert!(!word.take(&given, now), "it ended");
        let given = word.give(now).unwrap();
        assert!(word.take(&given, now + COUNTS_FOR - Duration::from_millis(1)));
    }

    #[test]
    fn nothing_else_is_the_word_and_a_wrong_one_does_not_end_it() {
        let (word, now) = (Word::default(), Instant::now());
        assert!(!word.take("", now) && !word.take("-", now));
        let former = word.give(now).unwrap();
        let given = word.give(now).unwrap();
        for wrong in ["", "-", &former, &given[1..], &format!("{given}a"), "berth"] {
            assert!(!word.take(wrong, now), "{wrong}");
        }
        assert!(word.take(&given, now));
    }

    #[test]
    fn words_differ_and_are_never_told_by_debug() {
        let (word, now) = (Word::default(), Instant::now());
        let given: std::collections::BTreeSet<String> = (0..100).map(|_| word.give(now).unwrap()).collect();
        assert_eq!(given.len(), 100);
        let pronounceable = |word: &&String| word.len() == 2 * SYLLABLES + 1;
        assert_eq!(given.iter().filter(pronounceable).count(), 100);
        assert_eq!(format!("{word:?}"), "Word(…)");
    }
}
