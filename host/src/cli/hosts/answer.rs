//! What a host answers when it is asked for its key, in words. Nobody logs in for that.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use berth::assemble::{self, SearchPath};
use berth::config::Host;
use berth::machine::{HostKey, KeyQuestion};
use berth::shell;
use berth::store::DataDirectory;
use berth::text::short_line;

/// Characters of what others say.
const SAID: usize = 200;

/// Asks `host`, for the operator whose home directory is `home`.
///
/// # Errors
/// If it cannot be asked, which says nothing of the host.
pub(super) async fn ask(found: &assemble::Host, home: &Path, data: &DataDirectory) -> anyhow::Result<HostKey> {
    let ssh = SearchPath::of_process().first("ssh");
    let host = &found.written;
    let question = KeyQuestion {
        ssh: &ssh.context("there is no program `ssh` on PATH: install OpenSSH")?,
        berth: &std::env::current_exe().context("the path of this program cannot be found")?,
        passphrase: found.passphrase(),
        destination: &host.destination,
        port: host.port,
        known_hosts: &known_hosts(host, home),
        within: host.connect_timeout,
        home,
        folder: data.path().join(format!("key-{}-{}", host.name, std::process::id())),
    };
    let answer = question.ask().await;
    answer.with_context(|| format!("{} cannot be asked for its key", host.name))
}

/// The file with the keys that are trusted for `host`.
pub(super) fn known_hosts(host: &Host, home: &Path) -> PathBuf {
    let named = host.known_hosts.clone();
    named.unwrap_or_else(|| home.join(".ssh/known_hosts"))
}

/// An answer in words, and what to do; nothing is to be done where the key is trusted.
pub(super) fn words(host: &Host, answer: &HostKey) -> (String, Option<String>) {
    let name = &host.name;
    let (what, fix) = match answer {
        HostKey::Trusted => return ("it answers, and its key is trusted".to_owned(), None),
        HostKey::New(_) => (
            "it answers, and its key is not trusted yet".to_owned(),
            format!("run: berth hosts trust {name}"),
        ),
        HostKey::Changed(place) => (
            "it shows another key than the one that is trusted: it was installed again, or it is another machine"
                .to_owned(),
            format!(
                "find out which; if it is the same machine, remove the old key{}, and run: berth hosts trust {name}",
                place.as_ref().map_or(String::new(), |(line, file)| {
                    format!(", line {line} of {}", shell::word(file))
                })
            ),
        ),
        HostKey::None(said) => (
            format!("it shows no key; ssh says: {:?}", short_line(said, SAID)),
            format!("see what `{}` does", by_hand(host)),
        ),
    };
    (what, Some(fix))
}

/// How a person goes there.
pub(super) fn by_hand(host: &Host) -> String {
    let destination = shell::word(&host.destination);
    match host.port {
        Some(port) => format!("ssh -p {port} {destination}"),
        None => format!("ssh {destination}"),
    }
}
