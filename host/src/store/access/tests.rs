//! The records on a real database: each rule by which someone comes in, or does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod apps;
mod families;
mod forms;
mod logins;
mod owner;
mod schema;
mod together;
mod tokens;

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use super::{AccessRecords, Approval, Issued, Redemption, Refused, Verified};
use crate::principal::{Backends, Scope};
use crate::store::DataDirectory;

const APP: &str = "berth-app";
const REDIRECT: &str = "https://app.example/callback";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const RESOURCE: &str = "https://berth.example/mcp";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

/// Records in a directory of their own, gone when dropped.
struct Place {
    root: TempDir,
    access: AccessRecords,
}

impl Place {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let access = open(&root);
        Self { root, access }
    }

    /// A second set of eyes on the same file, as another process has.
    fn again(&self) -> AccessRecords {
        open(&self.root)
    }

    /// What SQLite says to `query`, one number.
    fn count(&self, query: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {query}");
        self.access
            .read(|connection| connection.query_row(&query, [], |row| row.get(0)))
            .unwrap()
    }
}

fn open(root: &TempDir) -> AccessRecords {
    let directory = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
    directory.access().unwrap()
}

/// The time `seconds` after the tests' beginning.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// These backends, which all mean the same.
fn only(names: &[&str]) -> Backends {
    let named = names.iter().map(|name| ((*name).to_owned(), "a plugin".to_owned()));
    Backends::Only(named.collect())
}

fn approval() -> Approval {
    Approval {
        client_id: APP.to_owned(),
        client_name: "App".to_owned(),
        redirect: REDIRECT.to_owned(),
        challenge: CHALLENGE.to_owned(),
        scope: Scope::Control,
        backends: only(&["local"]),
        resource: RESOURCE.to_owned(),
        address: HERE,
    }
}

fn redemption() -> Redemption<'static> {
    Redemption {
        client_id: APP,
        redirect: REDIRECT,
        challenge: CHALLENGE,
        resource: Some(RESOURCE),
    }
}

impl AccessRecords {
    /// The first tokens of a family that begins at `seconds`.
    fn admitted(&self, seconds: u64) -> Issued {
        let code = self.approve(&approval(), at(seconds)).unwrap();
        self.redeem(code.reveal(), &redemption(), at(seconds)).unwrap().unwrap()
    }

    fn renewed(&self, refresh: &str, seconds: u64) -> Result<Issued, Refused> {
        self.refresh(refresh, APP, None, None, HERE, at(seconds)).unwrap()
    }

    fn verified(&self, token: &str, seconds: u64) -> Option<Verified> {
        self.verify(token, at(seconds)).unwrap()
    }
}
