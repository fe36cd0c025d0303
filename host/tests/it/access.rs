//! The commands by which the owner decides who may come in: `berth login`, `berth clients`, `berth tokens`.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use berth::principal::{Backends, Scope};
use berth::store::{AccessRecords, Approval, DataDirectory, NewApp, Redemption, Room, passphrase};
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::berth::{Berth, PATIENCE, Place, Ran};

const CONFIG: &str = r#"
default_backend = "one"
[backends.one]
plugin = "./misbehaving.wasm"
[backends.two]
plugin = "./misbehaving.wasm"
"#;
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DAY: Duration = Duration::from_hours(24);

/// The records of `place`, as a server there has them.
fn records(place: &Place) -> AccessRecords {
    let directory = DataDirectory::open(&place.path("data"), &place.path("own-cache")).unwrap();
    directory.access().unwrap()
}

/// Runs a command that must succeed, and answers what it printed.
async fn done(place: &Place, args: &[&str]) -> Ran {
    let ran = place.run(args).await;
    assert!(ran.success, "{args:?}: {}", ran.stderr);
    ran
}

/// Runs `berth login set` with `input`.
async fn set(place: &Place, input: &str) -> Ran {
    let mut command = place.command(&["login", "set", "--config", &place.name("config.toml")]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end before it has read all of what is too long.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes()).await;
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("berth hangs")
        .unwrap();
    Ran {
        success: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Approves the app `client_id` as the consent page does, and answers its access token.
fn approve(access: &AccessRecords, client_id: &str, scope: Scope) -> String {
    let (redirect, challenge) = ("https://app.example/callback", "challenge");
    let approval = Approval {
        client_id: client_id.to_owned(),
        client_name: "An \u{1b}[31mapp".to_owned(),
        redirect: redirect.to_owned(),
        challenge: challenge.to_owned(),
        scope,
        backends: Backends::Only([("two".to_owned(), "another plugin".to_owned())].into()),
        resource: "https://berth.example/mcp".to_owned(),
        address: HERE,
    };
    let redemption = Redemption {
        client_id,
        redirect,
        challenge,
        resource: None,
    };
    let now = SystemTime::now();
    let code = access.approve(&approval, now).unwrap();
    let issued = access.redeem(code.reveal(), &redemption, now).unwrap().unwrap();
    issued.access.reveal().to_owned()
}

#[tokio::test]
async fn a_passphrase_is_set_from_one_line_and_ends_logins() {
    let place = Place::new(CONFIG);
    let status = done(&place, &["login", "status"]).await;
    assert!(status.stdout.contains("berth login set"), "{}", status.stdout);
    let access = records(&place);
    let login = access
        .log_in("https://berth.example", [192, 0, 2, 1].into(), SystemTime::now())
        .unwrap();

    let ran = set(&place, "correct horse battery\nand more\n").await;
    assert!(ran.success, "{}", ran.stderr);
    assert!(
        ran.stdout.contains("berth serve"),
        "it says what to do next: {}",
        ran.stdout
    );
    let hash = access.passphrase().unwrap().unwrap();
    assert!(passphrase::verify("correct horse battery", &hash));
    let known = access.login("https://berth.example", login.reveal(), SystemTime::now());
    assert_eq!(known.unwrap(), None);
    assert!(done(&place, &["login", "status"]).await.stdout.contains("was set at 2"));
}

#[tokio::test]
async fn a_passphrase_that_will_not_do_changes_nothing() {
    let place = Place::new(CONFIG);
    for (input, told) in [
        ("", "holds no passphrase"),
        ("\n", "holds no passphrase"),
        ("too short\n", "at least 12 characters"),
        (&"x".repeat(1025), "at most 1024 bytes"),
        (&"x".repeat(1 << 20), "at most 1024 bytes"),
    ] {
        let ran = set(&place, input).await;
        assert!(!ran.success && ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
    assert_eq!(records(&place).passphrase().unwrap(), None);
}

/// On one core where the system can be told so: a thread that waits for a lock has no other beside it there.
fn on_one_core(place: &Place) -> Command {
    let config = place.name("config.toml");
    if !cfg!(target_os = "linux") {
        return place.command(&["serve", "--config", &config]);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", "0", env!("CARGO_BIN_EXE_berth"), "serve", "--config", &config]);
    place.set_up(&mut command);
    command
}

/// The status of a question to MCP with `token`.
async fn asked(berth: &Berth, token: &str) -> u16 {
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    let asked = berth.client.post(berth.endpoint()).bearer_auth(token).json(&list);
    asked.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_lock_on_the_records_keeps_nobody_waiting_who_has_a_token() {
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let place = Place::new(CONFIG);
        let berth = Berth::start(&place, on_one_core(&place)).await;
        let access = records(&place);
        let token = |name| {
            let made = access.create_token(name, Scope::Read, &Backends::All, DAY, SystemTime::now());
            made.unwrap().reveal().to_owned()
        };
        let (known, new, wrong) = (token("known"), token("new"), format!("berth_{}", "0".repeat(64)));
        assert_eq!(asked(&berth, &known).await, 200);

        // No answer waits for the lock, which is there until all have come: what did would be an error after 5 seconds.
        let other = rusqlite::Connection::open(place.path("data/berth.db")).unwrap();
        other.execute_batch(lock).unwrap();
        for _ in 0..20 {
            for (token, status) in [(&known, 200), (&new, 200), (&wrong, 401), (&berth.token, 200)] {
                assert_eq!(asked(&berth, token).await, status);
            }
            let health = berth.client.get(format!("{}/health", berth.base)).send().await.unwrap();
            assert_eq!(health.status(), 200);
            // Older than what is kept in mind without a look.
            tokio::time::sleep(AccessRecords::NOTICED_WITHIN / 4).await;
        }
        let wait = other.execute("UPDATE owner SET since = since", []);
        assert!(wait.is_ok() && !other.is_autocommit(), "the lock was held to the end");
        other.execute_batch("ROLLBACK").unwrap();
    }
}

#[tokio::test]
async fn a_server_holds_the_lock_by_which_others_know_that_a_database_is_in_use() {
    let place = Place::with_server(CONFIG, "public_url = \"https://berth.example\"");
    done(&place, &["tokens", "create", "first"]).await;
    assert!(set(&place, "a passphrase of some length\n").await.success);
    let berth = Berth::serve(&place).await;
    assert!(place.run(&["call", "list_sessions"]).await.success);
    for file in ["data/berth.db", "data/audit.db"] {
        // Where nobody has it, the next program that opens the database and closes it takes the log away, which the server
        // would go on to write into. <https://sqlite.org/fileformat2.html>, "The Lock-Byte Page": the shared bytes.
        let shared = Flock {
            start: 0x4000_0002,
            length: 510,
            pid: None,
            typ: FlockType::WriteLock,
            offset_type: FlockOffsetType::Set,
        };
        let opened = std::fs::File::open(place.path(file)).unwrap();
        let holder = fcntl_getlk(&opened, &shared).unwrap().and_then(|lock| lock.pid);
        assert_eq!(
            holder.map(|pid| pid.as_raw_pid().unsigned_abs()),
            Some(berth.id()),
            "{file}"
        );
    }
}

#[tokio::test]
async fn a_personal_token_is_printed_alone_and_is_good_for_what_was_asked() {
    let place = Place::new(CONFIG);
    let ran = done(&place, &["tokens", "create"]).await;
    let token = ran.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("berth_") && token.len() == 70, "{token}");
    assert!(!ran.stderr.contains(token), "{}", ran.stderr);
    let access = records(&place);
    let now = SystemTime::now();
    let found = access.verify(token, now).unwrap().unwrap();
    assert_eq!(found.principal.backends(), &Backends::All);
    assert!(found.principal.may(Scope::Read) && !found.principal.may(Scope::Control));
    assert!(access.verify(token, now + 29 * DAY).unwrap().is_some());
    assert_eq!(access.verify(token, now + 30 * DAY).unwrap(), None);
    assert!(
        ran.stderr.contains(&format!("berth tokens revoke {}", found.family)),
        "{}",
        ran.stderr
    );

    let asked = [
        "tokens",
        "create",
        "deploy",
        "--scope",
        "sessions:control",
        "--backend",
        "two",
        "--expires",
        "2h",
    ];
    let token = done(&place, &asked).await.stdout;
    let found = access.verify(token.trim_end(), now).unwrap().unwrap();
    assert!(found.principal.may(Scope::Control) && found.principal.id().starts_with("token:deploy#"));
    let two = format!("plugin {}, on this machine", place.name("misbehaving.wasm"));
    assert_eq!(
        found.principal.backends(),
        &Backends::Only([("two".to_owned(), two)].into())
    );
    assert_eq!(access.verify(token.trim_end(), now + 3 * DAY).unwrap(), None);
}

#[tokio::test]
async fn a_token_that_cannot_be_is_refused_with_what_can() {
    let place = Place::new(CONFIG);
    for (argument, value, told) in [
        ("--backend", "three", "one, two"),
        ("--scope", "sessions:all", "sessions:read, sessions:control"),
        ("--expires", "367d", "from 1s to 366d"),
        ("--expires", "0s", "from 1s to 366d"),
        ("--expires", "soon", "30d"),
    ] {
        let complaint = place.complaint(&["tokens", "create", argument, value]).await;
        assert!(complaint.contains(told), "{value}: {complaint}");
    }
    let long = "x".repeat(65);
    for name in ["", " ", "a\nb", &long] {
        let complaint = place.complaint(&["tokens", "create", name]).await;
        assert!(complaint.contains("1 to 64 characters"), "{complaint}");
    }
    assert_eq!(records(&place).families(SystemTime::now()).unwrap(), []);
}

#[tokio::test]
async fn the_list_shows_all_that_has_access_and_revoking_ends_it() {
    let place = Place::new(CONFIG);
    let empty = done(&place, &["tokens", "list"]).await;
    assert!(
        empty.stdout.is_empty() && empty.stderr.contains("berth tokens create"),
        "{}",
        empty.stderr
    );
    let access = records(&place);
    let app = approve(&access, "https://app.example/client.json", Scope::Control);
    let script = done(&place, &["tokens", "create", "script"]).await.stdout;

    let listed: Value = serde_json::from_str(&done(&place, &["tokens", "list", "--json"]).await.stdout).unwrap();
    assert_eq!(listed[0]["kind"], "app");
    assert_eq!(listed[0]["client_id"], "https://app.example/client.json");
    assert_eq!(listed[0]["backends"], serde_json::json!(["two"]));
    assert_eq!(listed[0]["last_address"], "127.0.0.1");
    assert_eq!(
        (&listed[1]["kind"], &listed[1]["name"]),
        (&"token".into(), &"script".into())
    );
    assert_eq!(
        (&listed[1]["backends"], &listed[1]["last_used"]),
        (&"all".into(), &Value::Null)
    );
    let table = done(&place, &["tokens", "list"]).await.stdout;
    assert_eq!(table.lines().count(), 2);
    assert!(
        // What was approved as `two` is another plugin than the one here.
        table.contains("sessions:control\ttwo (!)\t") && !table.contains('\u{1b}'),
        "{table}"
    );
    assert!(
        !table.contains("berth_") && !listed.to_string().contains("berth_"),
        "no list shows a secret"
    );

    let good = |token: &str| access.verify(token.trim_end(), SystemTime::now()).unwrap().is_some();
    assert!(good(&app) && good(&script));
    let id = listed[0]["id"].to_string();
    done(&place, &["tokens", "revoke", &id]).await;
    assert!(!good(&app) && good(&script), "at once, for a server that runs");
    assert!(
        place
            .complaint(&["tokens", "revoke", &id])
            .await
            .contains("berth tokens list")
    );
    let app = approve(&access, "other", Scope::Read);
    assert!(
        done(&place, &["tokens", "revoke", "--all"])
            .await
            .stdout
            .contains("ended: 2")
    );
    assert!(!good(&app) && !good(&script));
    assert!(
        !place.run(&["tokens", "revoke"]).await.success,
        "all is never meant by nothing"
    );
}

#[tokio::test]
async fn a_client_is_created_as_a_table_that_the_configuration_takes() {
    let place = Place::new(CONFIG);
    let redirect = "https://app.example/callback?a=\"b";
    let told = place
        .complaint(&["clients", "create", "app", "--redirect", redirect])
        .await;
    assert!(told.contains("is not spelled as a URL is written"), "{told}");
    let redirects = [
        "--redirect",
        "https://app.example/callback",
        "--redirect",
        "http://127.0.0.1/",
    ];
    let created = done(&place, &[&["clients", "create", "my-app"][..], &redirects].concat())
        .await
        .stdout;
    let secret = created.lines().find(|line| line.starts_with("berth_")).unwrap();
    let (_, table) = created.split_once("[oauth.clients.my-app]").unwrap();
    assert!(!table.contains(secret), "the table holds no secret: {table}");

    place.configure(&format!("{CONFIG}\n[oauth.clients.my-app]{table}"), "");
    let list = done(&place, &["clients", "list"]).await.stdout;
    assert_eq!(list, "my-app\tconfigured\tmy-app\tnever\tno access\t\n");
    let again = place
        .complaint(&[&["clients", "create", "my-app"][..], &redirects].concat())
        .await;
    assert!(again.contains("[oauth.clients.my-app] exists already"), "{again}");
    let named = place
        .complaint(&[&["clients", "create", "My App"][..], &redirects].concat())
        .await;
    assert!(named.contains("at most 32 of a-z"), "{named}");
}

#[tokio::test]
async fn clients_are_listed_with_what_they_have_and_revoked() {
    let place = Place::new(CONFIG);
    let access = records(&place);
    let new = NewApp {
        name: "Registered".to_owned(),
        redirects: vec!["https://app.example/callback".to_owned()],
    };
    let room = Room { all: 10, each: 10 };
    let registered = access.register(&new, HERE, room, SystemTime::now()).unwrap().id;
    let document = "https://app.example/client.json";
    let tokens = [
        approve(&access, &registered, Scope::Read),
        approve(&access, &registered, Scope::Control),
        approve(&access, document, Scope::Read),
    ];
    let list = done(&place, &["clients", "list"]).await.stdout;
    let line = |id: &str| list.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(line(&registered).contains("\tregistered\tRegistered\t2"), "{list}");
    assert!(line(&registered).ends_with("\tsessions:control\ttwo"), "{list}");
    assert!(
        line(document).contains("\tdocument\t") && !list.contains('\u{1b}'),
        "{list}"
    );

    let good = |index: usize| access.verify(&tokens[index], SystemTime::now()).unwrap().is_some();
    let told = done(&place, &["clients", "revoke", &registered]).await.stdout;
    assert!(told.contains("forgotten"), "{told}");
    assert!(!good(0) && !good(1) && good(2));
    done(&place, &["clients", "revoke", document]).await;
    assert!(!good(2));
    assert_eq!(done(&place, &["clients", "list"]).await.stdout, "");
    let unknown = place.complaint(&["clients", "revoke", &registered]).await;
    assert!(unknown.contains("berth clients list"), "{unknown}");
}
