//! A program on a host in the operator's own terminal.

use std::fmt::Write as _;

use super::ssh_config::{self, Unwritable};
use super::ways::{OpenSsh, Ways};
use crate::peer::MARK;

/// What holds whatever the operator's own configuration says. They sit at the terminal, so ssh may ask them.
const FIXED: [&str; 13] = [
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "GSSAPIDelegateCredentials=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=force",
    "Tunnel=no",
    "ControlMaster=no",
    "ControlPath=none",
];

/// The arguments with which ssh runs `words`, the first of them a program by its absolute path, for `backend` in the terminal
/// that it has itself.
///
/// # Errors
/// A path that ssh could not be told.
pub(super) fn arguments(
    ssh: &OpenSsh,
    ways: &Ways,
    words: &[String],
    backend: &str,
) -> Result<Vec<String>, Unwritable> {
    let mut args: Vec<String> = FIXED
        .iter()
        .flat_map(|option| ["-o", option])
        .map(str::to_owned)
        .collect();
    if ways.known_hosts.is_none() {
        args.extend(["-o".into(), ssh_config::known_hosts(&ssh.known_hosts)?]);
    }
    args.extend(ssh_config::destination(ways)?);
    args.push(command(words, backend));
    Ok(args)
}

/// A command that any login shell takes for the same: in its quotes are only letters, digits and backslashes before
/// these, which stand for the bytes of a line for `/bin/sh`.
fn command(words: &[String], backend: &str) -> String {
    let mut line = format!("export {MARK}={}; exec", quoted(backend));
    for word in words {
        let _ = write!(line, " {}", quoted(word));
    }
    let mut command = String::from(r#"exec /bin/sh -c 'eval "$(printf %b ""#);
    for byte in line.bytes() {
        let _ = write!(command, "\\0{byte:03o}");
    }
    command.push_str(r#"")"'"#);
    command
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::disallowed_methods)]

    use std::process::Command;

    use super::*;

    #[test]
    fn words_arrive_whole_through_each_login_shell() {
        let words = ["printf", "%s|", "a b", "it's \\ \"$HOME\" `x` !1 %b", "", "ü\n;&*?[~"].map(str::to_owned);
        for shell in ["sh", "bash", "dash", "fish", "tcsh"] {
            let output = Command::new(shell)
                .arg("-c")
                .arg(command(&words, "local"))
                .output()
                .unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(said, format!("{}|", words[2..].join("|")), "{shell}");
        }
    }
}
