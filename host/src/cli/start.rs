//! `berth start`: a session, here or in another directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use berth::assemble::Setup;
use berth::{peer, shell};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::attach::{self, Found};
use super::connection::Connection;
use super::{answered, print};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to start it: a directory, or with a backend on a host also a project of it
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The agent, such as claude; the first installed one, if left out
    #[arg(long)]
    agent: Option<String>,
    /// A name for it
    #[arg(long)]
    name: Option<String>,
    /// Another backend than the default one
    #[arg(long)]
    backend: Option<String>,
    /// An option of the backend, such as host=mac; may be given several times
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option)]
    options: Vec<(String, String)>,
    /// A first message, sent once the agent is ready for it
    #[arg(long, short)]
    message: Option<String>,
    /// Wait up to so many seconds, at most 50, for the answer, or until the agent is ready
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u32>,
    /// Open it in this terminal
    #[arg(long, conflicts_with = "json")]
    attach: bool,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    if options.attach {
        // Before a session is started that could not be opened.
        peer::ensure_outside_sessions(setup.server.sessions_may_control)?;
        attach::ensure_terminal()?;
    }
    let (key, directory) = directory(setup, options.backend.as_ref(), &options.directory)?;
    let arguments = json!({
        (key): directory,
        "agent": options.agent,
        "name": options.name,
        "backend": options.backend,
        "options": (!options.options.is_empty()).then(|| options.options.into_iter().collect::<BTreeMap<_, _>>()),
        "message": options.message,
        "wait_seconds": options.wait,
    });
    let create = async |connection: &Connection| connection.ask("create_session", arguments).await;
    let started = Connection::of_person(setup, &shutdown, create).await?;
    let shown = answered::show_with_hint(&started, options.json)?;
    let found = started.structured.and_then(|answer| Found::of(&answer["session"]));
    match found {
        Some(found) if options.attach => attach::join(setup, &found).await,
        Some(found) if !options.json => {
            let id = shell::word(&found.session_id);
            print::note(&format!("To open it here: berth attach {id}"));
            Ok(shown)
        }
        _ => Ok(shown),
    }
}

fn option(given: &str) -> Result<(String, String), String> {
    let parts = given.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = parts.ok_or("write it as NAME=VALUE, such as host=mac")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What `directory` means to the backend, or to the default one: the key of its argument, and its value.
pub(super) fn directory(
    setup: &Setup,
    backend: Option<&String>,
    directory: &Path,
) -> anyhow::Result<(&'static str, String)> {
    let backend = backend.unwrap_or(&setup.default_backend);
    match setup.backends.get(backend).filter(|backend| !backend.is_here()) {
        Some(backend) => there(directory, &backend.machines()),
        None => Ok(("working_dir", here(directory)?)),
    }
}

fn here(directory: &Path) -> anyhow::Result<String> {
    let found = directory.canonicalize();
    let found = found.with_context(|| format!("{} cannot be found", directory.display()))?;
    text(&found)
}

/// Where to start on a host, by the key of its argument. The shell here has put this home directory in the place of `~`,
/// and that of the host is meant.
fn there(directory: &Path, machines: &str) -> anyhow::Result<(&'static str, String)> {
    let home = etcetera::home_dir().ok();
    let below = home.and_then(|home| Some(directory.strip_prefix(home).ok()?.to_owned()));
    if let Some(below) = below {
        return Ok(("working_dir", format!("~/{}", text(&below)?)));
    }
    let written = text(directory)?;
    match written.starts_with(['/', '~']) {
        true => Ok(("working_dir", written)),
        false if written.starts_with('.') => bail!(
            "{written} would be a directory of this machine, and the backend is on {machines}: name one there, as \
             ~/projects/app, or a project that `list_projects` shows"
        ),
        false => Ok(("project", written)),
    }
}

fn text(directory: &Path) -> anyhow::Result<String> {
    let text = directory
        .to_str()
        .context("the directory's name is not UTF-8, and cannot be sent")?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn where_to_start_on_a_host_is_a_place_or_a_project_there() {
        let below = etcetera::home_dir().unwrap().join("projects/app");
        for (written, key, named) in [
            (below.to_str().unwrap(), "working_dir", "~/projects/app"),
            ("~/projects/app", "working_dir", "~/projects/app"),
            ("/srv/app", "working_dir", "/srv/app"),
            ("app", "project", "app"),
        ] {
            assert_eq!(
                there(Path::new(written), "the host mac").unwrap(),
                (key, named.to_owned()),
                "{written}"
            );
        }
        let told = there(Path::new("."), "the host mac").unwrap_err().to_string();
        assert!(
            told.contains("the host mac") && told.contains("~/projects/app"),
            "{told}"
        );
    }
}
