//! Programs of the system that have the mark. On macOS those hide their environment, so there is nothing to see.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::*;

/// A shell that runs `script`, and the id of a process that the script prints; both end with their input.
struct Shell(Child, i32);

impl Shell {
    fn run(script: &str, marked: bool) -> Self {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command.env_remove(MARK);
        if marked {
            command.env(MARK, "here");
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        Self(child, line.trim().parse().unwrap())
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_bears_the_mark_is_in_a_session_and_so_is_what_it_starts() {
    let itself = "echo $$; read line";
    let child = "exec 3<&0; sh -c 'echo $$; read line' <&3 & wait";
    let bare_child = "exec 3<&0; env -i sh -c 'echo $$; read line' <&3 & wait";
    for script in [itself, child, bare_child] {
        let outside = Shell::run(script, false);
        assert_eq!(Peer::of_process(outside.1), Peer::Operator, "{script}");
        let inside = Shell::run(script, true);
        assert_eq!(Peer::of_process(inside.1), Peer::InSession, "{script}");
    }
}

#[test]
fn a_process_that_leaves_its_parents_takes_the_mark_along() {
    let detached = "exec 3<&0; (sh -c 'sh -c \"echo \\$\\$; read line\" <&3 &' &)";
    assert_eq!(Peer::of_process(Shell::run(detached, false).1), Peer::Operator);
    assert_eq!(Peer::of_process(Shell::run(detached, true).1), Peer::InSession);
}

#[test]
fn a_connection_that_a_session_shares_is_the_sessions() {
    let (client, server) = connect();
    let shared: OwnedFd = client.try_clone().unwrap().into();
    let mut child = Command::new("cat");
    let mut child = child
        .env(MARK, "here")
        .stdin(shared)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(peer(&server), Peer::InSession);
    (&server).write_all(b"end").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    child.wait().unwrap();
    assert_eq!(peer(&server), Peer::Operator);
}
