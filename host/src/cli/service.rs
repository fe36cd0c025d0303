//! `berth service`: berth runs in the background from login on, kept by the system.

mod launchd;
mod systemd;

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use berth::assemble::SearchPath;
use berth::machine::ask;
use berth::shell;
use etcetera::BaseStrategy as _;

use super::print;

/// Variables of this process that the service needs as well: where programs are found, and where berth's files are.
const KEPT: [&str; 5] = ["PATH", "LANG", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"];
/// How long the system's own program may take.
const WITHIN: Duration = Duration::from_secs(30);

#[derive(clap::Subcommand)]
pub(crate) enum Options {
    /// Write the service for this user, enable and start it
    Install {
        /// Only print what would be written
        #[arg(long)]
        print: bool,
    },
    /// Stop the service and remove it; sessions go on
    Uninstall,
}

/// What the service runs.
struct Service {
    /// The program and its arguments.
    command: Vec<String>,
    environment: Vec<(String, String)>,
}

/// How a system keeps services.
struct Keeper {
    /// The file that describes the service.
    file: PathBuf,
    text: String,
    /// The commands that start it, and those that end it before its file is removed.
    start: Vec<Vec<String>>,
    stop: Vec<Vec<String>>,
    /// What else a person should know.
    notes: &'static str,
}

/// `config` is the file that `--config` names.
pub(crate) async fn run(options: Options, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let keeper = keeper(&Service::of_this_process(config)?)?;
    match options {
        Options::Install { print: true } => print::line(keeper.text.trim_end()),
        Options::Install { print: false } => keeper.install().await?,
        Options::Uninstall => keeper.uninstall().await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The file of a service of systemd's that `berth service install` writes.
pub(super) fn unit_file() -> Option<PathBuf> {
    let base = etcetera::base_strategy::Xdg::new().ok()?;
    Some(systemd::file(&base.config_dir()))
}

/// That of this system.
fn keeper(service: &Service) -> anyhow::Result<Keeper> {
    let base = etcetera::base_strategy::Xdg::new().context("there is no home directory: set HOME")?;
    match cfg!(target_os = "macos") {
        true => launchd::keeper(service, base.home_dir()),
        false => systemd::keeper(service, &base.config_dir()),
    }
}

impl Service {
    fn of_this_process(config: Option<&Path>) -> anyhow::Result<Self> {
        let berth = std::env::current_exe().context("the path of this program cannot be found")?;
        let mut command = vec![text(&berth)?, "serve".to_owned()];
        if let Some(config) = config {
            let config = config.canonicalize();
            command.extend([
                "--config".to_owned(),
                text(&config.context("the configuration cannot be found")?)?,
            ]);
        }
        let kept = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
        let service = Self {
            command,
            environment: KEPT.iter().filter_map(kept).collect(),
        };
        let words = service
            .environment
            .iter()
            .map(|(_, value)| value)
            .chain(&service.command);
        for word in words {
            ensure!(
                !word.contains(char::is_control),
                "{word:?} has a control character, which a service's file cannot hold"
            );
        }
        Ok(service)
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().map(str::to_owned);
    text.with_context(|| format!("{} is not UTF-8, and cannot stand in a service's file", path.display()))
}

impl Keeper {
    async fn install(&self) -> anyhow::Result<()> {
        let shown = self.file.display();
        let folder = self.file.parent().context("the file is in no folder")?;
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        fs::write(&self.file, &self.text).with_context(|| format!("{shown} cannot be written"))?;
        print::line(&format!("Written: {shown}"));
        for command in &self.start {
            order(command).await.with_context(|| {
                format!(
                    "the service was written and not started; run yourself: {}",
                    line(command)
                )
            })?;
        }
        print::line("The service runs, and starts again at each login.");
        print::line(self.notes);
        Ok(())
    }

    async fn uninstall(&self) -> anyhow::Result<()> {
        let shown = self.file.display();
        if !self.file.exists() {
            bail!("there is no service of berth's: {shown} is not there");
        }
        for command in &self.stop {
            order(command)
                .await
                .with_context(|| format!("the service stays as it was; what failed was: {}", line(command)))?;
        }
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{shown} cannot be removed"));
            }
            _ => {}
        }
        print::line(&format!("The service has ended. Removed: {shown}"));
        Ok(())
    }
}

/// Runs one of the system's own commands, which must succeed.
async fn order(command: &[String]) -> anyhow::Result<()> {
    let (name, arguments) = command.split_first().context("the command is empty")?;
    let program = SearchPath::of_process().first(name);
    let program = program.with_context(|| format!("{name} is not on PATH"))?;
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let (succeeded, said) = ask(&program, arguments, &environment, WITHIN).await?;
    ensure!(
        succeeded,
        "`{}` fails and says: {}",
        command.join(" "),
        print::safe(&said)
    );
    Ok(())
}

/// The command as a line to paste.
fn line(command: &[String]) -> String {
    command.iter().map(shell::word).collect::<Vec<_>>().join(" ")
}
