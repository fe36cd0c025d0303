//! The owner's passphrase, kept as an argon2id hash (RFC 9106) in PHC form.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};

/// The fewest characters.
const SHORTEST: usize = 12;

/// The most bytes: more would only cost time.
const LONGEST: usize = 1024;

/// What each guess costs: 64 MiB for two passes, well above what OWASP asks for.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Why a passphrase cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It could be guessed.
    #[error("a passphrase needs at least {SHORTEST} characters, this has {0}; take four or five words")]
    Short(usize),
    /// It is longer than any that is checked.
    #[error("a passphrase has at most {LONGEST} bytes, this has {0}; take a shorter one")]
    Long(usize),
    /// No hash could be made of it.
    #[error("the passphrase cannot be hashed: {0}")]
    Hash(String),
}

/// The hash of a passphrase of 12 characters up to 1024 bytes. Takes about a tenth of a second and 64 MiB.
///
/// # Errors
/// If it is too short or too long, or the system gives no random bytes.
pub fn hash(passphrase: &str) -> Result<String, Unfit> {
    let characters = passphrase.chars().count();
    if characters < SHORTEST {
        return Err(Unfit::Short(characters));
    }
    if passphrase.len() > LONGEST {
        return Err(Unfit::Long(passphrase.len()));
    }
    let hash = hasher().and_then(|hasher| Ok(hasher.hash_password(passphrase.as_bytes())?.to_string()));
    hash.map_err(|error: argon2::password_hash::Error| Unfit::Hash(error.to_string()))
}

/// Whether `passphrase` is the one that was hashed to `phc`. Takes as long as hashing, whatever the outcome; do it where
/// blocking is allowed.
pub fn verify(passphrase: &str, phc: &str) -> bool {
    let Ok(hash) = PasswordHash::new(phc) else {
        return false;
    };
    // The cost is part of the hash.
    passphrase.len() <= LONGEST && Argon2::default().verify_password(passphrase.as_bytes(), &hash).is_ok()
}

fn hasher() -> Result<Argon2<'static>, argon2::password_hash::Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn only_the_passphrase_itself_fits_its_hash() {
        let phc = hash("correct horse battery").unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=65536,t=2,p=1$"), "{phc}");
        assert!(verify("correct horse battery", &phc));
        for wrong in [
            "correct horse batter",
            "Correct horse battery",
            "correct horse battery ",
            "",
        ] {
            assert!(!verify(wrong, &phc), "{wrong:?}");
        }
        assert!(!verify("correct horse battery", "no hash"));
        assert_ne!(
            hash("correct horse battery").unwrap(),
            phc,
            "each has a salt of its own"
        );
    }

    #[test]
    fn what_can_be_guessed_or_takes_long_is_refused_with_the_bound() {
        let short = hash("elf letters").unwrap_err();
        assert_eq!(short, Unfit::Short(11));
        assert!(short.to_string().contains("at least 12 characters"), "{short}");
        let long = hash(&"ü".repeat(513)).unwrap_err();
        assert_eq!(long, Unfit::Long(1026));
        assert!(long.to_string().contains("at most 1024 bytes"), "{long}");
    }

    #[test]
    fn a_passphrase_counts_by_characters_as_people_do() {
        assert!(hash("zwölf Töne!").is_err());
        assert!(hash("zwölf Töne!!").is_ok());
    }
}
