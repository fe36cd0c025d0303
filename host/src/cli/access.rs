//! The records of who may come in, for the commands by which the owner decides that: login, clients, tokens.

use std::thread;
use std::time::SystemTime;

use berth::assemble::Setup;
use berth::principal::Principal;
use berth::store::audit::{Entry, Event, Head};
use berth::store::{self, AccessRecords, DataDirectory};

use super::print;

/// Opens the records. Each of those commands comes through here first, before it asks for or changes anything.
pub(crate) fn open(setup: &Setup) -> anyhow::Result<AccessRecords> {
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    // It is better to refuse what could not be recorded afterwards.
    data.audit(setup.audit.sync)?.try_writing()?;
    Ok(data.access()?)
}

/// Records what the operator has done here, before the command says that it is done. If recording fails now, the
/// command still reports what was done, with a note.
pub(crate) fn record(setup: &Setup, event: Event, detail: &str) {
    let entry = Entry::at_door(event, Principal::local().id(), detail);
    note_unrecorded(append(setup, entry));
}

/// Says that what was done could not be recorded, where that is so.
pub(crate) fn note_unrecorded(recorded: Result<Head, store::Error>) {
    if let Err(error) = recorded {
        let error = anyhow::Error::from(error);
        print::note(&format!(
            "This was done, but could not be recorded: {}",
            print::causes(&error)
        ));
    }
}

fn append(setup: &Setup, entry: Entry) -> Result<Head, store::Error> {
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let audit = data.audit(setup.audit.sync)?;
    audit.with_grants(setup.grants()).append(&[entry])
}

/// Waits until a server that runs has seen what was revoked, so that the command's message is true when it is read.
pub(crate) fn wait_until_noticed() {
    thread::sleep(AccessRecords::NOTICED_WITHIN);
}

/// A moment as people and programs read it, or `never`.
pub(crate) fn moment(at: Option<SystemTime>) -> String {
    at.map_or_else(
        || "never".to_owned(),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}
