//! `berth trust`: an agent's own question whether it may trust a directory, answered in this terminal.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use berth::assemble::Setup;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::attach::{self, Found};
use super::connection::Connection;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The directory
    #[arg(default_value = ".", value_name = "DIR")]
    directory: PathBuf,
    /// The agent, such as claude; the first installed one, if left out
    #[arg(long)]
    agent: Option<String>,
    /// Another backend than the default one
    #[arg(long)]
    backend: Option<String>,
}

/// Opens the session that asks this already; otherwise one is started there.
pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    attach::ensure_terminal()?;
    let directory = options.directory.canonicalize();
    let directory = directory.with_context(|| format!("{} cannot be found", options.directory.display()))?;
    let directory = directory
        .to_str()
        .context("the directory's name is not UTF-8, and cannot be sent")?;
    let find = async |connection: &Connection| {
        let waiting = json!({"state": "waiting", "backend": options.backend});
        let waiting = connection.ask("list_sessions", waiting).await?;
        if let Some(session) = waiting
            .structured
            .as_ref()
            .and_then(|list| asking(list, directory, &options))
        {
            return Ok(Found::of(session));
        }
        let wanted = json!({"working_dir": directory, "agent": options.agent, "backend": options.backend});
        let started = connection.ask("create_session", wanted).await?;
        if started.failed {
            bail!("{}", started.text.trim_end());
        }
        Ok(started.structured.and_then(|answer| Found::of(&answer["session"])))
    };
    let found = Connection::with(setup, &shutdown, find).await?;
    attach::join(setup, &found.context("the answer names no session")?).await
}

/// The session in `list` that asks whether `directory` is trusted, if there is one.
fn asking<'a>(list: &'a Value, directory: &str, options: &Options) -> Option<&'a Value> {
    let is_asked = |session: &&Value| {
        let prompts = session["prompts"].as_array();
        session["directory"] == directory
            && options.agent.as_deref().is_none_or(|agent| session["agent"] == agent)
            && prompts.is_some_and(|prompts| prompts.iter().any(|prompt| prompt["kind"] == "trust"))
    };
    list["sessions"].as_array()?.iter().find(is_asked)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_session_that_asks_for_trust_in_this_directory_is_opened_and_no_other() {
        let session = |id: &str, directory: &str, agent: &str, kind: &str| json!({"session_id": id, "directory": directory, "agent": agent, "prompts": [{"kind": kind}]});
        let list = json!({"sessions": [
            session("local/a", "/p/other", "one", "trust"),
            session("local/b", "/p/app", "one", "permission"),
            session("local/c", "/p/app", "two", "trust"),
            session("local/d", "/p/app", "one", "trust"),
        ]});
        let wanted = |directory: &str, agent: Option<&str>| {
            let options = Options {
                directory: PathBuf::new(),
                agent: agent.map(str::to_owned),
                backend: None,
            };
            asking(&list, directory, &options).map(|session| session["session_id"].as_str().unwrap())
        };
        assert_eq!(wanted("/p/app", None), Some("local/c"));
        assert_eq!(wanted("/p/app", Some("one")), Some("local/d"));
        assert_eq!(wanted("/p/app", Some("three")), None);
        assert_eq!(wanted("/p/new", None), None);
    }
}
