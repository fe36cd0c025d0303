//! What other programs of the same user put into the directory of a job: the job itself is one of them.

use std::time::SystemTime;

use super::*;

/// Puts something in place of a file that is not one of ours.
fn put(kind: &str, path: &Path, outside: &Path) {
    let _ = fs::remove_file(path);
    match kind {
        "text" => fs::write(path, "x\n").unwrap(),
        "directory" => fs::create_dir_all(path.join("inner")).unwrap(),
        "link" => symlink(outside, path).unwrap(),
        "fifo" => {
            let made = Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }
        ending => fs::write(path, format!("format 1\nhow exited\nstatus 0\nfinished 1\n{ending}")).unwrap(),
    }
}

fn make_old(path: &Path, age: Duration) {
    let file = fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

/// Lets a job look as if another machine had begun it, which has the same files.
fn move_to(node: &str, claim: &Path) {
    let text = fs::read_to_string(claim).unwrap();
    let lines = text.lines().map(|line| match line.split_once(' ') {
        Some(("boot", _)) => "boot another\n".to_owned(),
        Some(("node", _)) => format!("node {node}\n"),
        _ => format!("{line}\n"),
    });
    fs::write(claim, lines.collect::<String>()).unwrap();
}

#[test]
fn a_job_whose_end_cannot_be_read_ends_all_the_same() {
    for host in hosts() {
        let outside = host.home.path().join("outside");
        for kind in [
            "text",
            "directory",
            "link",
            "fifo",
            "finished x\n",
            "how won\n",
            "reason \\x\n",
        ] {
            for is_killed in [false, true] {
                let id = host.start_script("echo up; exec sleep 1000", b"", true);
                host.wait_for(&id, "up\n");
                let (supervisor, leader) = host.processes(&id);
                put(kind, &host.jobs().join(&id).join("exit"), &outside);
                let status = host.status(&id);
                let still = (Some(Stage::Claimed), Standing::Lives);
                assert_eq!((status.stage, status.standing), still, "{}: {kind}", host.shell);
                let how = match is_killed {
                    true => {
                        send("KILL", &supervisor.to_string());
                        until(|| host.status(&id).standing == Standing::Gone);
                        host.settle(&id);
                        How::Interrupted
                    }
                    false => {
                        host.one(|request| request.cancel(&id).unwrap());
                        How::Cancelled
                    }
                };
                assert_eq!(host.ended(&id).how, how, "{}: {kind}", host.shell);
                nothing_is_left_of(&id);
                assert!(!group_lives(leader) && !outside.exists());
            }
        }
    }
}

#[test]
fn an_end_counts_when_no_supervisor_lives_any_more() {
    for host in hosts() {
        let id = host.start_script("echo up; read a", b"", false);
        host.wait_for(&id, "up\n");
        put("", &host.jobs().join(&id).join("exit"), Path::new(""));
        let status = host.status(&id);
        assert_eq!((status.stage, status.standing), (Some(Stage::Claimed), Standing::Lives));
        assert_eq!(host.one(|request| request.remove(&id).unwrap()), Answer::Running);
        let Answer::Status(settled) = host.settle(&id) else {
            panic!()
        };
        assert_eq!(settled.stage, Some(Stage::Claimed));
        host.append(&id, b"\n", None);
        host.ended(&id);
        nothing_is_left_of(&id);
        assert_eq!(host.one(|request| request.remove(&id).unwrap()), Answer::Removed);
    }
}

#[test]
fn an_end_that_others_wrote_before_they_killed_the_supervisor_does_not_keep_its_program() {
    for host in hosts() {
        let id = host.start_script("echo up; exec sleep 1000", b"", true);
        host.wait_for(&id, "up\n");
        let (supervisor, leader) = host.processes(&id);
        put("", &host.jobs().join(&id).join("exit"), Path::new(""));
        send("KILL", &supervisor.to_string());
        until(|| host.status(&id).standing == Standing::Gone);
        assert!(group_lives(leader));
        host.settle(&id);
        host.ended(&id);
        nothing_is_left_of(&id);
        assert!(!group_lives(leader) && !group_lives(supervisor));
    }
}

#[test]
fn nothing_in_place_of_a_file_holds_up_a_supervisor_or_leads_it_elsewhere() {
    for host in hosts() {
        for kind in ["fifo", "link", "directory"] {
            let (outside, go) = (host.home.path().join("outside"), host.home.path().join("go"));
            let _ = fs::remove_file(&go);
            let wait = format!("until [ -e {} ]; do sleep 0.1; done", go.display());
            let job = Spec {
                output: 1 << 15,
                ..spec(&["/bin/sh", "-c", &format!("{wait}; head -c 12000 /dev/zero; cat >&2")])
            };
            host.claimed(&Begin {
                input: b"first ",
                whole: false,
                ..begin(&job)
            });
            host.processes(&job.id);
            let at = host.jobs().join(&job.id);
            until(|| at.join("sent").exists());
            let names = ["exit.draft".to_owned(), "sent".to_owned()];
            // The second segment begins where the first one is full.
            let segments: Vec<PathBuf> = (4096..8192).map(|start| at.join(format!("out.{start}"))).collect();
            for name in names {
                put(kind, &at.join(name), &outside);
            }
            match kind {
                "fifo" => assert!(Command::new("mkfifo").args(&segments).status().unwrap().success()),
                _ => segments.iter().for_each(|segment| put(kind, segment, &outside)),
            }
            host.append(&job.id, b"second", Some(6));
            host.one(|request| request.close(&job.id).unwrap());
            fs::write(&go, "").unwrap();
            assert_eq!(host.ended(&job.id).status, Some(0), "{}: {kind}", host.shell);
            nothing_is_left_of(&job.id);
            for segment in segments
                .iter()
                .filter(|segment| !segment.is_file() || segment.is_symlink())
            {
                let _ = fs::remove_file(segment).or_else(|_| fs::remove_dir_all(segment));
            }
            assert_eq!(host.printed(&job.id), vec![0; 12000], "{}: {kind}", host.shell);
            assert_eq!(host.read(&job.id, Channel::Errors, 0, 99).1, b"first second");
            assert!(!outside.exists(), "{}: {kind}", host.shell);
        }
    }
}

#[test]
fn any_number_of_files_in_a_job_is_told_and_read() {
    for host in hosts() {
        let id = host.start_script("echo up; exec sleep 1000", b"", true);
        host.wait_for(&id, "up\n");
        let at = host.jobs().join(&id);
        let first = at.join("out.9000000");
        fs::write(&first, "x").unwrap();
        for next in 9_000_001..9_060_000 {
            fs::hard_link(&first, at.join(format!("out.{next}"))).unwrap();
        }
        let status = host.status(&id);
        assert_eq!(
            status.output,
            Kept {
                start: 0,
                end: 9_060_000
            },
            "{}",
            host.shell
        );
        assert_eq!(host.read(&id, Channel::Output, 1, 2), (1, b"p\n".to_vec()));
        assert_eq!(host.read(&id, Channel::Output, 3, 2), (9_000_000, b"xx".to_vec()));
        host.one(|request| request.cancel(&id).unwrap());
        assert_eq!(host.ended(&id).how, How::Cancelled);
        nothing_is_left_of(&id);
        assert_eq!(host.one(|request| request.remove(&id).unwrap()), Answer::Removed);
    }
}

#[test]
fn a_program_has_the_umask_of_the_login() {
    let mine = Command::new("/bin/sh").args(["-c", "umask"]).output().unwrap().stdout;
    assert_ne!(mine, b"0077\n", "otherwise this shows nothing");
    for host in hosts() {
        let id = host.start_script("/bin/sh -c umask", b"", true);
        host.ended(&id);
        assert_eq!(host.printed(&id), mine, "{}", host.shell);
        let mode = fs::metadata(host.jobs().join(&id).join("out.0")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
}

#[test]
fn a_job_that_another_machine_with_the_same_files_has_is_not_told_as_interrupted() {
    for host in hosts() {
        let id = host.start_script("echo up; exec sleep 1000", b"", true);
        host.wait_for(&id, "up\n");
        let (supervisor, leader) = host.processes(&id);
        send("KILL", &supervisor.to_string());
        let at = host.jobs().join(&id);
        for name in ["claim", "pid"] {
            move_to("login\u{202e}\"2", &at.join(name));
        }
        for status in [host.settle(&id), host.settle(&id)] {
            let Answer::Status(status) = status else { panic!() };
            assert_eq!(
                (status.stage, status.standing),
                (Some(Stage::Claimed), Standing::Elsewhere)
            );
            // What is not plain there is left out, and the rest can stand between quotes.
            let node = status.node.unwrap();
            assert!(
                node.starts_with("login") && node.ends_with("\\\"2") && node.is_ascii(),
                "{node}"
            );
        }
        assert!(group_lives(leader));
        // Whoever has it looks for that every 20 seconds.
        host.one(|request| request.cancel(&id).unwrap());
        assert_eq!(host.status(&id).standing, Standing::Elsewhere);
        make_old(&at.join("cancel"), Duration::from_mins(10));
        host.settle(&id);
        assert_eq!(host.ended(&id).how, How::Interrupted);
        send("KILL", &format!("-{leader}"));
        send("KILL", &format!("-{supervisor}"));
        nothing_is_left_of(&id);
    }
}

#[test]
fn what_killed_requests_and_former_berths_have_left_goes_after_a_day() {
    for host in hosts() {
        let (jobs, scripts) = (host.jobs(), host.place().join("supervisors"));
        let current = scripts.join(digest(&supervisor()) + ".sh");
        let [old, older, young] = [".draft.a", ".draft.a.end", ".draft.b"].map(|name| jobs.join(name));
        let [former, recent] = ["former.sh", "recent.sh"].map(|name| scripts.join(name));
        for path in [&old, &older, &young, &former, &recent] {
            fs::write(path, "text").unwrap();
        }
        for path in [&old, &older, &former, &current] {
            make_old(path, Duration::from_hours(49));
        }
        let id = host.start_script("exit 0", b"", true);
        host.ended(&id);
        assert!(!old.exists() && !older.exists() && young.exists(), "{}", host.shell);
        assert_eq!(host.one(Request::install), Answer::Installed);
        assert!(
            !former.exists() && recent.exists() && current.exists(),
            "{}",
            host.shell
        );
    }
}
