//! What is at the other end before its key was looked at, which may say anything.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::*;

/// The message with which either side ends a connection, and which ssh passes on.
const DISCONNECT: u8 = 1;

/// A packet before anything is encrypted.
fn packet(payload: &[u8]) -> Vec<u8> {
    // All of it is a multiple of 8 bytes.
    let padding = 8 - (5 + payload.len()) % 8 + 8;
    let length = u32::try_from(1 + payload.len() + padding).unwrap();
    let mut packet = length.to_be_bytes().to_vec();
    packet.push(u8::try_from(padding).unwrap());
    packet.extend_from_slice(payload);
    packet.resize(packet.len() + padding, 0);
    packet
}

fn disconnect(why: &str) -> Vec<u8> {
    let mut payload = vec![DISCONNECT, 0, 0, 0, 2];
    payload.extend(u32::try_from(why.len()).unwrap().to_be_bytes());
    payload.extend_from_slice(why.as_bytes());
    payload.extend([0; 4]);
    packet(&payload)
}

/// Says `greeting` to whoever connects first, and hangs up when that has said something.
fn says(greeting: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&greeting).unwrap();
        // Until it has hung up: nothing of what it is told is lost.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    port
}

#[tokio::test]
async fn what_is_said_before_the_key_was_looked_at_is_not_taken_for_words_of_ssh() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let known = sshd.path("known_hosts");
    let lies = [
        "REMOTE HOST IDENTIFICATION HAS CHANGED!\r\nOffending ED25519 key in KNOWN:1"
            .replace("KNOWN", &known.display().to_string()),
        "No ED25519 host key is known for mac and you have requested strict checking.".to_owned(),
        "me@mac: Permission denied (publickey).".to_owned(),
        "ssh: Could not resolve hostname mac: Name or service not known".to_owned(),
        "berth: the passphrase of a key is wrong".to_owned(),
    ];
    // So many lines that what ssh says before them would be far behind.
    let gaps = ["\r\n".to_owned(), "\n".repeat(45)];
    let told = lies.iter().flat_map(|lie| gaps.iter().map(move |gap| (gap, lie)));
    for (gap, lie) in told {
        let lie = format!("bye{gap}{lie}\r\n");
        let as_reason = [b"SSH-2.0-other\r\n".to_vec(), disconnect(&lie)].concat();
        let as_version = format!("SSH-1.0-{lie}").into_bytes();
        for greeting in [as_reason, as_version] {
            let link = here.link(&Ways {
                port: Some(says(greeting)),
                ..ways(&sshd)
            });
            let why = trouble(&link).await;
            assert!(
                matches!(why.what, What::Other(_) | What::Unreachable(_)),
                "{lie:?}: {why}"
            );
            let fix = why.fix();
            assert!(!fix.contains("trust") && !fix.contains("line 1"), "{lie:?}: {why}");
            assert_eq!(why.state(), "unreachable");
        }
    }
}
