//! What a guest prints: lines of the host's own log, at debug.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::text;

/// Bytes of one write that are kept.
const KEPT: usize = 4096;
/// Bytes that are kept of what a guest said last.
const LAST: usize = 4096;
/// Lines of them that an error shows, and characters of these.
const LINES: usize = 5;
const CHARACTERS: usize = 600;

/// Standard output and error of a guest.
#[derive(Clone)]
pub(crate) struct GuestLog {
    backend: Arc<str>,
    last: Option<LastLines>,
}

impl GuestLog {
    pub(crate) fn new(backend: &str) -> Self {
        Self {
            backend: backend.into(),
            last: None,
        }
    }

    /// The same, which also keeps in `last` what was said.
    pub(crate) fn keeping(self, last: LastLines) -> Self {
        Self {
            last: Some(last),
            ..self
        }
    }
}

/// The end of what a guest said on standard error: if it crashes, its language prints the reason there.
#[derive(Clone, Default)]
pub(crate) struct LastLines(Arc<Mutex<Vec<u8>>>);

impl LastLines {
    fn add(&self, bytes: &[u8]) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.extend_from_slice(&bytes[bytes.len().saturating_sub(LAST)..]);
        let surplus = last.len().saturating_sub(LAST);
        last.drain(..surplus);
    }

    /// The last lines as one. None: nothing was said.
    pub(crate) fn in_one_line(&self) -> Option<String> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = text::clean(&String::from_utf8_lossy(&last));
        let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let lines = lines[lines.len().saturating_sub(LINES)..].join(" / ");
        // The end says most: an exception comes after its trace.
        let surplus = lines.chars().count().saturating_sub(CHARACTERS);
        (!lines.is_empty()).then(|| lines.chars().skip(surplus).collect())
    }
}

/// The beginning of what was written, in one line.
fn kept(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]);
    // Escaped: a guest must not be able to write to the operator's terminal.
    text.trim_end().escape_debug().to_string()
}

impl IsTerminal for GuestLog {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for GuestLog {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for GuestLog {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(last) = &self.last {
            last.add(bytes);
        }
        tracing::debug!(backend = &*self.backend, "plugin: {}", kept(bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn of_what_a_guest_said_the_last_lines_are_told_clean_and_in_one() {
        let last = LastLines::default();
        assert_eq!(last.in_one_line(), None);
        last.add(b"\n  \n");
        assert_eq!(last.in_one_line(), None);
        for line in 1..=9 {
            last.add(format!("line {line}\n\n").as_bytes());
        }
        last.add("ValueError: \u{1b}[31mno such\u{202e} thing".as_bytes());
        assert_eq!(
            last.in_one_line().unwrap(),
            "line 6 / line 7 / line 8 / line 9 / ValueError: no such thing"
        );
        last.add(&vec![b'x'; 3 * LAST]);
        assert_eq!(last.in_one_line().unwrap(), "x".repeat(CHARACTERS));
    }

    #[test]
    fn of_a_write_of_any_length_one_bounded_line_is_kept() {
        assert_eq!(kept(b"one\ntwo\x1b[31m\xff\n"), "one\\ntwo\\u{1b}[31m\u{fffd}");
        for hostile in ["\n", "\u{202e}", "\u{1b}", "x"] {
            let line = kept(hostile.repeat(5_000_000).as_bytes());
            assert!(
                line.len() <= KEPT * 8 && !line.contains(['\n', '\u{1b}', '\u{202e}']),
                "{}",
                line.len()
            );
        }
    }
}
