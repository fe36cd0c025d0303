//! The records of who may come in, for the commands by which the owner decides that: login, clients, tokens.

use std::thread;
use std::time::SystemTime;

use anyhow::Context as _;
use berth::config::Config;
use berth::principal::Principal;
use berth::store::audit::{Entry, Event};
use berth::store::{Access, DataDirectory};

/// Opens the records. Each of those commands comes through here first, before it asks for or changes anything.
pub(crate) fn open(config: &Config) -> anyhow::Result<Access> {
    let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
    // What could not be recorded afterwards is better refused.
    data.audit(config.audit.sync)?.head()?;
    Ok(data.access()?)
}

/// Records what the operator has done here. It comes before the command says that it is done.
pub(crate) fn record(config: &Config, event: Event, detail: &str) -> anyhow::Result<()> {
    let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
    let mut audit = data.audit(config.audit.sync)?;
    let entry = Entry::at_door(event, Principal::local().id(), detail);
    let recorded = audit.append(&[entry]);
    recorded.context("it was done, but could not be recorded")?;
    Ok(())
}

/// Waits until a server that runs has seen what was revoked, so that the command's word holds when it is read.
pub(crate) fn wait_until_heeded() {
    thread::sleep(Access::NOTICED_WITHIN);
}

/// A moment as people and programs read it, or `never`.
pub(crate) fn moment(at: Option<SystemTime>) -> String {
    at.map_or_else(
        || "never".to_owned(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}
