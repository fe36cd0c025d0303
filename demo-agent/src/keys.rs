//! Terminal input: bytes in, key presses and whole pastes out.

const ESCAPE: u8 = 0x1b;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// One thing a person, or a program in a person's place, did at the keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    /// A bracketed paste, with its line ends as `\n`.
    Paste(String),
    Enter,
    Escape,
    Up,
    Down,
    Backspace,
    CtrlC,
    CtrlU,
}

/// Cuts a stream of bytes into keys, wherever the reads happened to split it.
#[derive(Default)]
pub(crate) struct Keys {
    pending: Vec<u8>,
}

impl Keys {
    /// The keys that `bytes` complete; what is incomplete waits for the next call.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut done = 0;
        while let Some((key, used)) = first(&self.pending[done..]) {
            keys.extend(key);
            done += used;
        }
        self.pending.drain(..done);
        keys
    }

    /// Whether the last byte is an escape that may be the key itself or the start of a longer sequence.
    pub(crate) fn is_undecided(&self) -> bool {
        self.pending == [ESCAPE]
    }

    /// Nothing followed that escape for a while, so it was the key.
    pub(crate) fn settle(&mut self) -> Option<Key> {
        self.is_undecided().then(|| {
            self.pending.clear();
            Key::Escape
        })
    }
}

/// The first key of `bytes`, if it stands for one, and how many bytes it took; none while it is incomplete.
fn first(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match *bytes.first()? {
        ESCAPE => escape(bytes),
        b'\r' | b'\n' => Some((Some(Key::Enter), 1)),
        0x08 | 0x7f => Some((Some(Key::Backspace), 1)),
        0x03 => Some((Some(Key::CtrlC), 1)),
        0x15 => Some((Some(Key::CtrlU), 1)),
        0x00..0x20 => Some((None, 1)),
        lead => character(bytes, lead),
    }
}

fn escape(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    match *bytes.get(1)? {
        b'[' if bytes.starts_with(PASTE_BEGINS) => paste(bytes),
        b'[' => control_sequence(bytes),
        b'O' => Some((arrow(*bytes.get(2)?), 3)),
        _ => Some((Some(Key::Escape), 1)),
    }
}

fn paste(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let body = &bytes[PASTE_BEGINS.len()..];
    let end = body.windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS)?;
    let text = String::from_utf8_lossy(&body[..end])
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    Some((Some(Key::Paste(text)), PASTE_BEGINS.len() + end + PASTE_ENDS.len()))
}

fn control_sequence(bytes: &[u8]) -> Option<(Option<Key>, usize)> {
    let last = 2 + bytes[2..].iter().position(|byte| !(0x20..0x40).contains(byte))?;
    Some((arrow(bytes[last]), last + 1))
}

fn arrow(last: u8) -> Option<Key> {
    match last {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        _ => None,
    }
}

/// A character of UTF-8; a byte that cannot be part of one is ignored.
fn character(bytes: &[u8], lead: u8) -> Option<(Option<Key>, usize)> {
    let length = match lead {
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => 1,
    };
    let bytes = bytes.get(..length)?;
    match str::from_utf8(bytes).ok().and_then(|text| text.chars().next()) {
        Some(character) => Some((Some(Key::Char(character)), length)),
        None => Some((None, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Keys::default().feed(bytes)
    }

    #[test]
    fn reads_letters_and_control_keys() {
        assert_eq!(
            keys(b"a\xc3\xa9\r\n\x7f\x03\x15\t\x1b[A\x1bOB\x1b[1;5C"),
            [
                Key::Char('a'),
                Key::Char('é'),
                Key::Enter,
                Key::Enter,
                Key::Backspace,
                Key::CtrlC,
                Key::CtrlU,
                Key::Up,
                Key::Down
            ]
        );
    }

    #[test]
    fn keeps_a_paste_whole_with_its_newlines_and_tabs() {
        assert_eq!(
            keys(b"\x1b[200~one\r\ttwo\r\nthree\n\x1b[Bfour\x1b[201~x"),
            [Key::Paste("one\n\ttwo\nthree\n\x1b[Bfour".into()), Key::Char('x')]
        );
    }

    #[test]
    fn gives_the_same_keys_however_the_bytes_are_split() {
        let bytes = "hé\u{1f600}\x1b[200~a\nb\x1b[201~\x1b[B\r".as_bytes();
        let mut one_by_one = Keys::default();
        let split: Vec<Key> = bytes.iter().flat_map(|byte| one_by_one.feed(&[*byte])).collect();
        assert_eq!(split, keys(bytes));
    }

    #[test]
    fn takes_an_escape_that_nothing_follows_as_the_key() {
        let mut keys = Keys::default();
        assert_eq!(keys.feed(b"\x1b"), []);
        assert!(keys.is_undecided());
        assert_eq!(keys.settle(), Some(Key::Escape));
        assert_eq!(keys.settle(), None);
    }

    #[test]
    fn takes_an_escape_before_a_letter_as_two_keys() {
        assert_eq!(keys(b"\x1by"), [Key::Escape, Key::Char('y')]);
    }

    #[test]
    fn passes_over_bytes_that_are_no_text() {
        assert_eq!(
            keys(b"\xffa\xc3(b\xf5"),
            [Key::Char('a'), Key::Char('('), Key::Char('b')]
        );
    }
}
