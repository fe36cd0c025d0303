//! Jobs that go from one installation on a host to another one.

use super::*;

/// The one that takes them.
const OTHER: &str = "0123456789abcdef";
/// The one that has them: a host tells only of what is called as installations are.
const FIRST: &str = "fedcba9876543210";

impl Host {
    /// What is asked as `installation`.
    fn ask_as(&self, installation: &str, write: impl FnOnce(&mut Request)) -> Vec<Answer> {
        let mut request = Request::new(&self.shell, installation).unwrap();
        write(&mut request);
        self.ask(&request)
    }

    fn take(&self, id: &str) -> Answer {
        self.one(|request| request.take(id, OTHER).unwrap())
    }

    fn status_as(&self, installation: &str, id: &str) -> Status {
        match &self.ask_as(installation, |request| request.status(id).unwrap())[..] {
            [Answer::Status(status)] => status.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn printed_as(&self, installation: &str, id: &str) -> Vec<u8> {
        match &self.ask_as(installation, |request| {
            request.output(id, Channel::Output, 0, u64::MAX).unwrap()
        })[..]
        {
            [Answer::Output(chunk, _)] => chunk.bytes.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn ended_as(&self, installation: &str, id: &str) -> Ended {
        let mut ended = None;
        until(|| {
            ended = match self.status_as(installation, id).stage {
                Some(Stage::Ended(ended)) => Some(ended),
                _ => None,
            };
            ended.is_some()
        });
        ended.unwrap()
    }
}

/// Makes sure that the one that had the job tells that it was taken over.
fn assert_told(host: &Host, status: &Status) {
    let Some(Stage::Ended(ended)) = &status.stage else {
        panic!("{}: {status:?}", host.shell);
    };
    assert!(
        status.is_taken && ended.how == How::Cancelled,
        "{}: {status:?}",
        host.shell
    );
    let reason = ended.reason.as_ref().unwrap();
    assert!(
        reason.contains("has taken it over") && reason.contains(OTHER),
        "{reason}"
    );
}

#[test]
fn a_job_that_runs_goes_to_another_installation_and_on_to_its_end() {
    for host in hosts() {
        let script = "echo before; read -r line; echo \"$line\"; i=0; while [ $i -lt 1000 ]; do echo 0123456789; i=$((i + 1)); done; exit 3";
        let id = host.start_script(script, b"", false);
        host.wait_for(&id, "before\n");
        assert_eq!(host.take(&id), Answer::Taken, "{}", host.shell);
        assert_eq!(host.take(&id), Answer::Taken, "again is the same: {}", host.shell);
        assert!(!host.jobs().join(&id).exists());
        let status = host.status(&id);
        assert_told(&host, &status);
        assert_eq!(status.output.end, 7);

        // Who had it does nothing to it any more, whatever is asked.
        let Answer::Status(settled) = host.settle(&id) else {
            panic!()
        };
        assert_told(&host, &settled);
        for refused in [
            host.one(|request| request.cancel(&id).unwrap()),
            host.one(|request| request.forestall(&id).unwrap()),
            host.append(&id, b"lost\n", None),
        ] {
            assert!(matches!(refused, Answer::Failed(_)), "{refused:?}");
        }
        let again = Spec {
            id: id.clone(),
            ..spec(&["/bin/echo", "again"])
        };
        let refused = host.start(&begin(&again));
        assert!(
            matches!(&refused, Answer::Refused(why) if why.contains("taken it over")),
            "{refused:?}"
        );
        assert!(!host.jobs().join(&id).exists());

        assert_eq!(host.status_as(OTHER, &id).standing, Standing::Lives, "{}", host.shell);
        let added = host.ask_as(OTHER, |request| request.append(&id, b"after\n", Some(0)).unwrap());
        assert_eq!(added, [Answer::Appended(Appended::Now(6))], "{}", host.shell);
        let ended = host.ended_as(OTHER, &id);
        assert_eq!((ended.how, ended.status), (How::Exited, Some(3)), "{}", host.shell);
        let printed = host.printed_as(OTHER, &id);
        assert!(printed.starts_with(b"before\nafter\n0123456789\n") && printed.len() == 13 + 1000 * 11);
        let all = fs::read_dir(host.jobs()).unwrap().count();
        assert_eq!(all, 0, "nothing is left: {}", host.shell);

        // Once it is forgotten, nothing tells of it.
        assert_eq!(host.one(|request| request.remove(&id).unwrap()), Answer::Removed);
        assert_eq!(host.status(&id).stage, None);
    }
}

#[test]
fn one_that_was_taken_is_cancelled_by_who_has_it_and_can_go_back() {
    for host in hosts() {
        let id = host.start_script("echo x; sleep 600", b"", true);
        host.wait_for(&id, "x\n");
        assert_eq!(host.take(&id), Answer::Taken);
        let back = host.ask_as(OTHER, |request| request.take(&id, "this-one").unwrap());
        assert_eq!(back, [Answer::Taken], "{}", host.shell);
        assert_eq!(host.status(&id).standing, Standing::Lives, "{}", host.shell);
        assert!(host.status_as(OTHER, &id).is_taken);
        assert_eq!(host.take(&id), Answer::Taken);
        host.ask_as(OTHER, |request| request.cancel(&id).unwrap());
        assert_eq!(host.ended_as(OTHER, &id).how, How::Cancelled, "{}", host.shell);
        assert_told(&host, &host.status(&id));
    }
}

#[test]
fn what_stopped_half_way_is_done_when_it_is_repeated() {
    for host in hosts() {
        let id = host.start_script("echo x; sleep 600", b"", true);
        host.wait_for(&id, "x\n");
        // It was said that it goes, and it did not.
        fs::create_dir(host.place().join("taken")).unwrap();
        fs::set_permissions(host.place().join("taken"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(
            host.place().join("taken").join(&id),
            format!("stage claimed\nby {OTHER}\n"),
        )
        .unwrap();
        let status = host.status(&id);
        assert!(
            !status.is_taken && status.standing == Standing::Lives,
            "it is where it was: {status:?}"
        );
        let taken = |host: &Host| match &host.ask_as("this-one", |request| request.taken_by(OTHER).unwrap())[..] {
            [Answer::Jobs(ids)] => ids.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(taken(&host), [""; 0]);
        assert_eq!(host.take(&id), Answer::Taken, "{}", host.shell);
        assert_told(&host, &host.status(&id));
        assert_eq!(taken(&host), [&*id], "{}", host.shell);
        host.ask_as(OTHER, |request| request.cancel(&id).unwrap());
        host.ended_as(OTHER, &id);
    }
}

#[test]
fn what_cannot_be_taken_stays_as_it_is() {
    for host in hosts() {
        let refused = |id: &str, words: &str| match host.take(id) {
            Answer::Failed(why) => assert!(why.contains(words), "{}: {why}", host.shell),
            other => panic!("{}: {other:?}", host.shell),
        };
        refused("none", "not there any more");
        host.one(|request| request.forestall("queued").unwrap());
        refused("queued", "never begun");

        let old = host.start_script("exit 0", b"", true);
        host.ended(&old);
        fs::remove_file(host.jobs().join(&old).join("about")).unwrap();
        refused(&old, "an older berth began it");

        let there = host.start_script("exit 0", b"", true);
        host.ended(&there);
        let others = host.home.path().join(".local/state/berth").join(OTHER).join("jobs");
        fs::create_dir(others.join(&there)).unwrap();
        refused(&there, "something is in its place");
        fs::remove_dir(others.join(&there)).unwrap();
        fs::set_permissions(&others, fs::Permissions::from_mode(0o755)).unwrap();
        let mut request = host.request();
        request.take(&there, OTHER).unwrap();
        let output = host.run(&request);
        assert!(
            matches!(request.answers(&output.stdout), Err(Fault::Refused(_))),
            "{}",
            host.shell
        );
        fs::set_permissions(&others, fs::Permissions::from_mode(0o700)).unwrap();
        for id in [&old, &there] {
            assert_eq!(host.ended(id).how, How::Exited);
        }
        assert_eq!(host.take(&there), Answer::Taken, "{}", host.shell);
        assert_eq!(host.ended_as(OTHER, &there).how, How::Exited);
    }
}

#[test]
fn installations_are_counted_and_what_is_left_with_a_job_is_read() {
    for host in hosts() {
        let about = About {
            backend: "jobs".into(),
            key: "a 'key'".into(),
            queue: "app".into(),
            note: "{\"a\":\"b\\nc\"}\nü".into(),
            interactive: true,
            watch: true,
            queued_at: 5,
        };
        let spec = spec(&["/bin/sh", "-c", "exit 0"]);
        let mut request = Request::new(&host.shell, FIRST).unwrap();
        request.install();
        request
            .start(&Begin {
                about: &about,
                ..begin(&spec)
            })
            .unwrap();
        assert_eq!(host.ask(&request), [Answer::Installed, Answer::Claimed]);
        host.ended_as(FIRST, &spec.id);
        let own = host.start_script("exit 0", b"", true);
        host.ended(&own);
        let other = host.home.path().join(".local/state/berth/0000000000000000/jobs");
        fs::create_dir_all(other).unwrap();
        let found = host.one(Request::installations);
        let expected = Installation {
            id: FIRST.into(),
            jobs: 1,
            open: 0,
        };
        assert_eq!(found, Answer::Installations(vec![expected]), "{}", host.shell);

        let described = |id: &str| host.ask_as(FIRST, |request| request.describe(id).unwrap());
        assert_eq!(
            described(&spec.id),
            [Answer::About(Some(about.clone()))],
            "{}",
            host.shell
        );
        assert_eq!(described("none"), [Answer::About(None)]);
        let file = host
            .home
            .path()
            .join(".local/state/berth")
            .join(FIRST)
            .join("jobs")
            .join(&spec.id)
            .join("about");
        for text in ["", "x", "format 2\nbackend x\n", &"x".repeat(300_000)] {
            fs::write(&file, text).unwrap();
            assert_eq!(described(&spec.id), [Answer::About(None)], "{}", host.shell);
        }
    }
}
