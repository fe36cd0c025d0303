//! A host that is away holds up nobody.

use super::*;

/// The way to a host that is away; what failed is tried again after `pause`, for `patience`.
async fn away(pause: Duration, patience: Duration) -> (Here, Sshd, Relay, Link) {
    let (here, mut sshd) = (Here::new(), Sshd::start());
    let relay = Relay::to(sshd.port()).await;
    sshd.stop();
    let pauses = Pauses {
        first: pause,
        most: 3 * pause,
        patience,
    };
    let link = Link::with_pauses(&here.ssh(), &over(&relay, &here, &sshd), pauses).unwrap();
    (here, sshd, relay, link)
}

/// How many hours it is left alone; those that have begun count.
fn hours(why: &Trouble) -> u64 {
    let left = why.again.expect("it is left alone") - Instant::now();
    left.as_secs().div_ceil(3600)
}

#[tokio::test]
async fn a_host_that_is_away_is_let_be_for_a_while_and_the_answer_comes_at_once() {
    const HOUR: Duration = Duration::from_secs(3600);
    let (here, mut sshd, relay, link) = away(HOUR, LATEST).await;
    let why = trouble(&link).await;
    assert!(matches!(why.what, What::Unreachable(_)), "{why}");
    assert_eq!((relay.taken(), hours(&why)), (1, 1));
    assert!(why.to_string().contains("(it is tried again after 3"), "{why}");
    for _ in 0..20 {
        let again = trouble(&link).await;
        assert_eq!(again.what, why.what);
        assert_eq!(again.again, why.again, "the time stays the same");
        link.open_to_kill(soon()).await.map(drop).expect_err("it is away");
    }
    // The way that is kept for killing is the same one until the host refuses a session.
    assert_eq!(relay.taken(), 1);
    // Who insists is heard.
    let mut why = why;
    for (taken, pause) in [(2, 2), (3, 3), (4, 3)] {
        why = link.connect(soon()).await.expect_err("it is away");
        assert_eq!((relay.taken(), hours(&why)), (taken, pause));
    }
    sshd.restart();
    assert_eq!((trouble(&link).await.what, relay.taken()), (why.what, 4));
    link.connect(soon()).await.unwrap();
    assert_eq!(said(&link, "echo back").await, "back\n");
    // That is the end of the pauses.
    here.kill_master();
    assert_eq!(said(&link, "echo again").await, "again\n");
}

#[tokio::test]
async fn who_asks_while_a_host_is_tried_again_is_told_what_is_known() {
    let (_here, mut sshd, relay, link) = away(Duration::ZERO, Duration::from_millis(100)).await;
    let known = link.connect(soon()).await.expect_err("it is away").what;
    relay.stop();
    sshd.restart();
    for _ in 0..3 {
        assert_eq!(trouble(&link).await.what, known);
    }
    // That it is tried goes on.
    assert_eq!(relay.taken(), 2);
    relay.pass();
    link.connect(soon()).await.unwrap();
    assert_eq!(relay.taken(), 2);
    assert_eq!(said(&link, "echo back").await, "back\n");
}
