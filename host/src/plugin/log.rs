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
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]);
        // Escaped: a guest must not be able to write to the operator's terminal.
        tracing::debug!(backend = &*self.backend, "plugin: {}", text.trim_end().escape_debug());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
