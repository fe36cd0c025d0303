//! One stream of an answer, cut into what was printed and the lines that frame it.

use memchr::memmem::Finder;

/// Bytes of the line of a frame.
const LINE: usize = 1024;

pub(super) enum Piece<'a> {
    Printed(&'a [u8]),
    /// What the frame says.
    Frame(&'a str),
}

/// What came of one stream and is not told yet.
pub(super) struct Frames {
    mark: Finder<'static>,
    held: Vec<u8>,
}

/// A line with the mark that is not one of ours: what is at the other end is not our script.
#[derive(Debug)]
pub(super) struct Broken;

impl Frames {
    /// `nonce`: what every frame begins with, and nobody but our script knows.
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            mark: Finder::new(nonce.as_bytes()).into_owned(),
            held: Vec::new(),
        }
    }

    /// Where the stream is to be read into.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// Tells `each` piece that is whole. What may be the beginning of a frame is kept until more comes.
    pub(super) fn tell(&mut self, mut each: impl FnMut(Piece<'_>)) -> Result<(), Broken> {
        let mut told = 0;
        while let Some(found) = self.mark.find(&self.held[told..]) {
            let mark = told + found;
            if mark > told {
                each(Piece::Printed(&self.held[told..mark]));
            }
            told = mark;
            let line = &self.held[mark + self.mark.needle().len()..];
            let Some(length) = line.iter().take(LINE).position(|byte| *byte == b'\n') else {
                break;
            };
            each(Piece::Frame(
                std::str::from_utf8(&line[..length]).map_err(|_| Broken)?.trim(),
            ));
            told = self.held.len() - line.len() + length + 1;
        }
        let rest = &self.held[told..];
        if rest.starts_with(self.mark.needle()) {
            if rest.len() > LINE + self.mark.needle().len() {
                return Err(Broken);
            }
        } else {
            let printed = rest.len() - self.begun(rest);
            if printed > 0 {
                each(Piece::Printed(&rest[..printed]));
            }
            told += printed;
        }
        self.held.drain(..told);
        Ok(())
    }

    /// How many bytes at the end of `rest` may be the beginning of the mark.
    fn begun(&self, rest: &[u8]) -> usize {
        let mark = self.mark.needle();
        let most = rest.len().min(mark.len() - 1);
        (1..=most)
            .rev()
            .find(|length| rest.ends_with(&mark[..*length]))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "00a0b00a0b00a0c0";

    /// All that is printed, and the frames with how much was printed before each, if `parts` come one after another.
    fn told(parts: &[&[u8]]) -> (Vec<u8>, Vec<(usize, String)>) {
        let (mut printed, mut lines) = (Vec::new(), Vec::new());
        let mut frames = Frames::new(NONCE);
        for part in parts {
            frames.buffer().extend_from_slice(part);
            frames
                .tell(|piece| match piece {
                    Piece::Printed(bytes) => printed.extend_from_slice(bytes),
                    Piece::Frame(line) => lines.push((printed.len(), line.to_owned())),
                })
                .unwrap();
        }
        (printed, lines)
    }

    proptest! {
        #[test]
        fn a_stream_is_told_in_the_same_way_however_it_comes(
            pieces in prop::collection::vec(prop_oneof![
                Just(format!("{NONCE} end 1 0\n")),
                Just(NONCE[..7].to_owned()),
                "[0abc\n]{0,20}",
            ], 0..12),
            lengths in prop::collection::vec(1..30_usize, 0..40),
        ) {
            let mut whole = pieces.concat().into_bytes();
            whole.extend_from_slice(format!("{NONCE} last\n").as_bytes());
            let mut parts = Vec::new();
            let mut rest = &whole[..];
            for length in lengths {
                let (part, after) = rest.split_at(length.min(rest.len()));
                parts.push(part);
                rest = after;
            }
            parts.push(rest);
            let at_once = told(&[&whole]);
            prop_assert_eq!(&told(&parts), &at_once);
            prop_assert_eq!(&at_once.1.last().unwrap().1, "last");
        }
    }

    #[test]
    fn what_is_printed_is_told_before_its_frame_ends() {
        let (printed, lines) = told(&[b"out 00a0b00a0b00a0", b"c", b"0 end 0 0"]);
        assert_eq!((&printed[..], lines.len()), (&b"out "[..], 0));
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_ever() {
        let mut frames = Frames::new(NONCE);
        frames.buffer().extend_from_slice(NONCE.as_bytes());
        frames.buffer().extend_from_slice(&[b' '; 2 * LINE]);
        assert!(frames.tell(|_| ()).is_err());
    }
}
