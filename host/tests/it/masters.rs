//! Connections to hosts as the real binary holds them: it runs ssh beside itself, and answers what ssh asks.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use berth::machine::{Link, OpenSsh, Ways, What};
use tempfile::TempDir;

use crate::sshd::{self, Sshd};

/// How long what must come may take.
const LATEST: Duration = Duration::from_secs(60);

/// A way to `sshd` with `passphrase` for the key that has one.
fn link(here: &Path, sshd: &Sshd, key: &Path, passphrase: Option<&str>) -> Link {
    let ssh = OpenSsh {
        program: sshd::on_path("ssh"),
        berth: env!("CARGO_BIN_EXE_berth").into(),
        configs: vec![here.join("config")],
        known_hosts: sshd.path("known_hosts"),
        folder: here.to_owned(),
    };
    let ways = Ways {
        host: "there".into(),
        destination: sshd.destination(),
        port: Some(sshd.port()),
        identity_file: Some(key.to_owned()),
        known_hosts: None,
        connect_timeout: Duration::from_secs(20),
        keepalive: None,
        sessions: 8,
        passphrase: passphrase.map(str::to_owned),
    };
    Link::new(&ssh, &ways).unwrap()
}

#[tokio::test]
async fn ssh_runs_beside_berth_which_tells_it_the_passphrase_of_a_key() {
    let (here, sshd) = (TempDir::new().unwrap(), Sshd::start());
    let key = sshd.key_with("in 'quotes' \\ and more");
    for (passphrase, is_right) in [
        (None, false),
        (Some("another"), false),
        (Some("in 'quotes' \\ and more"), true),
    ] {
        let link = link(here.path(), &sshd, &key, passphrase);
        match link.round_trip(Instant::now() + LATEST).await {
            Ok(_) => assert!(is_right),
            Err(why) => {
                let is_told = match why.what {
                    What::PassphraseWanted(_) => passphrase.is_none(),
                    What::PassphraseWrong(_) => passphrase.is_some(),
                    _ => false,
                };
                assert!(!is_right && is_told, "{why}");
            }
        }
        link.close().await;
    }
    assert!(fs::read_dir(here.path()).unwrap().next().is_none(), "nothing is left");
}
