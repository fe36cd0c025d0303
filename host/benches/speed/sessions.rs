//! Many sessions in a real tmux on the place's own socket, and the commands that a list of them needs.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, ensure};
use berth::config::SHIPPED;
use toml::Value;

use crate::served::{BERTH, Place};

/// What a session runs: it fills its screen, as one does that has been in use, and becomes the demo agent.
const AGENT: &str = "i=0; while [ $i -lt 60 ]; do echo \"  line $i of a session that has something to show\"; \
    i=$((i+1)); done; exec \"$0\" demo-agent";
/// The agent's name in the shipped configuration; as the window's name it tells the plugin what runs there.
const NAME: &str = "demo";

/// Sessions that end when this is dropped.
pub(crate) struct Sessions {
    tmux: Vec<PathBuf>,
    panes: Vec<String>,
    list_format: String,
    screen_format: String,
}

impl Sessions {
    /// Starts `count` of them. Berth must have been started here before, since it writes tmux's configuration.
    pub(crate) fn start(place: &Place, count: usize) -> anyhow::Result<Self> {
        let mut sessions = Self {
            tmux: place.tmux(),
            panes: Vec::new(),
            list_format: format("list-panes")?,
            screen_format: format("display-message")?,
        };
        let conf = place.tmux_conf().display().to_string();
        for number in 0..count {
            let name = format!("bench-{number}");
            let new = [
                "new-session",
                "-d",
                "-P",
                "-F",
                "#{pane_id}",
                "-s",
                &name,
                "-n",
                NAME,
                "-x",
                "120",
                "-y",
                "60",
            ];
            let arguments = ["-f", &conf]
                .into_iter()
                .chain(new)
                .chain(["--", "sh", "-c", AGENT, BERTH]);
            let output = sessions.run(arguments)?;
            sessions.panes.push(String::from_utf8(output.stdout)?.trim().to_owned());
        }
        Ok(sessions)
    }

    /// Runs the two commands that a list of the sessions needs: which panes there are, and what each shows.
    pub(crate) fn list_directly(&self) -> anyhow::Result<()> {
        self.run(["list-panes", "-a", "-F", &self.list_format])?;
        let mut looks: Vec<&str> = Vec::new();
        for pane in &self.panes {
            if !looks.is_empty() {
                looks.push(";");
            }
            looks.extend(["display-message", "-p", "-t", pane, &self.screen_format, ";"]);
            looks.extend(["capture-pane", "-p", "-S", "0", "-t", pane]);
        }
        self.run(looks)?;
        Ok(())
    }

    /// What the session `name` shows.
    pub(crate) fn screen(&self, name: &str) -> anyhow::Result<String> {
        let shown = self.run(["capture-pane", "-p", "-t", &format!("={name}:")])?;
        Ok(String::from_utf8_lossy(&shown.stdout).into_owned())
    }

    #[allow(clippy::disallowed_methods, reason = "a benchmark starts what it measures")]
    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> anyhow::Result<Output> {
        let [program, fixed @ ..] = self.tmux.as_slice() else {
            anyhow::bail!("there is no tmux command")
        };
        let output = Command::new(program)
            .args(fixed)
            .args(arguments)
            .output()
            .context("tmux cannot be started")?;
        ensure!(
            output.status.success(),
            "tmux failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output)
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        let _ = self.run(["kill-server"]);
    }
}

/// The shortest format with which the shipped grant lets the plugin run `command`.
fn format(command: &str) -> anyhow::Result<String> {
    let shipped: Value = toml::from_str(SHIPPED)?;
    let patterns = shipped["backends"]["local"]["programs"]["tmux"]["read"].as_array();
    let lists = patterns.into_iter().flatten().filter_map(Value::as_array);
    let formats = lists
        .filter(|list| list.first().and_then(Value::as_str) == Some(command))
        .filter_map(|list| list.last()?.as_str());
    let shortest = formats.min_by_key(|format| format.len());
    shortest
        .map(str::to_owned)
        .with_context(|| format!("the shipped grant has no {command}"))
}
