//! Our configuration of ssh, as text: what must hold stands first, because for ssh the first value counts.

use std::path::Path;

use super::ways::{OpenSsh, Ways};

/// What ssh asks for, also where it jumps over another host. Passwords are never asked for; for the passphrase of a key ssh
/// must be able to ask, so this is not `BatchMode`.
pub(super) const ASKS: &str = "\
BatchMode no
PasswordAuthentication no
KbdInteractiveAuthentication no
NumberOfPasswordPrompts 1
";

/// What else must hold on the whole way: nothing is trusted, forwarded or run beside what berth asks for, and no other
/// connection is shared.
const FIXED: &str = "\
StrictHostKeyChecking yes
GlobalKnownHostsFile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
UpdateHostKeys no
VerifyHostKeyDNS no
ForwardAgent no
GSSAPIDelegateCredentials no
ForwardX11 no
ClearAllForwardings yes
PermitLocalCommand no
RemoteCommand none
RequestTTY no
Tunnel no
ControlMaster no
ControlPath none
ControlPersist no
EscapeChar none
LogLevel ERROR
";

/// The same of what ssh knows only since 8.7, in a file of its own: ssh stays as it is started, keeps its standard input, with
/// which it carries a connection where it is jumped over, and says why it cannot even agree with a host on how to talk. That it
/// says otherwise only with `LogLevel INFO`, with which a host could have it say anything (its banner).
pub(super) const NEWER: &str = "\
ForkAfterAuthentication no
StdinNull no
KnownHostsCommand none
LogVerbose packet.c:sshpkt_vfatal():*
";

/// How a line begins that it says so, up to the words.
pub(super) const VERBOSE: &str = "packet.c:sshpkt_vfatal():";

/// What holds unless the operator's configuration says otherwise: a link that is dead is noticed.
const OTHERWISE: &str = "\
Match all
ServerAliveInterval 15
ServerAliveCountMax 3
";

/// A path that a configuration of ssh cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unwritable(pub(super) String);

/// The text of the file. `newer` is that with [`NEWER`], and need not exist.
pub(super) fn file(ssh: &OpenSsh, ways: &Ways, newer: &Path) -> Result<String, Unwritable> {
    let mut text = format!("{ASKS}{FIXED}Include {}\n", pattern(newer)?);
    text += &format!("UserKnownHostsFile {}\n", word(&ssh.known_hosts)?);
    text += &format!("ConnectTimeout {}\n", ways.connect_timeout.as_secs().max(1));
    if let Some(keepalive) = ways.keepalive {
        text += &format!("ServerAliveInterval {}\n", keepalive.as_secs().max(1));
    }
    for config in &ssh.configs {
        text += &format!("Include {}\n", pattern(config)?);
    }
    Ok(text + OTHERWISE)
}

/// The arguments of the master with `config` as its file, and `socket`. The options among them hold for the destination
/// alone, and for no host that is jumped over.
pub(super) fn master(ways: &Ways, config: &Path, socket: &Path) -> Result<Vec<String>, Unwritable> {
    let mut args: Vec<String> = ["-M", "-N", "-T"].map(str::to_owned).into();
    args.extend(["-F".into(), plain(config)?.to_owned()]);
    args.extend(["-S".into(), plain(socket)?.replace('%', "%%")]);
    args.extend(destination(ways)?);
    Ok(args)
}

/// The option for the file of trusted keys.
pub(super) fn known_hosts(path: &Path) -> Result<String, Unwritable> {
    Ok(format!("UserKnownHostsFile={}", word(path)?))
}

/// The arguments that say where a connection goes, and with what of the operator's: the last ones of ssh.
pub(super) fn destination(ways: &Ways) -> Result<Vec<String>, Unwritable> {
    let mut args: Vec<String> = Vec::new();
    if let Some(known) = &ways.known_hosts {
        args.extend(["-o".into(), known_hosts(known)?]);
    }
    if let Some(identity) = &ways.identity_file {
        args.extend(["-o".into(), format!("IdentityFile={}", word(identity)?)]);
        args.extend(["-o".into(), "IdentitiesOnly=yes".into()]);
    }
    if let Some(port) = ways.port {
        args.extend(["-p".into(), port.to_string()]);
    }
    args.extend(["--".into(), ways.destination.clone()]);
    Ok(args)
}

/// A path as one word, in which ssh puts nothing else.
fn word(path: &Path) -> Result<String, Unwritable> {
    Ok(format!("\"{}\"", plain(path)?.replace('%', "%%")))
}

/// A path as one word, which stands for itself alone where patterns are meant.
fn pattern(path: &Path) -> Result<String, Unwritable> {
    let mut pattern = String::from('"');
    for letter in plain(path)?.chars() {
        if matches!(letter, '*' | '?' | '[') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    Ok(pattern + "\"")
}

/// A path that can be written at all.
fn plain(path: &Path) -> Result<&str, Unwritable> {
    let is_plain = |text: &&str| {
        path.is_absolute() && !text.contains(['"', '\\']) && !text.contains("${") && !text.contains(char::is_control)
    };
    let text = path.to_str().filter(is_plain);
    text.ok_or_else(|| Unwritable(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn ssh() -> OpenSsh {
        OpenSsh {
            program: "/usr/bin/ssh".into(),
            berth: "/usr/bin/berth".into(),
            configs: vec!["/home/me/.ssh/config".into(), "/etc/ssh/ssh_config".into()],
            known_hosts: "/home/me/.ssh/known_hosts".into(),
            folder: "/tmp/x".into(),
        }
    }

    fn ways() -> Ways {
        Ways {
            host: "mac".into(),
            destination: "me@mac".into(),
            port: None,
            identity_file: None,
            known_hosts: None,
            connect_timeout: Duration::from_secs(7),
            keepalive: None,
            sessions: 8,
            passphrase: None,
        }
    }

    #[test]
    fn what_must_hold_stands_before_what_others_wrote_and_what_is_only_usual_behind() {
        let text = file(&ssh(), &ways(), Path::new("/tmp/x/newer")).unwrap();
        let at = |line: &str| {
            let found = text.lines().position(|written| written == line);
            found.unwrap_or_else(|| panic!("{line}: {text}"))
        };
        let (own, system) = (
            at("Include \"/home/me/.ssh/config\""),
            at("Include \"/etc/ssh/ssh_config\""),
        );
        assert!(own < system);
        for line in FIXED.lines().chain([
            "Include \"/tmp/x/newer\"",
            "UserKnownHostsFile \"/home/me/.ssh/known_hosts\"",
            "ConnectTimeout 7",
        ]) {
            assert!(at(line) < own, "{line}");
        }
        assert!(at("ServerAliveInterval 15") > system);
        let asked = Ways {
            keepalive: Some(Duration::from_secs(40)),
            ..ways()
        };
        let text = file(&ssh(), &asked, Path::new("/tmp/x/newer")).unwrap();
        assert!(
            text.find("ServerAliveInterval 40").unwrap() < text.find("Include \"/home").unwrap(),
            "{text}"
        );
    }

    #[test]
    fn a_path_stands_for_itself_or_is_refused() {
        assert_eq!(word(Path::new("/a b/100%")).unwrap(), "\"/a b/100%%\"");
        assert_eq!(pattern(Path::new("/a b/[x]*?")).unwrap(), "\"/a b/\\[x]\\*\\?\"");
        for path in [
            "/a\"b",
            "/a\\b",
            "/a\nb",
            "/${HOME}",
            "relative",
            "~/.ssh/config",
            "/a\u{7}",
        ] {
            word(Path::new(path)).expect_err(path);
            pattern(Path::new(path)).expect_err(path);
        }
    }

    #[test]
    fn the_destination_comes_last_and_is_not_an_option() {
        let ways = Ways {
            port: Some(2222),
            identity_file: Some("/k/id".into()),
            known_hosts: Some("/k/known".into()),
            ..ways()
        };
        let args = master(&ways, Path::new("/t/config"), Path::new("/t/m1")).unwrap();
        assert_eq!(
            args.join(" "),
            "-M -N -T -F /t/config -S /t/m1 -o UserKnownHostsFile=\"/k/known\" -o IdentityFile=\"/k/id\" \
             -o IdentitiesOnly=yes -p 2222 -- me@mac"
        );
    }
}
