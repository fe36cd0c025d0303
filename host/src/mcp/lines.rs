//! What the client of a stream may send: lines of a bounded length, each within a time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, duplex,
};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::admission::numbers::{BODY, LONGEST_LINE};

/// Bytes between the client and the server.
const BUFFER: usize = 64 << 10;

/// The two halves of a client's stream, bounded. The client's own half is read in a task that ends with the other.
pub(super) fn bounded<R, W>(read: R, write: W) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (further, lines) = duplex(BUFFER);
    let reading = tokio::spawn(async move {
        if let Err(error) = pass_on(read, further).await {
            tracing::debug!("a client's stream ends: {error}");
        }
    });
    let _reading = AbortOnDropHandle::new(reading);
    (lines, Answers { write, _reading })
}

async fn pass_on(read: impl AsyncRead + Unpin, mut further: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut read = BufReader::new(read);
    // A client may be silent for as long as it likes, but a line that it has begun must come.
    while !read.fill_buf().await?.is_empty() {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(LONGEST_LINE + 1);
        timeout(BODY, limited.read_until(b'\n', &mut line)).await??;
        if line.len() as u64 > LONGEST_LINE {
            return Err(io::Error::other(format!("a line of more than {LONGEST_LINE} bytes")));
        }
        further.write_all(&line).await?;
    }
    Ok(())
}

/// The client's other half.
struct Answers<W> {
    write: W,
    /// When answers to a client have ended, reading from it ends too: otherwise a silent client would hold its
    /// connection for ever.
    _reading: AbortOnDropHandle<()>,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Answers<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_line_without_end_ends_the_stream() {
        let (mut client, ours) = duplex(1 << 16);
        let (read, write) = tokio::io::split(ours);
        let (mut lines, _answers) = bounded(read, write);
        tokio::spawn(async move { while client.write_all(&[b'x'; 4096]).await.is_ok() {} });
        let mut read = Vec::new();
        lines.read_to_end(&mut read).await.unwrap();
        assert!(read.is_empty(), "a part of it was passed on");
    }

    #[tokio::test]
    async fn who_is_answered_no_more_holds_no_connection() {
        let (mut client, ours) = duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        drop(bounded(read, write));
        let ended = timeout(std::time::Duration::from_secs(10), client.read(&mut [0; 1])).await;
        assert_eq!(ended.unwrap().unwrap(), 0);
    }
}
