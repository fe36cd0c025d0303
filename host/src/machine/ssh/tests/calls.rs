//! Programs on a host, and what becomes of them and of who waits for them when something fails.

use std::sync::Arc;

use super::*;
use crate::machine::sh::{Around, Fault, Run, Way, run};
use crate::machine::{Ended, Output};

/// A script that has as much time as a test.
fn script(text: &str) -> Run {
    Run {
        program: "sh".into(),
        args: vec!["-c".into(), text.into()],
        env: Vec::new(),
        directory: None,
        held: Vec::new(),
        stdin: Vec::new(),
        deadline: LATEST,
        output: 1 << 20,
        lingers: false,
        socket: None,
    }
}

/// A script that ends by itself only after the test, and whose process group stands in `file` when it has begun.
fn stubborn(file: &std::path::Path) -> Run {
    let file = file.display();
    script(&format!(
        "trap '' TERM HUP INT; ps -o pgid= -p $$ >{file}.new; mv {file}.new {file}; sleep 1000; sleep 1000"
    ))
}

/// How one program went.
async fn ran(link: &Link, one: Run) -> Result<Ended, Fault> {
    let way: Arc<dyn Way> = Arc::new(link.clone());
    let around = Around {
        environment: vec!["PATH".into()],
        ..Around::default()
    };
    run(&way, &around, soon(), vec![one]).await.remove(0)
}

#[track_caller]
fn finished(outcome: Result<Ended, Fault>) -> Output {
    match outcome {
        Ok(Ended::Finished(output)) => output,
        Ok(Ended::TimedOut(after)) => panic!("it did not end within {after:?}"),
        Err(fault) => panic!("{fault:?}"),
    }
}

#[track_caller]
fn unopened(outcome: Result<Ended, Fault>) -> What {
    match outcome {
        Err(Fault::Unopened(why)) => why.downcast_ref::<Trouble>().unwrap().what.clone(),
        Err(fault) => panic!("{fault:?}"),
        Ok(_) => panic!("it was run"),
    }
}

async fn works(link: &Link) {
    assert_eq!(finished(ran(link, script("echo it works")).await).stdout, b"it works\n");
}

/// Waits until a stubborn script has begun; the answer is its group.
async fn begun(file: &std::path::Path) -> u32 {
    until("it begins", || file.exists()).await;
    fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

/// Waits until nothing of a group runs any more.
async fn is_gone(group: u32) {
    let runs = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some(&group.to_string()) && words.next().is_some_and(|state| !state.starts_with('Z'))
    };
    until("its group is gone", || {
        let listed = Command::new("ps").args(["-A", "-o", "pgid=,stat="]).output().unwrap();
        !String::from_utf8_lossy(&listed.stdout).lines().any(runs)
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_killed_in_mid_call_is_told_as_such_and_is_used_again_when_it_is_back() {
    let (here, mut sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    let (file, other) = (here.path("begun"), link.clone());
    let one = stubborn(&file);
    let call = tokio::spawn(async move { ran(&other, one).await });
    begun(&file).await;
    sshd.stop();
    let outcome = timeout(LATEST, call).await.expect("it ends").unwrap();
    assert!(matches!(outcome, Err(Fault::Lost)));
    assert!(matches!(unopened(ran(&link, script("true")).await), What::Refused(_)));
    sshd.restart();
    works(&link).await;
}

#[tokio::test]
async fn a_way_that_passes_nothing_for_a_while_holds_a_call_up_and_loses_nothing() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let relay = Relay::to(sshd.port()).await;
    let link = here.link(&over(&relay, &here, &sshd));
    works(&link).await;
    let (file, go, other) = (here.path("begun"), here.path("go"), link.clone());
    let prints = format!(
        "touch {}; until [ -e {} ]; do sleep 0.01; done; seq 100000",
        file.display(),
        go.display()
    );
    let call = tokio::spawn(async move { ran(&other, script(&prints)).await });
    until("it begins", || file.exists()).await;
    relay.stop();
    let before = relay.came();
    fs::write(&go, "").unwrap();
    until("something is held up", || relay.came() > before).await;
    assert!(!call.is_finished());
    relay.pass();
    let output = finished(timeout(LATEST, call).await.expect("it ends").unwrap());
    let all: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!((output.status, output.truncated) == (Some(0), false) && output.stdout == all.as_bytes());
}

#[tokio::test]
async fn a_way_that_passes_nothing_any_more_ends_a_call_and_what_it_left_is_ended_when_there_is_a_way_again() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let relay = Relay::to(sshd.port()).await;
    let link = here.link(&Ways {
        connect_timeout: Duration::from_secs(2),
        keepalive: Some(Duration::from_secs(1)),
        ..over(&relay, &here, &sshd)
    });
    let (file, other) = (here.path("begun"), link.clone());
    let one = stubborn(&file);
    let call = tokio::spawn(async move { ran(&other, one).await });
    let group = begun(&file).await;
    relay.stop();
    let outcome = timeout(LATEST, call).await.expect("it ends").unwrap();
    assert!(matches!(outcome, Err(Fault::Lost)));
    assert!(matches!(
        unopened(ran(&link, script("true")).await),
        What::Unreachable(_)
    ));
    relay.pass();
    is_gone(group).await;
    works(&link).await;
}

#[tokio::test]
async fn twelve_calls_that_are_stuck_on_a_server_of_ten_sessions_end_in_their_time() {
    let (here, sshd) = (Here::new(), Sshd::with("MaxSessions 10"));
    let link = here.link(&ways(&sshd));
    let files: Vec<_> = (0..12).map(|number| here.path(&format!("begun{number}"))).collect();
    let calls = files.iter().map(|file| {
        let stuck = Run {
            deadline: Duration::from_secs(2),
            ..stubborn(file)
        };
        ran(&link, stuck)
    });
    let calls = futures::future::join_all(calls);
    let outcomes = timeout(3 * LATEST, calls).await.expect("they end");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(Ended::TimedOut(_)))));
    for file in &files {
        is_gone(begun(file).await).await;
    }
    assert_eq!(link.sessions_in_use(), 0);
    works(&link).await;
}

#[tokio::test]
async fn a_key_that_changes_between_two_calls_is_told_with_the_line_of_the_old_one() {
    let (here, mut sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    works(&link).await;
    sshd.change_key();
    let place = Some((1, sshd.path("known_hosts")));
    assert_eq!(
        unopened(ran(&link, script("true")).await),
        What::KeyChanged { trusted: place }
    );
}

#[tokio::test]
async fn what_ignores_that_it_is_to_end_ends_in_its_time_and_with_its_caller() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    let file = here.path("late");
    let late = Run {
        deadline: Duration::from_secs(1),
        ..stubborn(&file)
    };
    assert!(matches!(ran(&link, late).await, Ok(Ended::TimedOut(_))));
    is_gone(begun(&file).await).await;

    let (file, other) = (here.path("unheard"), link.clone());
    let one = stubborn(&file);
    let call = tokio::spawn(async move { ran(&other, one).await });
    let group = begun(&file).await;
    call.abort();
    is_gone(group).await;
    until("its place is free", || link.sessions_in_use() == 0).await;
}

#[tokio::test]
async fn of_a_gigabyte_of_output_little_more_is_taken_than_is_kept() {
    const MANY: usize = 1_000_000_000;
    let (here, sshd) = (Here::new(), Sshd::start());
    let relay = Relay::to(sshd.port()).await;
    let link = here.link(&over(&relay, &here, &sshd));
    let file = here.path("begun");
    let much = Run {
        output: 1 << 20,
        ..script(&format!(
            "trap '' TERM PIPE; ps -o pgid= -p $$ >{}; head -c {MANY} /dev/zero; sleep 1000",
            file.display()
        ))
    };
    let output = finished(ran(&link, much).await);
    assert_eq!((output.truncated, output.stdout.len()), (true, 1 << 20));
    is_gone(begun(&file).await).await;
    assert!(relay.came() < MANY / 10, "{} bytes", relay.came());
    works(&link).await;
}
