//! Real processes and real connections.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "a test's own processes")]

use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::*;

#[cfg(target_os = "linux")]
mod marked;

/// Both ends of a connection: the client's first.
fn connect() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

fn peer(server: &TcpStream) -> Peer {
    Peer::of_connection(server.peer_addr().unwrap(), server.local_addr().unwrap())
}

#[test]
fn a_process_that_is_gone_may_have_been_in_a_session() {
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    assert_eq!(Peer::of_process(gone.id().cast_signed()), Peer::InSession);
}

#[test]
fn a_connection_of_our_own_is_the_operators() {
    let (client, server) = connect();
    until(|| peer(&server) == Peer::Operator, "it is not the operator's");
    client.shutdown(Shutdown::Write).unwrap();
    until(
        || peer(&server) == Peer::Operator,
        "it has only said all that it has to say",
    );
}

#[test]
fn a_connection_that_nobody_has_is_a_strangers() {
    let unused = "127.0.0.1:1".parse().unwrap();
    assert_eq!(Peer::of_connection(unused, unused), Peer::Stranger);
    let (client, server) = connect();
    let (theirs, ours) = (server.peer_addr().unwrap(), server.local_addr().unwrap());
    drop(client);
    until(
        || Peer::of_connection(theirs, ours) == Peer::Stranger,
        "it is somebody's",
    );
}

/// Waits: another test may be starting a program, which has a copy of each connection until it runs.
fn until(seen: impl Fn() -> bool, otherwise: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !seen() {
        assert!(Instant::now() < deadline, "{otherwise}");
        std::thread::yield_now();
    }
}

#[test]
fn the_worst_of_several_counts_and_what_is_unknown_is_not_trusted() {
    use Descent::{Outside, Session, Unknown};
    assert_eq!(Peer::of_all([Outside]), Peer::Operator);
    assert_eq!(
        Peer::of_all([Unknown, Outside]),
        Peer::Operator,
        "one of them is sshd's"
    );
    assert_eq!(Peer::of_all([Outside, Session, Unknown]), Peer::InSession);
    assert_eq!(Peer::of_all([Unknown]), Peer::InSession);
    assert_eq!(Peer::of_all([]), Peer::InSession);
}

#[test]
fn only_what_is_in_a_session_is_limited_and_only_if_sessions_may_not_control() {
    use crate::principal::Scope;
    let may_control = |peer: Peer, allowed| peer.limit(Principal::local(), allowed).may(Scope::Control);
    assert!(may_control(Peer::Operator, false));
    assert!(!may_control(Peer::InSession, false));
    assert!(may_control(Peer::InSession, true));
    assert!(
        may_control(Peer::Stranger, false),
        "another machine's, whose token said what it may"
    );
}

#[test]
fn an_address_is_the_same_in_either_protocols_form() {
    let plain: SocketAddr = "127.0.0.1:7777".parse().unwrap();
    assert_eq!(canonical("[::ffff:127.0.0.1]:7777".parse().unwrap()), plain);
    assert_eq!(canonical(plain), plain);
    assert_ne!(canonical("[::1]:7777".parse().unwrap()), plain);
}
