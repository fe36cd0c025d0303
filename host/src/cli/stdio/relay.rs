//! Passes lines between a client on standard input and output and whoever serves it now.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use berth::mcp;
use berth::owner::is_request;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, Stdin, Stdout, split,
    stdin, stdout,
};

use super::ledger::Ledger;

/// How many servers in a row may end before they take a client that another one had, and the pause after each.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// How serving the client came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// The client has left, and was answered.
    Done,
    /// Another process goes on.
    Moved,
    /// The server has ended.
    Ended,
}

/// The client of this process, and what it still waits for.
pub(super) struct Relay {
    input: BufReader<Stdin>,
    /// What has arrived of its next line.
    line: Vec<u8>,
    /// It will not ask again.
    has_left: bool,
    output: Stdout,
    ledger: Mutex<Ledger>,
    /// How many servers did not take it since the last one that did.
    tries: u32,
}

impl Relay {
    /// For whoever has started this process.
    pub(super) fn of_process() -> Self {
        Self {
            input: BufReader::new(stdin()),
            line: Vec::new(),
            has_left: false,
            output: stdout(),
            ledger: Mutex::default(),
            tries: 0,
        }
    }

    /// Passes everything on until one side has ended.
    pub(super) async fn run(&mut self, server: impl AsyncRead + AsyncWrite) -> anyhow::Result<Left> {
        let (from, mut to) = split(server);
        let mut from = BufReader::new(from);
        if !self.introduce(&mut from, &mut to).await? {
            self.tries += 1;
            tokio::time::sleep(PAUSE).await;
            return Ok(match self.tries {
                ..TRIES => Left::Moved,
                _ => Left::Ended,
            });
        }
        self.tries = 0;
        let Self {
            input,
            line,
            has_left,
            output,
            ledger,
            tries: _,
        } = self;
        let asking = async {
            while !*has_left {
                input.read_until(b'\n', line).await?;
                let mut line = std::mem::take(line);
                *has_left = line.last() != Some(&b'\n');
                if line.is_empty() {
                    break;
                }
                // No client asks for what a command of the operator's may: the server says that it is not a request.
                if is_request(&line) {
                    line = b"{}\n".to_vec();
                }
                locked(ledger).sent(&line);
                if to.write_all(&line).await.is_err() {
                    // What came of it, the other half says.
                    return std::future::pending().await;
                }
            }
            let _ = to.shutdown().await;
            std::future::pending::<std::io::Result<()>>().await
        };
        let answering = async {
            let mut line = Vec::new();
            loop {
                line.clear();
                // A connection that breaks has ended.
                if from.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
                    return std::io::Result::Ok(Left::Ended);
                }
                if let Some(taken) = mcp::taken(&line) {
                    let unknown = locked(ledger).moved(taken);
                    for answer in unknown {
                        output.write_all(&answer).await?;
                    }
                    output.flush().await?;
                    return Ok(Left::Moved);
                }
                locked(ledger).received(&line);
                output.write_all(&line).await?;
                output.flush().await?;
            }
        };
        let left = tokio::select! {
            asked = asking => return Err(asked.err().map_or_else(|| anyhow::anyhow!("the client's input ended"), Into::into)),
            left = answering => left?,
        };
        // It closes its end when it has answered the last requests, or after some seconds.
        Ok(match left {
            Left::Ended if self.has_left => Left::Done,
            left => left,
        })
    }

    /// Tells a further server who the client is, and what it still waits for. Answers whether that server took it: one that
    /// was about to end did not.
    async fn introduce(
        &self,
        from: &mut (impl AsyncBufRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> anyhow::Result<bool> {
        let (hello, rest) = locked(&self.ledger).again();
        if let Some(hello) = hello {
            if to.write_all(&hello).await.is_err() {
                return Ok(false);
            }
            // The client had its answer from the first one.
            loop {
                let mut line = Vec::new();
                if from.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 || mcp::taken(&line).is_some() {
                    return Ok(false);
                }
                if Ledger::is_answer(&line) {
                    break;
                }
            }
        }
        for line in rest {
            if to.write_all(&line).await.is_err() {
                // What came of it is said by what can still be read.
                break;
            }
        }
        Ok(true)
    }
}

fn locked(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
