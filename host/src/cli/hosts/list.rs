//! `berth hosts`: each host, whether it answers, and the backends on it.

use std::path::Path;
use std::process::ExitCode;

use berth::assemble::Texts;
use berth::config::{BackendTable, Config, Host, Installation};
use berth::machine::HostKey;
use futures::future::join_all;
use serde_json::{Value, json};

use super::answer;
use crate::cli::print;

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
    let texts = Texts::find(path, installation)?;
    let (config, data) = (texts.config()?, texts.data()?);
    let hosts = config.hosts.values();
    let answers = join_all(hosts.map(|host| answer::ask(host, &texts.around().home, &data))).await;
    let answers: Vec<HostKey> = answers.into_iter().collect::<anyhow::Result<_>>()?;
    let answers: Vec<(&Host, HostKey)> = config.hosts.values().zip(answers).collect();
    if options.json {
        let hosts: Vec<Value> = answers
            .iter()
            .map(|(host, answer)| object(host, answer, &config))
            .collect();
        print::line(&serde_json::to_string_pretty(&hosts)?);
    } else if answers.is_empty() {
        print::note("There is no host. To add one: berth hosts add NAME DESTINATION");
    } else {
        let rows: Vec<Vec<String>> = answers
            .iter()
            .map(|(host, answer)| row(host, answer, &config))
            .collect();
        print::table(&["host", "state", "destination", "backends"], &rows);
        answers.iter().for_each(|(host, answer)| note(host, answer));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(host: &Host, answer: &HostKey, config: &Config) -> Vec<String> {
    let backends: Vec<&str> = on(host, config).collect();
    vec![
        host.name.clone(),
        answer::state(answer).to_owned(),
        host.machine(),
        backends.join(", "),
    ]
}

/// What is wrong with a host, and what to do.
fn note(host: &Host, answer: &HostKey) {
    if let (what, Some(fix)) = answer::words(host, answer) {
        print::note(&print::safe(&format!("{}: {what}; {fix}", host.name)));
    }
}

fn object(host: &Host, answer: &HostKey, config: &Config) -> Value {
    let (what, fix) = answer::words(host, answer);
    json!({
        "host": host.name,
        "destination": host.destination,
        "port": host.port,
        "backends": on(host, config).collect::<Vec<_>>(),
        "state": answer::state(answer),
        "what": what,
        "fix": fix,
    })
}

/// The names of the backends on `host`.
fn on<'a>(host: &'a Host, config: &'a Config) -> impl Iterator<Item = &'a str> {
    let is_there = |backend: &&BackendTable| backend.host.as_ref() == Some(&host.name);
    config
        .backends
        .values()
        .filter(is_there)
        .map(|backend| backend.name.as_str())
}
