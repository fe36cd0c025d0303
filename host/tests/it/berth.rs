//! The harness: for each test a place of its own, and the real binary at work in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use reqwest::header;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;
use toml::Table;

use crate::on_host::{is_on_host, on_host};
use crate::sshd::Sshd;

/// How long anything may take before a test counts it as hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The same for what may compile the shipped plugins first, while other tests do so too.
const COMPILING: Duration = Duration::from_secs(120);
/// How long a berth that is told to end may take.
pub(crate) const END: Duration = Duration::from_secs(5);

/// A folder with a configuration, a home, a plugin (`misbehaving.wasm`), programs (`bin`, first on `PATH`), and a
/// directory to grant (`projects`). Gone when dropped.
pub(crate) struct Place {
    root: TempDir,
    /// The host on which its backends are, if they are not on this machine.
    host: OnceLock<Sshd>,
}

impl Drop for Place {
    /// Jobs outlive every berth, so what a test leaves of them is ended here.
    fn drop(&mut self) {
        let entries = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
        let backends = entries(self.path("data/jobs"));
        let homes = entries(self.path("")).map(|home| home.path().join(".local/state/berth"));
        let there = homes.flat_map(entries).map(|own| own.path().join("jobs"));
        let folders = backends.map(|backend| backend.path()).chain(there);
        for job in folders.flat_map(entries) {
            if let Some(id) = job.file_name().to_str().filter(|_| job.path().is_dir()) {
                let _ = berth::machine::job::end_marked(id);
            }
        }
    }
}

/// What a command of berth's printed.
pub(crate) struct Ran {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// A place whose `config.toml` begins with `config`; `[server]` is added.
    pub(crate) fn new(config: &str) -> Self {
        Self::with_server(config, "")
    }

    /// The same with further lines in `[server]`.
    pub(crate) fn with_server(config: &str, server: &str) -> Self {
        // For the clients of all tests; the first one of them has done it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(
            std::env::var_os(berth::peer::MARK).is_none(),
            "the tests play the operator, which nothing in a session of berth's is: run them in a terminal outside"
        );
        let place = Self {
            root: tempfile::Builder::new().prefix("berth-").tempdir().unwrap(),
            host: OnceLock::new(),
        };
        for folder in ["home", "projects", "bin"] {
            fs::create_dir(place.path(folder)).unwrap();
        }
        fs::copy(berth_guests::MISBEHAVING, place.path("misbehaving.wasm")).unwrap();
        place.configure(config, server);
        place
    }

    /// Replaces the configuration.
    pub(crate) fn configure(&self, config: &str, server: &str) {
        let config = match is_on_host() {
            true => self.on_host(config),
            false => config.to_owned(),
        };
        // One cache for all tests, so that the plugin is compiled once.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        // Tests ask far more often than people.
        let rates = match server.contains("rates") {
            true => "",
            false => "rates = { tools = 1000000 }",
        };
        let text = format!(
            "{config}\n[server]\nlisten = \"127.0.0.1:0\"\ndata = \"data\"\ncache = {cache:?}\n{rates}\n{server}\n"
        );
        self.write("config.toml", text, 0o600);
    }

    /// The same configuration with the shipped backends on a host, but for those that are on one.
    fn on_host(&self, config: &str) -> String {
        let mut config: Table = config.parse().unwrap();
        let backends = config.get("backends").and_then(toml::Value::as_table);
        let here = |name: &&str| {
            backends
                .and_then(|all| all.get(*name))
                .is_some_and(|one| one.get("host").is_none())
        };
        let here: Vec<&str> = ["local", "jobs"].into_iter().filter(here).collect();
        if !here.is_empty() {
            let host = on_host(&mut config, self, &here);
            let _ = self.host.set(host);
        }
        config.to_string()
    }

    /// The absolute path of `name`, without links.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    /// The same as text.
    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>, mode: u32) {
        fs::write(self.path(name), contents).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// What the backend keeps under `key`.
    pub(crate) fn kept(&self, backend: &str, key: &str) -> Option<Vec<u8>> {
        let select = "SELECT value FROM entry WHERE key = ?1";
        self.store(backend).query_row(select, [key], |row| row.get(0)).ok()
    }

    /// Puts `value` where the backend keeps `key`, as somebody would who damages it; none: removes what is there.
    pub(crate) fn keep(&self, backend: &str, key: &str, value: Option<&[u8]>) {
        let store = self.store(backend);
        store.execute("DELETE FROM entry WHERE key = ?1", [key]).unwrap();
        store.execute("UPDATE total SET version = version + 1", []).unwrap();
        if let Some(value) = value {
            let insert = "INSERT INTO entry (key, value, version) SELECT ?1, ?2, version FROM total";
            store.execute(insert, rusqlite::params![key, value]).unwrap();
        }
    }

    fn store(&self, backend: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path(&format!("data/stores/{backend}.db"))).unwrap()
    }

    /// berth with `args`, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
        command.args(args);
        self.set_up(&mut command);
        command
    }

    /// The surroundings of every berth here.
    pub(crate) fn set_up(&self, command: &mut Command) {
        let path = format!("{}:{}", self.name("bin"), std::env::var("PATH").unwrap());
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .env("BERTH_TEST_SECRET", "not for plugins")
            .current_dir(self.path("home"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
    }

    /// Runs berth with this place's configuration.
    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        let config = self.name("config.toml");
        self.run_as_is(&[args, &["--config", &config]].concat()).await
    }

    /// Runs berth with no more than `args`.
    pub(crate) async fn run_as_is(&self, args: &[&str]) -> Ran {
        let output = timeout(COMPILING, self.command(args).output())
            .await
            .expect("berth hangs")
            .unwrap();
        Ran {
            success: output.status.success(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs a command that must fail, and answers what it complains of.
    pub(crate) async fn complaint(&self, args: &[&str]) -> String {
        let ran = self.run(args).await;
        assert!(!ran.success, "it succeeded: {}", ran.stdout);
        ran.stderr
    }

    /// Sets the owner's passphrase, as a script does.
    pub(crate) async fn set_passphrase(&self, passphrase: &str) {
        let mut command = self.command(&["login", "set", "--config", &self.name("config.toml")]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(format!("{passphrase}\n").as_bytes()).await.unwrap();
        drop(input);
        let ended = timeout(PATIENCE, child.wait_with_output())
            .await
            .expect("it hangs")
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }

    /// A FIFO in the granted directory, to see which processes live: see [`Life`].
    pub(crate) async fn life(&self) -> Life {
        let path = self.path("projects/life");
        let made = Command::new("mkfifo").arg(&path).status().await.unwrap();
        assert!(made.success());
        Life(pipe::OpenOptions::new().open_receiver(path).unwrap())
    }
}

/// Sees processes end that no one has the id of. A script that begins with `exec 9>life` hands the open end on to all
/// that it starts; only when the last of them is gone does reading come to an end.
pub(crate) struct Life(pipe::Receiver);

impl Life {
    /// Waits until all are gone, and answers what they wrote while they lived.
    pub(crate) async fn ended(mut self) -> String {
        let mut text = String::new();
        let read = timeout(END, self.0.read_to_string(&mut text)).await;
        read.unwrap_or_else(|_| panic!("a process was left behind")).unwrap();
        text
    }
}

/// A running `berth serve`. Told to end when dropped.
pub(crate) struct Berth {
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) client: reqwest::Client,
    child: Child,
    log: PathBuf,
}

/// What a tool answered.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) text: String,
    pub(crate) structured: Value,
    pub(crate) failed: bool,
}

impl Called {
    /// The answer of a tool that did what it was asked.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert!(!self.failed, "the tool failed: {}", self.text);
        self
    }

    /// The words of a tool that did not.
    #[track_caller]
    pub(crate) fn error(self) -> String {
        assert!(self.failed, "the tool did not fail: {self:?}");
        self.text
    }
}

impl Berth {
    /// Starts `berth serve` in `place` and waits until each backend is up or down.
    pub(crate) async fn serve(place: &Place) -> Self {
        let command = place.command(&["serve", "--config", &place.name("config.toml")]);
        Self::start(place, command).await
    }

    /// The same for a command that becomes `berth serve`.
    pub(crate) async fn start(place: &Place, command: Command) -> Self {
        let (berth, mut greeting) = Self::listening(place, command).await;
        let mut coming = Vec::new();
        while let Ok(Some(line)) = timeout(PATIENCE, greeting.next_line()).await.expect("no greeting") {
            match line
                .strip_prefix("Backend ")
                .and_then(|line| line.strip_suffix(" is coming up"))
            {
                Some(backend) => coming.push(backend.to_owned()),
                None if line.starts_with("Tools: ") => break,
                None => {}
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = greeting.next_line().await {} });
        for backend in coming {
            let told = ["up", "down"].map(|how| format!("backend `{backend}` is {how}"));
            let deadline = Instant::now() + COMPILING;
            while !told.iter().any(|told| place.read("log").contains(told)) {
                assert!(Instant::now() < deadline, "backend {backend} is neither up nor down");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        berth
    }

    /// The same as soon as it listens, with what it prints from then on.
    pub(crate) async fn listening(place: &Place, mut command: Command) -> (Self, Lines<BufReader<ChildStdout>>) {
        let log = place.path("log");
        command.stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, lines.next_line())
            .await
            .expect("berth does not start")
            .unwrap();
        let first = first.unwrap_or_else(|| panic!("berth ended: {}", fs::read_to_string(&log).unwrap()));
        let (_, address) = first
            .split_once(" listens on ")
            .expect("the first line names the address");
        let base = address
            .strip_suffix("/mcp")
            .expect("the address is the endpoint")
            .to_owned();
        let berth = Self {
            base,
            token: place.run(&["token"]).await.stdout.trim().to_owned(),
            client: client(),
            child,
            log,
        };
        (berth, lines)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}/mcp", self.base)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("berth runs")
    }

    /// A request to the endpoint as a client of 2025-06-18 and before sends it.
    pub(crate) fn request(&self, body: &Value) -> reqwest::RequestBuilder {
        self.client
            .post(self.endpoint())
            .bearer_auth(&self.token)
            .header(header::ACCEPT, "application/json, text/event-stream")
            .json(body)
    }

    /// The whole answer to a JSON-RPC request.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let response = self.request(&body).send().await.unwrap();
        message(response).await
    }

    /// Calls a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Called {
        let answer = self
            .ask("tools/call", json!({"name": tool, "arguments": arguments}))
            .await;
        called(&answer)
    }

    /// The tools, as the protocol shows them.
    pub(crate) async fn tools(&self) -> Vec<Value> {
        let answer = self.ask("tools/list", json!({})).await;
        answer["result"]["tools"].as_array().unwrap().clone()
    }

    /// Asks it to end, waits, and answers how long that took and whether it ended well.
    pub(crate) async fn terminate(&mut self) -> (Duration, bool) {
        let began = Instant::now();
        self.signal(Signal::TERM);
        let status = timeout(PATIENCE, self.child.wait())
            .await
            .expect("it does not end")
            .unwrap();
        (began.elapsed(), status.success())
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("it does not end")
            .unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Whether it has ended before `deadline`.
    fn ends_before(&mut self, deadline: Instant) -> bool {
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                _ => return true,
            }
        }
        false
    }
}

impl Drop for Berth {
    #[allow(clippy::print_stderr, reason = "the log of a failed test")]
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        if !self.ends_before(Instant::now() + END) {
            self.signal(Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("berth's log:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// An HTTP client that goes where it is told and no further.
fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// The JSON-RPC message in a response, whichever of the two media types carries it.
pub(crate) async fn message(response: reqwest::Response) -> Value {
    let status = response.status();
    let text = response.text().await.unwrap();
    let data = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .rfind(|data| !data.trim().is_empty());
    serde_json::from_str(data.unwrap_or(&text)).unwrap_or_else(|error| panic!("{status}: {error}: {text}"))
}

/// The tool's answer in a JSON-RPC message.
pub(crate) fn called(answer: &Value) -> Called {
    let result = &answer["result"];
    assert!(result.is_object(), "no result: {answer}");
    Called {
        text: result["content"][0]["text"].as_str().unwrap_or_default().to_owned(),
        structured: result["structuredContent"].clone(),
        failed: result["isError"] == true,
    }
}
