//! Who gets a place, a wait, room for a body, and who does not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use tempfile::TempDir;

use super::*;
use crate::principal::{Backends, Scope};
use crate::store::DataDirectory;

/// With so many places, and a record of its own.
pub(crate) async fn admission(max_requests: usize) -> (TempDir, Admission) {
    let root = TempDir::new().unwrap();
    let data = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
    let recorder = Recorder::start(data.audit(false).unwrap(), false).unwrap();
    (
        root,
        Admission::new(max_requests, 1 << 20, recorder, TaskTracker::new()),
    )
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
    let operators = admission.socket(address, true);
    operators.show(&Principal::local());
    assert!(operators.answering().is_none());
    let reader = app("reader", Scope::Read);
    let sockets: Vec<_> = (0..200).map(|_| admission.socket(address, true)).collect();
    sockets.iter().for_each(|socket| socket.show(&reader));
    let strange = sockets.iter().filter(|socket| socket.answering().is_some()).count();
    assert_eq!(strange, 200 - numbers::CALLERS_SOCKETS / 2);
    let newcomers: Vec<_> = (0..1000).map(|_| admission.socket(address, true)).collect();
    assert!(futures::poll!(Box::pin(operators.must_leave())).is_pending());
    let left = newcomers
        .iter()
        .filter(|socket| futures::FutureExt::now_or_never(socket.must_leave()).is_some());
    assert!(left.count() >= 1000 - numbers::STRANGERS_SOCKETS);
}

#[test]
fn neighbours_in_one_ipv6_network_are_one_place() {
    let [one, other, far] =
        ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].map(|text| place(text.parse().unwrap()));
    assert_eq!(one, other);
    assert_ne!(one, far);
    let four: IpAddr = "192.0.2.1".parse().unwrap();
    assert_eq!((place(four), place("::ffff:192.0.2.1".parse().unwrap())), (four, four));
}
