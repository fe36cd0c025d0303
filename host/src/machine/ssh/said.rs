//! What ssh says when it ends, read as what is wrong. Others have a part in these texts.

use std::path::PathBuf;

use super::askpass;
use super::ssh_config::VERBOSE;
use super::trouble::{Said, What};

/// How what is found in a line is told.
type Told = fn(Said) -> What;

/// What is looked for in a line, the most telling first: what ssh says of a host that it jumps over comes before what that
/// means for the way.
const KNOWN: [(&str, Told); 25] = [
    ("Bad configuration option", What::Configuration),
    ("Bad owner or permissions on", What::Configuration),
    ("terminating, ", What::Configuration),
    ("keyword ", What::Configuration),
    ("Could not resolve hostname", What::Name),
    ("hostname contains invalid characters", What::Name),
    ("host key is known for", What::KeyUnknown),
    ("REVOKED HOST KEY", What::Key),
    ("Host key verification failed", What::Key),
    ("no matching host key type found", What::Key),
    ("Unable to negotiate with ", What::Method),
    ("Connection refused", What::Refused),
    ("are too open.", What::KeyOpen),
    ("Permission denied (", What::Login),
    ("Too many authentication failures", What::Login),
    ("No route to host", What::Unreachable),
    ("is unreachable", What::Unreachable),
    ("timed out", What::Unreachable),
    ("not responding", What::Unreachable),
    ("Connection reset", What::Unreachable),
    ("Connection closed", What::Unreachable),
    ("closed by remote host", What::Unreachable),
    ("Broken pipe", What::Unreachable),
    ("banner exchange", What::Unreachable),
    ("Network is down", What::Unreachable),
];

/// What is wrong, by the lines that ssh said before it ended. `known` are the files of trusted keys that it reads.
pub(super) fn what(lines: &[String], known: &[PathBuf]) -> What {
    let all = || {
        lines
            .iter()
            .map(|line| words(line.trim()))
            .filter(|line| !line.is_empty())
    };
    let lines: Vec<&str> = own(all()).collect();
    let with = |words: &str| lines.iter().find(|line| without_offer(line).contains(words));
    let noted = |mark: &str| lines.iter().find_map(|line| line.strip_prefix(mark));
    if with("IDENTIFICATION HAS CHANGED").is_some() {
        return What::KeyChanged {
            trusted: lines.iter().find_map(|line| offending(line, known)),
        };
    }
    let found = KNOWN.iter().find_map(|(words, told)| Some((with(words)?, told)));
    match found {
        // A server is asked about a key before its passphrase is wanted: so that is why it does not let in.
        Some((line, told)) if matches!(told(Said::new(line)), What::Login(_)) => {
            let asked: [(&str, Told); 3] = [
                (askpass::TOLD, What::PassphraseWrong),
                (askpass::WANTED, What::PassphraseWanted),
                (askpass::REFUSED, What::Question),
            ];
            let why = asked
                .into_iter()
                .find_map(|(mark, told)| Some(told(Said::new(noted(mark)?))));
            why.unwrap_or_else(|| told(Said::new(line)))
        }
        Some((line, told)) => told(Said::new(line)),
        None => What::Other(Said::new(all().next().unwrap_or("nothing"))),
    }
}

/// What a line says, without the place in ssh that says it.
fn words(line: &str) -> &str {
    let placed = line.strip_prefix(VERBOSE).and_then(|line| line.split_once("): "));
    placed.map_or(line, |(_place, words)| words)
}

/// What ssh itself says in a line that ends with what the other side offers, which can be anything.
fn without_offer(line: &str) -> &str {
    let said = line
        .starts_with("Unable to negotiate with ")
        .then(|| line.split_once(". Their offer: "));
    said.flatten().map_or(line, |(said, _offer)| said)
}

/// How lines begin in which ssh passes on what the other side said before its key was looked at, and of which that side made
/// further lines.
const PASSED_ON: [&str; 4] = [
    "Received disconnect from ",
    "Disconnected from ",
    "Bad remote protocol version",
    "Protocol major versions differ",
];

/// Those lines that are certainly words of ssh, or of ours beside it.
pub(super) fn own<'a>(lines: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    lines.take_while(|line| !PASSED_ON.iter().any(|begin| line.starts_with(begin)))
}

/// The system's own files of trusted keys.
const SYSTEM: &str = "/etc/ssh/ssh_known_hosts";

/// The line and the file of `Offending ED25519 key in FILE:LINE`. A host could say that too, and this becomes advice: so it
/// is only taken if it is a file that ssh reads.
pub(super) fn offending(said: &str, known: &[PathBuf]) -> Option<(u64, PathBuf)> {
    let place = said.strip_prefix("Offending ")?.split_once(" key in ")?.1;
    let (file, line) = place.rsplit_once(':')?;
    let file = PathBuf::from(file);
    let is_read = known.contains(&file) || file.as_os_str() == SYSTEM;
    Some((line.parse().ok().filter(|_| is_read)?, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::ssh::Trouble;

    fn read(text: &str) -> What {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        what(&lines, &["/home/me/.ssh/known_hosts".into()])
    }

    fn said(text: &str) -> Said {
        Said::new(text)
    }

    #[test]
    fn what_ssh_says_is_known_by_its_words() {
        let changed = "@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n\
                       Offending ED25519 key in FILE:7\r\nHost key verification failed.\r\n";
        let place = |file: &str| What::KeyChanged {
            trusted: Some((7, file.into())),
        };
        for file in ["/home/me/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"] {
            assert_eq!(read(&changed.replace("FILE", file)), place(file));
        }
        let other = read(&changed.replace("FILE", "/etc/passwd"));
        assert_eq!(other, What::KeyChanged { trusted: None });
        let jump = "me@jump: Permission denied (publickey).\r\n\
                    kex_exchange_identification: Connection closed by remote host\r\n\
                    Connection closed by UNKNOWN port 65535\r\n";
        assert_eq!(read(jump), What::Login(said("me@jump: Permission denied (publickey).")));
        for begin in PASSED_ON {
            let liar = format!(
                "{begin}x: y\r\n{}",
                changed.replace("FILE", "/home/me/.ssh/known_hosts")
            );
            assert_eq!(read(&liar), What::Other(said(&format!("{begin}x: y"))), "{begin}");
        }
        let slow = "Connection timed out during banner exchange\r\n";
        assert_eq!(read(slow), What::Unreachable(said(slow)));
        let place = "packet.c:sshpkt_vfatal():1931 (pid=7): ";
        for (why, told) in [
            ("no matching key exchange method found", What::Method as Told),
            ("no matching host key type found", What::Key),
        ] {
            let line = format!("Unable to negotiate with 127.0.0.1 port 22: {why}. Their offer: Permission denied (x");
            assert_eq!(read(&format!("{place}{line}\r\n")), told(said(&line)));
        }
        assert_eq!(
            read(&format!("{place}Disconnected from x\r\n{changed}")),
            What::Other(said("Disconnected from x"))
        );
        assert_eq!(read(""), What::Other(said("nothing")));
        assert_eq!(read("\r\nwhat is this\r\n"), What::Other(said("what is this")));
    }

    #[test]
    fn the_words_of_others_are_one_bounded_line_and_never_part_of_advice() {
        let why = Trouble {
            host: "there".into(),
            again: None,
            what: read(&format!(
                "evil\u{1b}[2J: Permission denied (run: rm).\u{7}\u{202e}\"{}",
                "x".repeat(1000)
            )),
        };
        let told = why.to_string();
        assert!(
            told.len() < 600 && !told.contains(['\u{1b}', '\u{7}', '\u{202e}']),
            "{told}"
        );
        assert!(told.contains("run: rm") && !why.fix().contains("rm"), "{told}");
    }
}
