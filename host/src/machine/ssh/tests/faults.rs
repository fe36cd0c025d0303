//! What becomes of a link when something between here and there dies.

use super::*;

/// Waits for the end of what a session prints.
async fn ends(channel: &mut Channel) {
    let mut rest = Vec::new();
    let read = channel.stdout.read_to_end(&mut rest);
    let _ = timeout(LATEST, read).await.expect("it ends");
}

#[tokio::test]
async fn a_master_that_was_killed_between_two_calls_is_made_again() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    assert_eq!(said(&link, "echo one").await, "one\n");
    let first = here.master();
    here.kill_master();
    assert_eq!(said(&link, "echo two").await, "two\n");
    // What the first one left at its socket is still there, and in nobody's way.
    let left: Vec<_> = here.sockets().into_iter().filter(|path| path.ends_with("m1")).collect();
    left.iter().for_each(|socket| fs::remove_file(socket).unwrap());
    assert_ne!(here.master(), first);
}

#[tokio::test]
async fn a_master_that_was_killed_in_mid_call_ends_the_call_and_the_next_one_works() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    let mut call = stuck(&link).await;
    here.kill_master();
    ends(&mut call).await;
    assert_eq!(said(&link, "echo two").await, "two\n");
}

#[tokio::test]
async fn a_master_that_is_stopped_and_says_nothing_is_replaced() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    assert_eq!(said(&link, "echo one").await, "one\n");
    kill_process(here.master(), Signal::STOP).unwrap();
    assert_eq!(said(&link, "echo two").await, "two\n");
}

#[tokio::test]
async fn a_server_that_was_killed_in_mid_call_ends_the_call_and_is_used_again_when_it_is_back() {
    let (here, mut sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    let mut call = stuck(&link).await;
    sshd.stop();
    ends(&mut call).await;
    let why = trouble(&link).await;
    assert!(matches!(why.what, What::Refused(_)), "{why}");
    sshd.restart();
    assert_eq!(said(&link, "echo back").await, "back\n");
}

#[tokio::test]
async fn where_no_byte_passes_any_more_a_call_ends_in_time_and_the_connection_is_replaced() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let relay = Relay::to(sshd.port()).await;
    let link = here.link(&Ways {
        connect_timeout: Duration::from_secs(2),
        ..over(&relay, &here, &sshd)
    });
    let mut call = stuck(&link).await;
    let first = here.master();
    relay.stop();
    // Each ends, whether or not the host would have had time to answer.
    for patience in [1, 30] {
        let opened = link.open(Instant::now() + Duration::from_secs(patience)).await;
        let why = opened.map(drop).expect_err("nothing passes");
        let why = why.downcast_ref::<Trouble>().unwrap();
        assert!(matches!(why.what, What::Silent | What::Unreachable(_)), "{why}");
    }
    ends(&mut call).await;
    let first_lives = || rustix::process::test_kill_process(first).is_ok();
    until("the first master ends", || !first_lives()).await;
    assert_eq!(link.sessions_in_use(), 1, "only that which is still held");
    drop(call);
    assert_eq!(link.sessions_in_use(), 0);
    relay.pass();
    assert_eq!(said(&link, "echo back").await, "back\n");
}

#[tokio::test]
async fn a_host_that_falls_silent_is_waited_for_once_and_connected_again_aside() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let relay = Relay::to(sshd.port()).await;
    let hour = Duration::from_secs(3600);
    let pauses = Pauses {
        first: hour,
        most: hour,
        patience: LATEST,
    };
    let way = Ways {
        connect_timeout: Duration::from_secs(2),
        ..over(&relay, &here, &sshd)
    };
    let link = Link::with_pauses(&here.ssh(), &way, pauses).unwrap();
    assert_eq!(said(&link, "echo one").await, "one\n");
    relay.stop();
    assert_eq!(trouble(&link).await.what, What::Silent);
    until("it is tried again", || relay.taken() == 2).await;
    // Who comes next is told what is known.
    assert!(trouble(&link).await.again.is_some());
    relay.pass();
    let latest = soon();
    while let Err(why) = link.connect(soon()).await {
        assert!(Instant::now() < latest, "{why}");
    }
    assert_eq!(said(&link, "echo back").await, "back\n");
}

#[tokio::test]
async fn many_callers_of_a_host_that_is_away_share_one_answer() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let relay = Relay::to(sshd.port()).await;
    relay.stop();
    let link = here.link(&Ways {
        port: Some(relay.port()),
        connect_timeout: Duration::from_secs(2),
        sessions: 60,
        ..ways(&sshd)
    });
    let asks = (0..50).map(|_| link.connect(soon()));
    for answer in futures::future::join_all(asks).await {
        let why = answer.expect_err("nothing passes");
        assert!(matches!(why.what, What::Unreachable(_)), "{why}");
    }
    assert_eq!(relay.taken(), 1);
}

#[tokio::test]
async fn a_connection_ends_with_the_last_who_may_use_it() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    let other = link.clone();
    assert_eq!(said(&link, "echo one").await, "one\n");
    let master = here.master();
    drop(link);
    assert_eq!(said(&other, "echo two").await, "two\n");
    assert_eq!(here.master(), master);
    drop(other);
    until("the master ends", || {
        rustix::process::test_kill_process(master).is_err()
    })
    .await;
    assert!(fs::read_dir(here.path("s")).unwrap().next().is_none());

    let link = here.link(&ways(&sshd));
    assert_eq!(said(&link, "echo three").await, "three\n");
    let master = here.master();
    link.close().await;
    assert!(rustix::process::test_kill_process(master).is_err());
    assert_eq!(trouble(&link).await.what, What::Closed);
}
