//! A real sshd on a free port of 127.0.0.1, with keys, settings and a home of its own. It ends, with everything that runs
//! on it, when it is dropped. Nothing reads the operator's own `~/.ssh`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    dead_code,
    unused_imports,
    reason = "each test binary that includes this uses some of it, and starts its own sshd"
)]

mod relay;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

pub(crate) use self::relay::Relay;

/// How long anything here may take.
const LATEST: Duration = Duration::from_secs(60);

/// A machine that is this one.
pub(crate) struct Sshd {
    folder: TempDir,
    home: PathBuf,
    port: u16,
    daemon: Option<Child>,
}

impl Sshd {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// The same with another home directory than its own.
    pub(crate) fn at_home(home: &Path) -> Self {
        Self::made(Some(home), "")
    }

    /// Both of these: another home directory, and further lines of `sshd_config`.
    pub(crate) fn at_home_with(home: &Path, settings: &str) -> Self {
        Self::made(Some(home), settings)
    }

    /// The same with further lines of `sshd_config`.
    pub(crate) fn with(settings: &str) -> Self {
        Self::made(None, settings)
    }

    fn made(home: Option<&Path>, settings: &str) -> Self {
        let folder = TempDir::new().unwrap();
        key(&folder.path().join("host_key"), "");
        key(&folder.path().join("user_key"), "");
        fs::copy(
            folder.path().join("user_key.pub"),
            folder.path().join("authorized_keys"),
        )
        .unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        if geteuid().is_root() {
            // Where it separates what it need not be root for; only the system's service makes it.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut sshd = Self {
            home: home.map_or_else(|| folder.path().join("home"), Path::to_owned),
            folder,
            port: 0,
            daemon: None,
        };
        fs::write(sshd.path("settings"), settings).unwrap();
        // Between the look for a free port and its use another process may take it.
        for _ in 0..20 {
            sshd.port = TcpListener::bind(("127.0.0.1", 0))
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            if sshd.try_start() {
                sshd.trust();
                return sshd;
            }
        }
        panic!("sshd does not start: {}", fs::read_to_string(sshd.path("log")).unwrap());
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// A file of its folder: `user_key`, which it lets in, `known_hosts` with its key, `home`, `log`.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// This user there.
    pub(crate) fn destination(&self) -> String {
        format!("{}@127.0.0.1", user())
    }

    /// How many sessions there were on it since it was started.
    pub(crate) fn sessions(&self) -> usize {
        let log = fs::read_to_string(self.path("log")).unwrap();
        log.lines().filter(|line| line.contains("Starting session:")).count()
    }

    /// The line of a file of trusted keys for it.
    pub(crate) fn known(&self) -> String {
        let key = fs::read_to_string(self.path("host_key.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// Shows another key from now on; the file of trusted keys keeps the former one.
    pub(crate) fn change_key(&mut self) {
        self.stop();
        fs::remove_file(self.path("host_key")).unwrap();
        key(&self.path("host_key"), "");
        self.restart();
    }

    /// A key that it lets in, and that has `passphrase`.
    pub(crate) fn key_with(&self, passphrase: &str) -> PathBuf {
        let path = self.path("key with passphrase");
        key(&path, passphrase);
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let mut keys = fs::read_to_string(self.path("authorized_keys")).unwrap();
        keys.push_str(&public);
        fs::write(self.path("authorized_keys"), keys).unwrap();
        path
    }

    /// Kills it and everything that runs on it.
    pub(crate) fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        let listener = daemon.id();
        // First the listener, so that nothing new begins.
        let all = descendants(listener);
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        all.into_iter().for_each(kill);
    }

    /// Starts it again as it was.
    pub(crate) fn restart(&mut self) {
        let latest = Instant::now() + LATEST;
        while !self.try_start() {
            assert!(Instant::now() < latest, "sshd does not start again");
        }
    }

    fn trust(&self) {
        fs::write(self.path("known_hosts"), self.known()).unwrap();
    }

    /// Whether it runs and answers at its port.
    fn try_start(&mut self) -> bool {
        let config = self.path("sshd_config");
        fs::write(&config, self.config()).unwrap();
        let log = fs::File::create(self.path("log")).unwrap();
        let mut daemon = Command::new(program())
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let latest = Instant::now() + LATEST;
        while Instant::now() < latest {
            if daemon.try_wait().unwrap().is_some() {
                return false;
            }
            if greets(self.port) {
                self.daemon = Some(daemon);
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        false
    }

    fn config(&self) -> String {
        let path = |name| self.path(name).display().to_string();
        let mut config = format!(
            "ListenAddress 127.0.0.1\nPort {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\nUseDNS no\nPrintMotd no\n\
             LogLevel VERBOSE\n\
             SetEnv HOME={} LANG=C.UTF-8\n{}\n",
            self.port,
            path("host_key"),
            path("authorized_keys"),
            self.home.display(),
            fs::read_to_string(self.path("settings")).unwrap(),
        );
        // Newer ones shut out who is refused often, as tests are.
        let penalties = "PerSourcePenalties no";
        let knows = Command::new(program())
            .args(["-T", "-f", "/dev/null", "-h"])
            .arg(self.path("host_key"))
            .args(["-o", penalties])
            .output();
        if knows.unwrap().status.success() {
            config.push_str(penalties);
            config.push('\n');
        }
        config
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The line that makes `shell` the shell of every login.
pub(crate) fn login_shell(shell: &Path) -> String {
    format!("ForceCommand {} -c \"$SSH_ORIGINAL_COMMAND\"", shell.display())
}

/// The line of a login in `home` which takes a request and never answers it if a line of that has what stands in the file
/// [`HANGS`] there, for as long as that file is there.
pub(crate) fn login_that_hangs(home: &Path) -> String {
    let (shell, hangs) = (home.join("login-shell"), home.join(HANGS));
    let hangs = hangs.display();
    let text = format!(
        "#!/bin/sh\n[ -e '{hangs}' ] || exec /bin/sh \"$@\"\nrequest=$(mktemp) || exit 1\ncat >\"$request\"\n\
         if grep -q -f '{hangs}' \"$request\"; then\nrm \"$request\"\nwhile [ -e '{hangs}' ]; do sleep 0.1; done\nexit 1\nfi\n\
         exec <\"$request\"\nrm \"$request\"\nexec /bin/sh -s\n"
    );
    fs::write(&shell, text).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    login_shell(&shell)
}

/// The file that lets a [login hang](login_that_hangs).
pub(crate) const HANGS: &str = "hangs";

/// Where a program is that `setup.sh` installs.
pub(crate) fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .filter(|path| path.is_file());
    found
        .next()
        .unwrap_or_else(|| panic!("there is no {name}: run sh setup.sh"))
}

fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// Its program, which must be named by its whole path, and need not be on the PATH.
fn program() -> PathBuf {
    let usual = PathBuf::from("/usr/sbin/sshd");
    match usual.is_file() {
        true => usual,
        false => on_path("sshd"),
    }
}

fn key(path: &Path, passphrase: &str) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-C", "test", "-N", passphrase, "-f"])
        .arg(path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    stream.set_read_timeout(Some(LATEST)).unwrap();
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting).is_ok() && &greeting == b"SSH-"
}

fn kill(pid: u32) {
    if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// All that `pid` and its children started, as far as it has not left them.
fn descendants(pid: u32) -> BTreeSet<u32> {
    let said = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let pairs: Vec<(u32, u32)> = said
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect();
    let mut found = BTreeSet::from([pid]);
    loop {
        let more: Vec<u32> = pairs
            .iter()
            .filter(|(child, parent)| found.contains(parent) && !found.contains(child))
            .map(|(child, _)| *child)
            .collect();
        if more.is_empty() {
            found.remove(&pid);
            return found;
        }
        found.extend(more);
    }
}
