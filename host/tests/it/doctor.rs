//! `berth doctor`: a sound installation, and what it says of each thing that is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::{Json, Router};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::berth::{Berth, Place};
use crate::demo::Demo;

const LOCAL: &str = r#"
[agents.helper]
command = ["env", "helper"]
requires = "helper"
doctor = [["helper", "--version"], ["helper", "auth"]]
[backends.local]
plugin = "./misbehaving.wasm"
env = ["PATH"]
agents = ["helper"]
[backends.local.programs.sh]
doctor = [["-c", "echo shell 7.1"]]
"#;

/// An installation whose agent is logged in, with further lines in `[server]`.
fn installation(server: &str) -> Place {
    let place = Place::with_server(LOCAL, server);
    place.write("bin/helper", "#!/bin/sh\necho helper 2.0 $1\n", 0o755);
    place
}

/// Whether it passes, and its findings as lines. The last line is the verdict.
async fn examined(place: &Place) -> (bool, Vec<String>) {
    let ran = place.run(&["doctor"]).await;
    let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
    let verdict = lines.pop().unwrap();
    let says = if ran.success {
        ["All is well.", "It works, with "]
    } else {
        ["It would not work: "; 2]
    };
    assert!(says.iter().any(|says| verdict.starts_with(says)), "{verdict}");
    assert!(
        verdict.ends_with("berth serve") || verdict.ends_with("then berth doctor again"),
        "{verdict}"
    );
    lines.retain(|line| !line.is_empty());
    (ran.success, lines)
}

/// The one finding that begins with `start`, of an examination that must not pass.
async fn failure(place: &Place, start: &str) -> String {
    let (passes, lines) = examined(place).await;
    assert!(!passes, "{lines:#?}");
    line(&lines, start).to_owned()
}

#[track_caller]
fn line<'a>(lines: &'a [String], start: &str) -> &'a str {
    let found: Vec<&String> = lines.iter().filter(|line| line.starts_with(start)).collect();
    assert_eq!(found.len(), 1, "{start}: {lines:#?}");
    found[0]
}

type Answer = fn(&str, &str) -> Value;

/// The origin of a server that answers each request by `answer`, which gets that origin and the path.
async fn stand_in(answer: Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let own = base.clone();
    let router = Router::new().fallback(async move |request: Request| Json(answer(&own, request.uri().path())));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

/// What berth answers at its public address, as far as the doctor looks.
fn as_berth(base: &str, path: &str) -> Value {
    match path {
        "/health" => json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}),
        "/.well-known/oauth-protected-resource/mcp" => {
            json!({"resource": format!("{base}/mcp"), "authorization_servers": [base]})
        }
        "/.well-known/oauth-authorization-server" => json!({"issuer": base}),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn a_sound_installation_passes() {
    let place = installation("");
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    assert!(
        line(&lines, "ok    configuration: ").ends_with("config.toml is valid"),
        "{lines:#?}"
    );
    assert!(line(&lines, "ok    program sh of local: ").ends_with("-c echo shell 7.1` says: shell 7.1"));
    line(
        &lines,
        "ok    agent helper of local: `helper --version` says: helper 2.0 --version",
    );
    line(
        &lines,
        "ok    agent helper of local: `helper auth` says: helper 2.0 auth",
    );
    line(&lines, "ok    listener: 127.0.0.1:0 is free");
    line(&lines, "ok    disk of data: ");
    line(&lines, "ok    clock: ");
    assert!(line(&lines, "warn  backend local: ").contains("; write into [backends.local]: sha256 = \""));
}

#[tokio::test]
async fn it_says_the_same_as_json() {
    let place = installation("");
    let findings: Vec<Value> = serde_json::from_str(&place.run(&["doctor", "--json"]).await.stdout).unwrap();
    let program = json!({
        "mark": "ok",
        "about": "agent helper of local",
        "what": "`helper auth` says: helper 2.0 auth",
        "fix": null,
    });
    assert!(findings.contains(&program), "{findings:#?}");
    assert!(
        findings
            .iter()
            .any(|finding| finding["mark"] == "warn" && finding["fix"].is_string())
    );
}

#[tokio::test]
async fn a_wrong_configuration_is_the_one_finding() {
    let place = installation("");
    place.configure(&LOCAL.replace("programs.sh", "programs.no-such-program"), "");
    let (passes, lines) = examined(&place).await;
    assert!(!passes);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        line(&lines, "fail  configuration: ").ends_with("it is not on PATH; install it, or write its absolute path"),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn a_data_directory_that_others_reach_fails() {
    let place = installation("");
    fs::create_dir(place.path("data")).unwrap();
    fs::set_permissions(place.path("data"), fs::Permissions::from_mode(0o755)).unwrap();
    let failed = failure(&place, "fail  data directory: ").await;
    assert!(failed.contains(": rmdir "), "{failed}");
    place.write("data/berth.db", "", 0o600);
    let failed = failure(&place, "fail  data directory: ").await;
    assert!(failed.contains("; run: chmod 700 "), "{failed}");
}

#[tokio::test]
async fn a_damaged_database_fails() {
    let place = installation("");
    assert!(examined(&place).await.0);
    place.write(
        "data/berth.db",
        "this is not a database at all, and much longer than nothing".repeat(99),
        0o600,
    );
    let failed = failure(&place, "fail  database: ").await;
    assert!(failed.contains("berth.db"), "{failed}");
}

#[tokio::test]
async fn what_somebody_put_into_the_database_is_named_with_its_fix_at_the_start_too() {
    let place = installation("");
    Berth::serve(&place).await.terminate().await;
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    line(&lines, "ok    database: ");
    let file = rusqlite::Connection::open(place.path("data/berth.db")).unwrap();
    for (change, named, fix) in [
        (
            "CREATE TRIGGER kept BEFORE DELETE ON families BEGIN SELECT RAISE(IGNORE); END",
            "the trigger kept was added",
            "; remove that: sqlite3 ",
        ),
        (
            "CREATE VIEW all_in AS SELECT 1",
            "the view all_in was added",
            "DROP TRIGGER kept; DROP VIEW all_in",
        ),
        (
            "DROP INDEX tokens_family",
            "the index tokens_family is missing",
            "berth login set",
        ),
    ] {
        file.execute_batch(change).unwrap();
        let failed = failure(&place, "fail  database: ").await;
        assert!(failed.contains(named) && failed.contains(fix), "{failed}");
        let mut berth = Berth::serve(&place).await;
        let health = berth.client.get(format!("{}/health", berth.base)).send().await;
        assert!(health.unwrap().status().is_success());
        berth.terminate().await;
        let log = place.read("log");
        assert!(log.contains(named), "{log}");
    }
}

#[tokio::test]
async fn a_record_that_lost_its_key_fails() {
    let place = installation("");
    place.set_passphrase("correct horse battery").await;
    place.write("data/audit.key", "0".repeat(64), 0o600);
    let failed = failure(&place, "fail  audit: ").await;
    assert!(
        failed.ends_with("; see where that begins: berth audit verify"),
        "{failed}"
    );
}

#[tokio::test]
async fn an_agent_that_is_not_logged_in_fails_with_what_it_says() {
    let place = installation("");
    place.write(
        "bin/helper",
        "#!/bin/sh\n[ $1 != auth ] || { printf '\\033[1mNot logged in\\n'; exit 1; }\n",
        0o755,
    );
    let failed = failure(&place, "fail  agent helper of local: ").await;
    assert_eq!(
        failed,
        "fail  agent helper of local: `helper auth` fails and says: Not logged in; run it on a terminal and do what it \
         asks: helper auth"
    );
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_a_warning() {
    let place = installation("");
    fs::remove_file(place.path("bin/helper")).unwrap();
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    line(
        &lines,
        "warn  agent helper of local: it is not installed: helper is not on PATH; install it, or ",
    );
}

#[tokio::test]
async fn an_empty_question_is_refused() {
    let place = installation("");
    place.configure(&LOCAL.replace(r#"["helper", "auth"]"#, "[]"), "");
    let failed = failure(&place, "fail  configuration: ").await;
    assert!(failed.contains("agents.helper.doctor[1]: it is empty"), "{failed}");
}

#[tokio::test]
async fn a_plugin_that_is_not_the_pinned_one_fails() {
    let place = installation("");
    let other = format!("plugin = \"./misbehaving.wasm\"\nsha256 = \"{}\"", "0".repeat(64));
    place.configure(&LOCAL.replace("plugin = \"./misbehaving.wasm\"", &other), "");
    let failed = failure(&place, "fail  plugins: backend `local`: ").await;
    assert!(failed.contains(&"0".repeat(64)), "{failed}");
}

#[tokio::test]
async fn the_certificate_fits_its_key_and_is_not_over() {
    let place = installation("tls = { cert = \"cert.pem\", key = \"key.pem\" }");
    let pair = |until| {
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_after = until;
        let key = KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let (cert, key) = pair(date_time_ymd(2999, 1, 1));
    place.write("cert.pem", &cert, 0o644);
    place.write("key.pem", &key, 0o600);
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    line(&lines, "ok    certificate: it fits its key, and is valid for ");

    place.write("key.pem", &key, 0o644);
    let open = failure(&place, "fail  certificate: ").await;
    assert!(open.contains("run: chmod 600 "), "{open}");

    place.write("key.pem", pair(date_time_ymd(2999, 1, 1)).1, 0o600);
    let other = failure(&place, "fail  certificate: ").await;
    assert!(
        other.contains("key.pem do not belong together") && other.contains("name the pair"),
        "{other}"
    );

    let soon = SystemTime::now() + Duration::from_hours(4 * 24 + 12);
    let (cert, key) = pair(soon.into());
    place.write("cert.pem", &cert, 0o644);
    place.write("key.pem", &key, 0o600);
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    assert!(
        line(&lines, "warn  certificate: ").contains("cert.pem expires within 5 days; renew it"),
        "{lines:#?}"
    );

    let (cert, key) = pair(date_time_ymd(2020, 1, 1));
    place.write("cert.pem", &cert, 0o644);
    place.write("key.pem", &key, 0o600);
    let over = failure(&place, "fail  certificate: ").await;
    assert!(over.contains("cert.pem has expired; renew it"), "{over}");
}

#[tokio::test]
async fn the_listener_is_a_running_berths_or_somebody_elses() {
    let place = installation("");
    let berth = Berth::serve(&place).await;
    let listen = |base: &str| {
        let address = base.strip_prefix("http://").unwrap();
        let config = place.read("config.toml");
        let (before, after) = config.split_once("listen = \"").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        place.write("config.toml", format!("{before}listen = \"{address}\"{after}"), 0o600);
    };
    listen(&berth.base);
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    line(
        &lines,
        &format!("ok    listener: berth {} listens on ", env!("CARGO_PKG_VERSION")),
    );
    line(&lines, "ok    socket: a running berth answers at ");

    listen(&stand_in(|_, _| json!({"another": "server"})).await);
    let held = failure(&place, "fail  listener: ").await;
    assert!(
        held.ends_with("is held by another program; end it, or set another `listen` in [server]"),
        "{held}"
    );
}

#[tokio::test]
async fn a_socket_left_over_is_no_fault() {
    let place = installation("");
    assert!(examined(&place).await.0);
    drop(UnixListener::bind(place.path("data/berth.sock")).unwrap());
    fs::set_permissions(place.path("data/berth.sock"), fs::Permissions::from_mode(0o600)).unwrap();
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    line(&lines, "ok    socket: no berth runs on this data directory");
}

#[tokio::test]
async fn a_public_address_needs_a_passphrase() {
    let base = stand_in(as_berth).await;
    let place = installation(&format!("public_url = \"{base}\""));
    let failed = failure(&place, "fail  ").await;
    assert!(failed.starts_with("fail  passphrase: none is set"), "{failed}");
    assert!(failed.ends_with("; run: berth login set"), "{failed}");
}

/// A way from a public address to this berth, as a tunnel is one: the listener at that address leads to `berth`.
fn relay(listener: TcpListener, berth: &Berth) {
    let inner = berth.base.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((mut outside, _)) = listener.accept().await {
            let mut inside = TcpStream::connect(&inner).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut outside, &mut inside).await });
        }
    });
}

#[tokio::test]
async fn a_berth_behind_its_public_address_passes() {
    let tunnel = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", tunnel.local_addr().unwrap());
    let place = installation(&format!("public_url = \"{base}\""));
    place.set_passphrase("correct horse battery").await;
    let berth = Berth::serve(&place).await;
    relay(tunnel, &berth);
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    line(&lines, "ok    passphrase: it is set");
    let warned = line(
        &lines,
        "warn  clients' addresses: the proxy in front of berth is not believed",
    );
    assert!(warned.ends_with("trusted_proxies = [\"127.0.0.1\"]"), "{warned}");
    line(&lines, "ok    socket: a running berth answers at ");
    line(
        &lines,
        &format!(
            "ok    public address: berth {} answers at {base}",
            env!("CARGO_PKG_VERSION")
        ),
    );
    line(&lines, "ok    clock: it agrees with the public address's");
}

#[tokio::test]
async fn the_public_address_leads_here_and_names_itself() {
    let base = stand_in(as_berth).await;
    let place = installation(&format!("public_url = \"{base}\""));
    let (_, lines) = examined(&place).await;
    let version = env!("CARGO_PKG_VERSION");
    line(
        &lines,
        &format!("ok    public address: berth {version} answers at {base}, by that name"),
    );
    line(&lines, "ok    clock: it agrees with the public address's");

    let cases: [(Answer, &str); 5] = [
        (
            |_, _| json!("long".repeat(1 << 20)),
            "is not this berth: /health is not JSON: it is longer than 64 KiB; let the tunnel",
        ),
        (
            |_, _| json!({"another": "server"}),
            "is not this berth: /health names no version; let the tunnel",
        ),
        (
            |_, _| json!({"version": "0.0.0"}),
            "is not this berth: it is berth 0.0.0, and this is berth ",
        ),
        (
            |base, path| as_berth(&base.replace("127.0.0.1", "localhost"), path),
            "says resource = \"http://localhost:",
        ),
        (
            |base, path| match path {
                "/.well-known/oauth-authorization-server" => json!({"issuer": format!("{base}/")}),
                _ => as_berth(base, path),
            },
            "/.well-known/oauth-authorization-server says issuer = \"http://127.0.0.1:",
        ),
    ];
    for (answer, says) in cases {
        let base = stand_in(answer).await;
        place.configure(LOCAL, &format!("public_url = \"{base}\""));
        let failed = failure(&place, "fail  public address: ").await;
        assert!(failed.contains(says), "{says}: {failed}");
        assert!(failed.ends_with("or correct public_url in [server]"), "{failed}");
    }
}

#[tokio::test]
async fn a_public_address_is_silent_where_no_berth_runs() {
    let place = installation("public_url = \"http://127.0.0.1:9\"");
    let (_, lines) = examined(&place).await;
    let silent = line(&lines, "warn  public address: http://127.0.0.1:9 does not answer");
    assert!(silent.ends_with("start it, then ask again: berth serve"), "{silent}");
}

/// A program that shows its version and then fails or succeeds by `script`.
fn with_program(script: &str) -> Place {
    let place = Place::new(&LOCAL.replace(
        "doctor = [[\"-c\", \"echo shell 7.1\"]]",
        "path = \"bin/tool\"\nfixed = [\"@conf\", \"@socket\"]\nconf = \"good\\n\"\nleast_version = \"3.3\"\n\
         doctor = [[\"-V\"], [\"take\", \"@conf\", \"@socket\"]]",
    ));
    place.write("bin/helper", "#!/bin/sh\necho helper 2.0 $1\n", 0o755);
    place.write("bin/tool", format!("#!/bin/sh\n{script}\n"), 0o755);
    place
}

#[tokio::test]
async fn a_program_is_tried_with_its_conf_at_a_socket_that_is_thrown_away() {
    let place =
        with_program("case $1 in -V) echo tool 3.3a;; take) cat \"$2\"; echo \"$3\" > ${0%/*}/../home/seen;; esac");
    let (passes, lines) = examined(&place).await;
    assert!(passes, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("says: tool 3.3a")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.ends_with("says: good")), "{lines:#?}");
    let socket = place.read("home/seen");
    assert!(
        !socket.starts_with(&place.name("data")),
        "it was tried at the real socket: {socket}"
    );
    assert!(
        !std::path::Path::new(socket.trim()).parent().unwrap().exists(),
        "{socket} stays"
    );
}

#[tokio::test]
async fn a_program_that_is_too_old_or_does_not_take_its_conf_fails_in_doctor_and_in_check() {
    for (script, says) in [
        ("case $1 in -V) echo tool 3.2c;; esac", "it is older than 3.3"),
        ("case $1 in -V) echo tool 2.9;; esac", "it is older than 3.3"),
        (
            "case $1 in -V) echo tool 3.3;; *) echo line 1: unknown; exit 1;; esac",
            "says: line 1: unknown",
        ),
        ("exit 1", "`"),
    ] {
        let place = with_program(script);
        let (passes, lines) = examined(&place).await;
        let failed: Vec<&String> = lines
            .iter()
            .filter(|line| line.starts_with("fail  program sh of local: "))
            .collect();
        assert!(
            !passes && failed.iter().any(|line| line.contains(says)),
            "{script}: {lines:#?}"
        );
        let check = place.run(&["check"]).await;
        assert!(!check.success && check.stdout.contains(says), "{}", check.stdout);
        assert!(check.stdout.ends_with("then berth check again\n"), "{}", check.stdout);
    }
}

#[tokio::test]
async fn what_is_set_and_not_passed_on_is_named_and_never_shown() {
    let place = Place::new(&LOCAL.replace(
        "requires = \"helper\"",
        "requires = \"helper\"\nvariables = [\"HELPER_KEY\", \"HELPER_HOME\", \"HELPER_UNSET\"]",
    ));
    place.write("bin/helper", "#!/bin/sh\necho helper\n", 0o755);
    for (env, named) in [
        ("", Some("HELPER_HOME, HELPER_KEY, HTTPS_PROXY, SSL_CERT_FILE; ")),
        ("\"HELPER_*\", \"HTTPS_PROXY\"", Some("SSL_CERT_FILE; ")),
        ("\"HELPER_*\", \"HTTPS_PROXY\", \"SSL_CERT_FILE\"", None),
    ] {
        let config = place.read("config.toml");
        let (before, after) = config.split_once("env = [").unwrap();
        let (_, after) = after.split_once(']').unwrap();
        place.write("config.toml", format!("{before}env = [\"PATH\", {env}]{after}"), 0o600);
        for command in ["doctor", "check"] {
            let mut berth = place.command(&[command, "--config", &place.name("config.toml")]);
            berth.env("HELPER_KEY", "s3cret").env("HELPER_HOME", "s3cret");
            berth
                .env("HTTPS_PROXY", "http://s3cret.example")
                .env("SSL_CERT_FILE", "/s3cret");
            let output = berth.output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let found = text
                .lines()
                .find(|line| line.starts_with("warn  environment of local: "));
            assert_eq!(
                found.map(|line| line.contains(named.unwrap_or("never"))),
                named.map(|_| true),
                "{text}"
            );
            assert!(!text.contains("s3cret"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_fails_in_check_as_it_does_at_the_start() {
    let place = installation("tls = { cert = \"cert.pem\", key = \"key.pem\" }");
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(["localhost".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    place.write("cert.pem", cert.pem(), 0o644);
    place.write("key.pem", key.serialize_pem(), 0o600);
    assert!(place.run(&["check"]).await.success);
    place.write("key.pem", key.serialize_pem(), 0o644);
    let check = place.run(&["check"]).await;
    assert!(
        !check.success && check.stdout.contains("run: chmod 600 "),
        "{}",
        check.stdout
    );
    let serve = place.complaint(&["serve"]).await;
    assert!(serve.contains("chmod 600"), "{serve}");
}

#[tokio::test]
async fn a_berth_with_another_data_directory_at_the_address_is_a_failure() {
    let theirs = installation("");
    let berth = Berth::serve(&theirs).await;
    let place = installation("");
    let address = berth.base.strip_prefix("http://").unwrap();
    let config = place.read("config.toml").replace("127.0.0.1:0", address);
    place.write("config.toml", config, 0o600);
    let held = failure(&place, "fail  listener: ").await;
    assert!(held.contains("with another data directory"), "{held}");
    let check = place.run(&["check"]).await;
    assert!(
        !check.success && check.stdout.contains("with another data directory"),
        "{}",
        check.stdout
    );
    // Another address is the way out.
    let mut command = place.command(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--config",
        &place.name("config.toml"),
    ]);
    command.stdin(std::process::Stdio::null());
    let own = Berth::start(&place, command).await;
    assert_ne!(own.base, berth.base);
}

/// Only root can become another user.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_users_berth_at_the_address_is_a_failure() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let script = "import http.server as h\n\
        class A(h.BaseHTTPRequestHandler):\n\
        \x20def do_GET(self):\n\
        \x20 b=b'{\"status\":\"ok\",\"version\":\"9.9.9\"}'\n\
        \x20 self.send_response(200); self.send_header('Content-Length', str(len(b))); self.end_headers()\n\
        \x20 self.wfile.write(b); self.wfile.flush()\n\
        \x20protocol_version='HTTP/1.1'\n\
        s=h.ThreadingHTTPServer(('127.0.0.1',0),A); print(s.server_port, flush=True); s.serve_forever()\n";
    let mut child = tokio::process::Command::new("setpriv")
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "python3",
            "-c",
            script,
        ])
        .current_dir("/")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let port = lines.next_line().await.unwrap().unwrap();
    let place = installation("");
    let config = place
        .read("config.toml")
        .replace("127.0.0.1:0", &format!("127.0.0.1:{port}"));
    place.write("config.toml", config, 0o600);
    let held = failure(&place, "fail  listener: ").await;
    assert!(
        held.contains("is held by a berth of another user, whose number is 65534"),
        "{held}"
    );
}

#[tokio::test]
async fn projects_about_which_an_agent_asks_first_are_named() {
    let demo = Demo::with(|config, place| {
        let trust = [
            ("file", place.name("notes.json")),
            ("folders", "projects".to_owned()),
            ("sign", "trusted".to_owned()),
        ];
        let trust = trust.map(|(key, value)| (key.to_owned(), toml::Value::from(value)));
        let agent = config["agents"]["demo"].as_table_mut().unwrap();
        agent.insert("trust".into(), toml::Table::from_iter(trust).into());
    })
    .await;
    for project in ["known/.git", "unknown/.git"] {
        demo.project(project);
    }
    let notes = json!({"projects": {demo.place.name("projects/known"): {"trusted": true}}});
    demo.place.write("notes.json", notes.to_string(), 0o600);
    let said = demo.place.run(&["doctor"]).await.stdout;
    let line = said.lines().find(|line| line.contains("berth trust DIR"));
    let line = line.unwrap_or_else(|| panic!("{said}"));
    assert!(
        line.contains("agent demo of local") && line.contains("/projects/unknown "),
        "{line}"
    );
    assert!(!line.contains("/projects/known"), "{line}");
}
