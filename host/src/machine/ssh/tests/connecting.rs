//! Whether there is a connection, and otherwise why not.

use std::net::TcpListener;

use super::*;

#[tokio::test]
async fn every_session_is_one_on_the_same_connection() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&ways(&sshd));
    assert_eq!(link.sessions_in_use(), 0);
    let mut channel = link.open(soon()).await.unwrap();
    let script = b"printf 'a\\0b'; echo beside >&2; cat\n";
    channel.stdin.write_all(script).await.unwrap();
    let (mut out, mut beside) = ([0; 3], [0; 7]);
    let read = async {
        tokio::try_join!(
            channel.stdout.read_exact(&mut out),
            channel.stderr.read_exact(&mut beside)
        )
    };
    timeout(LATEST, read).await.expect("both arrive").unwrap();
    assert_eq!((&out, &beside), (b"a\0b", b"beside\n"));
    drop(channel);
    let first = here.master();
    let (one, two) = (stuck(&link).await, link.open_to_kill(soon()).await.unwrap());
    assert_eq!(link.sessions_in_use(), 2);
    assert_eq!(printed(two, "echo two").await, "two\n");
    link.round_trip(soon()).await.unwrap();
    assert_eq!(here.master(), first);
    drop(one);
    assert_eq!(link.sessions_in_use(), 0);
}

#[tokio::test]
async fn any_shell_of_the_login_serves() {
    for shell in ["bash", "dash", "fish", "tcsh", "sh"] {
        let here = Here::new();
        let sshd = Sshd::with(&sshd::login_shell(&sshd::on_path(shell)));
        let link = here.link(&ways(&sshd));
        let told = said(&link, "echo it is $((40 + 2)) in '$HOME'\necho \"$HOME\"\n").await;
        let home = sshd.path("home");
        assert_eq!(told, format!("it is 42 in $HOME\n{}\n", home.display()), "{shell}");
    }
}

#[tokio::test]
async fn a_key_that_nobody_trusts_is_not_accepted_and_never_written_down() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let known = here.path("known");
    let link = here.link(&Ways {
        known_hosts: Some(known.clone()),
        ..ways(&sshd)
    });
    let why = trouble(&link).await;
    assert!(matches!(why.what, What::KeyUnknown(_)), "{why}");
    assert_eq!(why.fix(), "run: berth hosts trust there");
    assert!(!known.exists());
    // It is tried again, and does not stay as it was.
    fs::write(&known, sshd.known()).unwrap();
    assert_eq!(said(&link, "echo yes").await, "yes\n");
}

#[tokio::test]
async fn a_changed_key_names_the_line_that_is_to_be_removed() {
    let (here, mut sshd) = (Here::new(), Sshd::start());
    let known = here.path("known hosts of mine");
    fs::write(&known, format!("# mine\n{}", sshd.known())).unwrap();
    sshd.change_key();
    let link = here.link(&Ways {
        known_hosts: Some(known.clone()),
        ..ways(&sshd)
    });
    let why = trouble(&link).await;
    assert_eq!(
        why.what,
        What::KeyChanged {
            trusted: Some((2, known))
        }
    );
    assert!(why.to_string().contains("line 2 of"), "{why}");
}

#[tokio::test]
async fn the_operators_file_of_trusted_keys_counts_where_no_other_is_named() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&Ways {
        known_hosts: None,
        ..ways(&sshd)
    });
    assert!(matches!(trouble(&link).await.what, What::KeyUnknown(_)));
    fs::write(here.path("known_hosts"), sshd.known()).unwrap();
    assert_eq!(said(&link, "echo yes").await, "yes\n");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_what_to_add() {
    let (here, sshd) = (Here::new(), Sshd::start());
    fs::write(sshd.path("authorized_keys"), "").unwrap();
    let link = here.link(&ways(&sshd));
    let why = trouble(&link).await;
    assert!(matches!(why.what, What::Login(_)), "{why}");
    let told = why.to_string();
    assert!(told.contains("does not let you in: ssh says \""), "{told}");
    assert!(told.contains("Permission denied (publickey)"), "{told}");
    assert!(why.fix().contains("authorized_keys"));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_or_that_others_may_read_is_named() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let gone = here.path("gone");
    let link = here.link(&Ways {
        identity_file: Some(gone.clone()),
        ..ways(&sshd)
    });
    let why = trouble(&link).await;
    assert!(
        matches!(&why.what, What::Identity { path, .. } if *path == gone),
        "{why}"
    );
    fs::set_permissions(sshd.path("user_key"), fs::Permissions::from_mode(0o644)).unwrap();
    let why = trouble(&here.link(&ways(&sshd))).await;
    assert!(matches!(why.what, What::KeyOpen(_)), "{why}");
}

#[tokio::test]
async fn a_name_that_leads_nowhere_and_a_port_where_nothing_is_are_told_apart() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let link = here.link(&Ways {
        destination: "me@nowhere.invalid".into(),
        ..ways(&sshd)
    });
    let why = trouble(&link).await;
    assert!(matches!(why.what, What::Name(_)), "{why}");
    assert_eq!(why.fix(), "correct destination in [hosts.there]");
    let port = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let link = here.link(&Ways {
        port: Some(port),
        ..ways(&sshd)
    });
    let why = trouble(&link).await;
    assert!(matches!(why.what, What::Refused(_)), "{why}");
}

#[tokio::test]
async fn this_machine_may_lack_ssh() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let ssh = OpenSsh {
        program: here.path("gone"),
        ..here.ssh()
    };
    let why = trouble(&Link::new(&ssh, &ways(&sshd)).unwrap()).await;
    assert!(matches!(why.what, What::NoSsh(_)), "{why}");
}

#[tokio::test]
async fn a_passphrase_reaches_ssh_and_none_or_a_wrong_one_is_told() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let key = sshd.key_with("two 'words' $HOME");
    let with = |passphrase: Option<&str>| {
        here.link(&Ways {
            identity_file: Some(key.clone()),
            passphrase: passphrase.map(str::to_owned),
            ..ways(&sshd)
        })
    };
    let why = trouble(&with(None)).await;
    assert!(matches!(why.what, What::PassphraseWanted(_)), "{why}");
    assert!(why.to_string().contains("key with passphrase"), "{why}");
    let why = trouble(&with(Some("another"))).await;
    assert!(matches!(why.what, What::PassphraseWrong(_)), "{why}");
    assert!(!why.to_string().contains("another"), "{why}");
    let link = with(Some("two 'words' $HOME"));
    assert_eq!(said(&link, "echo in").await, "in\n");
    let listed = Command::new("ps").args(["-A", "-o", "args="]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        listed.contains("user_key") || listed.contains("key with passphrase"),
        "{listed}"
    );
    assert!(!listed.contains("two 'words'"), "{listed}");
}

#[tokio::test]
async fn why_there_is_no_common_way_to_talk_is_told_whatever_the_operators_configuration_hides() {
    let here = Here::new();
    let sshd = Sshd::with("KexAlgorithms diffie-hellman-group14-sha256");
    let config = "Host *\nLogLevel QUIET\nLogVerbose none\nKexAlgorithms curve25519-sha256\n";
    fs::write(here.path("config"), config).unwrap();
    let why = trouble(&here.link(&ways(&sshd))).await;
    assert!(matches!(why.what, What::Method(_)), "{why}");
    let told = why.to_string();
    assert!(
        told.contains("no matching key exchange method found") && told.contains("diffie-hellman-group14-sha256"),
        "{told}"
    );
    assert!(!told.contains("sshpkt_vfatal"), "{told}");
}

#[tokio::test]
async fn keys_that_others_could_trust_in_our_place_are_not_trusted() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let folder = here.path("trusted");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("known"), sshd.known()).unwrap();
    let (file, usual) = (folder.join("known"), here.path("known_hosts"));
    fs::write(&usual, "").unwrap();
    for (path, mode, safe) in [
        (&file, 0o666, 0o644),
        (&file, 0o660, 0o600),
        (&folder, 0o777, 0o755),
        (&usual, 0o622, 0o600),
    ] {
        let ways = Ways {
            known_hosts: Some(file.clone()),
            ..ways(&sshd)
        };
        let link = here.link(&ways);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let why = trouble(&link).await;
        assert!(matches!(why.what, What::KnownHosts(_)), "{why}");
        let told = why.to_string();
        let named = [path.display().to_string(), format!("`chmod go-w {}`", path.display())];
        assert!(named.iter().all(|word| told.contains(word)), "{told}");
        assert!(Link::terminal(&here.ssh(), &ways, &[], "x").is_err());
        fs::set_permissions(path, fs::Permissions::from_mode(safe)).unwrap();
        assert_eq!(said(&link, "echo yes").await, "yes\n");
    }
}

#[tokio::test]
async fn a_host_behind_another_one_is_reached_by_the_operators_own_configuration() {
    let (here, mut jump, inner) = (Here::new(), Sshd::start(), Sshd::start());
    let user = inner.destination();
    let user = user.split('@').next().unwrap();
    let host = |name: &str, sshd: &Sshd, more: &str| {
        format!(
            "Host {name}\nHostName 127.0.0.1\nPort {}\nUser {user}\nIdentityFile {}\nIdentitiesOnly yes\n{more}\n",
            sshd.port(),
            sshd.path("user_key").display()
        )
    };
    // What is fixed holds whatever is written here.
    let loose = "Host *\nStrictHostKeyChecking no\nControlMaster auto\nControlPath /tmp/never-%C\nControlPersist yes\n\
                 RemoteCommand false\nPermitLocalCommand yes\nLocalCommand false\nRequestTTY force\nLogLevel QUIET\n\
                 ForkAfterAuthentication yes\nSessionType none\nStdinNull yes\nVerifyHostKeyDNS yes\n";
    let config = host("inner", &inner, "ProxyJump jump") + &host("jump", &jump, "") + loose;
    fs::write(here.path("config"), config).unwrap();
    fs::write(here.path("known_hosts"), inner.known()).unwrap();
    let link = here.link(&Ways {
        destination: "inner".into(),
        port: None,
        identity_file: None,
        known_hosts: None,
        ..ways(&inner)
    });
    let why = trouble(&link).await;
    assert!(
        matches!(why.what, What::KeyUnknown(_)),
        "the key of the one before it: {why}"
    );
    fs::write(here.path("known_hosts"), inner.known() + &jump.known()).unwrap();
    let home = said(&link, "echo \"$HOME\"").await;
    assert_eq!(home, format!("{}\n", inner.path("home").display()));
    jump.stop();
    let why = trouble(&link).await;
    assert!(matches!(why.what, What::Refused(_)), "{why}");
}

#[tokio::test]
async fn nothing_is_forwarded_or_run_whatever_the_operators_configuration_says() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let taken = || std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let listeners = [taken(), taken(), taken(), taken()];
    let [server, remote, local, dynamic] = listeners.each_ref().map(|one| one.local_addr().unwrap().port());
    // The first one stands for berth's own listener.
    let [_server, rest @ ..] = listeners;
    drop(rest);
    let agent = here.path("agent");
    let mut keeper = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&agent)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    until("there is an agent", || agent.exists()).await;
    let ran = here.path("ran");
    let config = format!(
        "Host *\nForwardAgent {}\nForwardX11 yes\nForwardX11Trusted yes\nRemoteForward {remote} 127.0.0.1:{server}\n\
         LocalForward {local} 127.0.0.1:{server}\nDynamicForward {dynamic}\nPermitLocalCommand yes\n\
         LocalCommand touch {}\n",
        agent.display(),
        ran.display()
    );
    fs::write(here.path("config"), config).unwrap();
    let link = here.link(&ways(&sshd));
    let told = said(&link, "echo \"agent:$SSH_AUTH_SOCK display:$DISPLAY\"").await;
    keeper.kill().unwrap();
    keeper.wait().unwrap();
    assert_eq!(told, "agent: display:\n");
    for port in [remote, local, dynamic] {
        std::net::TcpListener::bind(("127.0.0.1", port)).expect("nobody else has taken it");
    }
    assert!(!ran.exists());
}

#[tokio::test]
async fn a_host_is_asked_for_its_key_also_past_one_that_wants_a_passphrase() {
    let (here, jump, inner) = (Here::new(), Sshd::start(), Sshd::start());
    let key = jump.key_with("open sesame");
    let user = inner.destination();
    let user = user.split('@').next().unwrap();
    let config = format!(
        "Host inner\nHostName 127.0.0.1\nPort {}\nUser {user}\nProxyJump jump\n\
         Host jump\nHostName 127.0.0.1\nPort {}\nUser {user}\nIdentityFile \"{}\"\nIdentitiesOnly yes\n",
        inner.port(),
        jump.port(),
        key.display()
    );
    fs::create_dir(here.path(".ssh")).unwrap();
    fs::write(here.path(".ssh/config"), config).unwrap();
    fs::write(here.path(".ssh/known_hosts"), jump.known()).unwrap();
    let asked = async |passphrase| {
        let question = KeyQuestion {
            ssh: &sshd::on_path("ssh"),
            berth: &here.path("berth"),
            passphrase,
            destination: "inner",
            port: None,
            known_hosts: &here.path("known"),
            within: Duration::from_secs(20),
            home: here.folder.path(),
            folder: here.path("key"),
        };
        question.ask().await.unwrap()
    };
    let HostKey::New(line) = asked(Some("open sesame")).await else {
        panic!("it shows no key")
    };
    assert!(inner.known().contains(line.rsplit(' ').next().unwrap()), "{line}");
    fs::write(here.path("known"), line).unwrap();
    assert_eq!(asked(Some("open sesame")).await, HostKey::Trusted);
    for wrong in [None, Some("another")] {
        assert!(matches!(asked(wrong).await, HostKey::None(_)), "{wrong:?}");
    }
}

#[tokio::test]
async fn an_operators_ssh_that_goes_to_the_background_does_not_leave_berth() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let background = "ForkAfterAuthentication yes\nControlPersist 1h\nSessionType none\nStdinNull yes\n";
    fs::write(here.path("config"), background).unwrap();
    let link = here.link(&ways(&sshd));
    assert_eq!(said(&link, "echo yes").await, "yes\n");
    let master = here.master();
    drop(link);
    until("the master ends", || {
        rustix::process::test_kill_process(master).is_err()
    })
    .await;
}

#[tokio::test]
async fn an_older_ssh_that_does_not_know_all_of_our_configuration_serves() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let older = format!(
        "#!/bin/sh\nfor newer in {}/*/newer; do\n[ ! -e \"$newer\" ] || {{ \
         echo \"$newer: line 1: Bad configuration option: forkafterauthentication\" >&2; exit 255; }}\ndone\nexec {} \"$@\"\n",
        here.path("s").display(),
        here.ssh().program.display()
    );
    fs::write(here.path("ssh"), older).unwrap();
    fs::set_permissions(here.path("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    let ssh = OpenSsh {
        program: here.path("ssh"),
        ..here.ssh()
    };
    let link = Link::new(&ssh, &ways(&sshd)).unwrap();
    assert_eq!(said(&link, "echo yes").await, "yes\n");
}

#[tokio::test]
async fn a_configuration_that_ssh_does_not_accept_is_told() {
    let (here, sshd) = (Here::new(), Sshd::start());
    fs::write(here.path("config"), "NoSuchOption yes\n").unwrap();
    let why = trouble(&here.link(&ways(&sshd))).await;
    assert!(matches!(why.what, What::Configuration(_)), "{why}");
    assert!(why.to_string().contains("nosuchoption"), "{why}");
}

#[test]
fn a_destination_that_could_be_something_else_is_refused() {
    let (here, sshd) = (Here::new(), Sshd::start());
    for destination in [
        "-oProxyCommand=touch x",
        "-oProxyCommand=x",
        "me@-oX",
        "ssh://-oX",
        "mac x",
        "mac\tx",
        "mac\nx",
        "mac\u{a0}x",
        "mac\u{7}",
        "$(touch x)",
        "`x`@mac",
        "a;b",
        "",
    ] {
        let ways = Ways {
            destination: destination.into(),
            ..ways(&sshd)
        };
        let why = Link::new(&here.ssh(), &ways).map(drop).expect_err(destination);
        assert!(matches!(why.what, What::Destination(..)), "{why}");
        assert!(!why.to_string().contains(char::is_control), "{why}");
    }
    assert!(fs::read_dir(here.path("s")).unwrap().next().is_none());
}

#[test]
fn a_folder_that_is_too_deep_for_a_socket_is_refused() {
    let (here, sshd) = (Here::new(), Sshd::start());
    let ssh = OpenSsh {
        folder: here.path(&"x".repeat(90)),
        ..here.ssh()
    };
    let why = Link::new(&ssh, &ways(&sshd)).map(drop).expect_err("it is too long");
    assert!(why.to_string().contains("too long for a socket"), "{why}");
}
