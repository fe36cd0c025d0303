//! The text of a job's small files. What was read of one is foreign: any program of this user can write there.

use std::io;

/// The format that this version writes.
const FORMAT: &str = "1";

/// The facts of a file, in their order.
pub(super) struct Lines(Vec<(String, String)>);

/// The text that holds these facts.
pub(super) fn text<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let escaped = |value: String| value.replace('\\', "\\\\").replace('\n', "\\n");
    let line = |(key, value): (&str, String)| format!("{key} {}\n", escaped(value));
    let format = std::iter::once(("format", FORMAT.to_owned()));
    format.chain(facts).map(line).collect()
}

impl Lines {
    /// The facts in `bytes`.
    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let text = String::from_utf8(bytes).map_err(|_| bad("it is not text"))?;
        if !text.ends_with('\n') {
            return Err(bad("it is cut off"));
        }
        let mut facts = Vec::new();
        for line in text.split_terminator('\n') {
            let (key, value) = line.split_once(' ').ok_or_else(|| bad("a line has no value"))?;
            let value = unescaped(value).ok_or_else(|| bad("a value is not as it is written"))?;
            facts.push((key.to_owned(), value));
        }
        let lines = Self(facts);
        match lines.first("format") {
            Some(FORMAT) => Ok(lines),
            Some(_) => Err(bad("a berth of another version wrote it")),
            None => Err(bad("it does not say its format")),
        }
    }

    /// The first value of `key`.
    pub(super) fn first(&self, key: &str) -> Option<&str> {
        let fact = self.0.iter().find(|(found, _)| found == key);
        fact.map(|(_, value)| &**value)
    }

    /// All values of `key`.
    pub(super) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(found, _)| found == key)
            .map(|(_, value)| &**value)
    }

    /// The number that `key` has; none if it has none, or one that the contract cannot hold.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let digits = self.first(key)?;
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 16;
        digits.parse().ok().filter(|number| is_plain && *number < 1 << 53)
    }

    /// The same where it must be there.
    pub(super) fn needed(&self, key: &str) -> io::Result<u64> {
        self.number(key)
            .ok_or_else(|| bad(&format!("it has no number as `{key}`")))
    }
}

pub(super) fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn unescaped(value: &str) -> Option<String> {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                'n' => '\n',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_is_written_is_read_again_whatever_is_in_it() {
        for value in ["", " ", "a b", "a\nb\\n\\", "\n", "\\", "ü\t\r"] {
            let written = text([("key", value.to_owned()), ("key", "second".to_owned())]);
            let lines = Lines::parse(written.into_bytes()).unwrap();
            assert_eq!(lines.all("key").collect::<Vec<_>>(), [value, "second"]);
        }
    }

    #[test]
    fn what_is_not_as_it_is_written_is_refused() {
        for bytes in [
            &b""[..],
            b"format 1",
            b"format 2\n",
            b"key value\n",
            b"format 1\nkey\n",
            b"format 1\nkey \\x\n",
            b"format 1\nkey \\\n",
            b"format 1\nkey \xff\n",
        ] {
            assert!(Lines::parse(bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_number_is_one_that_the_contract_holds() {
        let number = |digits: &str| {
            Lines::parse(format!("format 1\nn {digits}\n").into_bytes())
                .unwrap()
                .number("n")
        };
        assert_eq!(number("9007199254740991"), Some((1 << 53) - 1));
        for digits in [
            "9007199254740992",
            "18446744073709551616",
            "-1",
            "+1",
            "1 ",
            "",
            "x",
            "0000000000000000001",
        ] {
            assert_eq!(number(digits), None, "{digits:?}");
        }
    }
}
