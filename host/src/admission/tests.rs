//! Who gets a place, a wait, room for a body, and who does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::ops::ControlFlow;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::principal::{Backends, Scope};
use crate::store::DataDirectory;
use crate::store::audit::{Filter, Recorded};

/// Enough for a test.
pub(crate) const RATES: config::Rates = config::Rates {
    tools: 1000,
    login: 1000,
    register: 1000,
    token: 1000,
};

/// With so many places, and a record of its own.
pub(crate) async fn admission(max_requests: usize) -> (TempDir, Admission) {
    let (root, recorder) = record();
    let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
    let admission = Admission::new(max_requests, 1 << 20, &RATES, recorder, tasks, ending);
    (root, admission)
}

fn record() -> (TempDir, Recorder) {
    let root = TempDir::new().unwrap();
    let data = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
    let recorder = Recorder::start(data.audit(false).unwrap(), false).unwrap();
    (root, recorder)
}

fn app(name: &str, scope: Scope) -> Principal {
    Principal::new(format!("app:{name}#1"), scope, Backends::All)
}

/// As many places as `caller` gets.
async fn fill(admission: &Admission, caller: &Principal) -> Vec<Place> {
    let mut places = Vec::new();
    while let Ok(place) = admission.place(caller).await {
        places.push(place);
    }
    places
}

#[tokio::test(start_paused = true)]
async fn one_caller_gets_half_of_the_places_and_those_who_only_read_half_together() {
    let (_root, admission) = admission(16).await;
    let reader = app("reader", Scope::Read);
    let read = fill(&admission, &reader).await;
    assert_eq!(read.len(), 8);
    for other in [app("other", Scope::Read), Principal::local().only_reading()] {
        let refused = admission.place(&other).await.unwrap_err().to_string();
        assert!(refused.contains("may only look"), "{refused}");
    }
    let acting = fill(&admission, &app("acting", Scope::Control)).await;
    assert_eq!(acting.len(), 6, "two places are the operator's alone");
    let refused = admission.place(&app("further", Scope::Control)).await.unwrap_err();
    assert!(refused.to_string().contains("max_requests"), "{refused}");
    assert_eq!(fill(&admission, &Principal::local()).await.len(), 2);
    drop(read);
    assert_eq!(
        fill(&admission, &reader).await.len(),
        8,
        "what is given back is free again"
    );
}

#[tokio::test(start_paused = true)]
async fn at_the_least_number_of_places_everybody_gets_one() {
    let (_root, admission) = admission(numbers::LEAST_REQUESTS).await;
    let held = [fill(&admission, &app("reader", Scope::Read)).await];
    assert!(!held[0].is_empty());
    assert!(!fill(&admission, &app("acting", Scope::Control)).await.is_empty());
    assert!(!fill(&admission, &Principal::local()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_holds_no_place_and_one_caller_has_so_many_waits() {
    let (_root, admission) = admission(16).await;
    let readers = [
        app("one", Scope::Read),
        app("two", Scope::Read),
        app("three", Scope::Read),
    ];
    let mut waiting = Vec::new();
    for (reader, most) in readers
        .iter()
        .zip([numbers::ONE_CALLERS_WAITS, numbers::ONE_CALLERS_WAITS, 0])
    {
        for _ in 0..most {
            let place = admission.place(reader).await.unwrap();
            place.wait().unwrap();
            place.wait().expect("to wait on is nothing new");
            waiting.push(place);
        }
        let place = admission.place(reader).await.unwrap();
        assert!(place.wait().is_err());
        waiting.push(place);
    }
    let operator = admission.place(&Principal::local()).await.unwrap();
    operator.wait().unwrap();
    assert_eq!(
        fill(&admission, &readers[0]).await.len(),
        5,
        "three calls are at work that got no wait"
    );
    drop(waiting);
    admission.place(&readers[2]).await.unwrap().wait().unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_stands_in_line_gets_the_next_place_that_is_for_them() {
    let (_root, admission) = admission(8).await;
    let (reader, acting) = (app("reader", Scope::Read), app("acting", Scope::Control));
    let mut read = fill(&admission, &reader).await;
    let acted = fill(&admission, &acting).await;
    let (first, second) = (admission.place(&reader), admission.place(&acting));
    let freed = async {
        tokio::task::yield_now().await;
        drop(acted);
    };
    let (first, second, ()) = tokio::join!(first, second, freed);
    assert!(first.is_err(), "no place of a reader was given back");
    assert!(second.is_ok());
    let (first, ()) = tokio::join!(admission.place(&reader), async {
        tokio::task::yield_now().await;
        read.pop();
    });
    assert!(first.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_in_line_takes_nothing() {
    let (_root, admission) = admission(8).await;
    let operator = Principal::local();
    let held = fill(&admission, &operator).await;
    for _ in 0..100 {
        let mut waiting = Box::pin(admission.place(&operator));
        assert!(futures::poll!(&mut waiting).is_pending());
    }
    let count = held.len();
    drop(held);
    assert_eq!(fill(&admission, &operator).await.len(), count);
}

#[tokio::test(start_paused = true)]
async fn bodies_are_counted_by_their_bytes() {
    let (_root, admission) = admission(16).await;
    let reader = app("reader", Scope::Read);
    let mut bodies = Vec::new();
    while let Ok(body) = admission.body(&reader, 1 << 20).await {
        bodies.push(body);
    }
    assert_eq!(bodies.len(), numbers::BODIES / (2 << 20));
    assert!(admission.body(&app("other", Scope::Read), 1).await.is_err());
    assert!(admission.body(&app("acting", Scope::Control), 1 << 20).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_runs_in_a_session_leaves_half_of_the_unix_socket_to_the_operator() {
    let (_root, admission) = admission(16).await;
    let fill = |peer| {
        let held: Vec<_> = std::iter::from_fn(|| admission.local_socket(peer).ok()).collect();
        held
    };
    let inside = fill(Peer::InSession);
    assert_eq!(inside.len(), numbers::LOCAL_SOCKETS / 2);
    assert_eq!(fill(Peer::Operator).len(), numbers::LOCAL_SOCKETS / 2);
}

#[tokio::test]
async fn a_connection_becomes_its_callers_and_others_stay_strangers() {
    let (_root, admission) = admission(16).await;
    let address = "127.0.0.1".parse().unwrap();
    let operators = admission.socket(address, true, false);
    operators.show(&Principal::local());
    assert!(operators.answering().is_none());
    let reader = app("reader", Scope::Read);
    let sockets: Vec<_> = (0..200).map(|_| admission.socket(address, true, false)).collect();
    sockets.iter().for_each(|socket| socket.show(&reader));
    let strange = sockets.iter().filter(|socket| socket.answering().is_some()).count();
    assert_eq!(strange, 200 - numbers::CALLERS_SOCKETS / 2);
    let newcomers: Vec<_> = (0..1000).map(|_| admission.socket(address, true, false)).collect();
    assert!(futures::poll!(Box::pin(operators.must_leave())).is_pending());
    let left = newcomers
        .iter()
        .filter(|socket| futures::FutureExt::now_or_never(socket.must_leave()).is_some());
    assert!(left.count() >= 1000 - numbers::STRANGERS_SOCKETS);
}

#[tokio::test(start_paused = true)]
async fn strangers_get_every_place_that_is_theirs() {
    let (_root, admission) = admission(16).await;
    let mut held = Vec::new();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        while let Ok(place) = admission.strangers_place(address.parse().unwrap()).await {
            held.push(place);
        }
    }
    assert_eq!(held.len(), numbers::STRANGERS_REQUESTS);
}

/// Waits until the record holds what is `wanted`, and answers its entries as `principal: text`.
async fn recorded(root: &TempDir, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    let data = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
    let audit = data.audit(false).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let view = audit.view().unwrap();
        let mut entries = Vec::new();
        let note = |entry: Recorded| {
            entries.push(format!("{}: {}", entry.principal, entry.text));
            ControlFlow::Continue(())
        };
        view.visit(&Filter::default(), 1..=view.end, note).unwrap();
        if wanted(&entries) {
            return entries;
        }
        assert!(std::time::Instant::now() < deadline, "{entries:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_flood_of_one_kind_of_refusals_hides_none_of_another_and_is_told_as_a_count() {
    const ONCE: config::Rates = config::Rates {
        tools: 1,
        login: 1,
        register: 1,
        token: 1,
    };
    let (root, recorder) = record();
    let (tasks, ending) = (TaskTracker::new(), CancellationToken::new());
    let admission = Admission::new(16, 1 << 20, &ONCE, recorder, tasks.clone(), ending.clone());
    let address = |number: u32| IpAddr::from(std::net::Ipv4Addr::from_bits(0xC000_0200 + number));
    let mut tries = 0;
    for number in 0..200 {
        for _ in 0..3 {
            let _ = admission.strangers_turn(Act::Register, address(number));
        }
        tries += usize::from(admission.records_try(address(number)));
    }
    assert_eq!(tries, numbers::RECORDED);
    let caller = app("one", Scope::Control);
    for _ in 0..=10 {
        let _ = admission.turn(&caller);
    }
    let other = app("other", Scope::Control);
    admission.turn(&other).unwrap();
    admission.turn(&other).unwrap_err();
    ending.cancel();
    let all = recorded(&root, |entries| entries.len() >= 60 + 6 + 1 + 3).await;
    let of = |who: &str| all.iter().filter(|entry| entry.starts_with(who)).count();
    assert_eq!(of("192.0.2."), numbers::RECORDED, "{all:?}");
    assert_eq!((of("app:one"), of("app:other")), (numbers::ONE_CALLERS_RECORDED, 1));
    for counted in [
        "strangers: 340 more were turned away",
        "strangers: 140 more passphrases and tokens were refused",
        "callers: 4 more were turned away",
    ] {
        assert_eq!(of(counted), 1, "{counted}: {all:?}");
    }
    assert_eq!(all.len(), 60 + 6 + 1 + 3);
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn a_count_is_told_at_the_end_of_its_minute_though_nothing_else_happens() {
    let (root, admission) = admission(4).await;
    let reader = app("reader", Scope::Read);
    let held = fill(&admission, &reader).await;
    for _ in 0..10 {
        admission.place(&reader).await.unwrap_err();
    }
    let told = |entries: &[String]| entries.iter().any(|entry| entry.starts_with("callers: "));
    let all = recorded(&root, told).await;
    assert!(
        !held.is_empty() && all.last().unwrap().contains("5 more were turned away"),
        "{all:?}"
    );
}
