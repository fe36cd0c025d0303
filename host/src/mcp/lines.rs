//! What the client of a stream may send: lines of a bounded length, each within a time, and no further ones while too many
//! of its requests are unanswered. Otherwise one that asks without end would fill the memory with what waits.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, duplex,
};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::admission::numbers::{BODY, LONGEST_LINE, UNANSWERED};

/// Bytes between the client and who answers it.
const BUFFER: usize = 64 << 10;

/// The two halves of a client's stream, bounded. The client's own half is read in a task that ends with the other.
pub(super) fn bounded<R, W>(read: R, write: W) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin)
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let turns = Arc::new(Semaphore::new(UNANSWERED));
    let (further, lines) = duplex(BUFFER);
    let asked = turns.clone();
    let reading = tokio::spawn(async move {
        if let Err(error) = pass_on(read, further, &asked).await {
            tracing::debug!("a client's stream ends: {error}");
        }
    });
    let _reading = AbortOnDropHandle::new(reading);
    (lines, Answers { write, turns, _reading })
}

async fn pass_on(
    read: impl AsyncRead + Unpin,
    mut further: impl AsyncWrite + Unpin,
    turns: &Semaphore,
) -> io::Result<()> {
    let mut read = BufReader::new(read);
    // A client may be silent for as long as it likes; what it has begun to say must come.
    while !read.fill_buf().await?.is_empty() {
        let mut line = Vec::new();
        let mut limited = (&mut read).take(LONGEST_LINE + 1);
        timeout(BODY, limited.read_until(b'\n', &mut line)).await??;
        if line.len() as u64 > LONGEST_LINE {
            return Err(io::Error::other(format!("a line of more than {LONGEST_LINE} bytes")));
        }
        if is_request(&line) {
            let turn = turns.acquire().await.map_err(io::Error::other)?;
            turn.forget();
        }
        further.write_all(&line).await?;
    }
    Ok(())
}

/// Whether a line will be answered.
fn is_request(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Message {
        id: Option<IgnoredAny>,
        method: Option<IgnoredAny>,
    }
    let message: Result<Message, _> = serde_json::from_slice(line);
    message.is_ok_and(|message| message.id.is_some() && message.method.is_some())
}

/// The client's other half: each line that is written answers a request.
struct Answers<W> {
    write: W,
    turns: Arc<Semaphore>,
    /// Who is answered no more is read no more: otherwise a silent client would hold its connection for ever.
    _reading: AbortOnDropHandle<()>,
}

impl<W> Answers<W> {
    fn count(&self, written: &[u8]) {
        let answered = written.iter().filter(|byte| **byte == b'\n').count();
        // An answer to what was no request gives nobody a turn.
        let taken = UNANSWERED.saturating_sub(self.turns.available_permits());
        self.turns.add_permits(answered.min(taken));
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Answers<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.write).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.count(&bytes[..*count]);
        }
        written
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

    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn only_what_will_be_answered_is_a_request() {
        for (line, answered) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, true),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"id":2}}"#,
                true,
            ),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, false),
            ("nonsense", false),
        ] {
            assert_eq!(is_request(line.as_bytes()), answered, "{line}");
        }
    }

    #[tokio::test]
    async fn a_client_that_reads_no_answers_is_read_no_further() {
        let (mut client, ours) = duplex(1 << 20);
        let (read, write) = tokio::io::split(ours);
        let (mut lines, mut answers) = bounded(read, write);
        let request = b"{\"id\":1,\"method\":\"ping\"}\n";
        client.write_all(&request.repeat(2 * UNANSWERED)).await.unwrap();
        let mut read = vec![0; request.len() * UNANSWERED];
        lines.read_exact(&mut read).await.unwrap();
        tokio::task::yield_now().await;
        let mut next = vec![0; request.len()];
        assert!(lines.read_exact(&mut next).now_or_never().is_none(), "it reads on");
        answers.write_all(b"{\"id\":1,\"result\":{}}\n").await.unwrap();
        lines.read_exact(&mut next).await.unwrap();
    }

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
