//! The real thing: `berth serve` with a configuration, data and cache of its own, in a folder that goes away.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use berth::assemble::Setup;
use berth::config::{Installation, SHIPPED};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use toml::{Table, Value};

/// The binary that is measured.
pub(crate) const BERTH: &str = env!("CARGO_BIN_EXE_berth");
/// The backend of the test plugin.
pub(crate) const GUEST: &str = "guest";
/// The test plugin's tool that does nothing.
pub(crate) const NOOP: &str = "noop";

/// A folder with a configuration: the shipped one, and a backend with the test plugin beside it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// Makes it.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::with(&[])
    }

    /// The same with a backend for each of `plugins`, a name and a component.
    pub(crate) fn with(plugins: &[(&str, PathBuf)]) -> anyhow::Result<Self> {
        let place = Self {
            folder: TempDir::new()?,
        };
        fs::create_dir(place.projects())?;
        fs::write(place.path("config.toml"), place.configuration(plugins)?)?;
        Ok(place)
    }

    /// Adds a backend to its configuration.
    pub(crate) fn add(&self, name: &str, backend: Table) -> anyhow::Result<()> {
        self.change(|config| {
            table(config, "backends")?.insert(name.into(), backend.into());
            Ok(())
        })
    }

    /// Changes its configuration.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Table) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let path = self.path("config.toml");
        let mut config: Table = fs::read_to_string(&path)?.parse()?;
        change(&mut config)?;
        Ok(fs::write(path, toml::to_string(&config)?)?)
    }

    /// The start directory of sessions.
    pub(crate) fn projects(&self) -> PathBuf {
        self.path("projects")
    }

    /// What stands before every tmux command on this place's socket, the program first.
    pub(crate) fn tmux(&self) -> Vec<PathBuf> {
        ["tmux", "-u", "-S"]
            .into_iter()
            .map(PathBuf::from)
            .chain([self.path("data/sockets/local/tmux")])
            .collect()
    }

    /// The file that berth wrote for tmux.
    pub(crate) fn tmux_conf(&self) -> PathBuf {
        self.path("data/conf/local-tmux")
    }

    /// The configuration as berth reads it, with what it names.
    pub(crate) fn setup(&self) -> anyhow::Result<Setup> {
        let installation = Installation {
            berth: Path::new(BERTH),
            plugins: &["tmux", "headless"],
        };
        Ok(Setup::load(Some(&self.path("config.toml")), &installation)?)
    }

    /// A token that its owner made for a script.
    pub(crate) fn personal_token(&self) -> anyhow::Result<String> {
        self.printed(&["tokens", "create", "bench", "--scope", "sessions:control"])
    }

    /// A token that may only look.
    pub(crate) fn reading_token(&self) -> anyhow::Result<String> {
        self.printed(&["tokens", "create", "reader", "--scope", "sessions:read"])
    }

    /// Starts `berth serve`.
    pub(crate) fn serve(&self) -> anyhow::Result<Served> {
        // Where an operator's log goes: each call is a line of it.
        let log = fs::File::create(self.path("log"))?;
        let mut child = self.berth(&["serve"]).stdout(Stdio::piped()).stderr(log).spawn()?;
        let output = child.stdout.take().context("berth has no output")?;
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.trim().strip_suffix("/mcp"));
        let address = address
            .with_context(|| format!("berth did not say where it listens: {line:?}"))?
            .parse()?;
        // What else it prints stays in the pipe, which must not be closed under it.
        Ok(Served {
            address,
            child,
            _output: lines,
        })
    }

    /// The token that clients send.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        self.printed(&["token"])
    }

    /// Removes what was compiled of plugins.
    pub(crate) fn forget_what_is_compiled(&self) -> anyhow::Result<()> {
        Ok(fs::remove_dir_all(self.path("cache"))?)
    }

    /// What a command prints.
    pub(crate) fn printed(&self, command: &[&str]) -> anyhow::Result<String> {
        let output = self.berth(command).output()?;
        ensure!(
            output.status.success(),
            "berth {command:?} failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    #[allow(clippy::disallowed_methods, reason = "a benchmark starts what it measures")]
    fn berth(&self, command: &[&str]) -> Command {
        let mut berth = Command::new(BERTH);
        berth.arg("--config").arg(self.path("config.toml")).args(command);
        berth
    }

    fn configuration(&self, plugins: &[(&str, PathBuf)]) -> anyhow::Result<String> {
        let mut config: Table = SHIPPED.parse()?;
        let text = |path: PathBuf| Value::String(path.display().to_string());
        let server = table(&mut config, "server")?;
        server.insert("listen".into(), "127.0.0.1:0".into());
        server.insert("data".into(), text(self.path("data")));
        // So that the cost of a token shows beside no token.
        server.insert("open_on_loopback".into(), true.into());
        table(server, "rates")?.insert("tools".into(), 100_000_000.into());
        server.insert("cache".into(), text(self.path("cache")));
        let backends = table(&mut config, "backends")?;
        backends.insert(GUEST.into(), Value::Table(guest()));
        for (name, component) in plugins {
            let plugin = Table::from_iter([("plugin".to_owned(), text(component.clone()))]);
            backends.insert((*name).to_owned(), Value::Table(plugin));
        }
        for shipped in ["local", "jobs"] {
            let directories = Value::Array(vec![text(self.projects())]);
            table(backends, shipped)?.insert("directories".into(), directories);
        }
        let tmux = table(table(table(backends, "local")?, "programs")?, "tmux")?;
        // Nobody's real sessions are measured.
        table(tmux, "socket")?.remove("former");
        Ok(toml::to_string(&config)?)
    }

    /// A place in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A backend of the test plugin whose one tool does nothing.
fn guest() -> Table {
    Table::from_iter([("plugin".to_owned(), berth_guests::NOOP.into())])
}

fn table<'a>(parent: &'a mut Table, key: &str) -> anyhow::Result<&'a mut Table> {
    let found = parent.get_mut(key).and_then(Value::as_table_mut);
    found.with_context(|| format!("the shipped configuration has no table `{key}`"))
}

/// `berth serve` at work; it ends when this is dropped.
pub(crate) struct Served {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    _output: BufReader<ChildStdout>,
}

impl Served {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
