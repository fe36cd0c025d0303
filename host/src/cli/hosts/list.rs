//! `berth hosts`: each host, how it is with it, what is there, and the backends on it.

use std::path::Path;
use std::process::ExitCode;

use berth::assemble::{Setup, Version};
use berth::config::{self, Installation};
use berth::owner::{InUse, try_hosts};
use berth::store::DataDirectory;
use serde_json::{Value, json};

use super::state::{State, milliseconds, versions};
use crate::cli::print;

/// What stands for what is not known.
const UNKNOWN: &str = "-";

#[derive(clap::Args)]
pub(super) struct List {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    options: &List,
    path: Option<&Path>,
    installation: Installation<'_>,
) -> anyhow::Result<ExitCode> {
    let setup = Setup::load(path, &installation)?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let socket = data.socket_path();
    let states = State::of_all(&setup, &data).await;
    if states.iter().any(|state| state.survey.is_some()) {
        try_hosts(&socket).await;
    }
    let in_use = InUse::ask(&socket).await;
    let in_use = in_use.as_ref();
    if options.json {
        let hosts: Vec<Value> = states.iter().map(|state| object(state, &setup, in_use)).collect();
        print::line(&serde_json::to_string_pretty(&hosts)?);
    } else if states.is_empty() {
        print::note("There is no host. To add one: berth hosts add NAME DESTINATION");
    } else {
        let columns = [
            "host",
            "state",
            "round trip",
            "sessions",
            "programs",
            "agents",
            "backends",
            "destination",
        ];
        let rows: Vec<Vec<String>> = states.iter().map(|state| row(state, &setup, in_use)).collect();
        print::table(&columns, &rows);
        states.iter().for_each(note);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(state: &State<'_>, setup: &Setup, in_use: Option<&InUse>) -> Vec<String> {
    let host = &state.host.written;
    let survey = state.survey.as_ref();
    let known = |shown: Option<String>| {
        shown
            .filter(|shown| !shown.is_empty())
            .unwrap_or_else(|| UNKNOWN.into())
    };
    vec![
        host.name.clone(),
        state.word.to_owned(),
        known(survey.map(|survey| milliseconds(survey.round_trip))),
        known(sessions(host, in_use).map(|in_use| format!("{in_use} of {}", host.sessions))),
        known(survey.map(|survey| versions(&survey.programs))),
        known(survey.map(|survey| versions(&survey.agents))),
        known(Some(on(state, setup).join(", "))),
        host.machine(),
    ]
}

/// What is wrong with a host, and what to do.
fn note(state: &State<'_>) {
    for line in state.lines() {
        print::note(&print::safe(&format!("{}: {line}", state.host.written.name)));
    }
}

fn object(state: &State<'_>, setup: &Setup, in_use: Option<&InUse>) -> Value {
    let host = &state.host.written;
    let survey = state.survey.as_ref();
    let known = |versions: &[Version]| -> Vec<Value> {
        let object = |found: &Version| json!({"name": found.name, "version": found.version});
        versions.iter().map(object).collect()
    };
    json!({
        "host": host.name,
        "destination": host.destination,
        "port": host.port,
        "backends": on(state, setup),
        "state": state.word,
        "what": state.what,
        "fix": state.fix,
        "round_trip_ms": survey.map(|survey| survey.round_trip.as_micros() as f64 / 1000.0),
        "sessions": sessions(host, in_use).map(|in_use| json!({"in_use": in_use, "most": host.sessions})),
        "programs": survey.map(|survey| known(&survey.programs)),
        "agents": survey.map(|survey| known(&survey.agents)),
        "faults": survey.map(|survey| &survey.faults),
        "warnings": survey.map(|survey| &survey.warnings),
    })
}

/// How many sessions are in use on a host.
fn sessions(host: &config::Host, in_use: Option<&InUse>) -> Option<usize> {
    in_use.and_then(|in_use| in_use.on(&host.name))
}

/// The names of the backends on a host.
fn on<'a>(state: &State<'a>, setup: &'a Setup) -> Vec<&'a str> {
    let backends = setup.on(&state.host.written.name);
    backends.map(|backend| backend.written.name.as_str()).collect()
}
