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
        note: String::new(),
        interactive: false,
        watch: false,
        command: "true".into(),
        input: b"in".to_vec(),
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
    index.next(ROOM).unwrap()
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
    assert!(index.set_running("a1", 2).unwrap());
    assert!(!index.set_running("a1", 2).unwrap(), "it runs");
    assert_eq!(next(&index).unwrap(), "b1", "the queue of a2 is taken");
    index.set_running("b1", 3).unwrap();
    assert_eq!(
        next(&index).unwrap(),
        "d1",
        "there is no room for c1, and c2 is behind it"
    );
    index.set_running("d1", 3).unwrap();
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
    index.set_running("a", 1).unwrap();
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
fn only_what_has_ended_long_ago_is_forgotten_whatever_the_clock_says() {
    let (_place, index) = index();
    for id in ["a", "b", "c", "d"] {
        submit(&index, &job(id, id)).unwrap();
    }
    index.set_running("a", 1).unwrap();
    index.set_ended("b", &ended(Phase::Exited, 100)).unwrap();
    // The clock was set back between them.
    index.set_ended("c", &ended(Phase::Exited, 10)).unwrap();
    let old = |before| -> Vec<String> {
        index
            .ended_before(before, 10)
            .unwrap()
            .into_iter()
            .map(|job| job.id)
            .collect()
    };
    assert_eq!(old(10), ["c"]);
    assert_eq!(old(u64::MAX >> 2), ["b", "c"]);
    assert_eq!(index.kept().unwrap(), 14);
    for id in ["a", "b", "d"] {
        index.forget(id).unwrap();
    }
    assert!(matches!(index.get("b"), Err(JobError::Unknown(_))));
    assert!(index.get("a").is_ok() && index.get("d").is_ok());
    assert_eq!(submit(&index, &job("b", "b")).unwrap(), Submitted::New);
}
