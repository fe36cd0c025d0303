//! When a host is looked at, and for whom.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::Semaphore;

use super::power::{Found, Hosts, Locate, Unfound};
use crate::capability::files::Directories;
use crate::capability::process::Programs;
use crate::capability::{Machine, Site};

/// A host of which a look is over once that is let.
struct Mac {
    looks: AtomicUsize,
    over: Semaphore,
    /// How many looks fail from now on.
    fail: AtomicUsize,
    /// None: 0.
    connection: AtomicU64,
}

impl Mac {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            looks: AtomicUsize::new(0),
            over: Semaphore::new(0),
            fail: AtomicUsize::new(0),
            connection: AtomicU64::new(1),
        })
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Locate for Mac {
    async fn locate(&self) -> Result<Site, Unfound> {
        let look = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        self.over.acquire().await.unwrap().forget();
        match self.fail.load(Ordering::SeqCst) {
            0 => Ok(site()),
            left => {
                self.fail.store(left - 1, Ordering::SeqCst);
                Err(Unfound::Away(format!("away in look {look}")))
            }
        }
    }

    async fn connection(&self) -> Option<u64> {
        Some(self.connection.load(Ordering::SeqCst)).filter(|number| *number > 0)
    }
}

fn site() -> Site {
    Site {
        backend: "far".into(),
        machine: Machine::This,
        home: None,
        programs: Programs {
            grants: Default::default(),
            sockets: Default::default(),
            sockets_there: Default::default(),
            agents: Vec::new(),
            headless: Vec::new(),
            environment: Vec::new(),
            guest_env: Vec::new(),
            children: Arc::new(Semaphore::new(1)),
            own_children: Arc::new(Semaphore::new(1)),
        },
        directories: Directories::there("far", &[], &[]),
        written: vec![
            ("~/code".into(), "/home/me/code".into()),
            ("~".into(), "/home/me".into()),
            ("~/code/big".into(), "/disk/big".into()),
        ],
    }
}

fn hosts(mac: &Arc<Mac>) -> Hosts {
    Hosts::new("far", Vec::new(), vec![("mac".into(), mac.clone() as Arc<dyn Locate>)])
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn why(told: Result<Arc<Found>, Unfound>) -> String {
    match told {
        Err(Unfound::Away(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_who_ask_meanwhile_share_one_look_and_what_it_found_is_kept() {
    let mac = Mac::new();
    let hosts = hosts(&mac);
    assert_eq!(mac.looks(), 0, "nobody has asked");
    let all = join_all((0..16).map(|_| hosts.on("mac", soon())));
    let (all, ()) = tokio::join!(all, async { mac.over.add_permits(1) });
    let first = all[0].as_ref().unwrap();
    assert!(all.iter().all(|found| Arc::ptr_eq(found.as_ref().unwrap(), first)));
    assert!(Arc::ptr_eq(&hosts.on("mac", soon()).await.unwrap(), first));
    assert_eq!(mac.looks(), 1);
}

#[tokio::test]
async fn a_look_that_failed_is_told_to_all_and_made_again_for_the_next() {
    let mac = Mac::new();
    let hosts = hosts(&mac);
    mac.fail.store(2, Ordering::SeqCst);
    let both = async { tokio::join!(hosts.on("mac", soon()), hosts.on("mac", soon())) };
    let ((one, other), ()) = tokio::join!(both, async { mac.over.add_permits(1) });
    assert_eq!(
        (why(one), why(other)),
        ("away in look 1".into(), "away in look 1".into())
    );
    mac.over.add_permits(2);
    assert_eq!(why(hosts.on("mac", soon()).await), "away in look 2");
    assert!(hosts.on("mac", soon()).await.is_ok());
    assert_eq!(mac.looks(), 3);
}

#[tokio::test]
async fn a_look_goes_on_when_nobody_waits_for_it_any_longer() {
    let mac = Mac::new();
    let hosts = hosts(&mac);
    let late = why(hosts.on("mac", Instant::now()).await);
    assert!(late.contains("the host mac did not answer in time"), "{late}");
    mac.over.add_permits(1);
    assert!(hosts.on("mac", soon()).await.is_ok());
    assert_eq!(mac.looks(), 1);
}

#[tokio::test]
async fn what_was_found_over_another_connection_is_looked_for_again() {
    let mac = Mac::new();
    let hosts = hosts(&mac);
    mac.over.add_permits(10);
    let mut looks = Vec::new();
    for connection in [1, 1, 2, 2, 0, 0] {
        mac.connection.store(connection, Ordering::SeqCst);
        hosts.on("mac", soon()).await.unwrap();
        looks.push(mac.looks());
    }
    assert_eq!(
        looks,
        [1, 1, 2, 2, 3, 4],
        "without a connection it is not known to be so"
    );
}

#[tokio::test]
async fn a_look_ends_with_its_backend() {
    let mac = Mac::new();
    let hosts = hosts(&mac);
    assert!(hosts.on("mac", Instant::now()).await.is_err());
    tokio::task::yield_now().await;
    drop(hosts);
    let latest = soon();
    while Arc::strong_count(&mac) > 1 {
        assert!(Instant::now() < latest, "the look goes on");
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_path_as_it_is_written_is_meant_below_the_nearest_granted_place() {
    let site = site();
    for (written, meant) in [
        ("~/code", "/home/me/code"),
        ("~/code/app", "/home/me/code/app"),
        ("~/code/big/x", "/disk/big/x"),
        ("~/code/bigger", "/home/me/code/bigger"),
        ("~/other", "/home/me/other"),
        ("~you/code", "~you/code"),
        ("/home/me/code", "/home/me/code"),
        ("", ""),
    ] {
        assert_eq!(site.meant(written.into()), meant, "{written}");
    }
}
