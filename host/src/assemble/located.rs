//! A backend with what its table names, as found on its machine when it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail};
use tokio::sync::Semaphore;

use super::away::Away;
use super::data_files::{conf_name, fill, socket, with_places};
use super::hosts::Host;
use super::{Granted, Setup};
use crate::capability::Site;
use crate::capability::files::{Directories, Folder};
use crate::capability::process::grant::{CONF_MARKER, Grant, SOCKET_MARKER};
use crate::capability::process::{Programs, Socket};
use crate::machine::sh::{self, Around, Fault, Found, Place, Program, Run, Way};
use crate::machine::{self, Ended, Link, Machine, Output};
use crate::plugin::OWN_CALLS;
use crate::shell;
use crate::store::DataDirectory;
use crate::text;

/// The longest path of a socket that every system takes, in bytes.
const SOCKET: usize = 103;
/// Characters of the name of an installation.
const INSTALLATION: usize = 16;
/// How long what is asked there may take beside the connection.
const ASKING: Duration = Duration::from_secs(20);
/// How far its clock may be off before that is said.
const CLOCK: Duration = Duration::from_mins(5);
/// Characters of what a program says.
const SAID: usize = 120;

/// A backend as it was found.
pub(super) struct Located {
    pub(super) machine: Machine,
    /// The home directory on its machine.
    pub(super) home: Option<String>,
    pub(super) directories: Directories,
    /// On a host, the directories and folders as they are written, each with its path there.
    written: Vec<(PathBuf, PathBuf)>,
    /// The folders of which its plugin may read files.
    pub(super) files: Vec<Folder>,
    /// Its programs, with the places of berth's own filled in.
    pub(super) grants: BTreeMap<String, Grant>,
    pub(super) sockets: BTreeMap<String, Socket>,
    /// On a host, the paths of the sockets.
    pub(super) sockets_there: BTreeMap<String, String>,
    /// What its programs get; on a host beside what a login gives there.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Those of its agents whose program is there.
    pub(super) installed: BTreeSet<String>,
}

/// How many programs of a backend may run at once on one machine: in calls of its callers, and in those of the host itself.
#[derive(Clone)]
pub(super) struct Turns {
    children: Arc<Semaphore>,
    own_children: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn of(backend: &Granted) -> Self {
        Self {
            children: Arc::new(Semaphore::new(backend.written.limits.processes)),
            own_children: Arc::new(Semaphore::new(OWN_CALLS)),
        }
    }
}

impl Located {
    /// One on this machine.
    pub(super) fn here(setup: &Setup, backend: &Granted, data: &DataDirectory) -> anyhow::Result<Self> {
        let (mut grants, mut sockets) = (BTreeMap::new(), BTreeMap::new());
        for (name, grant) in &backend.programs {
            grants.insert(name.clone(), with_places(grant, data)?);
            sockets.extend(socket(grant, data)?.map(|socket| (name.clone(), socket)));
        }
        let (directories, own) = (&backend.directories, setup.own_places().into());
        let home = etcetera::home_dir().ok();
        Ok(Self {
            machine: Machine::This,
            home: home.and_then(|home| Some(home.to_str()?.to_owned())),
            directories: Directories::open(&backend.written.name, directories, &backend.files, own)?,
            written: Vec::new(),
            files: backend.files.clone(),
            grants,
            sockets,
            sockets_there: BTreeMap::new(),
            environment: backend.environment(),
            installed: backend.installed.clone(),
        })
    }

    /// One on `host`, reached by `link`.
    ///
    /// # Errors
    /// It cannot be reached, or something is missing there, with the fix.
    pub(super) async fn there(
        setup: &Setup,
        backend: &Granted,
        host: &Host,
        link: Link,
        data: &DataDirectory,
    ) -> anyhow::Result<Self> {
        let way: Arc<dyn Way> = Arc::new(link);
        let around = around(backend, host);
        let until = Instant::now() + host.written.connect_timeout + ASKING;
        let asked = Asked::of(setup, backend);
        let found = sh::find(&way, &around, until, &asked.programs, &asked.directories).await;
        let found = found.map_err(|fault| told(&host.written.name, &fault))?;
        let off = clock(&found);
        let mut seen = Seen {
            backend,
            host: &host.written.name,
            found,
            programs: asked.programs,
        };
        let (directories, files) = (seen.directories()?, seen.folders());
        if let Some(fault) = seen.place_faults().next() {
            bail!("{fault}");
        }
        if let Some(fault) = seen.socket_fault() {
            bail!("{fault}");
        }
        let installed = setup.agents_of(backend).filter(|(_, agent)| {
            let needs = agent.requires.as_ref().map(|program| &program.written);
            needs.is_none_or(|program| matches!(seen.program(program), Some(Program::Here(_))))
        });
        let installed = installed.map(|(name, _)| name.clone()).collect();
        // Nothing is made there before everything is found to be as it must be.
        let mut grants = seen.grants()?;
        versions(&way, &around, until, &grants, &host.written.name).await?;
        let data = data.clone();
        let installation = tokio::task::spawn_blocking(move || data.installation()).await??;
        let own = own_folder(&way, until, backend, &installation).await;
        let own = own.map_err(|fault| told(&host.written.name, &fault))?;
        if let Some(own) = &own {
            grants.values_mut().try_for_each(|grant| seen.fill(grant, own))?;
        }
        let with_socket = grants.iter().filter(|(_, grant)| grant.socket.is_some());
        let sockets_there = own.iter().flat_map(|own| {
            let path = |(name, grant): (&String, &Grant)| (name.clone(), socket_path(own, grant));
            with_socket.clone().map(path)
        });
        let sockets_there = sockets_there.collect();
        // What is still to be made right there is told first, each time that it is looked for.
        if let Some(off) = off {
            let name = &host.written.name;
            tracing::warn!(
                "the clock of the host {name} is off by {off:.0?}: set one of the two, as times of sessions differ"
            );
        }
        Ok(Self {
            environment: variables(&around),
            machine: Machine::Host(machine::Host::new(&host.written.name, way, around)),
            home: Some(std::mem::take(&mut seen.found.home)),
            written: as_written(backend, &directories, &files),
            directories: Directories::there(&backend.written.name, &directories, &files),
            files,
            grants,
            sockets: BTreeMap::new(),
            sockets_there,
            installed,
        })
    }

    /// What its plugin is granted there.
    pub(super) fn site(self, setup: &Setup, backend: &Granted, turns: &Turns) -> Site {
        Site {
            backend: backend.written.name.clone(),
            programs: Programs {
                agents: setup.agent_commands(backend, &self.installed),
                headless: setup.headless_commands(backend, &self.installed),
                grants: self.grants,
                sockets: self.sockets,
                sockets_there: self.sockets_there,
                environment: self.environment,
                guest_env: backend.written.guest_env.clone(),
                children: turns.children.clone(),
                own_children: turns.own_children.clone(),
            },
            machine: self.machine,
            home: self.home,
            directories: self.directories,
            written: self.written,
        }
    }
}

/// The directories and folders of `backend` as they are written, each with its path there.
fn as_written(backend: &Granted, directories: &[PathBuf], files: &[Folder]) -> Vec<(PathBuf, PathBuf)> {
    let under = |files: &[Folder]| files.iter().map(|folder| folder.under.clone()).collect::<Vec<_>>();
    let written = backend.directories.iter().cloned().chain(under(&backend.files));
    written.zip(directories.iter().cloned().chain(under(files))).collect()
}

/// What the programs of `backend` have around them on `host`.
fn around(backend: &Granted, host: &Host) -> Around {
    let of_host = host.variables();
    let own = backend.env_file.iter().flat_map(|file| &file.variables);
    let own = own.map(|(name, value)| (name.as_str(), value.as_str()));
    let variables = of_host.chain(own);
    Around {
        environment: backend.written.env.clone(),
        path: host.written.path.clone(),
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        backend: backend.written.name.clone(),
    }
}

/// The variables of ours that its programs get.
fn variables(around: &Around) -> Vec<(OsString, OsString)> {
    let variables = around.variables.iter();
    variables.map(|(name, value)| (name.into(), value.into())).collect()
}

/// A fault of `host` as clients may read it; the log has all of it.
fn told(host: &str, fault: &Fault) -> anyhow::Error {
    match Away::of_fault(host, fault) {
        Some(away) => away.into(),
        None if matches!(fault, Fault::Unopened(_)) => anyhow!("{}", machine::for_clients(fault)),
        None => anyhow!("the host {host}: {}", fault.with_said()),
    }
}

/// How far the clock there is off, if that is much.
pub(super) fn clock(found: &Found) -> Option<Duration> {
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(here.abs_diff(found.clock)).filter(|off| *off > CLOCK)
}

/// What is looked for on a host: programs by what is written, and directories.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) programs: Vec<String>,
    pub(super) directories: Vec<String>,
}

impl Asked {
    pub(super) fn of(setup: &Setup, backend: &Granted) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let own = backend.programs.values().map(|grant| text(&grant.path));
        let agents = setup.agents_of(backend);
        let required = agents.filter_map(|(_, agent)| Some(agent.requires.as_ref()?.written.clone()));
        let folders = backend.files.iter().map(|folder| &folder.under);
        Self {
            programs: own.chain(required).collect::<BTreeSet<_>>().into_iter().collect(),
            directories: backend
                .directories
                .iter()
                .chain(folders)
                .map(|path| text(path))
                .collect(),
        }
    }

    /// The same together with what `other` asks for, whose directories come after these.
    pub(super) fn with(mut self, other: &Self) -> Self {
        for program in &other.programs {
            if !self.programs.contains(program) {
                self.programs.push(program.clone());
            }
        }
        self.directories.extend(other.directories.iter().cloned());
        self
    }
}

/// What was seen on a host for one backend.
pub(super) struct Seen<'a> {
    pub(super) backend: &'a Granted,
    pub(super) host: &'a str,
    pub(super) found: Found,
    /// The programs that were looked for, in the order of those that were found.
    pub(super) programs: Vec<String>,
}

/// Why a granted directory cannot be used on a host that answers.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct NoDirectory {
    why: String,
    /// Its paths, as it is written and as that is meant there, if there is no directory; nothing can be in it then.
    gone: Vec<PathBuf>,
}

/// Why granted directories cannot be used on a host that answers: at least one.
#[derive(Debug, thiserror::Error)]
#[error("{first}")]
pub(super) struct NoDirectories {
    first: NoDirectory,
    others: Vec<NoDirectory>,
}

impl NoDirectories {
    /// The paths of those that are not there, each with why.
    pub(super) fn gone(&self) -> Vec<(PathBuf, String)> {
        let all = std::iter::once(&self.first).chain(&self.others);
        let gone = all.flat_map(|fault| fault.gone.iter().map(|path| (path.clone(), fault.why.clone())));
        gone.collect()
    }
}

impl Seen<'_> {
    pub(super) fn program(&self, written: &str) -> Option<&Program> {
        let at = self.programs.iter().position(|program| program == written)?;
        self.found.programs.get(at)
    }

    /// The granted directories, without links.
    fn directories(&self) -> Result<Vec<PathBuf>, NoDirectories> {
        let (mut found, mut faults) = (Vec::new(), Vec::new());
        for directory in self.each_directory() {
            match directory {
                Ok(path) => found.push(path),
                Err(fault) => faults.push(fault),
            }
        }
        let mut faults = faults.into_iter();
        match faults.next() {
            None => Ok(found),
            Some(first) => Err(NoDirectories {
                first,
                others: faults.collect(),
            }),
        }
    }

    /// Each of them, or what is wrong with it.
    pub(super) fn each_directory(&self) -> impl Iterator<Item = Result<PathBuf, NoDirectory>> {
        let (host, name) = (self.host, &self.backend.written.name);
        let found = self.backend.directories.iter().zip(&self.found.directories);
        found.map(move |(written, place)| {
            let shown = written.display();
            let why = match place {
                Place::There(path) => return Ok(PathBuf::from(path)),
                Place::Missing => format!(
                    "{shown}, of `directories` of backend {name}, does not exist on the host {host}: make it there with \
                     `mkdir -p {}`, or name others as directories = [...] in [backends.{name}]",
                    in_home(written)
                ),
                Place::Occupied => format!(
                    "{shown}, of `directories` in [backends.{name}], is not a directory on the host {host}: name the \
                     directory that holds it"
                ),
                Place::Unreadable => format!(
                    "{shown}, of `directories` in [backends.{name}], cannot be entered on the host {host}: correct its \
                     permissions there"
                ),
            };
            let below_home = written.strip_prefix("~").ok();
            let meant = below_home.map(|rest| Path::new(&self.found.home).join(rest));
            let gone = match place {
                // Somebody may be about to correct what keeps it from being seen.
                Place::Unreadable => Vec::new(),
                _ => std::iter::once(written.clone()).chain(meant).collect(),
            };
            Err(NoDirectory { why, gone })
        })
    }

    /// What is wrong with the places that are granted there: as on this machine, none holds what is berth's own, or
    /// everything, or belongs to the system.
    pub(super) fn place_faults(&self) -> impl Iterator<Item = String> {
        let folders = self.folders().into_iter().map(|folder| folder.under);
        let places = self.each_directory().flatten().chain(folders);
        places.filter_map(|path| {
            let own = Path::new(&self.found.own);
            let fault = match () {
                () if path.parent().is_none() => "is the root directory, which holds everything",
                () if ["/proc", "/sys", "/dev"].iter().any(|system| path.starts_with(system)) => {
                    "is where the system shows itself as files"
                }
                () if own.starts_with(&path) || path.starts_with(own) => {
                    "holds the folder of berth's own, or lies in it"
                }
                () => return None,
            };
            Some(format!(
                "{:?}, granted in [backends.{}], {fault} on the host {}: name a directory of your projects there",
                text::short_line(&path.to_string_lossy(), SAID),
                self.backend.written.name,
                self.host
            ))
        })
    }

    /// What is wrong with the place of its sockets, whose paths the host tells and nobody else may read.
    pub(super) fn socket_fault(&self) -> Option<String> {
        let own = format!("{}/{}", self.found.own, "0".repeat(INSTALLATION));
        let with_socket = self.backend.programs.values().filter(|grant| grant.socket.is_some());
        let longest = with_socket.map(|grant| socket_path(&own, grant).len()).max()?;
        (longest > SOCKET).then(|| {
            format!(
                "the path of a socket in the folder of berth's own on the host {} would have {longest} bytes, and may have \
                 {SOCKET}: set XDG_STATE_HOME there to a shorter directory",
                self.host
            )
        })
    }

    /// The folders of which files are read, without links where they are there.
    fn folders(&self) -> Vec<Folder> {
        let places = self.found.directories.iter().skip(self.backend.directories.len());
        let folders = self.backend.files.iter().zip(places);
        let folder = |(folder, place): (&Folder, &Place)| Folder {
            under: match place {
                Place::There(path) => PathBuf::from(path),
                _ => self.absolute(&folder.under),
            },
            names: folder.names.clone(),
        };
        folders.map(folder).collect()
    }

    fn absolute(&self, written: &Path) -> PathBuf {
        match written.strip_prefix("~") {
            Ok(rest) => Path::new(&self.found.home).join(rest),
            Err(_) => written.to_owned(),
        }
    }

    /// The programs at the paths where they are.
    fn grants(&self) -> anyhow::Result<BTreeMap<String, Grant>> {
        let grants = self.backend.programs.iter().map(|(name, grant)| {
            let grant = Grant {
                path: self.found_program(name, grant)?,
                ..grant.clone()
            };
            Ok((name.clone(), grant))
        });
        grants.collect()
    }

    /// Puts the places below `own` into the arguments that always come first.
    fn fill(&self, grant: &mut Grant, own: &str) -> anyhow::Result<()> {
        let conf = format!("{own}/conf/{}", conf_name(grant));
        let socket = socket_path(own, grant);
        fill(&mut grant.fixed, CONF_MARKER, Path::new(&conf))?;
        fill(&mut grant.fixed, SOCKET_MARKER, Path::new(&socket))
    }

    pub(super) fn found_program(&self, name: &str, grant: &Grant) -> anyhow::Result<PathBuf> {
        let (host, backend) = (self.host, &self.backend.written.name);
        let written = grant.path.to_string_lossy();
        let table = format!("[backends.{backend}.programs.{name}]");
        match self.program(&written) {
            Some(Program::Here(path)) => Ok(PathBuf::from(path)),
            Some(Program::Elsewhere(path)) => bail!("{}", elsewhere(&written, host, path, &self.found.home)),
            _ if written.contains('/') => {
                bail!(
                    "there is no program {written} on the host {host}: install it there, or correct `path` in {table}"
                )
            }
            _ => bail!(
                "`{written}` is not on the PATH of the host {host}, nor where programs usually are: install it there, or \
                 write the folder where it is as path = [...] into [hosts.{host}]"
            ),
        }
    }
}

/// That a program is at `path` and not where it is looked for, with the fix. Only a folder that is usual becomes advice: the
/// host tells the path, and can tell anything.
pub(super) fn elsewhere(written: &str, host: &str, path: &str, home: &str) -> String {
    let not_there =
        format!("`{written}` is not on the PATH of the host {host}, which is that of a login without a terminal");
    match usual(path, home) {
        Some(folder) => format!("{not_there}; it is in {folder}: write path = [\"{folder}\"] into [hosts.{host}]"),
        None => format!(
            "{not_there}; it is elsewhere: write its folder as path = [...] into [hosts.{host}]; the host says {:?}",
            text::short_line(path, SAID)
        ),
    }
}

/// The folder of `path` as it is written in `[hosts]`, if programs are usually there.
fn usual(path: &str, home: &str) -> Option<String> {
    let folder = Path::new(path).parent()?.to_str()?;
    if ["/opt/homebrew/bin", "/usr/local/bin"].contains(&folder) {
        return Some(folder.to_owned());
    }
    let below = Path::new(folder).strip_prefix(home).ok()?.to_str()?;
    let version = below
        .strip_prefix(".nvm/versions/node/")
        .and_then(|rest| rest.strip_suffix("/bin"));
    let is_version = |version: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
        version.len() <= 32 && version.bytes().all(plain) && version.bytes().any(|byte| byte.is_ascii_digit())
    };
    let is_usual = [".local/bin", "bin", ".npm-global/bin"].contains(&below) || version.is_some_and(is_version);
    is_usual.then(|| format!("~/{below}"))
}

/// The socket of a program, in the folder of berth's own.
fn socket_path(own: &str, grant: &Grant) -> String {
    format!("{own}/sockets/{}", conf_name(grant))
}

/// A path as a shell of that host takes it.
fn in_home(written: &Path) -> String {
    match written.strip_prefix("~") {
        Ok(rest) if rest.as_os_str().is_empty() => "~".into(),
        Ok(rest) => format!("~/{}", shell::word(rest)),
        Err(_) => shell::word(written),
    }
}

/// The folder of this installation there, with the configuration files of the programs, if they need one.
async fn own_folder(
    way: &Arc<dyn Way>,
    until: Instant,
    backend: &Granted,
    installation: &str,
) -> Result<Option<String>, Fault> {
    let grants = || backend.programs.values();
    if grants().all(|grant| grant.conf.is_none() && grant.socket.is_none()) {
        return Ok(None);
    }
    let files = grants().filter_map(|grant| Some((conf_name(grant), grant.conf.as_deref()?)));
    let files: Vec<_> = files.collect();
    let own = sh::own(way, until, installation, &files).await;
    own.map(Some)
}

/// Whether each program is as new as it has to be, by what it shows of itself.
async fn versions(
    way: &Arc<dyn Way>,
    around: &Around,
    until: Instant,
    grants: &BTreeMap<String, Grant>,
    host: &str,
) -> anyhow::Result<()> {
    let asked = grants.values().filter_map(|grant| {
        let least = grant.least_version.as_deref()?;
        Some((grant, least, grant.doctor.first()?))
    });
    let asked: Vec<_> = asked.collect();
    let runs = asked.iter().map(|(grant, _, arguments)| Run {
        program: grant.path.to_string_lossy().into_owned(),
        args: arguments.to_vec(),
        env: Vec::new(),
        directory: None,
        held: Vec::new(),
        stdin: Vec::new(),
        deadline: ASKING,
        output: 4096,
        lingers: false,
        socket: None,
    });
    let runs: Vec<_> = runs.collect();
    if runs.is_empty() {
        return Ok(());
    }
    let told = sh::run(way, around, until, runs).await;
    for ((grant, least, _), told) in asked.iter().zip(told) {
        let program = &grant.program;
        let output = match told.map_err(|fault| self::told(host, &fault))? {
            Ended::Finished(output) => output,
            Ended::TimedOut(after) => {
                bail!("`{program}` on the host {host} did not tell its version within {after:.0?}")
            }
        };
        if let Some(fault) = version_fault(program, least, &output, host) {
            return Err(fault);
        }
    }
    Ok(())
}

/// What is wrong where a program that must be of the version `least` fails, or says something older of itself.
pub(super) fn version_fault(program: &str, least: &str, output: &Output, host: &str) -> Option<anyhow::Error> {
    if output.status != Some(0) {
        let said = [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said));
        let said = said.iter().map(|said| said.trim()).find(|said| !said.is_empty());
        return Some(anyhow!(
            "`{program}` fails on the host {host} where it is asked for its version, and says {:?}: run it there to see why",
            text::short_line(said.unwrap_or("nothing"), SAID)
        ));
    }
    let said = &*String::from_utf8_lossy(&output.stdout);
    let is_old = text::version(said).is_some_and(|found| Some(found) < text::version(least));
    is_old.then(|| {
        anyhow!(
            "`{program}` on the host {host} is older than {least}, the least version with which it works: install a newer \
             one there; it says: {:?}",
            text::short_line(said, SAID)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_host_tells_only_a_usual_folder_becomes_advice() {
        let told = |path: &str| elsewhere("agent", "mac", path, "/home/me");
        for (path, folder) in [
            ("/home/me/.local/bin/agent", "~/.local/bin"),
            ("/opt/homebrew/bin/agent", "/opt/homebrew/bin"),
            (
                "/home/me/.nvm/versions/node/v22.1.0/bin/agent",
                "~/.nvm/versions/node/v22.1.0/bin",
            ),
        ] {
            let told = told(path);
            assert!(
                told.ends_with(&format!("write path = [\"{folder}\"] into [hosts.mac]")),
                "{told}"
            );
        }
        for path in [
            "/tmp/agent",
            "/home/you/.local/bin/agent",
            "/home/me/.local/bin/../../evil/agent",
            "/home/me/.nvm/versions/node/$(touch x)/bin/agent",
            "/home/me/.nvm/versions/node/v1\"] x = [\"/bin/agent",
            "/home/me/.nvm/versions/node/a/b/bin/agent",
            "/home/me/.nvm/versions/node/../bin/agent",
            "/x\u{202e}\u{200b}/agent",
        ] {
            let told = told(path);
            let (advice, said) = told.split_once("; the host says ").unwrap_or_else(|| panic!("{told}"));
            assert!(
                advice.ends_with("write its folder as path = [...] into [hosts.mac]"),
                "{told}"
            );
            assert!(said.starts_with('"') && said.ends_with('"'), "{told}");
            assert!(!told.contains(['\u{202e}', '\u{200b}']), "{told}");
        }
    }
}
