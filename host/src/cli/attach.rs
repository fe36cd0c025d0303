//! `berth attach`: a session in the operator's own terminal.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use berth::assemble::{self, Setup};
use berth::machine::replace_this_process;
use berth::store::DataDirectory;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::call::Connection;
use super::log;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id, or a name or prefix that only it has
    name: String,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        bail!("attach needs a terminal, and this is not one; berth call get_logs reads a session without a terminal");
    }
    let found = find(setup, &options.name, &shutdown).await?;
    let (backend, id) = found
        .session_id
        .split_once('/')
        .ok_or_else(|| anyhow!("`{}` names no backend", found.session_id))?;
    let joined = found.attach.as_deref().unwrap_or(id);
    let backend = setup.backends.get(backend).ok_or_else(|| {
        anyhow!("the running berth has a backend `{backend}` that this configuration does not have; give its --config")
    })?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    for grant in backend.programs.values() {
        if let Some(arguments) = grant.attach_args(joined) {
            let grant = assemble::with_places(grant, &data)?;
            let arguments = grant.fixed.iter().cloned().chain(arguments?);
            // The thread that writes the log ends with this program.
            log::finish();
            let error = replace_this_process(&grant.path, arguments, backend.environment(), &backend.written.name);
            return Err(error).with_context(|| format!("{} cannot be started", grant.path.display()));
        }
    }
    bail!(
        "no program of backend `{}` has `attach` in its grant, so its sessions cannot be opened here",
        backend.written.name
    )
}

/// A session to open.
struct Found {
    session_id: String,
    /// What its backend calls it where that is not its id.
    attach: Option<String>,
}

async fn find(setup: &Setup, name: &str, shutdown: &CancellationToken) -> anyhow::Result<Found> {
    let arguments = json!({"session_id": name}).as_object().cloned().unwrap_or_default();
    let connection = Connection::open(setup, shutdown).await?;
    let found = connection.client.call("get_session_status", arguments).await;
    connection.close().await;
    let found = found?;
    if found.failed {
        bail!("{}", found.text);
    }
    let session = found.structured.as_ref().map(|answer| &answer["session"]);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Found {
        session_id: session
            .and_then(|session| text(&session["session_id"]))
            .context("the answer names no session")?,
        attach: session.and_then(|session| text(&session["facts"]["attach"])),
    })
}
