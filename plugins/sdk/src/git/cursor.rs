//! Where a page of changes ends, as a caller gives it back: what was compared with, and the last path.

use super::commit::Commit;
use crate::{Error, Result};

/// Bytes of a cursor that a host takes.
const LONGEST: usize = 2_000;
/// What stands for a base where there is none.
const NONE: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) base: Option<Commit>,
    pub(super) path: String,
}

impl Cursor {
    /// Its text; none, where the path is too long for one.
    pub(super) fn text(&self) -> Option<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let path: String = self
            .path
            .bytes()
            .map(|byte| match plain(byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02x}"),
            })
            .collect();
        let text = format!("{}:{path}", self.base.as_ref().map_or(NONE, Commit::id));
        (text.len() <= LONGEST).then_some(text)
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        let bad = || {
            Error::Invalid(format!(
                "{text:?} is not where a page of changes ended: give `next` of that page"
            ))
        };
        let (base, path) = text.split_once(':').ok_or_else(bad)?;
        let base = match base {
            NONE => None,
            id => Some(Commit::try_from(id.to_owned()).map_err(|_| bad())?),
        };
        let path = decoded(path).ok_or_else(bad)?;
        Ok(Self { base, path })
    }
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_comes_back_as_it_was() {
        let base = Commit::try_from("78981922613b2afb6025042ff6bd878ac1994e85".to_owned()).ok();
        for (base, path) in [(base, "src/größe: 100%\n\u{202e}x"), (None, "a")] {
            let cursor = Cursor {
                base,
                path: path.to_owned(),
            };
            let text = cursor.text().unwrap();
            assert!(text.is_ascii() && !text.contains(char::is_control), "{text}");
            assert_eq!(Cursor::parse(&text).unwrap(), cursor);
        }
        let long = Cursor {
            base: None,
            path: "x".repeat(2_000),
        };
        assert_eq!(long.text(), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "x",
            "--all:a",
            "HEAD:a",
            "none:%",
            "none:%zz",
            "none:%ff",
            "78981922:a",
        ] {
            assert!(matches!(Cursor::parse(text), Err(Error::Invalid(_))), "{text}");
        }
    }
}
