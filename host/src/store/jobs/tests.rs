#![allow(clippy::unwrap_used)]

use super::*;

fn index() -> (tempfile::TempDir, JobIndex) {
    let place = tempfile::tempdir().unwrap();
    let index = JobIndex::open(&place.path().join("jobs")).unwrap();
    (place, index)
}

fn job(id: &str, queue: &str) -> NewJob {
    NewJob {
        id: id.to_owned(),
        key: format!("key of {id}"),
        queue: queue.to_owned(),
        host: String::new(),
        note: String::new(),
        interactive: false,
        watch: false,
        command: "true".into(),
        input: b"in".to_vec(),
        origin: Origin {
            depth: 1,
            ancestors: Vec::new(),
        },
        is_step: false,
    }
}

fn ended(phase: Phase, at: u64) -> Outcome {
    Outcome {
        phase,
        reason: None,
        status: None,
        signal: None,
        finished_at: at,
        input: None,
        output: 0,
        errors: 0,
        kept: 7,
    }
}

fn submit(index: &JobIndex, job: &NewJob) -> Result<Submitted, JobError> {
    index.submit(job, 1)
}

const ROOM: Room = Room {
    runs: 2,
    interactive: 1,
};

fn next(index: &JobIndex) -> Option<String> {
    next_on(index, &[""], &[]).map(|(id, _)| id)
}

fn next_on(index: &JobIndex, open: &[&str], away: &[&str]) -> Option<(String, String)> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let reached = Reached {
        open: names(open),
        away: names(away),
    };
    index.next(ROOM, &reached).unwrap()
}

#[test]
fn a_further_step_is_of_whoever_started_the_first_one_and_of_the_same_session() {
    let (_place, index) = index();
    let deep = Origin {
        depth: 2,
        ancestors: vec!["jobs/p".into(), "jobs/q".into()],
    };
    let first = NewJob {
        key: "run/1".into(),
        origin: deep.clone(),
        ..job("a", "q")
    };
    submit(&index, &first).unwrap();
    index.set_session(&["a".into()], "s").unwrap();
    for (id, key, is_step, origin) in [
        ("b", "run/1/agent", true, deep.clone()),
        ("c", "run/1/agent/again", true, deep.clone()),
        ("d", "run/1/by-a-person", false, deep.clone()),
        (
            "e",
            "run/2/agent",
            true,
            Origin {
                depth: 7,
                ancestors: Vec::new(),
            },
        ),
        (
            "f",
            "run/10",
            true,
            Origin {
                depth: 7,
                ancestors: Vec::new(),
            },
        ),
    ] {
        let depth = if is_step { 7 } else { 1 };
        let step = NewJob {
            key: key.into(),
            is_step,
            origin: Origin {
                depth,
                ancestors: Vec::new(),
            },
            ..job(id, "q")
        };
        submit(&index, &step).unwrap();
        assert_eq!(index.origin(id).unwrap(), origin, "{key}");
    }
    assert_eq!(index.sessions("b", "jobs/b").unwrap(), ["s".to_owned()].into());
    assert_eq!(index.sessions("e", "jobs/e").unwrap(), [].into());
}

#[test]
fn what_is_a_jobs_own_is_itself_and_what_it_started() {
    let (_place, index) = index();
    let started_by = |id: &str, ancestors: &[&str]| NewJob {
        origin: Origin {
            depth: 1,
            ancestors: ancestors.iter().map(|name| (*name).to_owned()).collect(),
        },
        ..job(id, id)
    };
    for (id, ancestors) in [
        ("p", &[][..]),
        ("c", &["x/p"]),
        ("g", &["x/p", "x/c"]),
        ("s", &[]),
        ("pp", &["x/pp-"]),
    ] {
        submit(&index, &started_by(id, ancestors)).unwrap();
        index.set_session(&[id.into()], &format!("of {id}")).unwrap();
    }
    let within = |id: &str| {
        let filter = Filter {
            within: Some((id.to_owned(), format!("x/{id}"))),
            limit: 10,
            ..Filter::default()
        };
        let listed = index.recent(&filter).unwrap();
        listed.into_iter().map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(within("p"), ["g", "c", "p"]);
    assert_eq!(within("c"), ["g", "c"]);
    assert_eq!(within("s"), ["s"]);
    let kin = |named: &str, id: &str| index.kin(named, id, &format!("x/{id}")).unwrap();
    assert_eq!(kin("g", "p"), [Kin::Descendant]);
    assert_eq!(kin("of g", "p"), [Kin::Descendant]);
    assert_eq!(kin("p", "p"), [Kin::Itself]);
    assert_eq!((kin("p", "c"), kin("of s", "p")), (vec![Kin::Other], vec![Kin::Other]));
    assert_eq!(kin("", "p"), []);
    let sessions: Vec<_> = index.sessions("c", "x/c").unwrap().into_iter().collect();
    assert_eq!(sessions, ["of c", "of g"]);
}

#[test]
fn a_token_is_a_jobs_while_that_runs_and_only_its_digest_is_kept() {
    let (place, index) = index();
    submit(&index, &job("a", "q")).unwrap();
    index.set_token("a", "a-token-that-is-told").unwrap();
    let of = |token: &str| index.of_token(token).unwrap();
    assert_eq!(of("a-token-that-is-told"), None, "it waits");
    index.set_running("a", "", 1).unwrap();
    assert_eq!(of("a-token-that-is-told").as_deref(), Some("a"));
    assert_eq!(of(""), None);
    for entry in std::fs::read_dir(place.path().join("jobs")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(20).any(|part| part == b"a-token-that-is-told"));
    }
    index.set_ended("a", &ended(Phase::Exited, 2)).unwrap();
    assert_eq!(of("a-token-that-is-told"), None);
}

#[test]
fn one_key_is_one_job_and_other_content_is_a_conflict() {
    let (place, index) = index();
    assert_eq!(submit(&index, &job("a", "q")).unwrap(), Submitted::New);
    let again = NewJob {
        id: "b".into(),
        ..job("a", "q")
    };
    assert_eq!(submit(&index, &again).unwrap(), Submitted::Before("a".into()));
    for other in [
        NewJob {
            queue: "p".into(),
            ..again.clone()
        },
        NewJob {
            note: "n".into(),
            ..again.clone()
        },
        NewJob {
            command: "false".into(),
            ..again.clone()
        },
        NewJob {
            input: b"out".to_vec(),
            ..again.clone()
        },
        NewJob {
            interactive: true,
            ..again.clone()
        },
        NewJob {
            watch: true,
            ..again.clone()
        },
        NewJob {
            host: "mac".into(),
            ..again.clone()
        },
    ] {
        assert!(
            matches!(submit(&index, &other), Err(JobError::OtherContent { id }) if id == "a"),
            "{other:?}"
        );
    }
    drop(index);
    let index = JobIndex::open(&place.path().join("jobs")).unwrap();
    index.set_ended("a", &ended(Phase::Exited, 5)).unwrap();
    assert_eq!(
        submit(&index, &again).unwrap(),
        Submitted::Before("a".into()),
        "also later, and after its end"
    );
}

#[test]
fn one_of_a_queue_runs_at_a_time_in_the_order_submitted_within_the_room_of_its_kind() {
    let (_place, index) = index();
    for (id, queue) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c")] {
        submit(&index, &job(id, queue)).unwrap();
    }
    submit(
        &index,
        &NewJob {
            interactive: true,
            ..job("c2", "c")
        },
    )
    .unwrap();
    submit(
        &index,
        &NewJob {
            interactive: true,
            ..job("d1", "d")
        },
    )
    .unwrap();
    assert_eq!(next(&index).unwrap(), "a1");
    assert!(index.set_running("a1", "", 2).unwrap());
    assert!(!index.set_running("a1", "", 2).unwrap(), "it runs");
    assert_eq!(next(&index).unwrap(), "b1", "the queue of a2 is taken");
    index.set_running("b1", "", 3).unwrap();
    assert_eq!(
        next(&index).unwrap(),
        "d1",
        "there is no room for c1, and c2 is behind it"
    );
    index.set_running("d1", "", 3).unwrap();
    assert_eq!(next(&index), None);
    assert!(index.set_ended("a1", &ended(Phase::Failed, 4)).unwrap());
    assert!(
        !index.set_ended("a1", &ended(Phase::Exited, 5)).unwrap(),
        "its first end stays"
    );
    assert_eq!(index.get("a1").unwrap().phase, Phase::Failed);
    assert_eq!(next(&index).unwrap(), "a2");
    index.set_ended("a2", &ended(Phase::Cancelled, 4)).unwrap();
    assert_eq!(next(&index).unwrap(), "c1");
    let running: Vec<String> = index.running().unwrap().into_iter().map(|job| job.id).collect();
    assert_eq!(running, ["b1", "d1"]);
}

#[test]
fn what_waits_for_a_host_that_is_away_holds_up_its_own_queue_alone_and_takes_no_room() {
    let (_place, index) = index();
    let on = |id: &str, queue: &str, host: &str| {
        let job = NewJob {
            host: host.to_owned(),
            ..job(id, queue)
        };
        submit(&index, &job).unwrap();
    };
    let started = |id: &str, host: &str| assert!(index.set_running(id, host, 2).unwrap());
    for (id, queue, host) in [
        ("m1", "a", "mac"),
        ("m2", "b", "mac"),
        ("l1", "a", "linux"),
        ("l2", "c", "linux"),
        ("l3", "d", "linux"),
        ("l4", "e", "linux"),
        ("l5", "f", "linux"),
    ] {
        on(id, queue, host);
    }
    let next = |open: &[&str], away: &[&str]| next_on(&index, open, away).map(|(id, host)| format!("{id} on {host}"));
    assert_eq!(next(&["mac", "linux"], &[]).unwrap(), "m1 on mac");
    started("m1", "mac");
    assert_eq!(
        next(&["linux"], &["mac"]).unwrap(),
        "l2 on linux",
        "l1 is behind m1, and m2 is away"
    );
    started("l2", "linux");
    assert_eq!(next(&["mac", "linux"], &[]), None, "there is room for two");
    assert_eq!(next(&["linux"], &["mac"]).unwrap(), "l3 on linux", "m1 takes none");
    started("l3", "linux");
    assert_eq!(next(&["linux"], &["mac"]), None);
    index.set_ended("m1", &ended(Phase::Exited, 3)).unwrap();
    index.set_ended("l2", &ended(Phase::Exited, 3)).unwrap();
    assert_eq!(next(&["mac", "linux"], &[]).unwrap(), "m2 on mac");
    assert_eq!(index.get("m2").unwrap().host, "mac", "also before it runs");
}

#[test]
fn what_names_no_host_is_the_same_as_before_there_were_any() {
    let (_place, index) = index();
    submit(&index, &job("a", "q")).unwrap();
    let content = "SELECT hex(content) FROM job";
    let kept: String = index.connection().query_row(content, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, "D78AA189FCF03430768200EFD5E22A0F1B47A58CF1B5FB217B6308D8635AB89B");
}

#[test]
fn input_is_added_to_what_waits_where_it_is_expected() {
    let (_place, index) = index();
    submit(
        &index,
        &NewJob {
            interactive: true,
            ..job("a", "q")
        },
    )
    .unwrap();
    submit(&index, &job("b", "p")).unwrap();
    assert_eq!(index.append("a", b"put", Some(2)).unwrap(), Some(5));
    assert!(matches!(
        index.append("a", b"put", Some(2)),
        Err(JobError::Offset { expected: 2, found: 5 })
    ));
    assert!(matches!(index.append("b", b"x", None), Err(JobError::Whole)));
    assert_eq!(index.input("a").unwrap().unwrap(), (b"input".to_vec(), false));
    assert!(index.close("a").unwrap());
    assert!(matches!(index.append("a", b"x", None), Err(JobError::Whole)));
    assert!(index.input("a").unwrap().unwrap().1);
    index.set_running("a", "", 1).unwrap();
    index.set_made("a").unwrap();
    assert_eq!(index.input("a").unwrap(), None);
    assert_eq!(index.command("a").unwrap().unwrap(), "true");
    assert_eq!(index.append("a", b"x", None).unwrap(), None, "its directory takes it");
    assert_eq!(index.get("a").unwrap().input, 5);
    index.set_claimed("a").unwrap();
    assert_eq!(index.command("a").unwrap(), None);
}

#[test]
fn listings_are_pages_by_queue_label_and_phase_the_newest_first() {
    let (_place, index) = index();
    for number in 0..12 {
        let id = format!("j{number:02}");
        submit(&index, &job(&id, if number % 2 == 0 { "even" } else { "odd" })).unwrap();
        index
            .set_label(&id, if number % 3 == 0 { "failed" } else { "done" })
            .unwrap();
        if number < 6 {
            index.set_ended(&id, &ended(Phase::Exited, 1)).unwrap();
        }
    }
    let ids = |filter: Filter| -> Vec<String> {
        let found = index.recent(&Filter { limit: 4, ..filter }).unwrap();
        found.into_iter().map(|job| job.id).collect()
    };
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(Filter::default()), ["j11", "j10", "j09", "j08"]);
    let after = Filter {
        after: Some("j08".into()),
        ..Filter::default()
    };
    assert_eq!(ids(after), ["j07", "j06", "j05", "j04"]);
    let failed = Filter {
        labels: labels(&["failed"]),
        ..Filter::default()
    };
    assert_eq!(ids(failed.clone()), ["j09", "j06", "j03", "j00"]);
    assert_eq!(
        ids(Filter {
            phases: vec![Phase::Exited, Phase::Exited],
            ..failed.clone()
        }),
        ["j03", "j00"]
    );
    assert_eq!(
        ids(Filter {
            queue: Some("even".into()),
            ..failed
        }),
        ["j06", "j00"]
    );
    let both = Filter {
        labels: labels(&["failed", "done"]),
        phases: vec![Phase::Queued, Phase::Exited],
        after: Some("j07".into()),
        ..Filter::default()
    };
    assert_eq!(ids(both), ["j06", "j05", "j04", "j03"]);
    assert!(matches!(
        index.recent(&Filter {
            after: Some("x".into()),
            ..Filter::default()
        }),
        Err(JobError::Unknown(_))
    ));
}

#[test]
fn a_page_of_100_000_jobs_is_found_by_an_index_whatever_is_asked() {
    let (_place, index) = index();
    index
        .change(|transaction| {
            transaction.execute_batch(
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
                 INSERT INTO job (id, key, content, queue, note, label, interactive, watch, phase, input, queued_at)
                 SELECT 'j' || n, 'k' || n, x'', 'q' || (n % 20), '', iif(n % 20000 = 7, 'failed', 'done'), 0, 0,
                        iif(n % 20000 = 9, 'timed-out', 'exited'), 0, n
                 FROM n;",
            )?;
            Ok(Ok(()))
        })
        .unwrap();
    let failed = vec!["failed".to_owned()];
    let rare = vec![Phase::TimedOut];
    let done = vec!["done".to_owned()];
    for filter in [
        Filter::default(),
        Filter {
            labels: failed.clone(),
            ..Filter::default()
        },
        Filter {
            phases: rare.clone(),
            ..Filter::default()
        },
        Filter {
            labels: done,
            phases: rare.clone(),
            ..Filter::default()
        },
        Filter {
            queue: Some("q9".into()),
            phases: rare,
            ..Filter::default()
        },
        Filter {
            queue: Some("q7".into()),
            labels: failed,
            ..Filter::default()
        },
    ] {
        let filter = Filter { limit: 100, ..filter };
        let connection = index.connection();
        let (text, parameters) = listing::question(i64::MAX, &filter);
        let mut statement = connection.prepare(&text).unwrap();
        let rows = statement.query_map(rusqlite::params_from_iter(parameters), JobRecord::of);
        let found = rows.unwrap().count();
        assert!((1..=100).contains(&found), "{filter:?}");
        let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
        assert!(steps < 20_000, "{filter:?}: {steps} steps");
    }
}

#[test]
fn what_waits_is_bounded_and_room_comes_back() {
    let (_place, index) = index();
    let large = |n: usize| NewJob {
        input: vec![0; 16 << 20],
        ..job(&n.to_string(), "q")
    };
    let taken = (0..5).take_while(|n| submit(&index, &large(*n)).is_ok()).count();
    assert_eq!(taken, 3);
    index.set_ended("0", &ended(Phase::Cancelled, 1)).unwrap();
    submit(&index, &large(9)).unwrap();
}

#[test]
fn what_ran_on_one_machine_is_not_looked_for_on_another() {
    let (_place, index) = index();
    for id in ["here", "there", "never"] {
        submit(&index, &job(id, id)).unwrap();
    }
    index.set_running("here", "", 1).unwrap();
    index.set_running("there", "mac", 1).unwrap();
    for id in ["here", "there", "never"] {
        index.set_ended(id, &ended(Phase::Exited, 10)).unwrap();
    }
    let old = |host| -> Vec<String> {
        let old = index.ended_before(10, host, 10).unwrap();
        old.into_iter().map(|job| job.id).collect()
    };
    assert_eq!(old(""), ["here", "never"]);
    assert_eq!(old("mac"), ["there", "never"]);
    assert_eq!(index.larger_than(0, "mac", 10).unwrap().len(), 1);
    assert_eq!(index.kept("mac").unwrap(), 7);
}

#[test]
fn whatever_a_host_said_that_its_jobs_keep_can_be_added_up() {
    let (_place, index) = index();
    for id in ["a", "b", "c"] {
        submit(&index, &job(id, id)).unwrap();
        index.set_running(id, "mac", 1).unwrap();
        let huge = Outcome {
            kept: i64::MAX.unsigned_abs(),
            ..ended(Phase::Exited, 10)
        };
        index.set_ended(id, &huge).unwrap();
    }
    assert_eq!(index.kept("mac").unwrap(), i64::MAX.unsigned_abs());
    assert_eq!(index.kept("").unwrap(), 0);
}

#[test]
fn only_what_has_ended_long_ago_is_forgotten_whatever_the_clock_says() {
    let (_place, index) = index();
    for id in ["a", "b", "c", "d"] {
        submit(&index, &job(id, id)).unwrap();
    }
    index.set_running("a", "", 1).unwrap();
    index.set_ended("b", &ended(Phase::Exited, 100)).unwrap();
    // The clock was set back between them.
    index.set_ended("c", &ended(Phase::Exited, 10)).unwrap();
    let old = |before| -> Vec<String> {
        index
            .ended_before(before, "", 10)
            .unwrap()
            .into_iter()
            .map(|job| job.id)
            .collect()
    };
    assert_eq!(old(10), ["c"]);
    assert_eq!(old(u64::MAX >> 2), ["b", "c"]);
    assert_eq!(index.kept("").unwrap(), 14);
    for id in ["a", "b", "d"] {
        index.forget(id).unwrap();
    }
    assert!(matches!(index.get("b"), Err(JobError::Unknown(_))));
    assert!(index.get("a").is_ok() && index.get("d").is_ok());
    assert_eq!(submit(&index, &job("b", "b")).unwrap(), Submitted::New);
}

#[test]
fn nothing_of_a_job_that_was_forgotten_is_left_in_a_file() {
    let (place, index) = index();
    let secrets = ["what a person asked for", "what it was given", "how it was begun"];
    let spoken = NewJob {
        note: secrets[0].repeat(200),
        input: secrets[1].repeat(200).into_bytes(),
        command: secrets[2].to_owned(),
        ..job("a", "q")
    };
    submit(&index, &spoken).unwrap();
    let found = || -> Vec<&str> {
        let files = std::fs::read_dir(place.path().join("jobs")).unwrap();
        let bytes: Vec<u8> = files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
        let holds = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        secrets.into_iter().filter(|secret| holds(secret)).collect()
    };
    index.scrub().unwrap();
    assert_eq!(found(), secrets, "it is kept while the job is");
    index.set_ended("a", &ended(Phase::Exited, 1)).unwrap();
    index.forget("a").unwrap();
    index.scrub().unwrap();
    assert_eq!(found(), [""; 0]);
}

/// A job of another installation, as its host tells of it.
fn foreign(id: &str, queue: &str, phase: Phase) -> JobRecord {
    JobRecord {
        id: id.to_owned(),
        key: format!("key of {id}"),
        queue: queue.to_owned(),
        note: "note".into(),
        label: String::new(),
        interactive: false,
        watch: true,
        phase,
        reason: None,
        status: phase.is_end().then_some(3),
        signal: None,
        input: 1,
        output: 2,
        errors: 3,
        queued_at: 5,
        started_at: Some(4),
        finished_at: phase.is_end().then_some(3),
        kept: 6,
        host: "mac".into(),
    }
}

#[test]
fn a_job_of_another_installation_is_taken_in_as_it_is() {
    let (_place, index) = index();
    for phase in [Phase::Running, Phase::Exited] {
        let job = foreign(phase.name(), "q", phase);
        index.ensure_place(&job).unwrap();
        assert!(index.take_over(&job).unwrap());
        // A clock that was set back does not put its end before its beginning.
        let times = JobRecord {
            started_at: Some(5),
            finished_at: phase.is_end().then_some(5),
            ..job
        };
        assert_eq!(index.get(phase.name()).unwrap(), times);
        assert_eq!(index.command(phase.name()).unwrap(), None, "it is not started");
    }
    assert_eq!(next(&index), None);
    let origin = index.origin("running").unwrap();
    assert_eq!((origin.depth, origin.ancestors.len()), (1, 0), "nobody here started it");
}

#[test]
fn a_job_of_another_installation_has_no_place_beside_what_is_known_here() {
    let (_place, index) = index();
    submit(&index, &job("a", "q")).unwrap();
    index.set_running("a", "mac", 2).unwrap();
    let refused = |job: &JobRecord| {
        let why = index.ensure_place(job).unwrap_err().to_string();
        assert_eq!(index.take_over(job).unwrap_err().to_string(), why);
        why
    };
    let running = foreign("b", "q", Phase::Running);
    assert!(
        refused(&running).contains("another job of its queue"),
        "{}",
        refused(&running)
    );
    index.ensure_place(&foreign("b", "q", Phase::Exited)).unwrap();
    let same_key = JobRecord {
        key: "key of a".into(),
        ..foreign("b", "p", Phase::Exited)
    };
    assert!(refused(&same_key).contains("job a was submitted with this key"));
    let elsewhere = JobRecord {
        host: "box".into(),
        ..foreign("a", "q", Phase::Running)
    };
    assert!(refused(&elsewhere).contains("is on another machine"));
    assert!(matches!(index.get("b"), Err(JobError::Unknown(_))));

    // Its own job, which went to another installation and came back.
    assert!(
        !index.take_over(&foreign("a", "q", Phase::Running)).unwrap(),
        "it has not ended here"
    );
    index.set_ended("a", &ended(Phase::Cancelled, 5)).unwrap();
    index.set_label("a", "cancelled").unwrap();
    assert!(index.take_over(&foreign("a", "q", Phase::Running)).unwrap());
    let back = index.get("a").unwrap();
    assert_eq!((back.phase, &*back.label, back.finished_at), (Phase::Running, "", None));

    // What was submitted is not known, so its key stands for nothing else.
    index.take_over(&foreign("c", "r", Phase::Exited)).unwrap();
    let again = NewJob {
        id: "d".into(),
        key: "key of c".into(),
        ..job("c", "r")
    };
    assert!(matches!(submit(&index, &again), Err(JobError::OtherContent { id }) if id == "c"));
}
