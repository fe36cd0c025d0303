//! What programs get, and what comes back of them.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

async fn all_values_arrive(shell: &'static [&'static str], lists: usize) {
    let (local, way) = Local::to(shell).way();
    let requests = values::all_arrive(&way, lists).await;
    assert_eq!(local.opened(), requests, "round trips");
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_in_dash() {
    all_values_arrive(SHELLS[0], 10_000).await;
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_in_bash() {
    all_values_arrive(SHELLS[1], 10_000).await;
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_in_bash_as_sh() {
    all_values_arrive(SHELLS[2], 1_000).await;
}

#[tokio::test]
async fn arguments_values_and_directories_arrive_byte_for_byte_in_busybox() {
    all_values_arrive(SHELLS[3], 10_000).await;
}

#[tokio::test]
async fn standard_input_arrives_whole_whatever_is_in_it() {
    let every: Vec<u8> = (0..=255).collect();
    let long: Vec<u8> = every.iter().copied().cycle().take(1 << 20).collect();
    for shell in SHELLS {
        let (_, way) = Local::to(shell).way();
        let runs = [&every, &long].map(|stdin| Run {
            stdin: stdin.clone(),
            ..program("cat", &[])
        });
        let mut outcomes = all(&way, &around(), runs.into()).await.into_iter();
        assert!(finished(outcomes.next().unwrap()).stdout == every, "{shell:?}");
        assert!(finished(outcomes.next().unwrap()).stdout == long, "{shell:?}");
        // A program may leave it unread.
        let unread = Run {
            stdin: long.clone(),
            ..program("true", &[])
        };
        assert_eq!(text(all(&way, &around(), vec![unread]).await.remove(0)), "");
    }
}

#[tokio::test]
async fn outputs_and_ends_of_each_command_are_told_apart_in_one_round_trip() {
    for shell in SHELLS {
        let (local, way) = Local::to(shell).way();
        let runs = vec![
            script("printf out; printf err >&2; exit 3"),
            script("kill -TERM $$"),
            script("cat; printf '\\000\\377\\n\\n'"),
            script("kill -SEGV $$"),
            program("no-such-program", &[]),
            program("/etc/passwd", &[]),
            script("kill -TERM 0; sleep 100"),
            program("true", &[]),
        ];
        let mut outcomes = all(&way, &around(), runs).await.into_iter();
        let mut next = || outcomes.next().unwrap();
        let first = finished(next());
        assert_eq!(
            (first.status, first.signal, &first.stdout[..], &first.stderr[..]),
            (Some(3), None, &b"out"[..], &b"err"[..])
        );
        let signalled = finished(next());
        assert_eq!(
            (signalled.status, signalled.signal, &signalled.stderr[..]),
            (None, Some(15), &b""[..])
        );
        assert_eq!(finished(next()).stdout, b"\0\xff\n\n");
        let fault = finished(next());
        assert_eq!((fault.signal, &fault.stderr[..]), (Some(11), &b""[..]));
        assert_eq!(refusal(next()), Refusal::NoProgram);
        assert_eq!(refusal(next()), Refusal::ProgramUnreadable);
        assert_eq!(finished(next()).signal, Some(15), "its own group");
        assert_eq!(finished(next()).status, Some(0));
        assert_eq!(local.opened(), 1, "{shell:?}");
    }
}

#[tokio::test]
async fn of_the_environment_of_the_login_only_what_is_granted_stays() {
    for shell in SHELLS {
        let (_, way) = Local::to(shell)
            .with("LC_ALL", "C")
            .with("LC_TIME", "two\nLC_PAPER=lines\nexport PATH=/nowhere")
            .with("SECRET", "secret")
            .with("MULTIPLE", "a\nHOME=/elsewhere\nberth_line=b")
            .with("berth_home", "/elsewhere")
            .with("berth_nonce", "x")
            .with("BERTH_SESSION", "another")
            .with("UID", "7")
            .with("CDPATH", "/usr")
            .with("IFS", "e")
            .with("ENV", "/nowhere")
            .with("SHELLOPTS", "allexport:noglob:nounset:errexit:noclobber")
            .with("BASH_FUNC_printf%%", "() { echo forged; }")
            .with("BASH_FUNC_cd%%", "() { echo forged; }")
            .way();
        let around = Around {
            environment: vec!["HOME".into(), "LC_*".into()],
            path: vec!["~/bin".into(), "/opt/a b".into()],
            variables: vec![("FROM_FILE".into(), "one\ntwo".into())],
            backend: "mac".into(),
        };
        let run = Run {
            env: vec![("GIVEN".into(), "'\"".into()), ("PS1".into(), "$(id)".into())],
            ..program("env", &["-0"])
        };
        let told = text(all(&way, &around, vec![run]).await.remove(0));
        let mut variables: Vec<&str> = told.split_terminator('\0').collect();
        // Bash tells each program its path so.
        variables.retain(|variable| !variable.starts_with("_="));
        variables.sort_unstable();
        assert_eq!(
            variables,
            [
                "BERTH_SESSION=mac",
                "FROM_FILE=one\ntwo",
                "GIVEN='\"",
                "HOME=/root",
                "LC_ALL=C",
                "LC_TIME=two\nLC_PAPER=lines\nexport PATH=/nowhere",
                "PS1=$(id)",
            ],
            "{shell:?}"
        );
    }
}

#[tokio::test]
async fn programs_are_found_in_the_directories_before_those_of_the_login() {
    let (_kept, home) = folder();
    std::fs::create_dir(home.join("bin")).unwrap();
    symlink("/bin/echo", home.join("bin/tells")).unwrap();
    for shell in SHELLS {
        let mut local = Local::to(shell);
        local.environment.retain(|(name, _)| name != "HOME");
        let (_, way) = local.with("HOME", home.to_str().unwrap()).way();
        let around = Around {
            path: vec!["~/bin".into()],
            ..around()
        };
        let by_path = home.join("bin/tells");
        let runs = ["tells", "~/bin/tells", by_path.to_str().unwrap()].map(|name| program(name, &["-e", "it"]));
        for outcome in all(&way, &around, runs.into()).await {
            assert_eq!(text(outcome), "it\n", "{shell:?}");
        }
        let path = text(all(&way, &around, vec![script("echo \"$PATH\"")]).await.remove(0));
        assert!(path.starts_with(&format!("{}/bin:/", home.display())), "{path}");
    }
}

#[tokio::test]
async fn a_directory_counts_by_where_it_is_when_it_is_entered() {
    for shell in SHELLS {
        let (_kept, top) = folder();
        let root = top.join("granted *[a]");
        std::fs::create_dir_all(root.join("in/deep\n")).unwrap();
        std::fs::create_dir(top.join("granted *[a] beside")).unwrap();
        std::fs::create_dir_all(top.join("out/side")).unwrap();
        std::fs::write(root.join("file"), "").unwrap();
        symlink("in", root.join("link")).unwrap();
        symlink(top.join("out"), root.join("away")).unwrap();
        symlink("../nowhere", root.join("dangling")).unwrap();
        symlink("/etc/passwd", root.join("account")).unwrap();
        let (_, way) = Local::to(shell).way();
        let at = |below: &str| Run {
            directory: Some(within(&root, below)),
            ..script("pwd -P")
        };
        let held = |below: &str| Run {
            held: vec![within(&root, below)],
            ..program("true", &[])
        };
        let entered = ["", ".", "in/deep\n", "link", "in/../in", "in//deep\n/"];
        for (below, outcome) in entered.iter().zip(all(&way, &around(), entered.map(at).into()).await) {
            let path = text(outcome);
            assert!(path.starts_with(root.to_str().unwrap()), "{shell:?} {below:?} {path}");
        }
        let refused = [
            ("away", Refusal::Outside),
            ("away/side", Refusal::Outside),
            ("away/missing", Refusal::Outside),
            ("..", Refusal::Outside),
            ("../granted *[a] beside", Refusal::Outside),
            ("account", Refusal::Outside),
            ("missing", Refusal::Missing),
            ("missing/deeper/still", Refusal::Missing),
            ("dangling", Refusal::Missing),
            ("file", Refusal::NotDirectory),
            ("file/in", Refusal::NotDirectory),
        ];
        let runs = refused.map(|(below, _)| at(below)).into();
        for ((below, why), outcome) in refused.iter().zip(all(&way, &around(), runs).await) {
            assert_eq!(refusal(outcome), *why, "{shell:?} {below:?}");
        }
        let allowed = ["", "in", "missing", "missing/deeper", "link/new"];
        for (below, outcome) in allowed.iter().zip(all(&way, &around(), allowed.map(held).into()).await) {
            assert_eq!(finished(outcome).status, Some(0), "{shell:?} {below:?}");
        }
        let refused = [
            ("away", Refusal::Outside),
            ("away/new", Refusal::Outside),
            ("../new", Refusal::Outside),
            ("dangling", Refusal::Dangling),
            ("dangling/new", Refusal::Dangling),
            ("file", Refusal::NotDirectory),
            ("file/new", Refusal::NotDirectory),
        ];
        let runs = refused.map(|(below, _)| held(below)).into();
        for ((below, why), outcome) in refused.iter().zip(all(&way, &around(), runs).await) {
            assert_eq!(refusal(outcome), *why, "{shell:?} {below:?}");
        }
        // The whole of it is replaced by a link.
        std::fs::rename(&root, top.join("moved")).unwrap();
        let gone = all(&way, &around(), vec![at("in"), held("new")]).await;
        assert!(
            gone.into_iter().all(|outcome| refusal(outcome) == Refusal::RootMissing),
            "{shell:?}"
        );
        symlink(top.join("moved"), &root).unwrap();
        let replaced = all(&way, &around(), vec![at("in"), held("new")]).await;
        let replaced: Vec<Refusal> = replaced.into_iter().map(refusal).collect();
        assert_eq!(replaced, [Refusal::RootElsewhere; 2], "{shell:?}");
    }
}

#[tokio::test]
async fn a_directory_that_is_swapped_all_the_time_is_entered_or_refused() {
    let (_kept, top) = folder();
    let root = top.join("root");
    std::fs::create_dir_all(root.join("swapped")).unwrap();
    std::fs::create_dir(top.join("out")).unwrap();
    std::fs::write(root.join("swapped/file"), "in").unwrap();
    std::fs::write(top.join("out/file"), "out").unwrap();
    symlink("../out", root.join("link")).unwrap();
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (root, done) = (std::fs::File::open(&root).unwrap(), done.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&root, "swapped", &root, "link", exchange).unwrap();
            }
        }
    });
    let (mut asked, mut entered) = (0, 0);
    for shell in SHELLS {
        let (_, way) = Local::to(shell).way();
        let run = Run {
            directory: Some(within(&root, "swapped")),
            ..program("cat", &["file"])
        };
        let slice = Slice {
            at: within(&root, "swapped/file"),
            start: 0,
            max: 9,
            no_links: false,
        };
        let ran = all(&way, &around(), vec![run; 200]).await.into_iter();
        let read = read(&way, Instant::now() + LONG, &vec![slice; 200]).await.into_iter();
        let told: Vec<_> = ran
            .map(|outcome| outcome.map(|ended| finished(Ok(ended)).stdout))
            .chain(read)
            .collect();
        asked += told.len();
        entered += told.iter().flatten().count();
        assert!(told.iter().flatten().all(|file| file == b"in"), "{shell:?}");
    }
    assert!(
        (1..asked).contains(&entered),
        "{entered} of {asked}: nothing was swapped"
    );
    done.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
}

#[tokio::test]
async fn what_cannot_arrive_as_it_is_is_refused_before_anything_is_sent() {
    let (local, way) = Local::to(SHELLS[0]).way();
    let given = |name: &str, value: &str| Run {
        env: vec![(name.into(), value.into())],
        ..program("true", &[])
    };
    let runs = vec![
        program("true", &["a\0b"]),
        program("tr\0ue", &[]),
        program("./here", &[]),
        given("A", "\0"),
        given("a.b", ""),
        given("1A", ""),
        given("", ""),
        given("UID", "1"),
        Run {
            directory: Some(within(Path::new("relative"), "")),
            ..program("true", &[])
        },
        Run {
            held: vec![within(Path::new("/"), "a\0")],
            ..program("true", &[])
        },
    ];
    for outcome in all(&way, &around(), runs).await {
        assert!(matches!(outcome, Err(Fault::Value { .. })));
    }
    assert_eq!(local.opened(), 0);
    // One of them does not keep the others from running.
    let outcomes = all(&way, &around(), vec![given("UID", "1"), program("true", &[])]).await;
    assert!(matches!(outcomes[0], Err(Fault::Value { .. })));
    assert!(matches!(&outcomes[1], Ok(Ended::Finished(output)) if output.status == Some(0)));
}

/// A server that starts has a socket for the system before others see its file, and one that lost the file keeps it so.
#[tokio::test]
async fn a_server_whose_socket_appears_is_reached_and_one_that_lost_it_is_refused() {
    for shell in SHELLS {
        let place = TempDir::new().unwrap();
        let (socket, aside) = (place.path().join("socket"), place.path().join("aside"));
        let _server = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::fs::rename(&socket, &aside).unwrap();
        let asking = Run {
            socket: Some(socket.to_str().unwrap().to_owned()),
            ..script("echo reached")
        };
        let (_, way) = Local::to(shell).way();
        let refused = all(&way, &around(), vec![asking.clone()]).await.remove(0);
        assert!(matches!(refused, Err(Fault::Refused(Refusal::SocketLost))), "{shell:?}");
        // The file comes while the shell waits to look once more.
        let tools = place.path().join("tools");
        std::fs::create_dir(&tools).unwrap();
        let comes = format!("#!/bin/sh\nmv {aside:?} {socket:?}\n");
        std::fs::write(tools.join("sleep"), comes).unwrap();
        std::fs::set_permissions(tools.join("sleep"), Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
        let (_, way) = Local::to(shell).with("PATH", &path).way();
        let reached = all(&way, &around(), vec![asking]).await.remove(0);
        assert_eq!(text(reached), "reached\n", "{shell:?}");
    }
}
