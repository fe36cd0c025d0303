//! Ownership is handed over: a process that is to stay asks the owner on the socket, by one line, to give way, and gets one
//! line back.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The line that asks for it. It is not part of MCP.
const LINE: &str = r#"{"berth":"hand_over"}"#;
/// How long the answer may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Told {
    gives_way: bool,
}

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody is there, or not any more.
    Nobody,
    /// The owner ends what it does, and then gives up the data directory.
    GivesWay,
    /// The owner stays.
    Stays,
}

/// Whether a first line asks for it.
pub(super) fn is_asked(line: &[u8]) -> bool {
    line.trim_ascii() == LINE.as_bytes()
}

/// Answers it.
pub(super) async fn answer(stream: &mut UnixStream, gives_way: bool) -> io::Result<()> {
    let line = serde_json::to_string(&Told { gives_way })?;
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    stream.shutdown().await
}

/// Asks the owner behind `socket`.
pub(super) async fn ask(socket: &Path) -> Asked {
    let asked = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{LINE}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    match timeout(ANSWERS_WITHIN, asked).await {
        Ok(Err(_)) => Asked::Nobody,
        Ok(Ok(answer)) if answer.is_empty() => Asked::Nobody,
        Ok(Ok(answer)) => match serde_json::from_str(&answer) {
            Ok(Told { gives_way: true }) => Asked::GivesWay,
            // Also an older berth, which does not know the question.
            _ => Asked::Stays,
        },
        Err(_) => Asked::Stays,
    }
}
