//! The connections to hosts, each made once and used by every backend that is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::join_all;
use tokio::sync::watch;

use super::hosts::Host;
use super::programs::SearchPath;
use crate::machine::{Link, OpenSsh, Trouble, Ways, What, remove_unused};
use crate::store::DataDirectory;

/// Bytes of the path of a folder for sockets.
const FOLDER: usize = 69;
/// Characters after a dot that tell it from one that another user has made.
const RANDOM: usize = 8;

/// The connections to hosts. They last as long as this.
pub struct Links {
    data: DataDirectory,
    made: Mutex<Vec<(Ways, Link)>>,
    /// Told when hosts that could not be reached were tried again.
    tried: watch::Sender<()>,
}

impl Links {
    /// None is made yet. `data` holds the sockets, or a folder of this user's alone with a shorter path. What a berth left there
    /// that was killed is removed.
    pub fn new(data: &DataDirectory) -> Self {
        remove_left(&std::env::temp_dir());
        Self {
            data: data.clone(),
            made: Mutex::default(),
            tried: watch::Sender::new(()),
        }
    }

    /// The connection to `host`, which is not made before it is used.
    ///
    /// # Errors
    /// This machine has not what it takes, with the fix.
    pub fn to(&self, host: &Host) -> anyhow::Result<Link> {
        let ways = ways(host);
        let mut made = self.made();
        if let Some((_, link)) = made.iter().find(|(known, _)| *known == ways) {
            return Ok(link.clone());
        }
        let link = Link::new(&self.openssh(&ways.host)?, &ways)?;
        made.push((ways, link.clone()));
        Ok(link)
    }

    /// Leaves hosts that are not among `hosts`, or are reached in another way now. A connection ends with the last who uses it.
    pub fn keep(&self, hosts: &BTreeMap<String, Host>) {
        let is_kept = |known: &Ways| hosts.get(&known.host).is_some_and(|host| ways(host) == *known);
        self.made().retain(|(known, _)| is_kept(known));
    }

    /// Tries at once those hosts again that could not be reached, whatever time they would be left alone, and waits until
    /// it is known how that went.
    pub async fn try_again(&self) {
        let failed: Vec<_> = self
            .made()
            .iter()
            .filter(|(_, link)| link.has_failed())
            .cloned()
            .collect();
        let tried = failed
            .into_iter()
            .map(|(ways, link)| async move { link.connect(Instant::now() + ways.connect_timeout).await });
        // Who uses one next is told why it failed.
        join_all(tried).await;
        self.tried.send_replace(());
    }

    /// Leaves those hosts that do not answer within that time: nobody waits for them any more. What runs there does not notice.
    pub async fn leave_silent(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let links: Vec<Link> = self.made().iter().map(|(_, link)| link.clone()).collect();
        let leave = |link: Link| async move {
            if !link.answers(deadline).await {
                link.close().await;
            }
        };
        join_all(links.into_iter().map(leave)).await;
    }

    /// The hosts that could not be reached when they were tried last.
    pub fn failed(&self) -> BTreeSet<String> {
        let made = self.made();
        let failed = made.iter().filter(|(_, link)| link.has_failed());
        failed.map(|(ways, _)| ways.host.clone()).collect()
    }

    /// Changes when hosts were tried again because somebody has reason to believe that they can be reached.
    pub(super) fn tried(&self) -> watch::Receiver<()> {
        self.tried.subscribe()
    }

    /// How many sessions are in use on each connection that there is, by the name of its host.
    pub fn sessions_in_use(&self) -> BTreeMap<String, usize> {
        let made = self.made();
        let connected = made.iter().filter(|(_, link)| link.is_connected());
        connected
            .map(|(ways, link)| (ways.host.clone(), link.sessions_in_use()))
            .collect()
    }

    /// What the operator's own terminal runs to show `words` on `host`: a program, and its arguments.
    ///
    /// # Errors
    /// As [`Self::to`].
    pub(super) fn terminal(
        &self,
        host: &Host,
        words: &[String],
        backend: &str,
    ) -> anyhow::Result<(PathBuf, Vec<String>)> {
        Ok(Link::terminal(
            &self.openssh(&host.written.name)?,
            &ways(host),
            words,
            backend,
        )?)
    }

    fn made(&self) -> MutexGuard<'_, Vec<(Ways, Link)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn openssh(&self, host: &str) -> anyhow::Result<OpenSsh> {
        let home = etcetera::home_dir().context("the home directory is not known: set HOME")?;
        let ssh = SearchPath::of_process().first("ssh");
        Ok(OpenSsh {
            program: ssh.ok_or_else(|| Trouble {
                host: host.to_owned(),
                what: What::NoSsh("ssh".into()),
                again: None,
            })?,
            berth: std::env::current_exe().context("the path of this program cannot be found")?,
            configs: vec![ssh_config(&home), PathBuf::from("/etc/ssh/ssh_config")],
            known_hosts: known_hosts(&home),
            folder: self.folder().context("no folder for the sockets of ssh can be made")?,
        })
    }

    /// A folder for sockets, whose path has to be short.
    fn folder(&self) -> io::Result<PathBuf> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        folder_in(&self.data.path().join("ssh"), runtime.as_deref(), &std::env::temp_dir())
    }
}

impl Drop for Links {
    /// What was made where others make files as well is removed, unless another berth uses it.
    fn drop(&mut self) {
        self.made().clear();
        remove_empty(&std::env::temp_dir());
    }
}

/// The operator's own configuration of ssh, by their home directory. It need not exist.
pub(super) fn ssh_config(home: &Path) -> PathBuf {
    home.join(".ssh/config")
}

/// The same of the file of trusted keys that counts where none is named.
pub(super) fn known_hosts(home: &Path) -> PathBuf {
    home.join(".ssh/known_hosts")
}

/// `own` if it is short enough, otherwise one in `runtime`, if that is a folder of this user's, otherwise one in `shared`, where
/// others make files as well.
fn folder_in(own: &Path, runtime: Option<&Path>, shared: &Path) -> io::Result<PathBuf> {
    let is_short = |path: &Path, most: usize| path.as_os_str().len() <= most;
    if is_short(own, FOLDER) {
        return make_own(own).map(|()| own.to_owned());
    }
    let runtime = runtime
        .filter(|runtime| is_ours(runtime))
        .map(|runtime| runtime.join("berth"));
    if let Some(folder) = runtime.filter(|folder| is_short(folder, FOLDER) && make_own(folder).is_ok()) {
        return Ok(folder);
    }
    let folder = Some(usual_in(shared)).filter(|path| is_short(path, FOLDER - 1 - RANDOM));
    let folder = folder.ok_or_else(|| io::Error::other("TMPDIR is too long: set it to a shorter path"))?;
    if make_own(&folder).is_ok() {
        return Ok(folder);
    }
    // Another user may have taken that name.
    if let Some(folder) = others_in(shared).into_iter().next() {
        return Ok(folder);
    }
    let random = crate::store::random_token().map_err(io::Error::other)?;
    let folder = folder.with_extension(&random[..RANDOM.min(random.len())]);
    make_own(&folder).map(|()| folder)
}

fn usual_in(shared: &Path) -> PathBuf {
    shared.join(format!("berth-{}", rustix::process::geteuid().as_raw()))
}

/// The folders of this user's in `shared` that have another name than the usual one.
fn others_in(shared: &Path) -> Vec<PathBuf> {
    let begin = format!("berth-{}.", rustix::process::geteuid().as_raw());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(&begin) && name.len() == begin.len() + RANDOM) && is_ours(path)
    };
    let entries = std::fs::read_dir(shared).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    found.sort();
    found
}

/// Removes what a berth left in `shared` that was killed, and folders of which none is used.
fn remove_left(shared: &Path) {
    for folder in others_in(shared)
        .iter()
        .chain(Some(&usual_in(shared)).filter(|usual| is_ours(usual)))
    {
        remove_unused(folder);
    }
    remove_empty(shared);
}

fn remove_empty(shared: &Path) {
    for folder in others_in(shared) {
        // One in which something is stays.
        let _ = std::fs::remove_dir(folder);
    }
}

/// Makes `folder`, or finds it to be this user's alone.
fn make_own(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io::Error::new(error.kind(), format!("{}: {error}", folder.display())));
        }
        _ => {}
    }
    match is_ours(folder) {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{} does not belong to you alone: move it away",
            folder.display()
        ))),
    }
}

/// Whether it is a folder of this user's alone.
fn is_ours(folder: &Path) -> bool {
    let ours = |found: &Metadata| found.uid() == rustix::process::geteuid().as_raw();
    std::fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && ours(&found) && found.mode() & 0o077 == 0)
}

impl Host {
    /// Whether it is reached in the same way as `other`.
    pub fn is_reached_as(&self, other: &Self) -> bool {
        ways(self) == ways(other)
    }
}

fn ways(host: &Host) -> Ways {
    let written = &host.written;
    Ways {
        host: written.name.clone(),
        destination: written.destination.clone(),
        port: written.port,
        identity_file: written.identity_file.clone(),
        known_hosts: written.known_hosts.clone(),
        connect_timeout: written.connect_timeout,
        keepalive: written.keepalive,
        sessions: written.sessions,
        passphrase: host.passphrase().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// What somebody else put at the place of the folder, who must not get the sockets.
    type Taken = fn(&Path);

    fn is_own(folder: &Path) -> bool {
        let found = fs::symlink_metadata(folder).unwrap();
        found.is_dir() && found.mode() & 0o777 == 0o700 && found.uid() == rustix::process::geteuid().as_raw()
    }

    #[test]
    fn a_folder_for_sockets_that_another_user_has_taken_is_not_used() {
        let open: Taken = |path| {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        };
        let file: Taken = |path| fs::write(path, "").unwrap();
        let link: Taken = |path| {
            let to = path.with_file_name("theirs");
            DirBuilder::new().mode(0o700).create(&to).unwrap();
            symlink(to, path).unwrap();
        };
        let dangling: Taken = |path| symlink("nowhere", path).unwrap();
        let long = Path::new("/").join("x".repeat(FOLDER));
        for taken in [open, file, link, dangling] {
            let shared = tempfile::tempdir().unwrap();
            let user = rustix::process::geteuid().as_raw();
            let usual = shared.path().join(format!("berth-{user}"));
            taken(&usual);
            let folder = folder_in(&long, None, shared.path()).unwrap();
            let name = folder.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with(&format!("berth-{user}.")) && name.len() > 12, "{name}");
            assert!(folder != usual && is_own(&folder));
            assert_eq!(
                folder_in(&long, None, shared.path()).unwrap(),
                folder,
                "it is used again"
            );
            assert!(!shared.path().join("nowhere").exists());
            let theirs = fs::read_dir(shared.path().join("theirs"));
            assert_eq!(theirs.into_iter().flatten().count(), 0);
        }
    }

    #[test]
    fn the_usual_folder_for_sockets_is_used_again_and_one_of_our_own_comes_first() {
        let shared = tempfile::tempdir().unwrap();
        let own = shared.path().join("data");
        assert_eq!(folder_in(&own, None, shared.path()).unwrap(), own);
        assert!(is_own(&own));
        let long = Path::new("/").join("x".repeat(FOLDER));
        let usual = folder_in(&long, None, shared.path()).unwrap();
        assert_eq!(folder_in(&long, None, shared.path()).unwrap(), usual);
        assert!(is_own(&usual));
        // What is this user's own and open to others is theirs to correct.
        fs::set_permissions(&own, Permissions::from_mode(0o755)).unwrap();
        let refused = folder_in(&own, None, shared.path()).unwrap_err();
        assert!(
            refused.to_string().contains("does not belong to you alone"),
            "{refused}"
        );
    }

    #[test]
    fn a_runtime_folder_that_is_not_there_or_not_this_users_alone_is_passed_over() {
        let shared = tempfile::tempdir().unwrap();
        let long = Path::new("/").join("x".repeat(FOLDER));
        let (missing, runtime) = (shared.path().join("missing"), shared.path().join("runtime"));
        let usual = usual_in(shared.path());
        assert_eq!(folder_in(&long, Some(&missing), shared.path()).unwrap(), usual);
        assert!(!missing.exists());
        fs::create_dir(&runtime).unwrap();
        for (mode, folder) in [(0o777, usual.clone()), (0o755, usual), (0o700, runtime.join("berth"))] {
            fs::set_permissions(&runtime, Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                folder_in(&long, Some(&runtime), shared.path()).unwrap(),
                folder,
                "{mode:o}"
            );
        }
    }

    #[test]
    fn what_a_killed_berth_left_among_the_files_of_others_is_removed_and_what_is_used_stays() {
        let shared = tempfile::tempdir().unwrap();
        let usual = usual_in(shared.path());
        let named = |end: &str| usual.with_extension(end);
        for folder in [usual.clone(), named("left5678"), named("used5678"), named("short")] {
            make_own(&folder).unwrap();
        }
        for left in [usual.join("01abcdef"), named("left5678").join("01abcdef")] {
            fs::create_dir(&left).unwrap();
            fs::write(left.join("config"), "x").unwrap();
        }
        let used = named("used5678").join("01abcdef");
        fs::create_dir(&used).unwrap();
        let held = fs::File::open(&used).unwrap();
        held.try_lock().unwrap();
        remove_left(shared.path());
        let mut names: Vec<_> = fs::read_dir(shared.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        assert_eq!(names, [usual.clone(), named("short"), named("used5678")]);
        assert!(used.exists() && fs::read_dir(usual).unwrap().next().is_none());
    }
}
