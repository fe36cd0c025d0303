//! A backend with what its table names, as found on its machine when it starts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{anyhow, bail};

use super::data_files::{conf_name, fill, socket, with_places};
use super::hosts::Host;
use super::{Granted, Setup};
use crate::capability::files::{Directories, Folder};
use crate::capability::process::Socket;
use crate::capability::process::grant::{CONF_MARKER, Grant, SOCKET_MARKER};
use crate::machine::job::{On, There};
use crate::machine::sh::{self, Around, Fault, Found, Place, Program, Run, Way};
use crate::machine::{self, Ended, Link, Machine};
use crate::shell;
use crate::store::DataDirectory;
use crate::text;

/// The longest path of a socket that every system takes, in bytes.
const SOCKET: usize = 103;
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
    /// The folders of which its plugin may read files.
    pub(super) files: Vec<Folder>,
    /// Its programs, with the places of berth's own filled in.
    pub(super) grants: BTreeMap<String, Grant>,
    pub(super) sockets: BTreeMap<String, Socket>,
    /// On a host, the paths of the sockets.
    pub(super) sockets_there: BTreeMap<String, String>,
    /// What its programs get; on a host beside what a login gives there.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// On a host, where its jobs are.
    pub(super) jobs: Option<There>,
    /// Those of its agents whose program is there.
    pub(super) installed: BTreeSet<String>,
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
            files: backend.files.clone(),
            grants,
            sockets,
            sockets_there: BTreeMap::new(),
            environment: backend.environment(),
            jobs: None,
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
        let found = found.map_err(|fault| told(&fault))?;
        if let Some(off) = clock(&found) {
            let name = &host.written.name;
            tracing::warn!(
                "the clock of the host {name} is off by {off:.0?}: set one of the two, as times of sessions differ"
            );
        }
        let mut site = Site {
            backend,
            host: &host.written.name,
            found,
            programs: asked.programs,
        };
        let (directories, files) = (site.directories()?, site.folders());
        site.check_places(&directories, &files)?;
        let installed = setup.agents_of(backend).filter(|(_, agent)| {
            let needs = agent.requires.as_ref().map(|program| &program.written);
            needs.is_none_or(|program| matches!(site.program(program), Some(Program::Here(_))))
        });
        let installed = installed.map(|(name, _)| name.clone()).collect();
        // Nothing is made there before everything is found to be as it must be.
        let mut grants = site.grants()?;
        versions(&way, &around, until, &grants, &host.written.name).await?;
        let data = data.clone();
        let installation = tokio::task::spawn_blocking(move || data.installation()).await??;
        let own = own_folder(&way, until, backend, &installation).await?;
        if let Some(own) = &own {
            grants.values_mut().try_for_each(|grant| site.fill(grant, own))?;
        }
        let with_socket = grants.iter().filter(|(_, grant)| grant.socket.is_some());
        let sockets_there = own.iter().flat_map(|own| {
            let path = |(name, grant): (&String, &Grant)| (name.clone(), socket_path(own, grant));
            with_socket.clone().map(path)
        });
        let sockets_there = sockets_there.collect();
        let jobs = There::new(On {
            label: host.written.name.clone(),
            way: way.clone(),
            installation,
            keep: around.environment.clone(),
            paths: around.path.clone(),
        });
        Ok(Self {
            environment: variables(&around),
            machine: Machine::Host(machine::Host::new(&host.written.name, way, around)),
            home: Some(std::mem::take(&mut site.found.home)),
            directories: Directories::there(&backend.written.name, &directories, &files),
            files,
            grants,
            sockets: BTreeMap::new(),
            sockets_there,
            jobs: Some(jobs),
            installed,
        })
    }
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

/// A fault as clients may read it; the log has all of it.
fn told(fault: &Fault) -> anyhow::Error {
    if let Fault::Unopened(why) = fault {
        tracing::info!("{why}");
    }
    anyhow!("{}", machine::for_clients(fault))
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

/// What was found on a host for one backend.
pub(super) struct Site<'a> {
    pub(super) backend: &'a Granted,
    pub(super) host: &'a str,
    pub(super) found: Found,
    /// The programs that were looked for, in the order of those that were found.
    pub(super) programs: Vec<String>,
}

impl Site<'_> {
    pub(super) fn program(&self, written: &str) -> Option<&Program> {
        let at = self.programs.iter().position(|program| program == written)?;
        self.found.programs.get(at)
    }

    /// The granted directories, without links.
    fn directories(&self) -> anyhow::Result<Vec<PathBuf>> {
        self.each_directory().collect()
    }

    /// Each of them, or what is wrong with it.
    pub(super) fn each_directory(&self) -> impl Iterator<Item = anyhow::Result<PathBuf>> {
        let (host, name) = (self.host, &self.backend.written.name);
        let found = self.backend.directories.iter().zip(&self.found.directories);
        found.map(move |(written, place)| {
            let shown = written.display();
            match place {
                Place::There(path) => Ok(PathBuf::from(path)),
                Place::Missing => Err(anyhow!(
                    "{shown}, of `directories` in [backends.{name}], does not exist on the host {host}: make it there with \
                     `mkdir -p {}`",
                    in_home(written)
                )),
                Place::Occupied => Err(anyhow!(
                    "{shown}, of `directories` in [backends.{name}], is not a directory on the host {host}: name the \
                     directory that holds it"
                )),
                Place::Unreadable => Err(anyhow!(
                    "{shown}, of `directories` in [backends.{name}], cannot be entered on the host {host}: correct its \
                     permissions there"
                )),
            }
        })
    }

    /// As on this machine, no directory or folder holds what is berth's own, or everything, or belongs to the system.
    fn check_places(&self, directories: &[PathBuf], files: &[Folder]) -> anyhow::Result<()> {
        let own = Path::new(&self.found.state).join("berth");
        for path in directories.iter().chain(files.iter().map(|folder| &folder.under)) {
            let fault = match () {
                () if path.parent().is_none() => "is the root directory, which holds everything",
                () if ["/proc", "/sys", "/dev"].iter().any(|system| path.starts_with(system)) => {
                    "is where the system shows itself as files"
                }
                () if own.starts_with(path) || path.starts_with(&own) => {
                    "holds the folder of berth's own, or lies in it"
                }
                () => continue,
            };
            bail!(
                "{:?}, granted in [backends.{}], {fault} on the host {}: name a directory of your projects there",
                text::short_line(&path.to_string_lossy(), SAID),
                self.backend.written.name,
                self.host
            );
        }
        Ok(())
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
        if grant.socket.is_some() && socket.len() > SOCKET {
            bail!(
                "the path of the socket {socket} on the host {} is longer than {SOCKET} bytes: set XDG_STATE_HOME there to a \
                 shorter directory",
                self.host
            );
        }
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
                 write where it is as `path` in {table}"
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
        version.len() <= 32 && version.bytes().all(plain)
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
) -> anyhow::Result<Option<String>> {
    let grants = || backend.programs.values();
    if grants().all(|grant| grant.conf.is_none() && grant.socket.is_none()) {
        return Ok(None);
    }
    let files = grants().filter_map(|grant| Some((conf_name(grant), grant.conf.as_deref()?)));
    let files: Vec<_> = files.collect();
    let own = sh::own(way, until, installation, &files).await;
    own.map(Some).map_err(|fault| told(&fault))
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
        let said = match told.map_err(|fault| self::told(&fault))? {
            Ended::Finished(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ended::TimedOut(after) => {
                bail!("`{program}` on the host {host} did not tell its version within {after:.0?}")
            }
        };
        if let Some(fault) = version_fault(program, least, &said, host) {
            return Err(fault);
        }
    }
    Ok(())
}

/// What is wrong where a program that must be of the version `least` says something older of itself.
pub(super) fn version_fault(program: &str, least: &str, said: &str, host: &str) -> Option<anyhow::Error> {
    let is_old = text::version(said).is_some_and(|found| Some(found) < text::version(least));
    is_old.then(|| {
        anyhow!(
            "`{program}` on the host {host} is older than {least}, the least version with which it works: install a newer \
             one there; it says: {:?}",
            text::short_line(said, SAID)
        )
    })
}
