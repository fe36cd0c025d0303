//! `berth attach`: a session in the operator's own terminal.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use berth::capability::process::replace_this_process;
use berth::config::Config;
use berth::owner;
use berth::store::DataDirectory;
use serde_json::json;

use super::call::Connection;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id, or a name or prefix that only it has
    name: String,
}

pub(crate) async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let session_id = find(config, &options.name).await?;
    let (backend, id) = session_id
        .split_once('/')
        .ok_or_else(|| anyhow!("`{session_id}` names no backend"))?;
    let backend = config.backends.get(backend).ok_or_else(|| {
        anyhow!("the running berth has a backend `{backend}` that this configuration does not have; give its --config")
    })?;
    let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
    for grant in backend.programs.values() {
        if let Some(arguments) = grant.attach_args(id) {
            let grant = owner::with_conf(grant, &data)?;
            let arguments = grant.fixed.iter().cloned().chain(arguments?);
            let error = replace_this_process(&grant.path, arguments, owner::environment(backend));
            return Err(error).with_context(|| format!("{} cannot be started", grant.path.display()));
        }
    }
    bail!(
        "no program of backend `{}` has `attach` in its grant, so its sessions cannot be opened here",
        backend.name
    )
}

async fn find(config: &Config, name: &str) -> anyhow::Result<String> {
    let arguments = json!({"session_id": name}).as_object().cloned().unwrap_or_default();
    let connection = Connection::open(config).await?;
    let found = connection.client.call("get_session_status", arguments).await?;
    if found.failed {
        bail!("{}", found.text);
    }
    let id = found
        .structured
        .as_ref()
        .and_then(|answer| answer["session"]["session_id"].as_str());
    id.map(str::to_owned).context("the answer names no session")
}
