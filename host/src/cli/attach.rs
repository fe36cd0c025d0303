//! `berth attach`: a session in the operator's own terminal.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use berth::assemble::{self, Setup, Shown};
use berth::machine::replace_this_process;
use berth::store::DataDirectory;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::log;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id, or a name or prefix that only it has
    name: String,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    ensure_terminal()?;
    join(setup, &find(setup, &options.name, &shutdown).await?).await
}

/// # Errors
/// If there is no terminal in which a session can be opened.
pub(crate) fn ensure_terminal() -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        bail!("attach needs a terminal, and this is not one; berth logs reads a session without a terminal");
    }
    Ok(())
}

/// Replaces this process by a program that shows the session.
pub(crate) async fn join(setup: &Setup, found: &Found) -> anyhow::Result<ExitCode> {
    let (backend, id) = found
        .session_id
        .split_once('/')
        .ok_or_else(|| anyhow!("`{}` names no backend", found.session_id))?;
    let shown = Shown {
        id,
        attach: found.attach.as_deref(),
        host: found.host.as_deref(),
    };
    let backend = setup.backends.get(backend).ok_or_else(|| {
        anyhow!("the running berth has a backend `{backend}` that this configuration does not have; give its --config")
    })?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let name = &backend.written.name;
    let Some(terminal) = assemble::terminal(setup, backend, shown, &data).await? else {
        bail!("no program of backend `{name}` has `attach` in its grant, so its sessions cannot be opened here")
    };
    // The thread that writes the log ends with this program.
    log::finish();
    let error = replace_this_process(&terminal.program, terminal.arguments, terminal.environment, name);
    Err(error).with_context(|| format!("{} cannot be started", terminal.program.display()))
}

/// A session to open.
pub(crate) struct Found {
    pub(crate) session_id: String,
    /// What its backend calls it where that is not its id.
    attach: Option<String>,
    /// The host on which it is, by its name in `[hosts]`, where its backend says that.
    host: Option<String>,
}

impl Found {
    /// The session of an answer; nothing if the answer does not name one.
    pub(crate) fn of(session: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            session_id: text(&session["session_id"])?,
            attach: text(&session["facts"]["attach"]),
            host: text(&session["facts"]["host"]),
        })
    }
}

async fn find(setup: &Setup, name: &str, shutdown: &CancellationToken) -> anyhow::Result<Found> {
    let look = async |connection: &Connection| connection.ask("get_session_status", json!({"session_id": name})).await;
    let found = Connection::with(setup, shutdown, look).await?;
    if found.failed {
        bail!("{}", found.text);
    }
    let session = found.structured.and_then(|answer| Found::of(&answer["session"]));
    session.context("the answer names no session")
}
