//! What a guest prints: lines of the host's own log, at debug.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

/// Bytes of one write that are kept.
const KEPT: usize = 4096;

/// Standard output and error of a guest.
#[derive(Clone)]
pub(crate) struct GuestLog {
    backend: Arc<str>,
}

impl GuestLog {
    pub(crate) fn new(backend: &str) -> Self {
        Self {
            backend: backend.into(),
        }
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
    use super::*;

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
