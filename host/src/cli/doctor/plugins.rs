//! Backends: whether their plugins start, whether their sessions are reached, and what their agents say of themselves.

use berth::assemble::{self, Granted, SearchPath, Setup};
use berth::capability::process::grant::Grant;
use berth::capability::process::{Former, SocketServer, Trouble};
use berth::config::{Agent, PluginSource, Question};
use berth::plugin::Backend;
use berth::store::DataDirectory;
use futures::future::join_all;
use std::ffi::OsString;

use super::answer::answer;
use super::finding::Finding;
use super::trust;

pub(super) async fn examine(setup: &Setup, data: &DataDirectory) -> Vec<Finding> {
    let mut findings = match assemble::start_each(setup, data).await {
        Ok(started) => {
            let asking = started.iter().flatten().map(|backend| trust::examine(setup, backend));
            let asking = join_all(asking).await.into_iter().flatten();
            let mut findings = started_and_merged(setup, started);
            findings.extend(asking);
            findings
        }
        Err(error) => vec![Finding::error("plugins", &error)],
    };
    // What is on a host was looked at when its backend started.
    for backend in setup.backends.values().filter(|backend| backend.is_here()) {
        let environment = backend.environment();
        let sockets = backend.programs.values().map(|grant| socket(grant, data));
        findings.extend(join_all(sockets).await.into_iter().flatten());
        let agents = setup.agents_of(backend).map(|(name, settings)| {
            let installed = backend.installed.contains(name);
            agent(name, settings, installed, &backend.written.name, &environment)
        });
        findings.extend(join_all(agents).await.into_iter().flatten());
    }
    findings
}

/// Each backend, whether it started, and whether those that did can stand beside each other.
fn started_and_merged(setup: &Setup, started: Vec<anyhow::Result<Backend>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut backends = Vec::new();
    for started in started {
        match started {
            Ok(backend) => {
                let granted = setup.backends.get(&backend.name);
                let (name, loaded) = (&backend.name, &backend.plugin);
                findings.extend(granted.map(|granted| plugin(name, &loaded.origin, &loaded.digest, granted)));
                backends.push(backend);
            }
            Err(error) => findings.push(Finding::error("plugins", &error)),
        }
    }
    let merged = assemble::merge(setup, backends);
    findings.extend(merged.err().map(|error| Finding::error("plugins", &error)));
    findings
}

fn plugin(name: &str, origin: &str, digest: &str, granted: &Granted) -> Finding {
    let about = format!("backend {name}");
    match granted.written.plugin {
        PluginSource::File { sha256: None, .. } => Finding::warn(
            &about,
            format!("{origin} starts, but another file in its place would start as well"),
            format!("write into [backends.{name}]: sha256 = \"{digest}\""),
        ),
        _ => Finding::ok(&about, format!("{origin} starts")),
    }
}

/// Whether the sessions of a program's server are reached, those at its former socket too.
async fn socket(grant: &Grant, data: &DataDirectory) -> Vec<Finding> {
    let about = format!("socket of {} of {}", grant.program, grant.backend);
    let socket = match assemble::socket(grant, data) {
        Ok(None) => return Vec::new(),
        Ok(Some(socket)) => socket,
        Err(error) => return vec![Finding::error(&about, &error)],
    };
    let shown = socket.path().display();
    let now = match socket.look().await {
        Ok(SocketServer::Answers) => Finding::ok(&about, format!("a server answers at {shown}")),
        Ok(SocketServer::Absent) => Finding::ok(&about, format!("no server runs at {shown}")),
        // The next start will use it.
        Err(Trouble::AtFormer { former, .. }) => Finding::warn(
            &about,
            format!("its server runs at {former:?}"),
            "start berth again; it then uses that one",
        ),
        Err(trouble) => Finding::error(&about, &trouble.into()),
    };
    let before = match socket.former().await {
        Ok(Former::Apart(why)) => match assemble::left_apart(grant, data, why) {
            Ok((what, fix)) => Some(Finding::warn(&about, what, fix)),
            Err(error) => Some(Finding::error(&about, &error)),
        },
        Ok(Former::Absent | Former::Used) => None,
        Err(error) => Some(Finding::error(&about, &error.into())),
    };
    [Some(now), before].into_iter().flatten().collect()
}

async fn agent(
    name: &str,
    agent: &Agent,
    installed: bool,
    backend: &str,
    environment: &[(OsString, OsString)],
) -> Vec<Finding> {
    let about = format!("agent {name} of {backend}");
    if !installed {
        let requires = agent.requires.as_ref().map_or(name, |program| &program.written);
        return vec![Finding::warn(
            &about,
            format!("it is not installed: {requires} is not on PATH"),
            format!("install it, or take it out of `agents` in [backends.{backend}]"),
        )];
    }
    if agent.doctor.is_empty() {
        return vec![Finding::ok(&about, "it is there")];
    }
    let asked = agent
        .doctor
        .iter()
        .map(|question| put(&about, name, question, environment));
    join_all(asked).await
}

async fn put(about: &str, agent: &str, question: &Question, environment: &[(OsString, OsString)]) -> Finding {
    let shown = question.command.join(" ");
    match (
        SearchPath::of_process().find(&question.program),
        question.command.split_first(),
    ) {
        (Some(program), Some((name, arguments))) => {
            let fix = format!("run it on a terminal and do what it asks: {shown}");
            answer(about, name, &program, arguments, environment, &fix).await
        }
        _ => Finding::fail(
            about,
            format!("`{shown}` cannot be run: its program is not on PATH"),
            format!("install it, or correct `doctor` in [agents.{agent}]"),
        ),
    }
}
