//! Other machines: what a call on a kept connection costs beside ssh by itself, and whether many at once are held up. The
//! hosts are real SSH servers on this machine.

#[path = "../../tests/sshd/mod.rs"]
pub(crate) mod sshd;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use berth::machine::{Link, OpenSsh, Ways};
use futures::future::try_join_all;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use self::sshd::Sshd;
use crate::measures::{Times, compared, milliseconds};
use crate::served::BERTH;
use crate::table::{Bound, Row};

/// How often each is measured.
const TIMES: usize = 100;
const ROUNDS: usize = 7;
/// Calls at once on one host.
const CALLS: usize = 50;
/// Hosts that are asked at once.
const HOSTS: usize = 10;
/// What is run there.
const PROGRAM: &str = "echo";
const WORD: &str = "hello";
/// How long anything may take before the measure is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// All rows.
pub(crate) async fn each() -> anyhow::Result<Vec<Row>> {
    let here = Here::new()?;
    let sshd = Sshd::start();
    let link = here.link(&sshd)?;
    let [warm, fresh] = here.beside_ssh(&link, &sshd).await?;
    Ok(vec![warm, fresh, many_calls(&link).await?, here.many_hosts().await?])
}

/// This machine's side.
struct Here {
    folder: TempDir,
}

impl Here {
    fn new() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        fs::DirBuilder::new().mode(0o700).create(folder.path().join("s"))?;
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn link(&self, sshd: &Sshd) -> anyhow::Result<Link> {
        let ssh = OpenSsh {
            program: sshd::on_path("ssh"),
            berth: BERTH.into(),
            configs: Vec::new(),
            known_hosts: sshd.path("known_hosts"),
            folder: self.path("s"),
        };
        let ways = Ways {
            host: "there".into(),
            destination: sshd.destination(),
            port: Some(sshd.port()),
            identity_file: Some(sshd.path("user_key")),
            known_hosts: None,
            connect_timeout: PATIENCE,
            keepalive: None,
            sessions: 8,
            passphrase: None,
        };
        Ok(Link::new(&ssh, &ways)?)
    }

    /// A call on a kept connection, and beside it the same command by `ssh`: over a master of its own, and afresh.
    async fn beside_ssh(&self, link: &Link, sshd: &Sshd) -> anyhow::Result<[Row; 2]> {
        let ssh = Ssh::to(sshd, self.path("config"), self.path("s/master"))?;
        let _master = ssh.master().await?;
        let (mut ours, mut shared, mut fresh) = (Times::default(), Times::default(), Times::default());
        // The first one connects.
        call(link, PROGRAM, WORD).await?;
        for _ in 0..TIMES {
            let began = Instant::now();
            ensure!(call(link, PROGRAM, WORD).await? == b"hello\n");
            ours.add(milliseconds(began));
            shared.add(ssh.call(true).await?);
            fresh.add(ssh.call(false).await?);
        }
        let p99 = ours.p99()?;
        let row = |what, theirs: Times, most| -> anyhow::Result<Row> {
            let (ours, theirs, ratio) = compared(ours.each(), theirs.each())?;
            Ok(Row {
                what,
                berth: format!("{ours:.1} ms"),
                p99: format!("{p99:.1} ms"),
                beside: format!("{theirs:.1} ms"),
                value: ratio,
                shown: format!("{ratio:.2}"),
                bound: Bound::AtMost(most, ""),
            })
        };
        Ok([
            row(
                "a program on a host, on the kept connection, beside `ssh` over OpenSSH's own master",
                shared,
                1.0,
            )?,
            row("the same beside `ssh` that connects afresh", fresh, 0.4)?,
        ])
    }

    /// Hosts of which each is slower than the one before it, all at once, and beside that the slowest one alone.
    async fn many_hosts(&self) -> anyhow::Result<Row> {
        let hosts: Vec<Sshd> = (0..HOSTS).map(|_| Sshd::start()).collect();
        let links = hosts
            .iter()
            .map(|host| self.link(host))
            .collect::<Result<Vec<_>, _>>()?;
        let seconds = |at: usize| format!("{}", (at + 1) as f64 / HOSTS as f64);
        try_join_all(links.iter().map(|link| call(link, PROGRAM, WORD))).await?;
        let slowest = links.last().context("there are hosts")?;
        let (mut all, mut alone) = (Times::default(), Times::default());
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let waits: Vec<String> = (0..HOSTS).map(seconds).collect();
            let calls = links.iter().zip(&waits).map(|(link, wait)| call(link, "sleep", wait));
            try_join_all(calls).await?;
            all.add(milliseconds(began));
            let began = Instant::now();
            call(slowest, "sleep", &seconds(HOSTS - 1)).await?;
            alone.add(milliseconds(began));
        }
        let (all, alone, ratio) = compared(all.each(), alone.each())?;
        Ok(Row {
            what: "ten hosts asked at once, beside the slowest of them alone",
            berth: format!("{all:.0} ms"),
            p99: String::new(),
            beside: format!("{alone:.0} ms"),
            value: ratio,
            shown: format!("{ratio:.2}"),
            bound: Bound::AtMost(1.1, ""),
        })
    }
}

/// Calls at once on one host, which all have to succeed.
async fn many_calls(link: &Link) -> anyhow::Result<Row> {
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let said = try_join_all((0..CALLS).map(|_| call(link, PROGRAM, WORD))).await?;
        times.add(milliseconds(began));
        ensure!(said.iter().all(|said| said == b"hello\n"), "a call was not answered");
    }
    let time = times.median()?;
    Ok(Row {
        what: "50 calls at once on one host, until the last one is answered",
        berth: format!("{time:.0} ms"),
        p99: format!("{:.0} ms", times.p99()?),
        beside: String::new(),
        value: time,
        shown: format!("{:.1} ms a call", time / CALLS as f64),
        bound: Bound::None,
    })
}

async fn call(link: &Link, program: &str, word: &str) -> anyhow::Result<Vec<u8>> {
    Ok(link.printed(program, &[word], Instant::now() + PATIENCE).await?)
}

/// OpenSSH with nothing around it.
struct Ssh {
    config: PathBuf,
    socket: PathBuf,
}

impl Ssh {
    fn to(sshd: &Sshd, config: PathBuf, socket: PathBuf) -> anyhow::Result<Self> {
        let destination = sshd.destination();
        let (user, host) = destination.split_once('@').context("it names a user")?;
        let quoted = |path: &Path| format!("\"{}\"", path.display());
        let text = format!(
            "Host there\nHostName {host}\nUser {user}\nPort {}\nIdentityFile {}\nIdentitiesOnly yes\nBatchMode yes\n\
             UserKnownHostsFile {}\nControlPath {}\n",
            sshd.port(),
            quoted(&sshd.path("user_key")),
            quoted(&sshd.path("known_hosts")),
            quoted(&socket),
        );
        fs::write(&config, text)?;
        Ok(Self { config, socket })
    }

    async fn master(&self) -> anyhow::Result<Child> {
        let mut command = self.command();
        let master = command.args(["-M", "-N", "there"]).kill_on_drop(true).spawn()?;
        let began = Instant::now();
        while !self.socket.exists() {
            ensure!(began.elapsed() < PATIENCE, "ssh does not connect");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(master)
    }

    /// Milliseconds of one call, over the master or with a connection of its own.
    async fn call(&self, shared: bool) -> anyhow::Result<f64> {
        let mut command = self.command();
        if !shared {
            command.args(["-S", "none"]);
        }
        command.args(["there", PROGRAM, WORD]);
        let began = Instant::now();
        let said = command.output().await?;
        let taken = milliseconds(began);
        ensure!(said.stdout == b"hello\n", "ssh failed: {said:?}");
        Ok(taken)
    }

    #[allow(clippy::disallowed_methods, reason = "a benchmark starts what it measures with")]
    fn command(&self) -> Command {
        let mut command = Command::new(sshd::on_path("ssh"));
        command.arg("-F").arg(&self.config).stdin(Stdio::null());
        command
    }
}
