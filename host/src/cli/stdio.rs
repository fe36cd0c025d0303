//! `berth stdio`: MCP on standard input and output. Speaks for the process that owns the data directory, or becomes it, and
//! goes on with its successor where an owner gives way to another one.

mod ledger;
mod relay;

use std::process::ExitCode;

use anyhow::bail;
use berth::assemble::Setup;
use berth::owner::{Owner, Ownership};
use tokio_util::sync::CancellationToken;

use self::relay::{Left, Relay};

const PURPOSE: &str = "stdio";
/// Bytes between this process and the server in it.
const BUFFER: usize = 64 << 10;

pub(crate) async fn run(setup: &Setup, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let mut relay = Relay::of_process();
    let mut ownership = Ownership::find(setup, PURPOSE, &shutdown).await?;
    loop {
        let left = match ownership {
            Ownership::Theirs(stream) => match shutdown.run_until_cancelled(relay.run(stream)).await {
                Some(left) => left?,
                None => return Ok(ExitCode::SUCCESS),
            },
            Ownership::Ours(owner) => serve(*owner, &mut relay).await?,
        };
        match left {
            Left::Moved => ownership = Ownership::find_next(setup, PURPOSE, &shutdown).await?,
            Left::Done => return Ok(ExitCode::SUCCESS),
            Left::Ended if shutdown.is_cancelled() => return Ok(ExitCode::SUCCESS),
            Left::Ended => bail!("the berth that served this client has ended; start it again to go on"),
        }
    }
}

/// Serves the client of `relay`, and others at the socket, until they have left, this process is told to end, or another
/// one takes over.
async fn serve(owner: Owner, relay: &mut Relay) -> anyhow::Result<Left> {
    owner.serve_socket(true, None)?;
    owner.recorder.log_calls_and_heads();
    owner.recorder.log_head();
    let (here, there) = tokio::io::duplex(BUFFER);
    let (read, write) = tokio::io::split(there);
    let serving = tokio::spawn(owner.serve(read, write, false));
    let left = relay.run(here).await;
    let served = serving.await?;
    if !matches!(left, Ok(Left::Moved)) {
        // Others speak through this process: it keeps running for them after its own client has left.
        owner.clients_gone().await;
    }
    owner.end().await;
    served?;
    left
}
