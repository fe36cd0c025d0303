//! The key of a host, as the host itself shows it, asked for on the same way as every connection and without logging in.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::said::{offending, own};
use super::{askpass, known_hosts, ssh_config};
use crate::machine::child::{Ended, Start, run};

/// The name of who asks, instead of a backend.
const ASKS: &str = "hosts";
/// Bytes that are kept of what ssh says.
const OUTPUT: u64 = 64 << 10;
/// How much longer than a connection the answer may take: hosts that are jumped over take their time too.
const LONGER: u32 = 3;

/// What holds whatever the operator's configuration says.
const FIXED: [&str; 16] = [
    "StrictHostKeyChecking=accept-new",
    "PreferredAuthentications=none",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "VerifyHostKeyDNS=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "Tunnel=no",
    "LogLevel=ERROR",
    "BatchMode=yes",
];

/// How a host is asked. It has no `Debug`, since that would show a secret.
pub struct KeyQuestion<'a> {
    /// The program ssh.
    pub ssh: &'a Path,
    /// This program, which ssh asks for a passphrase.
    pub berth: &'a Path,
    /// Of the key to log in with, which may be the way past a host that is jumped over.
    pub passphrase: Option<&'a str>,
    /// Where it goes. It is not an option.
    pub destination: &'a str,
    /// The port there, if it is not the one that ssh finds.
    pub port: Option<u16>,
    /// The file with the keys that are trusted; it need not exist.
    pub known_hosts: &'a Path,
    /// How long a connection may take.
    pub within: Duration,
    /// The home directory of the operator, whose ssh configuration counts.
    pub home: &'a Path,
    /// A folder that does not exist, in one of this user's alone. It exists while the host is asked.
    pub folder: PathBuf,
}

/// What a host showed.
#[derive(Debug, PartialEq, Eq)]
pub enum HostKey {
    /// A key for a host of which none is known: the line for a file of trusted keys.
    New(String),
    /// One that is trusted.
    Trusted,
    /// Another one than that which is trusted: the line and the file of that, if ssh says it.
    Changed(Option<(u64, PathBuf)>),
    /// None, with what ssh says, which holds text of others.
    None(String),
}

impl KeyQuestion<'_> {
    /// Asks the host.
    ///
    /// # Errors
    /// If ssh cannot be started, the folder cannot be made, or others may write what is trusted.
    pub async fn ask(&self) -> io::Result<HostKey> {
        let usual = self.home.join(".ssh/known_hosts");
        known_hosts::check(&[self.known_hosts, &usual]).map_err(io::Error::other)?;
        let folder = Folder::make(&self.folder)?;
        let (config, shown) = (folder.0.join("config"), folder.0.join("key"));
        fs::write(&config, self.config()?)?;
        let (options, port) = (self.options(&shown)?, self.port.map(|port| port.to_string()));
        let mut args = vec!["-F", utf8(&config)?, "-T"];
        args.extend(options.iter().flat_map(|option| ["-o", option]));
        args.extend(port.iter().flat_map(|port| ["-p", port]));
        args.extend(["--", self.destination, "true"]);
        let environment: Vec<_> = std::env::vars_os().collect();
        let asks = askpass::environment(utf8(self.berth)?, self.passphrase.unwrap_or_default());
        let asks = asks.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let ended = run(Start {
            backend: ASKS,
            program: self.ssh,
            args,
            environment: &environment,
            added: &asks,
            directory: None,
            stdin: Vec::new(),
            deadline: Instant::now() + self.within * LONGER,
            output: OUTPUT,
            lingers: false,
        })
        .await?;
        let line = match fs::read_to_string(&shown) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read?),
        };
        Ok(judged(line, &ended, self.known_hosts))
    }

    /// What ssh reads, here and where it jumps over a host: as for every connection nothing is asked but the passphrase of a
    /// key, and one file has the keys that are trusted. Otherwise the operator's own configuration counts.
    fn config(&self) -> io::Result<String> {
        let home = utf8(self.home)?;
        Ok(format!(
            "{}StrictHostKeyChecking yes\nLogLevel ERROR\nUserKnownHostsFile \"{home}/.ssh/known_hosts\"\n\
             Include \"{home}/.ssh/config\"\nInclude /etc/ssh/ssh_config\n",
            ssh_config::ASKS
        ))
    }

    /// What holds for this host alone, and for none that is jumped over: a key that nobody knows goes to `shown`, and no way
    /// to log in is tried.
    fn options(&self, shown: &Path) -> io::Result<Vec<String>> {
        let quoted = |path: &Path| Ok::<_, io::Error>(format!("\"{}\"", utf8(path)?.replace('%', "%%")));
        let (shown, known) = (quoted(shown)?, quoted(self.known_hosts)?);
        let mut options = vec![
            format!("UserKnownHostsFile={shown} {known}"),
            format!("ConnectTimeout={}", self.within.as_secs().max(1)),
        ];
        options.extend(FIXED.map(str::to_owned));
        Ok(options)
    }
}

/// What came of it: the line that ssh wrote, otherwise what it says.
fn judged(line: Option<String>, ended: &Ended, known_hosts: &Path) -> HostKey {
    let output = match ended {
        Ended::Finished(output) => output,
        Ended::TimedOut(after) => return HostKey::None(format!("it did not answer within {after:.0?}")),
    };
    let line = line.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    if let Some(line) = line {
        return HostKey::New(line);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let is_said = |line: &&str| !line.is_empty() && !line.starts_with(askpass::TOLD);
    let all = || said.lines().map(str::trim).filter(is_said);
    let said: Vec<&str> = own(all()).collect();
    if said.iter().any(|line| line.contains("IDENTIFICATION HAS CHANGED")) {
        let known = [known_hosts.to_owned()];
        return HostKey::Changed(said.iter().find_map(|line| offending(line, &known)));
    }
    let first = all().next().unwrap_or("nothing");
    // No way to log in was tried, so this is how a host ends that was trusted. If one that is jumped over says it, more
    // follows.
    let refused =
        output.status == Some(255) && said.last().is_some_and(|line| is_refusal(line)) && said.len() == all().count();
    match refused || output.status == Some(0) {
        true => HostKey::Trusted,
        false => HostKey::None(first.to_owned()),
    }
}

/// Whether ssh says in this line that no way to log in is left: `USER@HOST: Permission denied (WAYS).`
fn is_refusal(line: &str) -> bool {
    let parts = line.split_once(": Permission denied (");
    parts.is_some_and(|(who, ways)| who.contains('@') && !who.contains(char::is_whitespace) && ways.ends_with(")."))
}

fn utf8(path: &Path) -> io::Result<&str> {
    let plain = |text: &&str| !text.contains(['"', '\n']);
    path.to_str().filter(plain).ok_or_else(|| {
        let message = format!(
            "{} holds a character that a configuration of ssh cannot hold",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

/// A folder that is there for a moment.
struct Folder(PathBuf);

impl Folder {
    fn make(path: &Path) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::child::Output;

    fn ended(status: i32, said: &str) -> Ended {
        Ended::Finished(Output {
            status: Some(status),
            signal: None,
            stdout: Vec::new(),
            stderr: said.into(),
            truncated: false,
        })
    }

    fn judged(line: Option<String>, ended: &Ended) -> HostKey {
        super::judged(line, ended, Path::new("/home/me/.ssh/known_hosts"))
    }

    #[test]
    fn only_a_line_that_ssh_wrote_is_a_new_key() {
        let denied = "me@mac: Permission denied (publickey).\r\n";
        let line = "mac ssh-ed25519 AAAA";
        let new = judged(Some(format!("{line}\n")), &ended(255, denied));
        assert_eq!(new, HostKey::New(line.into()));
        assert_eq!(judged(None, &ended(255, denied)), HostKey::Trusted);
        assert_eq!(judged(Some("\n".into()), &ended(0, "")), HostKey::Trusted);
        let changed = "@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
                       Offending ED25519 key in /home/me/.ssh/known_hosts:7\r\nHost key verification failed.\r\n";
        let place = HostKey::Changed(Some((7, "/home/me/.ssh/known_hosts".into())));
        assert_eq!(judged(None, &ended(255, changed)), place);
        let none = judged(
            None,
            &ended(255, "\r\nssh: connect to host mac port 22: Connection refused\r\n\r\n"),
        );
        assert_eq!(
            none,
            HostKey::None("ssh: connect to host mac port 22: Connection refused".into())
        );
        assert_eq!(judged(None, &ended(255, "")), HostKey::None("nothing".into()));
        for liar in [
            format!("Received disconnect from 127.0.0.1 port 22:2: \n{denied}"),
            format!("Received disconnect from 127.0.0.1 port 22:2: x\r\n{changed}"),
            format!("{denied}Disconnected from 127.0.0.1 port 22\r\n"),
            "Bad remote protocol version identification: 'me@mac: Permission denied (publickey).'".to_owned(),
        ] {
            assert!(matches!(judged(None, &ended(255, &liar)), HostKey::None(_)), "{liar}");
        }
        let jump = "me@jump: Permission denied (publickey).\r\nkex_exchange_identification: Connection closed by remote host\n";
        let none = HostKey::None("me@jump: Permission denied (publickey).".into());
        assert_eq!(judged(None, &ended(255, jump)), none, "that is not the host");
        let late = judged(None, &Ended::TimedOut(Duration::from_secs(30)));
        assert_eq!(late, HostKey::None("it did not answer within 30s".into()));
    }
}
