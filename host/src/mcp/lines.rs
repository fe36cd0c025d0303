//! What the client of a stream may send: lines of a bounded length, each within a time.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, duplex,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::moved;
use crate::admission::numbers::{BODY, LONGEST_LINE};

/// Bytes between the client and the server.
const BUFFER: usize = 64 << 10;

/// The two halves of a client's stream, bounded. The client's own half is read in a task that ends with the other, or,
/// between two lines, when `moving` is cancelled. The last is a way to say something to the client after all answers.
pub(super) fn bounded<R, W>(
    read: R,
    write: W,
    moving: CancellationToken,
) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin, Last<W>)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let (further, lines) = duplex(BUFFER);
    let last = Last {
        write: Shared(Arc::new(Mutex::new(write))),
        taken: Arc::default(),
    };
    let taken = last.taken.clone();
    let reading = tokio::spawn(async move {
        if let Err(error) = pass_on(read, further, &moving, &taken).await {
            tracing::debug!("a client's stream ends: {error}");
        }
    });
    let _reading = AbortOnDropHandle::new(reading);
    let write = last.write.clone();
    (lines, Answers { write, _reading }, last)
}

/// Passes on whole lines, and counts them in `taken`.
async fn pass_on(
    read: impl AsyncRead + Unpin,
    mut further: impl AsyncWrite + Unpin,
    moving: &CancellationToken,
    taken: &AtomicU64,
) -> io::Result<()> {
    let mut read = BufReader::new(read);
    loop {
        let next = moving.run_until_cancelled(next_line(&mut read)).await;
        let Some(line) = next.transpose()?.flatten() else {
            return Ok(());
        };
        further.write_all(&line).await?;
        taken.fetch_add(1, Ordering::AcqRel);
    }
}

/// The next line; nothing at the end.
async fn next_line(read: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    // A client may be silent for as long as it likes, but a line that it has begun must come.
    if read.fill_buf().await?.is_empty() {
        return Ok(None);
    }
    let mut line = Vec::new();
    let mut limited = read.take(LONGEST_LINE + 1);
    timeout(BODY, limited.read_until(b'\n', &mut line)).await??;
    if line.len() as u64 > LONGEST_LINE {
        return Err(io::Error::other(format!("a line of more than {LONGEST_LINE} bytes")));
    }
    Ok(Some(line))
}

/// What can be said to a client last.
pub(super) struct Last<W> {
    write: Shared<W>,
    taken: Arc<AtomicU64>,
}

impl<W: AsyncWrite + Unpin> Last<W> {
    /// Says that another process goes on with what was not taken.
    pub(super) async fn say_moved(mut self) -> io::Result<()> {
        let line = moved::line(self.taken.load(Ordering::Acquire));
        self.write.write_all(line.as_bytes()).await?;
        self.write.shutdown().await
    }
}

/// A client's other half, for its answers and for the last words.
struct Shared<W>(Arc<Mutex<W>>);

impl<W> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: AsyncWrite + Unpin> Shared<W> {
    fn poll<T>(&self, work: impl FnOnce(Pin<&mut W>) -> T) -> T {
        work(Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Shared<W> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|write| write.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|write| write.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|write| write.poll_shutdown(context))
    }
}

/// The client's other half, as the server has it.
struct Answers<W> {
    write: Shared<W>,
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
        let (mut lines, _answers, _last) = bounded(read, write, CancellationToken::new());
        tokio::spawn(async move { while client.write_all(&[b'x'; 4096]).await.is_ok() {} });
        let mut read = Vec::new();
        lines.read_to_end(&mut read).await.unwrap();
        assert!(read.is_empty(), "a part of it was passed on");
    }

    #[tokio::test]
    async fn a_client_whose_server_moves_is_told_how_many_whole_lines_were_taken() {
        let (mut client, ours) = duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        let moving = CancellationToken::new();
        let (lines, answers, last) = bounded(read, write, moving.clone());
        client.write_all(b"first\nsecond\nthi").await.unwrap();
        let mut lines = BufReader::new(lines).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("first"));
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("second"));
        moving.cancel();
        assert_eq!(lines.next_line().await.unwrap(), None, "a part of a line was passed on");
        last.say_moved().await.unwrap();
        drop((lines, answers));
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        assert_eq!(moved::taken(&said), Some(2));
    }

    #[tokio::test]
    async fn who_is_answered_no_more_holds_no_connection() {
        let (mut client, ours) = duplex(1 << 10);
        let (read, write) = tokio::io::split(ours);
        drop(bounded(read, write, CancellationToken::new()));
        let ended = timeout(std::time::Duration::from_secs(10), client.read(&mut [0; 1])).await;
        assert_eq!(ended.unwrap().unwrap(), 0);
    }
}
