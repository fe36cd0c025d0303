//! `berth hosts trust`: the key of a host, shown to a person and trusted if they say so.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use berth::assemble::{self, Texts};
use berth::config::{Host, Installation};
use berth::machine::HostKey;
use berth::owner::try_hosts;
use berth::principal::Principal;
use berth::store::audit::{Entry, Event};
use sha2::{Digest as _, Sha256};

use super::answer;
use crate::cli::{access, print};

#[derive(clap::Args)]
pub(super) struct Trust {
    /// The host, by its name in [hosts]
    name: String,
}

pub(super) async fn run(
    options: &Trust,
    path: Option<&Path>,
    installation: Installation<'_>,
) -> anyhow::Result<ExitCode> {
    super::ensure_person("berth hosts trust", super::WHERE)?;
    let texts = Texts::find(path, installation)?;
    let config = texts.config()?;
    let host = config.hosts.get(&options.name);
    let host = host.with_context(|| super::no_host(&options.name, config.hosts.keys()))?;
    let data = texts.data()?;
    let home = &texts.around().home;
    let line = match answer::ask(&assemble::Host::of(&config, host)?, home, &data).await? {
        HostKey::New(line) => line,
        HostKey::Trusted => {
            print::line(&format!(
                "The key of {} ({}) is trusted already.",
                host.name,
                host.machine()
            ));
            return Ok(ExitCode::SUCCESS);
        }
        other => {
            let (what, fix) = answer::words(host, &other);
            bail!(
                "{} ({}): {what}; {}",
                host.name,
                host.machine(),
                fix.unwrap_or_default()
            );
        }
    };
    show(host, &line)?;
    if !print::agrees("Is this the key of the host?")? {
        bail!("nothing was trusted, and berth does not talk to this host");
    }
    let mut audit = data.audit(false)?.with_grants(texts.layers().grants()?);
    audit.try_writing()?;
    let known_hosts = answer::known_hosts(host, home);
    append(&known_hosts, &line).with_context(|| format!("{} cannot be written", known_hosts.display()))?;
    let entry = Entry::at_door(Event::HostTrusted, Principal::local().id(), &host.name);
    access::note_unrecorded(audit.append(&[entry]));
    print::line(&format!(
        "Trusted: the key is in {} now.",
        print::safe(&known_hosts.display().to_string())
    ));
    try_hosts(&data.socket_path()).await;
    Ok(ExitCode::SUCCESS)
}

/// What a person compares.
fn show(host: &Host, line: &str) -> anyhow::Result<()> {
    let (kind, fingerprint) = fingerprint(line).context("ssh wrote a key that cannot be read")?;
    print::line(&format!("{} ({}) shows this key:\n", host.name, host.machine()));
    print::line(&format!("  {} {fingerprint}\n", print::safe(kind)));
    print::line("Compare it with what the host itself prints, at its own keyboard:\n");
    print::line(&format!("  ssh-keygen -lf /etc/ssh/{}\n", file_of(kind)));
    Ok(())
}

/// The kind of the key in a line of `known_hosts`, and its fingerprint as ssh shows it.
fn fingerprint(line: &str) -> Option<(&str, String)> {
    let mut fields = line.split_ascii_whitespace();
    let (_host, kind, key) = (fields.next()?, fields.next()?, fields.next()?);
    let digest = Sha256::digest(STANDARD.decode(key).ok()?);
    Some((kind, format!("SHA256:{}", STANDARD_NO_PAD.encode(digest))))
}

/// Where sshd has a key of this kind.
fn file_of(kind: &str) -> &'static str {
    match kind {
        "ssh-ed25519" => "ssh_host_ed25519_key.pub",
        "ssh-rsa" => "ssh_host_rsa_key.pub",
        kind if kind.starts_with("ecdsa-") => "ssh_host_ecdsa_key.pub",
        _ => "ssh_host_*_key.pub",
    }
}

/// Puts `line` at the end of a file of trusted keys.
fn append(file: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let before = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let between = match before.last() {
        None | Some(b'\n') => "",
        Some(_) => "\n",
    };
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    file.write_all(format!("{between}{line}\n").as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_fingerprint_is_the_one_that_ssh_shows() {
        let line = "[127.0.0.1]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDpFZlYcWv4cgtzF5nNm9Eo3yXnpF6KjWAwl0SBQ7sWm";
        let (kind, shown) = fingerprint(line).unwrap();
        assert_eq!(kind, "ssh-ed25519");
        assert_eq!(shown, "SHA256:FveKl+/vVvb01tQTgqDqu5kR0BQuIW+KlPFFEgkV9xI");
        for wrong in ["", "mac", "mac ssh-ed25519", "mac ssh-ed25519 ?"] {
            assert_eq!(fingerprint(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_key_is_added_on_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ssh/known_hosts");
        append(&file, "one").unwrap();
        append(&file, "two").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\ntwo\n");
        fs::write(&file, "kept").unwrap();
        append(&file, "three").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept\nthree\n");
    }
}
