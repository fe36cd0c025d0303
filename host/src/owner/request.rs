//! What a command of the operator's asks its owner beside MCP: one line on the socket, and one line back.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The line that asks for a reload. It is none of MCP.
const RELOAD: &str = r#"{"berth":"reload"}"#;
/// How long the answer may take: longer than a reload, and one before it.
const ANSWERS_WITHIN: Duration = Duration::from_mins(3);

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// Whether it was done.
    pub done: bool,
    /// What changed, or what is wrong.
    pub lines: Vec<String>,
}

/// Whether a first line asks for a reload.
pub(super) fn is_reload(line: &[u8]) -> bool {
    line.trim_ascii() == RELOAD.as_bytes()
}

/// Writes the answer.
pub(super) async fn answer(stream: &mut UnixStream, told: &Told) -> io::Result<()> {
    let line = serde_json::to_string(told)?;
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    stream.shutdown().await
}

/// Asks the owner behind `socket` to reload.
///
/// # Errors
/// If no berth owns the data directory, or it does not answer.
pub async fn reload(socket: &Path) -> anyhow::Result<Told> {
    let connected = UnixStream::connect(socket).await;
    let Ok(mut stream) = connected else {
        let data = socket.parent().unwrap_or(socket);
        bail!(
            "no berth runs with the data directory {}, so there is nothing to reload: the next start reads the \
             configuration. If you changed `data` in [server], that counts after a restart",
            data.display()
        );
    };
    stream.write_all(format!("{RELOAD}\n").as_bytes()).await?;
    let mut answer = String::new();
    let read = timeout(ANSWERS_WITHIN, stream.read_to_string(&mut answer)).await;
    read.context("the berth at the other end does not answer; its log may say why")??;
    serde_json::from_str(&answer).with_context(|| {
        format!(
            "the berth at the other end cannot reload; restart it. It said: {}",
            answer.trim()
        )
    })
}
