//! `berth stdio`: MCP on standard input and output. Speaks for the process that owns the data directory, or becomes it.

use std::process::ExitCode;

use berth::config::Config;
use berth::mcp::{self, Server};
use berth::owner::Ownership;
use berth::principal::Principal;
use tokio::io::{AsyncWriteExt, stdin, stdout};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(config: &Config, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    match Ownership::find(config, "stdio", &shutdown).await? {
        Ownership::Theirs(stream) => {
            if let Some(ended) = shutdown.run_until_cancelled(relay(stream)).await {
                ended?;
            }
        }
        Ownership::Ours(owner) => {
            owner.serve_socket(shutdown.clone())?;
            let server = Server::new(owner.catalog.clone()).for_principal(Principal::local());
            mcp::serve_stream(server, stdin(), stdout(), shutdown).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn relay(stream: UnixStream) -> std::io::Result<()> {
    let (mut from, mut to) = stream.into_split();
    let (mut stdin, mut stdout) = (stdin(), stdout());
    let ask = async {
        tokio::io::copy(&mut stdin, &mut to).await?;
        to.shutdown().await
    };
    // The owner closes its end when it has answered the last request.
    tokio::try_join!(ask, tokio::io::copy(&mut from, &mut stdout))?;
    Ok(())
}
