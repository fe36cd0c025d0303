//! Who waits for a session, and how it goes on.

use super::*;

#[tokio::test]
async fn the_thirteenth_waits_for_its_turn_and_killing_does_not() {
    let (here, sshd) = (Here::new(), Sshd::with("MaxSessions 10"));
    let link = here.link(&ways(&sshd));
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(stuck(&link).await);
    }
    let waits: Vec<_> = (0..5)
        .map(|_| {
            let link = link.clone();
            tokio::spawn(async move { stuck(&link).await })
        })
        .collect();
    let thirteenth = tokio::spawn({
        let link = link.clone();
        async move { said(&link, "echo thirteenth").await }
    });
    let late = link.open(Instant::now() + Duration::from_millis(300)).await;
    let why = late.map(drop).expect_err("all are in use");
    let why = why.downcast_ref::<Trouble>().unwrap();
    assert_eq!(why.what, What::Busy(8));
    let kill = link.open_to_kill(soon()).await.unwrap();
    assert_eq!(printed(kill, "echo killed").await, "killed\n");
    assert!(!thirteenth.is_finished());
    held.clear();
    for wait in waits {
        held.push(timeout(LATEST, wait).await.expect("its turn comes").unwrap());
    }
    let said = timeout(LATEST, thirteenth).await.expect("its turn comes");
    assert_eq!(said.unwrap(), "thirteenth\n");
}

#[tokio::test]
async fn a_session_that_the_host_refuses_waits_and_one_to_kill_takes_another_way() {
    let (here, sshd) = (Here::new(), Sshd::with("MaxSessions 2"));
    let link = here.link(&ways(&sshd));
    let mut held = vec![stuck(&link).await, stuck(&link).await];
    let connection = link.connection().await;
    let third = tokio::spawn({
        let link = link.clone();
        async move { said(&link, "echo third").await }
    });
    let late = link.open(Instant::now() + Duration::from_secs(3)).await;
    let why = late.map(drop).expect_err("the host has no room");
    let why = why.downcast_ref::<Trouble>().unwrap();
    assert_eq!(why.what, What::Full);
    for _ in 0..3 {
        let kill = link.open_to_kill(soon()).await.unwrap();
        assert_eq!(printed(kill, "echo killed").await, "killed\n");
    }
    assert!(!third.is_finished());
    assert_eq!(link.connection().await, connection, "ours alone fill it");
    held.pop();
    assert_eq!(
        timeout(LATEST, third).await.expect("its turn comes").unwrap(),
        "third\n"
    );
    drop(held);
}

#[tokio::test]
async fn who_goes_while_waiting_leaves_its_place_to_the_next() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&Ways {
        sessions: 2,
        ..ways(&sshd)
    });
    let held = stuck(&link).await;
    let goes = tokio::spawn({
        let link = link.clone();
        async move { said(&link, "echo gone").await }
    });
    tokio::task::yield_now().await;
    goes.abort();
    assert!(goes.await.unwrap_err().is_cancelled());
    drop(held);
    assert_eq!(said(&link, "echo next").await, "next\n");
    assert_eq!(link.sessions_in_use(), 0);
}

#[tokio::test]
async fn fifty_calls_at_once_all_come_to_their_end() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    let scripts: Vec<_> = (0..50).map(|number| format!("echo {number}")).collect();
    let calls = scripts.iter().map(|script| said(&link, script));
    for (number, said) in futures::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(said, format!("{number}\n"));
    }
    here.master();
}
