//! A host whose logins hang: each keeps its session there until none is left for others.

use std::sync::Arc;

use super::*;
use crate::machine::Ended;
use crate::machine::sh::{Around, Fault, Run, run};

/// How long a call waits for a login that hangs once it has its session.
const SHORT: Duration = Duration::from_secs(6);

/// A way to one session, which is open.
struct Opened(std::sync::Mutex<Option<Channel>>);

#[async_trait::async_trait]
impl crate::machine::sh::Way for Opened {
    async fn open(&self, _: Instant) -> Result<Channel, crate::machine::sh::Unopened> {
        Ok(self.0.lock().unwrap().take().expect("only one is asked for"))
    }

    async fn open_to_kill(&self, _: Instant) -> Result<Channel, crate::machine::sh::Unopened> {
        panic!("no shell is there to be killed")
    }
}

/// A server of three sessions with a file at `works`; without that a login begins and hangs: until it is there if it `recovers`,
/// or for good.
fn hanging(here: &Here, recovers: bool) -> Sshd {
    let (works, shell) = (here.path("works"), here.path("shell"));
    let (works, folder) = (works.display(), here.path("s"));
    let hangs = match recovers {
        true => format!("[ ! -e {works} ] && [ -d {} ]", folder.display()),
        false => format!("[ -d {} ]", folder.display()),
    };
    let text = format!(
        "#!/bin/sh\nif [ ! -e {works} ]; then\nwhile {hangs}; do sleep 0.1; done\n[ -e {works} ] || exit 1\nfi\n\
         exec /bin/sh \"$@\"\n"
    );
    fs::write(&shell, text).unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let sshd = Sshd::with(&format!("MaxSessions 3\n{}", sshd::login_shell(&shell)));
    fs::write(here.path("works"), "").unwrap();
    sshd
}

/// What a program prints there that has until then.
async fn answer(link: &Link, within: Duration) -> Result<String, Fault> {
    answer_by(Arc::new(link.clone()), within).await
}

async fn answer_by(way: Arc<dyn crate::machine::sh::Way>, within: Duration) -> Result<String, Fault> {
    let echo = Run {
        program: "echo".into(),
        args: vec!["it works".into()],
        env: Vec::new(),
        directory: None,
        held: Vec::new(),
        stdin: Vec::new(),
        deadline: within,
        output: 1 << 10,
        lingers: false,
        socket: None,
    };
    let around = Around {
        environment: vec!["PATH".into()],
        ..Around::default()
    };
    match run(&way, &around, Instant::now() + within, vec![echo])
        .await
        .remove(0)?
    {
        Ended::Finished(output) => Ok(String::from_utf8(output.stdout).unwrap()),
        Ended::TimedOut(after) => panic!("it did not end within {after:?}"),
    }
}

async fn hangs(link: &Link) {
    let session = link.open(soon()).await.unwrap();
    let opened = Opened(std::sync::Mutex::new(Some(session)));
    match answer_by(Arc::new(opened), SHORT).await {
        Err(fault @ Fault::Hung { .. }) => assert!(fault.to_string().contains("what hangs at login"), "{fault}"),
        other => panic!("{other:?}"),
    }
}

/// A session that sends back what it is sent.
async fn echoing(link: &Link) -> Channel {
    let mut session = link.open(soon()).await.unwrap();
    session.stdin.write_all(b"echo up; exec cat\n").await.unwrap();
    let mut up = [0; 3];
    // What came before that would be the shell's.
    let read = session.stdout.read_exact(&mut up);
    timeout(LATEST, read).await.expect("it starts").unwrap();
    session
}

/// What is sent to a session that echoes comes back.
async fn goes_on(session: &mut Channel) {
    session.stdin.write_all(b"on\n").await.unwrap();
    session.stdin.flush().await.unwrap();
    let mut line = [0; 3];
    let read = session.stdout.read_exact(&mut line);
    timeout(LATEST, read).await.expect("it goes on").unwrap();
    assert_eq!(&line, b"on\n");
}

#[tokio::test]
async fn a_connection_that_is_only_used_any_more_counts_as_one_that_is_there_until_its_last_call_ends() {
    let here = Here::new();
    let sshd = hanging(&here, false);
    let link = here.link(&ways(&sshd));
    let mut slow = echoing(&link).await;
    fs::remove_file(here.path("works")).unwrap();
    hangs(&link).await;
    hangs(&link).await;
    // No other connection can be made.
    fs::remove_file(sshd.path("user_key")).unwrap();
    assert!(matches!(trouble(&link).await.what, What::Identity { .. }));
    goes_on(&mut slow).await;
    assert!(link.is_connected());
    drop(slow);
    until("it has ended", || !link.is_connected()).await;
}

#[tokio::test]
async fn a_host_whose_sessions_are_taken_by_logins_that_hang_gets_a_new_connection_and_a_slow_call_keeps_the_old_one() {
    let here = Here::new();
    let sshd = hanging(&here, false);
    let link = here.link(&ways(&sshd));
    let mut slow = echoing(&link).await;
    let (first, master) = (link.connection().await, here.master());
    fs::remove_file(here.path("works")).unwrap();
    hangs(&link).await;
    hangs(&link).await;
    assert_eq!(link.sessions_in_use(), 1, "who waits no longer keeps nobody waiting");
    assert_eq!(link.connection().await, first);
    fs::write(here.path("works"), "").unwrap();
    assert_eq!(answer(&link, LATEST).await.unwrap(), "it works\n");
    assert_ne!(link.connection().await, first);
    goes_on(&mut slow).await;
    // A pipe is shut when it is dropped.
    slow.stdin = Box::new(tokio::io::sink());
    timeout(LATEST, slow.stdout.read_to_end(&mut Vec::new()))
        .await
        .expect("it ends by itself")
        .unwrap();
    drop(slow);
    until("the first connection ends with its last call", || {
        rustix::process::test_kill_process(master).is_err()
    })
    .await;
    assert_eq!(answer(&link, LATEST).await.unwrap(), "it works\n");
}

#[tokio::test]
async fn a_call_that_finds_all_sessions_taken_by_logins_that_hang_is_answered_when_they_do_not_any_more() {
    let here = Here::new();
    let sshd = hanging(&here, true);
    let link = here.link(&ways(&sshd));
    assert_eq!(answer(&link, LATEST).await.unwrap(), "it works\n");
    let first = link.connection().await;
    fs::remove_file(here.path("works")).unwrap();
    let all = futures::future::join_all((0..3).map(|_| hangs(&link)));
    all.await;
    let waits = tokio::spawn({
        let link = link.clone();
        async move { answer(&link, LATEST).await }
    });
    let latest = soon();
    while link.connection().await.is_none_or(|now| Some(now) == first) {
        assert!(Instant::now() < latest, "there is a new connection");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fs::write(here.path("works"), "").unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), "it works\n");
}

#[tokio::test]
async fn who_finds_all_sessions_in_use_where_logins_hang_is_told_what_to_look_for() {
    let here = Here::new();
    let sshd = hanging(&here, true);
    let link = here.link(&ways(&sshd));
    let _held = stuck(&link).await;
    fs::remove_file(here.path("works")).unwrap();
    hangs(&link).await;
    // That and these two are all that the host has room for.
    let others: Vec<_> = (0..2).map(|_| link.clone()).collect();
    let others: Vec<_> = others
        .into_iter()
        .map(|link| tokio::spawn(async move { answer(&link, LATEST).await }))
        .collect();
    until("both wait", || link.sessions_in_use() == 3).await;
    let latest = soon();
    let why = loop {
        let opened = link.open(Instant::now() + Duration::from_secs(1)).await;
        let why = opened.map(drop).expect_err("there is no room");
        let why = why.downcast_ref::<Trouble>().unwrap().clone();
        if matches!(why.what, What::Taken(_)) {
            break why;
        }
        assert!(Instant::now() < latest, "{why}");
    };
    assert_eq!(why.state(), "sessions taken");
    assert!(why.is_busy(), "the host itself answers");
    let words = why.to_string();
    assert!(
        words.contains("the host there has all its sessions taken") && words.contains("what hangs at login"),
        "{words}"
    );
    fs::write(here.path("works"), "").unwrap();
    for other in others {
        assert_eq!(other.await.unwrap().unwrap(), "it works\n");
    }
}

#[tokio::test]
async fn a_login_that_hangs_is_told_as_that_where_a_session_is_measured() {
    let here = Here::new();
    let sshd = hanging(&here, true);
    let link = here.link(&ways(&sshd));
    fs::remove_file(here.path("works")).unwrap();
    link.connect(soon()).await.unwrap();
    let why = link.round_trip(Instant::now() + SHORT).await.expect_err("it hangs");
    assert_eq!((why.what.clone(), why.state()), (What::Hung, "login hangs"), "{why}");
}
