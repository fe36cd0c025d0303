//! How berth is reached from elsewhere: tunnels, with scripts in place of their programs; a public URL; TLS.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use berth::store::DataDirectory;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

use crate::berth::{Berth, PATIENCE, Place};

const CONFIG: &str = r#"
[backends.local]
plugin = "./misbehaving.wasm"
"#;

/// The programs, what each prints once it has its address, and what it must be given; PORT stands for berth's.
const TUNNELS: [(&str, &str, &str); 3] = [
    (
        "cloudflared",
        "echo '2026-07-01T10:00:00Z INF Requesting new quick Tunnel on trycloudflare.com...' >&2
         echo '2026-07-01T10:00:03Z INF |  https://four-words-in-row.trycloudflare.com   |' >&2",
        "tunnel --no-autoupdate --url http://127.0.0.1:PORT",
    ),
    (
        "ngrok",
        r#"echo '{"lvl":"info","msg":"starting web service","obj":"web","addr":"127.0.0.1:4040"}'
           echo '{"lvl":"info","msg":"started tunnel","obj":"tunnels","url":"https://ab12.ngrok-free.app"}'"#,
        "http PORT --inspect=false --log stdout --log-format json",
    ),
    (
        "tailscale",
        r"printf 'Available on the internet:\n\nhttps://desk.tail1234.ts.net/\n|-- proxy http://127.0.0.1:0\n'",
        "funnel PORT",
    ),
];
const URLS: [&str; 3] = [
    "https://four-words-in-row.trycloudflare.com",
    "https://ab12.ngrok-free.app",
    "https://desk.tail1234.ts.net",
];

/// A place whose owner has a passphrase.
fn owned(server: &str) -> Place {
    let place = Place::with_server(CONFIG, server);
    let directory = DataDirectory::open(&place.path("data"), &place.path("own-cache")).unwrap();
    // Nobody logs in here, so it need not be the hash of anything.
    directory
        .access()
        .unwrap()
        .set_passphrase("set", SystemTime::now())
        .unwrap();
    place
}

/// Puts a script in the place of a tunnel's program. It notes its arguments, and that it lives, where `Place::life` looks.
fn put(place: &Place, program: &str, does: &str) {
    let life = place.name("projects/life");
    let script = format!("#!/bin/sh\nexec 9>'{life}'\necho \"$@\" >&9\n{does}\n");
    place.write(&format!("bin/{program}"), script, 0o755);
}

/// A `berth serve` whose output is read.
struct Served {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Served {
    fn start(place: &Place, args: &[&str]) -> Self {
        let config = place.name("config.toml");
        Self::from(place.command(&[&["serve", "--config", &config], args].concat()))
    }

    fn from(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        }
    }

    /// What it prints until it listens and has said all about it.
    async fn greeting(&mut self) -> String {
        let mut said = String::new();
        while !said.contains("  claude mcp add berth") && !said.contains("berth http://127.0.0.1") {
            let line = timeout(PATIENCE, self.stdout.next_line())
                .await
                .expect("berth does not start");
            match line.unwrap() {
                Some(line) => said = said + &line + "\n",
                None => panic!("berth ended: {}", self.log_until_end().await),
            }
        }
        said
    }

    /// What it logs until a line holds `wanted`.
    async fn log_until(&mut self, wanted: &str) -> String {
        let mut said = String::new();
        while !said.contains(wanted) {
            let line = timeout(PATIENCE, self.stderr.next_line())
                .await
                .expect("it is never said");
            said = said + &line.unwrap().unwrap_or_else(|| panic!("berth ended")) + "\n";
        }
        said
    }

    async fn log_until_end(&mut self) -> String {
        let mut said = String::new();
        let read = self.stderr.get_mut().read_to_string(&mut said);
        timeout(PATIENCE, read).await.expect("berth does not end").unwrap();
        said
    }

    fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(id.unwrap(), signal).unwrap();
    }

    async fn succeeds(&mut self) -> bool {
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("berth does not end");
        ended.unwrap().success()
    }
}

/// The local origin that a greeting names.
fn base(greeting: &str) -> &str {
    let line = greeting.lines().find_map(|line| line.split_once(" listens on "));
    line.unwrap().1.strip_suffix("/mcp").unwrap()
}

/// The status of `/health` under another name.
async fn health(base: &str, host: &str) -> u16 {
    let client = client().no_proxy().build().unwrap();
    let asked = client.get(format!("{base}/health")).header("Host", host);
    asked.send().await.unwrap().status().as_u16()
}

fn client() -> reqwest::ClientBuilder {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

#[tokio::test]
async fn a_tunnels_address_is_learnt_and_the_tunnel_ends_with_berth() {
    for ((program, prints, expected), url) in TUNNELS.into_iter().zip(URLS) {
        let place = owned("");
        let life = place.life().await;
        put(&place, program, &format!("{prints}\nexec sleep 600"));
        let mut served = Served::start(&place, &["--tunnel", program]);
        let greeting = served.greeting().await;
        for line in [
            format!("From elsewhere it is reached at {url}/mcp"),
            format!("Remote MCP server URL: {url}/mcp"),
            format!("claude mcp add --transport http berth {url}/mcp"),
        ] {
            assert!(greeting.contains(&line), "{greeting}");
        }
        let base = base(&greeting).to_owned();
        assert_eq!(health(&base, url.trim_start_matches("https://")).await, 200);
        assert_eq!(health(&base, "other.example.org").await, 403);
        served.terminate();
        assert!(served.succeeds().await, "{program}");
        let given = life.ended().await;
        let port = base.rsplit(':').next().unwrap();
        assert_eq!(given.trim(), expected.replace("PORT", port));
    }
}

#[tokio::test]
async fn a_tunnel_that_ignores_being_asked_is_ended_all_the_same() {
    let place = owned("");
    let life = place.life().await;
    let (program, prints, _) = TUNNELS[0];
    put(
        &place,
        program,
        &format!("trap '' TERM\n{prints}\nsleep 600 & sleep 600; sleep 600"),
    );
    let mut served = Served::start(&place, &["--tunnel", program]);
    served.greeting().await;
    served.terminate();
    assert!(served.succeeds().await);
    life.ended().await;
}

#[tokio::test]
async fn a_second_signal_ends_berth_at_once_and_the_tunnel_with_it() {
    let place = owned("");
    let life = place.life().await;
    let (program, prints, _) = TUNNELS[0];
    put(
        &place,
        program,
        &format!("trap '' TERM\n{prints}\nsleep 600 & sleep 600; sleep 600"),
    );
    let mut served = Served::start(&place, &["--tunnel", program]);
    served.greeting().await;
    // Of two of a kind that come together a process sees one.
    served.signal(Signal::INT);
    served.signal(Signal::TERM);
    let log = served.log_until("ends at once").await;
    assert!(log.contains("came again"), "{log}");
    let ended = timeout(PATIENCE, served.child.wait())
        .await
        .expect("berth does not end");
    // With the programs ended, the orderly end may be over first.
    let code = ended.unwrap().code();
    assert!([0, 128 + 2, 128 + 15].map(Some).contains(&code), "{code:?}");
    life.ended().await;
}

#[tokio::test]
async fn a_tunnel_ends_with_a_berth_that_is_killed_whatever_it_does() {
    for ((program, prints, _), does) in TUNNELS.into_iter().zip([
        "exec sleep 600",
        "sleep 600 & sleep 600; sleep 600",
        "trap '' TERM\nsleep 600 & sleep 600; sleep 600",
    ]) {
        let place = owned("");
        let life = place.life().await;
        put(&place, program, &format!("{prints}\n{does}"));
        let mut served = Served::start(&place, &["--tunnel", program]);
        served.greeting().await;
        served.signal(Signal::KILL);
        assert!(!served.succeeds().await);
        life.ended().await;
    }
}

#[tokio::test]
async fn what_a_tunnel_leaves_when_it_ends_is_ended_whether_berth_is_killed_or_not() {
    for ((program, prints, _), (leaves, is_killed)) in TUNNELS.into_iter().zip([
        ("sleep 600 &", true),
        ("sleep 600 & trap '' TERM; sleep 600 &", false),
        ("sleep 600 >/dev/null 2>&1 &", true),
    ]) {
        let place = owned("");
        let life = place.life().await;
        put(&place, program, &format!("{prints}\n{leaves}"));
        let mut served = Served::start(&place, &["--tunnel", program]);
        served.greeting().await;
        if is_killed {
            served.signal(Signal::KILL);
            assert!(!served.succeeds().await);
        } else {
            served.log_until("has ended, so berth can no longer be reached").await;
        }
        life.ended().await;
    }
}

#[tokio::test]
async fn a_tunnel_without_an_address_ends_with_a_berth_that_is_killed() {
    let place = owned("");
    let life = place.life().await;
    put(&place, "ngrok", "echo 'connecting' >&2\nexec sleep 600");
    let mut served = Served::start(&place, &["--tunnel", "ngrok"]);
    served.log_until("connecting").await;
    served.signal(Signal::KILL);
    assert!(!served.succeeds().await);
    life.ended().await;
}

#[tokio::test]
async fn where_another_berth_has_the_data_directory_no_tunnel_is_opened() {
    let place = owned("");
    let started = place.name("started");
    put(&place, "ngrok", &format!("touch '{started}'\nexec sleep 600"));
    let directory = DataDirectory::open(&place.path("data"), &place.path("own-cache")).unwrap();
    let held = directory.lock("elsewhere").unwrap();
    let complaint = place.complaint(&["serve", "--tunnel", "ngrok"]).await;
    assert!(complaint.contains("(berth elsewhere)"), "{complaint}");
    assert!(!place.path("started").exists());
    drop(held);
    // The script tells whether it is started at all.
    put(&place, "ngrok", &format!("touch '{started}'\nexit 1"));
    let complaint = place.complaint(&["serve", "--tunnel", "ngrok"]).await;
    assert!(
        complaint.contains("ngrok ended") && place.path("started").exists(),
        "{complaint}"
    );
}

#[tokio::test]
async fn the_line_to_paste_works_whatever_the_configurations_path_holds() {
    for name in ["my own", "it's $HOME", "a\n`b`\\\"c"] {
        let place = Place::new(CONFIG);
        let folder = place.path(name);
        std::fs::create_dir(&folder).unwrap();
        for file in ["config.toml", "misbehaving.wasm"] {
            std::fs::rename(place.path(file), folder.join(file)).unwrap();
        }
        let config = folder.join("config.toml");
        place.write("bin/claude", "#!/bin/sh\nprintf '%s\\0' \"$@\"\n", 0o755);
        let mut served = Served::from(place.command(&["serve", "--config", config.to_str().unwrap()]));
        let greeting = served.greeting().await;
        let line = greeting.lines().last().unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-c", line]);
        place.set_up(&mut shell);
        let given = shell.output().await.unwrap();
        let told = String::from_utf8(given.stdout).unwrap();
        let token = std::fs::read_to_string(folder.join("data/token")).unwrap();
        let header = format!("Authorization: Bearer {}", token.trim());
        assert!(told.split('\0').any(|word| word == header), "{line}: {told:?}");
        served.terminate();
        assert!(served.succeeds().await);
    }
}

#[tokio::test]
async fn a_tunnel_that_ends_is_told_of_and_this_machine_is_served_on() {
    let place = owned("");
    let (program, prints, _) = TUNNELS[0];
    let _life = place.life().await;
    let gone = place.name("gone");
    put(
        &place,
        program,
        &format!("{prints}\nwhile [ ! -e '{gone}' ]; do sleep 0.05; done\necho 'ERR the edge is lost' >&2"),
    );
    let mut served = Served::start(&place, &["--tunnel", program]);
    let greeting = served.greeting().await;
    place.write("gone", "", 0o600);
    let log = served.log_until("the edge is lost").await;
    assert!(
        log.contains("cloudflared has ended") && log.contains("Start berth again"),
        "{log}"
    );
    assert_eq!(
        health(base(&greeting), base(&greeting).trim_start_matches("http://")).await,
        200
    );
    served.terminate();
    assert!(served.succeeds().await);
}

#[tokio::test]
async fn a_tunnel_that_fails_to_start_stops_the_start_with_its_last_words() {
    let place = owned("");
    let _life = place.life().await;
    put(
        &place,
        "ngrok",
        "echo 'ERROR: authentication failed: ERR_NGROK_4018' >&2\nexit 1",
    );
    let complaint = place.complaint(&["serve", "--tunnel", "ngrok"]).await;
    assert!(
        complaint.contains("ngrok ended before it had a public address") && complaint.contains("ERR_NGROK_4018"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_tunnel_without_an_address_shows_what_it_says_and_ends_when_berth_is_told_to() {
    let place = owned("");
    let life = place.life().await;
    put(
        &place,
        "tailscale",
        "echo 'To enable, visit: https://login.tailscale.com/f/funnel?node=n1'\nexec sleep 600",
    );
    let mut served = Served::start(&place, &["--tunnel", "tailscale"]);
    let log = served.log_until("https://login.tailscale.com/f/funnel").await;
    assert!(log.contains("waiting for tailscale"), "{log}");
    served.terminate();
    assert!(!served.succeeds().await);
    life.ended().await;
}

#[tokio::test]
async fn a_missing_program_is_named_with_where_to_get_it() {
    let place = owned("");
    for (program, home) in [
        ("cloudflared", "developers.cloudflare.com"),
        ("ngrok", "ngrok.com/download"),
        ("tailscale", "tailscale.com/download"),
    ] {
        let mut command = place.command(&["serve", "--tunnel", program, "--config", &place.name("config.toml")]);
        command.env("PATH", place.path("bin"));
        let output = timeout(PATIENCE, command.output()).await.expect("berth hangs").unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(
            complaint.contains("is not on PATH") && complaint.contains(home),
            "{complaint}"
        );
    }
}

#[tokio::test]
async fn what_does_not_go_with_a_tunnel_or_a_public_url_is_refused() {
    let tls = "[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"";
    for (server, args, expected) in [
        ("open_on_loopback = true", ["--tunnel", "ngrok"], "open_on_loopback"),
        (
            "open_on_loopback = true",
            ["--public-url", "https://berth.example"],
            "open_on_loopback",
        ),
        (tls, ["--tunnel", "ngrok"], "remove [server.tls]"),
        ("", ["--tunnel", "bore"], "cloudflared, ngrok, tailscale"),
        ("", ["--public-url", "http://berth.example"], "it is not https"),
        (
            "",
            ["--public-url", "https://berth.example/mcp"],
            "more than a scheme, a name and a port",
        ),
    ] {
        let place = owned(server);
        let complaint = place.complaint(&[&["serve"], &args[..]].concat()).await;
        assert!(complaint.contains(expected), "{args:?}: {complaint}");
    }
}

#[tokio::test]
async fn without_a_passphrase_nothing_is_opened_to_elsewhere() {
    let place = Place::new(CONFIG);
    put(&place, "ngrok", "exit 1");
    for args in [["--tunnel", "ngrok"], ["--public-url", "https://berth.example"]] {
        let complaint = place.complaint(&[&["serve"], &args[..]].concat()).await;
        assert!(complaint.contains("run berth login set"), "{complaint}");
    }
    place.configure(CONFIG, "public_url = \"https://berth.example\"");
    assert!(place.complaint(&["serve"]).await.contains("run berth login set"));
}

#[tokio::test]
async fn a_public_url_on_the_command_line_comes_before_the_configured_one() {
    let place = owned("public_url = \"https://configured.example\"");
    let mut served = Served::start(&place, &["--public-url", "https://given.example:8443"]);
    let greeting = served.greeting().await;
    assert!(
        greeting.contains("https://given.example:8443/mcp") && !greeting.contains("configured"),
        "{greeting}"
    );
    assert_eq!(health(base(&greeting), "given.example:8443").await, 200);
    assert_eq!(health(base(&greeting), "configured.example").await, 403);
    assert!(!greeting.contains('▀'), "a code is for a terminal only");
}

#[tokio::test]
async fn the_first_public_start_on_a_terminal_asks_for_the_passphrase_and_shows_a_code() {
    let place = Place::new(CONFIG);
    let terminal = Terminal::new(&place);
    let berth = env!("CARGO_BIN_EXE_berth");
    let config = place.name("config.toml");
    terminal.start(&format!(
        "'{berth}' serve --public-url https://berth.example --config '{config}'"
    ));
    for prompt in ["Passphrase", "same again"] {
        terminal.until(prompt).await;
        terminal.press(&["correct horse battery", "Enter"]);
    }
    let screen = terminal.until("on this machine, paste").await;
    assert!(
        screen.contains("https://berth.example/mcp") && screen.contains('▀'),
        "{screen}"
    );
    assert!(!screen.contains("correct horse"), "{screen}");
    let status = place.run(&["login", "status"]).await;
    assert!(status.stdout.contains("The passphrase was set"), "{}", status.stdout);
}

/// A terminal of tmux's to look at. It ends when this is dropped.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn new(place: &Place) -> Self {
        Self {
            socket: place.name("terminal"),
        }
    }

    fn start(&self, command: &str) {
        self.tmux(&[
            "new-session",
            "-d",
            "-x",
            "150",
            "-y",
            "100",
            command,
            ";",
            "set",
            "remain-on-exit",
            "on",
        ]);
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// The screen, once it holds `wanted`.
    async fn until(&self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if screen.contains(wanted) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{wanted:?} is not on the screen: {screen}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut tmux = std::process::Command::new("tmux");
        let output = tmux
            .args(["-u", "-f", "/dev/null", "-S", &self.socket])
            .args(args)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test]
async fn with_a_certificate_berth_speaks_tls_only() {
    let place = owned("[server.tls]\ncert = \"cert.pem\"\nkey = \"key.pem\"");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    place.write("cert.pem", cert.pem(), 0o644);
    place.write("key.pem", signing_key.serialize_pem(), 0o644);
    let complaint = place.complaint(&["serve"]).await;
    assert!(
        complaint.contains(&format!("chmod 600 {}", place.name("key.pem"))),
        "{complaint}"
    );

    place.write("key.pem", signing_key.serialize_pem(), 0o600);
    let berth = Berth::serve(&place).await;
    assert!(berth.base.starts_with("https://127.0.0.1:"), "{}", berth.base);
    let root = reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    let client = client().no_proxy().tls_certs_only([root]).build().unwrap();
    let health = client.get(format!("{}/health", berth.base)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    let plain = client
        .get(format!("{}/health", berth.base.replace("https", "http")))
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 400);
    assert!(plain.text().await.unwrap().contains("write https://"));
}
