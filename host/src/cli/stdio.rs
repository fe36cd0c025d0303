//! `berth stdio`: MCP on standard input and output. Speaks for the process that owns the data directory, or becomes it.

use std::process::ExitCode;

use anyhow::bail;
use berth::assemble::Setup;
use berth::mcp;
use berth::owner::Ownership;
use tokio::io::{AsyncWriteExt, stdin, stdout};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(setup: &Setup, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    match Ownership::find(setup, "stdio", &shutdown).await? {
        Ownership::Theirs(stream) => {
            if let Some(ended) = shutdown.run_until_cancelled(relay(stream)).await {
                ended?;
            }
        }
        Ownership::Ours(owner) => {
            owner.serve_socket()?;
            let served = mcp::serve_stream(owner.own_server(), stdin(), stdout(), shutdown.clone()).await;
            // Others speak through this process: it keeps running for them after its own client has left.
            shutdown.run_until_cancelled(owner.clients_gone()).await;
            owner.end().await;
            served?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Passes everything on until one side has ended.
async fn relay(stream: UnixStream) -> anyhow::Result<()> {
    let (mut from, mut to) = stream.into_split();
    let (mut stdin, mut stdout) = (stdin(), stdout());
    let mut answers = std::pin::pin!(tokio::io::copy(&mut from, &mut stdout));
    let asked = async {
        tokio::io::copy(&mut stdin, &mut to).await?;
        to.shutdown().await
    };
    tokio::select! {
        asked = asked => asked?,
        ended = answers.as_mut() => {
            ended?;
            bail!("the berth that served this client has ended; start it again to go on");
        }
    }
    // Our client will not ask again; the owner closes its end when it has answered the last requests, or after some
    // seconds.
    answers.await?;
    Ok(())
}
