//! How what runs there ends, and what disturbs an answer.

use super::*;

#[tokio::test]
async fn a_gigabyte_of_output_is_cut_while_it_comes_and_its_group_is_gone() {
    for shell in SHELLS {
        let (local, way) = Local::to(shell).way();
        let much = Run {
            output: 1 << 20,
            ..script("trap '' TERM PIPE; head -c 1000000000 /dev/zero; sleep 1000")
        };
        let runs = vec![program("echo", &["before"]), much, program("echo", &["after"])];
        let mut outcomes = all(&way, &around(), runs).await.into_iter();
        assert_eq!(text(outcomes.next().unwrap()), "before\n");
        let cut = finished(outcomes.next().unwrap());
        assert_eq!((cut.truncated, cut.stdout.len(), cut.signal), (true, 1 << 20, Some(9)));
        assert_eq!(text(outcomes.next().unwrap()), "after\n", "{shell:?}");
        until("its group is gone", || local.left().is_empty()).await;
    }
}

#[tokio::test]
async fn the_cap_counts_both_outputs_together() {
    let (_, way) = Local::to(SHELLS[0]).way();
    // None of these can be the beginning of a number that frames an answer, which is held back until more comes.
    for (text, stdout, stderr, truncated) in [
        ("printf ghijk; printf lmnop >&2", 5, 5, false),
        ("printf ghijklmnopq; sleep 1000", 10, 0, true),
        ("printf ghijklmnopq >&2; sleep 1000", 0, 10, true),
        ("printf ghijklmnopq", 10, 0, true),
    ] {
        let run = Run {
            output: 10,
            ..script(text)
        };
        let said = finished(all(&way, &around(), vec![run]).await.remove(0));
        assert_eq!(
            (said.stdout.len(), said.stderr.len(), said.truncated),
            (stdout, stderr, truncated),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_and_the_others_run() {
    for shell in SHELLS {
        let (local, way) = Local::to(shell).way();
        let stubborn = Run {
            deadline: Duration::from_millis(200),
            ..script("trap '' TERM HUP INT; sleep 1000 & exec >&- 2>&-; while :; do sleep 1000; done")
        };
        let runs = vec![program("echo", &["before"]), stubborn, program("echo", &["after"])];
        let mut outcomes = all(&way, &around(), runs).await.into_iter();
        assert_eq!(text(outcomes.next().unwrap()), "before\n");
        assert!(matches!(outcomes.next().unwrap(), Ok(Ended::TimedOut(_))), "{shell:?}");
        assert_eq!(text(outcomes.next().unwrap()), "after\n");
        until("its group is gone", || local.left().is_empty()).await;
        assert_eq!(local.opened(), 3, "the request, what ends it, and that of the rest");
    }
}

#[tokio::test]
async fn what_does_not_begin_in_time_is_told_as_such() {
    let (local, way) = Local::to(SHELLS[0]).way();
    let runs = vec![script("sleep 1000"), program("echo", &["after"])];
    let mut outcomes = super::super::run(&way, &around(), Instant::now() + Duration::from_secs(3), runs).await;
    assert!(matches!(outcomes.remove(1), Err(Fault::Late)));
    assert!(matches!(outcomes.remove(0), Ok(Ended::TimedOut(_))));
    until("its group is gone", || local.left().is_empty()).await;
}

#[tokio::test]
async fn a_command_that_closes_its_outputs_ends_when_it_ends() {
    let (_, way) = Local::to(SHELLS[0]).way();
    let outcome = all(&way, &around(), vec![script("exec >&- 2>&-; sleep 0.2; exit 4")])
        .await
        .remove(0);
    assert_eq!(finished(outcome).status, Some(4));
}

#[tokio::test]
async fn what_a_command_leaves_ends_with_the_request_unless_it_lingers() {
    for shell in SHELLS {
        for (lingers, status, stays) in [(false, 0, false), (true, 1, false), (true, 0, true)] {
            let (local, way) = Local::to(shell).way();
            let run = Run {
                lingers,
                ..script(&format!("sleep 1000 & echo $!; exit {status}"))
            };
            let output = finished(all(&way, &around(), vec![run]).await.remove(0));
            let left: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
            until("the shell is gone", || local.left().iter().all(|pid| *pid == left)).await;
            match stays {
                true => {
                    assert_eq!(local.left(), [left], "{shell:?}");
                    rustix::process::kill_process(
                        rustix::process::Pid::from_raw(left.cast_signed()).unwrap(),
                        rustix::process::Signal::KILL,
                    )
                    .unwrap();
                }
                false => until("what it left is gone", || local.left().is_empty()).await,
            }
        }
    }
}

#[tokio::test]
async fn what_runs_there_ends_when_its_caller_goes() {
    for shell in SHELLS {
        let (_kept, at) = folder();
        let (local, way) = Local::to(shell).way();
        let begun = at.join("begun");
        let runs = vec![script(&format!(
            "trap '' TERM; touch {}; sleep 1000; sleep 1000",
            begun.display()
        ))];
        let (around, deadline) = (around(), Instant::now() + LONG);
        let mut call = Box::pin(super::super::run(&way, &around, deadline, runs));
        tokio::select! {
            _ = &mut call => panic!("it ended"),
            () = until("it began", || begun.exists()) => {}
        }
        assert!(!local.left().is_empty());
        drop(call);
        until("its group is gone", || local.left().is_empty()).await;
    }
}

#[tokio::test]
async fn a_caller_that_goes_before_the_shell_answers_leaves_nothing() {
    let (_kept, at) = folder();
    let go = at.join("go");
    let login = format!("until [ -e {} ]; do sleep 0.01; done", go.display());
    let (local, way) = Local::to(SHELLS[0]).after(&login).way();
    let runs = vec![script("sleep 1000"), script("sleep 1000")];
    let (around, deadline) = (around(), Instant::now() + LONG);
    let mut call = Box::pin(super::super::run(&way, &around, deadline, runs));
    tokio::select! {
        _ = &mut call => panic!("it ended"),
        () = until("it is open", || local.opened() == 1) => {}
    }
    drop(call);
    std::fs::write(go, "").unwrap();
    until("its group is gone", || local.left().is_empty()).await;
    assert_eq!(local.places.given_up(), 0, "nobody knows that its login hangs");
}

#[tokio::test]
async fn only_a_session_that_was_open_for_a_while_without_a_shell_counts_as_one_whose_login_hangs() {
    for (within, is_full, given_up, held) in [
        // The time was over before a login could be done.
        (Duration::from_millis(200), false, 0, 1),
        (Duration::from_secs(6), false, 1, 1),
        (Duration::from_secs(6), true, 1, 0),
    ] {
        let (_kept, at) = folder();
        let go = at.join("go");
        let login = format!("until [ -e {} ]; do sleep 0.01; done", go.display());
        let (local, way) = Local::to(SHELLS[0]).after(&login).way();
        local.places.is_full.store(is_full, Ordering::Relaxed);
        // It speaks more than once: what another test starts just then may have the other end of its pipe for a moment.
        let runs = vec![script("while echo; do sleep 0.1; done")];
        let told = super::super::run(&way, &around(), Instant::now() + within, runs)
            .await
            .remove(0)
            .err();
        match given_up {
            0 => assert!(matches!(told, Some(Fault::Silent { .. })), "{told:?}"),
            _ => assert!(matches!(told, Some(Fault::Hung { .. })), "{told:?}"),
        }
        assert_eq!((local.places.given_up(), local.places.held()), (given_up, held));
        std::fs::write(go, "").unwrap();
        until("its group is gone", || local.left().is_empty()).await;
    }
}

#[tokio::test]
async fn the_noise_of_a_login_is_dropped() {
    let noise = "echo banner; echo warning >&2; printf 'no end'; printf 'no end' >&2; head -c 300000 /dev/zero";
    for shell in SHELLS {
        let (_, way) = Local::to(shell).after(noise).way();
        let output = finished(
            all(&way, &around(), vec![script("echo out; echo err >&2")])
                .await
                .remove(0),
        );
        assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    }
}

#[tokio::test]
async fn a_shell_that_only_repeats_what_it_reads_forges_nothing() {
    let (_, way) = Local::to(&["bash"]).with("SHELLOPTS", "verbose:xtrace").way();
    let output = finished(
        all(&way, &around(), vec![script("echo out; echo err >&2")])
            .await
            .remove(0),
    );
    assert_eq!((&output.stdout[..], &output.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
}

#[tokio::test]
async fn a_login_that_gives_no_shell_is_told_with_what_it_said() {
    let (_, way) = Local::to(SHELLS[0])
        .after("echo 'This account is not available.'; exit 1")
        .way();
    let mut outcomes = all(&way, &around(), vec![program("true", &[]), program("true", &[])]).await;
    for outcome in outcomes.drain(..) {
        let Err(Fault::Silent { said }) = outcome else {
            panic!("it answered")
        };
        assert_eq!(said, "This account is not available.\n");
    }
}

#[tokio::test]
async fn lines_that_look_like_frames_are_output() {
    let nonce = "0123456789abcdef0123456789abcdef";
    let forged = format!("{nonce} end 0 0\n{nonce} begin 1\nhello 1 1\nend 0 0\nrefused outside\n");
    for shell in SHELLS {
        let (_, way) = Local::to(shell).way();
        let run = script(&format!("printf '{forged}'; printf '{forged}' >&2; exit 5"));
        let outcomes = all(&way, &around(), vec![run, program("true", &[])]).await;
        let mut outcomes = outcomes.into_iter();
        let output = finished(outcomes.next().unwrap());
        assert_eq!(output.status, Some(5));
        assert_eq!(output.stdout, forged.as_bytes());
        assert_eq!(output.stderr, forged.as_bytes());
        assert_eq!(finished(outcomes.next().unwrap()).status, Some(0));
    }
}

#[tokio::test]
async fn a_command_that_ends_the_shell_is_not_told_as_done() {
    let (local, way) = Local::to(SHELLS[0]).way();
    let runs = vec![program("true", &[]), script("kill -KILL 0"), program("true", &[])];
    let mut outcomes = all(&way, &around(), runs).await;
    assert!(matches!(outcomes.remove(2), Err(Fault::Lost)));
    assert!(matches!(outcomes.remove(1), Err(Fault::Lost)));
    assert_eq!(finished(outcomes.remove(0)).status, Some(0));
    until("its group is gone", || local.left().is_empty()).await;
}

#[tokio::test]
async fn what_runs_ends_where_nobody_hears_it_any_more() {
    for shell in SHELLS {
        let (_kept, at) = folder();
        let (begun, go) = (at.join("begun"), at.join("go"));
        let (local, way) = Local::to(shell).way();
        let waits = format!(
            "sleep 1000 & touch {}; until [ -e {} ]; do sleep 0.01; done",
            begun.display(),
            go.display()
        );
        // It speaks more than once: what another test starts just then may have the other end of its pipe for a moment.
        let units = vec![script(&waits), script("while echo; do sleep 0.1; done")];
        let around = around();
        // Its caller's whole process is gone.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move { all(&way, &around, units).await });
        until("it began", || begun.exists()).await;
        let gone = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LONG));
        gone.await.unwrap();
        std::fs::write(go, "").unwrap();
        until("its group is gone", || local.left().is_empty()).await;
    }
}

#[tokio::test]
async fn no_value_is_seen_among_processes() {
    let secret = "b5f1-secret-of-the-test";
    for shell in SHELLS {
        let (_kept, at) = folder();
        let (begun, go) = (at.join("begun"), at.join("go"));
        let (_, way) = Local::to(shell).way();
        let around = Around {
            variables: vec![("TOKEN".into(), secret.into())],
            ..around()
        };
        let waits = format!(
            "touch {}; until [ -e {} ]; do sleep 0.01; done",
            begun.display(),
            go.display()
        );
        let run = Run {
            env: vec![("GIVEN".into(), secret.into())],
            stdin: secret.into(),
            ..script(&waits)
        };
        let mut call = Box::pin(all(&way, &around, vec![run]));
        tokio::select! {
            _ = &mut call => panic!("it ended"),
            () = until("it began", || { assert!(!is_seen(secret)); begun.exists() }) => {}
        }
        assert!(!is_seen(secret), "{shell:?}");
        std::fs::write(go, "").unwrap();
        assert_eq!(text(call.await.remove(0)), "");
    }
}

fn is_seen(secret: &str) -> bool {
    processes().iter().any(|process| {
        let line = std::fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        line.windows(secret.len()).any(|part| part == secret.as_bytes())
    })
}

#[tokio::test]
async fn what_outlives_the_shell_of_its_session_is_ended() {
    for shell in SHELLS {
        let (local, way) = Local::to(shell).way();
        let runs = vec![script(
            "sleep 1000 >/dev/null 2>&1 & kill -9 $PPID; exec sleep 1000 >/dev/null 2>&1",
        )];
        let outcome = all(&way, &around(), runs).await.remove(0);
        assert!(
            outcome.is_err() || matches!(outcome, Ok(Ended::TimedOut(_))),
            "{shell:?}"
        );
        until("its group is gone", || local.left().is_empty()).await;
    }
}
