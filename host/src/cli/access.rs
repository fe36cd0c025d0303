//! The records of who may come in, for the commands by which the owner decides that: login, clients, tokens.

use std::thread;
use std::time::SystemTime;

use berth::config::Config;
use berth::principal::Principal;
use berth::store::audit::{Entry, Event, Head};
use berth::store::{self, Access, DataDirectory};

use super::print;

/// Opens the records. Each of those commands comes through here first, before it asks for or changes anything.
pub(crate) fn open(config: &Config) -> anyhow::Result<Access> {
    let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
    // What could not be recorded afterwards is better refused.
    data.audit(config.audit.sync)?.try_writing()?;
    Ok(data.access()?)
}

/// Records what the operator has done here. It comes before the command says that it is done. What was done is told
/// even if that begins to fail now, with a note of it.
pub(crate) fn record(config: &Config, event: Event, detail: &str) {
    let entry = Entry::at_door(event, Principal::local().id(), detail);
    if let Err(error) = append(config, entry) {
        let error = anyhow::Error::from(error);
        print::note(&format!(
            "This was done, and could not be recorded: {}",
            print::causes(&error)
        ));
    }
}

fn append(config: &Config, entry: Entry) -> Result<Head, store::Error> {
    let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
    data.audit(config.audit.sync)?.append(&[entry])
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
