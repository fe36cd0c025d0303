//! Who calls: what runs in a session of berth's may look and not act, by whatever way it comes; another user may
//! nothing; and whatever stands between hides who is behind it.

use std::fs;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::berth::{Berth, Called, Place, called};
use crate::demo::{Demo, Tmux, config, target, until};

/// A berth with a session that runs a plain shell.
pub(crate) struct Inside {
    pub(crate) demo: Demo,
    shell: String,
}

impl Inside {
    pub(crate) async fn start() -> Self {
        Self::with("", &[], |_| {}).await
    }

    /// The same with further lines in `[server]` and variables in the shell's command, after `prepare`.
    pub(crate) async fn with(server: &str, variables: &[&str], prepare: impl FnOnce(&Tmux)) -> Self {
        let place = Place::new("");
        let mut config = config();
        let command = [&["env", "-u", "TMUX"], variables, &["bash", "--norc"]].concat();
        let agent = toml::Table::from_iter([
            ("command".to_owned(), command.into()),
            ("profile".to_owned(), "shell".into()),
        ]);
        config["agents"]
            .as_table_mut()
            .unwrap()
            .insert("shell".into(), agent.into());
        config["backends"]["local"]["agents"] = vec!["demo", "shell"].into();
        place.configure(&config.to_string(), server);
        let tmux = Tmux::of(&place);
        let berth = Berth::serve(&place).await;
        prepare(&tmux);
        let demo = Demo {
            berth,
            tmux,
            place,
            host: None,
        };
        demo.project("shell");
        let created = demo
            .call("create_session", json!({"project": "shell", "agent": "shell"}))
            .await;
        let shell = created.done().structured["session"]["session_id"]
            .as_str()
            .unwrap()
            .to_owned();
        Self { demo, shell }
    }

    /// Types a script's name into the shell, and answers what the script printed.
    pub(crate) async fn run(&self, script: &str) -> String {
        let place = &self.demo.place;
        place.write("script", script, 0o600);
        let (script, output) = (place.name("script"), place.name("output"));
        let line = format!("sh {script} > {output}.part 2>&1; mv {output}.part {output}");
        self.demo
            .tmux
            .order(&["send-keys", "-l", "-t", &target(&self.shell), "--", &line]);
        self.demo.tmux.press(&self.shell, &["Enter"]);
        let printed = until("the script's end", async || fs::read_to_string(&output).ok()).await;
        fs::remove_file(&output).unwrap();
        printed
    }

    /// A command line by which curl calls a tool with the local token.
    fn curl(&self, tool: &str, arguments: &Value) -> String {
        curl(&self.demo.berth, &self.demo.berth.base, tool, arguments).join(" ")
    }

    /// A command line by which berth calls a tool.
    fn berth_call(&self, tool: &str, arguments: &Value) -> String {
        let call = self.berth("call");
        format!("{call} {tool} '{arguments}'")
    }

    /// A script that runs `command` in a process of its own session, which has no parent left, and prints its answer.
    fn detached(&self, command: &str) -> String {
        let place = &self.demo.place;
        place.write(
            "detached",
            format!("{command} > answer.part; mv answer.part answer"),
            0o600,
        );
        let script = place.name("detached");
        format!("rm -f answer; (setsid sh -c 'sh {script} &' &); until test -e answer; do sleep 0.05; done; cat answer")
    }

    pub(crate) fn berth(&self, command: &str) -> String {
        let config = self.demo.place.name("config.toml");
        format!("{} --config {config} {command}", env!("CARGO_BIN_EXE_berth"))
    }

    /// A session of the demo agent that waits for a permission.
    async fn asking(&self) -> String {
        let id = self.demo.create("app").await;
        let asked = self.demo.send(&id, "run touch x").await.done();
        assert_eq!(asked.structured["session"]["state"], "waiting");
        id
    }
}

/// The words of a command by which curl calls a tool with the local token, quoted for a shell.
fn curl(berth: &Berth, base: &str, tool: &str, arguments: &Value) -> Vec<String> {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}
    });
    vec![
        "curl -sS --noproxy '*'".to_owned(),
        format!("-H 'Authorization: Bearer {}'", berth.token),
        "-H 'Content-Type: application/json'".to_owned(),
        format!("-d '{body}'"),
        format!("{base}/mcp"),
    ]
}

fn answer(printed: &str) -> Called {
    called(&serde_json::from_str(printed).unwrap_or_else(|error| panic!("{error}: {printed}")))
}

/// What would answer the question of the session `id`, or type into it.
fn acts(id: &str) -> [(&'static str, Value); 3] {
    [
        ("respond_to_prompt", json!({"session_id": id, "response": "yes"})),
        ("send_message", json!({"session_id": id, "message": "run touch y"})),
        ("terminate_session", json!({"session_id": id})),
    ]
}

#[tokio::test]
async fn an_agent_cannot_answer_questions_through_berth_with_the_token() {
    let inside = Inside::start().await;
    let id = inside.asking().await;
    let plain = |command: String| command;
    let bare = |command: String| format!("env -i PATH=\"$PATH\" {command}");
    let detached = |command: String| inside.detached(&command);
    let mut ways: Vec<&dyn Fn(String) -> String> = vec![&plain, &bare];
    // There the system's programs hide their environment, and only their parents tell.
    if !cfg!(target_os = "macos") {
        ways.push(&detached);
    }
    for way in ways {
        let list = answer(&inside.run(&way(inside.curl("list_sessions", &json!({})))).await).done();
        assert!(list.text.contains(&id), "{}", list.text);
        for (tool, arguments) in acts(&id) {
            let why = answer(&inside.run(&way(inside.curl(tool, &arguments))).await).error();
            assert!(why.contains("a session that berth started"), "{tool}: {why}");
        }
    }
    assert_eq!(inside.demo.state(&id).await, "waiting");
    assert_eq!(inside.demo.record("app", "answer"), Vec::<String>::new());
    // Its operator can.
    let respond = json!({"session_id": id, "response": "yes", "wait_seconds": 20});
    inside.demo.call("check_prompts", json!({})).await.done();
    inside.demo.call("respond_to_prompt", respond).await.done();
    assert_eq!(inside.demo.record("app", "answer"), ["touch x=Yes"]);
}

#[tokio::test]
async fn an_agent_cannot_answer_questions_by_the_commands_of_berth() {
    let inside = Inside::start().await;
    let id = inside.asking().await;
    let list = inside.run(&inside.berth_call("list_sessions", &json!({}))).await;
    assert!(list.contains(&id), "{list}");
    for (tool, arguments) in acts(&id) {
        let why = inside.run(&inside.berth_call(tool, &arguments)).await;
        assert!(why.contains("a session that berth started"), "{tool}: {why}");
    }
    let [(tool, arguments), ..] = acts(&id);
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}
    }});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}
    });
    let lines = format!("{hello}\n{ready}\n{call}\n");
    inside.demo.place.write("lines", lines, 0o600);
    let stdio = format!("{} < {}", inside.berth("stdio"), inside.demo.place.name("lines"));
    let answers = inside.run(&stdio).await;
    let last = answers.lines().last().unwrap_or_default();
    assert!(
        answer(last).error().contains("a session that berth started"),
        "{answers}"
    );
    assert_eq!(inside.demo.state(&id).await, "waiting");
    assert_eq!(inside.demo.record("app", "answer"), Vec::<String>::new());
}

#[tokio::test]
async fn an_agent_that_becomes_the_owner_itself_may_still_only_look() {
    let mut inside = Inside::start().await;
    let id = inside.asking().await;
    inside.demo.berth.terminate().await;
    let list = inside.run(&inside.berth_call("list_sessions", &json!({}))).await;
    assert!(list.contains(&id), "{list}");
    for (tool, arguments) in acts(&id) {
        let why = inside.run(&inside.berth_call(tool, &arguments)).await;
        assert!(why.contains("a session that berth started"), "{tool}: {why}");
    }
    assert_eq!(inside.demo.record("app", "answer"), Vec::<String>::new());
}

#[tokio::test]
async fn what_runs_in_a_session_gets_no_token() {
    let inside = Inside::start().await;
    let printed = inside.run(&inside.berth("token")).await;
    assert!(printed.contains("a session that berth started"), "{printed}");
    assert!(!printed.contains(&inside.demo.berth.token), "{printed}");
}

#[tokio::test]
async fn what_runs_in_a_session_sets_no_passphrase() {
    let mut inside = Inside::start().await;
    for command in ["login set", "serve --public-url https://berth.example"] {
        if command.starts_with("serve") {
            // So that this one can have the data directory.
            inside.demo.berth.terminate().await;
        }
        let printed = inside.run(&inside.berth(command)).await;
        assert!(printed.contains("a session that berth started"), "{command}: {printed}");
    }
    let ran = inside.demo.place.run(&["login", "status"]).await;
    assert!(ran.stdout.contains("No passphrase is set"), "{}", ran.stdout);
}

#[tokio::test]
async fn sessions_may_control_where_the_operator_says_so() {
    let inside = Inside::with("sessions_may_control = true", &[], |_| {}).await;
    let id = inside.asking().await;
    answer(&inside.run(&inside.curl("check_prompts", &json!({}))).await).done();
    let respond = json!({"session_id": id, "response": "yes", "wait_seconds": 20});
    answer(&inside.run(&inside.curl("respond_to_prompt", &respond)).await).done();
    assert_eq!(inside.demo.record("app", "answer"), ["touch x=Yes"]);
    let send = json!({"session_id": id, "message": "hello", "wait_seconds": 20});
    inside.run(&inside.berth_call("send_message", &send)).await;
    assert_eq!(inside.demo.record("app", "message").last().unwrap(), "hello");
    // The operator's own configuration counts, at its own place.
    let place = &inside.demo.place;
    let here = inside.run(&inside.berth("token")).await;
    assert!(here.contains("what --config names does not count"), "{here}");
    std::os::unix::fs::symlink(".", place.path("berth")).unwrap();
    let own = format!(
        "XDG_CONFIG_HOME={} {} token",
        place.path("").display(),
        env!("CARGO_BIN_EXE_berth")
    );
    assert_eq!(inside.run(&own).await.trim(), inside.demo.berth.token);
}

#[tokio::test]
async fn a_configuration_of_its_own_helps_no_agent() {
    let inside = Inside::start().await;
    let place = &inside.demo.place;
    let lenient = place
        .read("config.toml")
        .replace("[server]", "[server]\nsessions_may_control = true");
    place.write("lenient.toml", lenient, 0o600);
    for command in [
        "token",
        "tokens create",
        "clients list",
        "login status",
        "attach app",
        "trust .",
        "service install",
    ] {
        let line = inside.berth(command).replace("config.toml", "lenient.toml");
        let printed = inside.run(&line).await;
        assert!(printed.contains("a session that berth started"), "{command}: {printed}");
    }
}

#[tokio::test]
async fn the_commands_for_people_only_look_from_a_session_whether_a_berth_runs_or_not() {
    let mut inside = Inside::start().await;
    let id = inside.asking().await;
    let place = &inside.demo.place;
    let lenient = place
        .read("config.toml")
        .replace("[server]", "[server]\nsessions_may_control = true");
    place.write("lenient.toml", lenient, 0o600);
    let project = place.name("projects/app");
    let acts = [
        format!("start {project}"),
        format!("send {id} hello"),
        format!("answer {id} yes"),
        format!("stop {id}"),
    ];
    for runs in [true, false] {
        if !runs {
            inside.demo.berth.terminate().await;
        }
        for config in ["config.toml", "lenient.toml"] {
            let berth = |command: &str| inside.berth(command).replace("config.toml", config);
            for command in &acts {
                let why = inside.run(&berth(command)).await;
                assert!(
                    why.contains("a session that berth started"),
                    "{runs} {config} {command}: {why}"
                );
            }
            let seen = inside.run(&berth("ls")).await;
            assert!(seen.contains(&id), "{seen}");
        }
    }
    assert_eq!(inside.demo.record("app", "answer"), Vec::<String>::new());
    assert_eq!(inside.demo.record("app", "message"), ["run touch x"]);
}

#[tokio::test]
async fn a_command_brings_the_mark_where_a_person_has_started_the_server() {
    let by_hand = |tmux: &Tmux| {
        tmux.order(&["new-session", "-d", "-s", "own"]);
    };
    let without = Inside::with("", &[], by_hand).await;
    assert_eq!(
        without.run(&without.berth("token")).await.trim(),
        without.demo.berth.token
    );
    let with = Inside::with("", &["BERTH_SESSION=shell"], by_hand).await;
    let printed = with.run(&with.berth("token")).await;
    assert!(printed.contains("a session that berth started"), "{printed}");
}

/// Only root can become another user; for everyone else the unit tests of `peer` have a socket that is nobody's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_user_is_refused_with_the_token_too() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new("");
    place.configure(&config().to_string(), "");
    let berth = Berth::serve(&place).await;
    let line = curl(&berth, &berth.base, "list_sessions", &json!({})).join(" ");
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", &line]);
    let output = command
        .current_dir("/")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let refused: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("does not come from a process of the user"), "{why}");
}

/// Only root can become another user, and root is whom the system lets through to another user's socket.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn root_is_turned_away_at_another_users_socket() {
    use std::os::unix::fs::{PermissionsExt, chown};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    if !rustix::process::geteuid().is_root() {
        return;
    }
    const OTHER: u32 = 65534;
    let place = Place::new("[backends.local]\nplugin = \"misbehaving.wasm\"");
    // The cache of all tests is root's.
    let config: toml::Table = place.read("config.toml").parse().unwrap();
    let cache = config["server"]["cache"].as_str().unwrap();
    place.write(
        "config.toml",
        place.read("config.toml").replace(cache, "own-cache"),
        0o600,
    );
    let binary = place.path("bin/berth");
    fs::copy(env!("CARGO_BIN_EXE_berth"), &binary).unwrap();
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    for owned in ["", "home", "projects", "config.toml", "misbehaving.wasm"] {
        chown(place.path(owned), Some(OTHER), Some(OTHER)).unwrap();
    }
    let mut command = tokio::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command
        .arg(&binary)
        .args(["serve", "--config", &place.name("config.toml")]);
    place.set_up(&mut command);
    let _berth = Berth::start(&place, command).await;

    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}
    }});
    let mut socket = tokio::net::UnixStream::connect(place.path("data/berth.sock"))
        .await
        .unwrap();
    // It may be closed before that.
    let _ = socket.write_all(format!("{hello}\n").as_bytes()).await;
    let mut answer = String::new();
    let _ = socket.read_to_string(&mut answer).await;
    assert!(!answer.contains("serverInfo"), "{answer}");

    // The very same words of the user's own process are answered.
    place.write("hello", format!("{hello}\n"), 0o644);
    let line = format!(
        "{} stdio --config {} < {}",
        binary.display(),
        place.name("config.toml"),
        place.name("hello")
    );
    let mut own = tokio::process::Command::new("setpriv");
    own.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", &line]);
    place.set_up(&mut own);
    own.stdin(std::process::Stdio::null());
    let output = own.output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("serverInfo"), "{output:?}");
}

/// Passes bytes on to berth, as `ssh -L` and `socat` do: the address that it listens on.
async fn relay(berth: &Berth) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let there = berth.base.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            let mut there = TcpStream::connect(&there).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut here, &mut there).await });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_raw_relay_passes_for_whoever_runs_it_and_helps_nobody_without_the_token() {
    let inside = Inside::start().await;
    let base = relay(&inside.demo.berth).await;
    let call = |token: Option<&str>| {
        let request = inside.demo.berth.client.post(format!("{base}/mcp"));
        let request = request.header("host", inside.demo.berth.base.strip_prefix("http://").unwrap());
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_sessions"}});
        let request = request.json(&body);
        token
            .map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token))
            .send()
    };
    assert_eq!(call(None).await.unwrap().status(), 401);
    assert_eq!(call(Some("wrong")).await.unwrap().status(), 401);
    assert_eq!(call(Some(&inside.demo.berth.token)).await.unwrap().status(), 200);
    // docs/security.md says so: berth sees the relay, which is outside, and not who uses it.
    let id = inside.demo.create("app").await;
    let host = inside.demo.berth.base.strip_prefix("http://").unwrap();
    let send = json!({"session_id": id, "message": "hello", "wait_seconds": 20});
    let mut line = curl(&inside.demo.berth, &base, "send_message", &send);
    line.push(format!("-H 'Host: {host}'"));
    answer(&inside.run(&line.join(" ")).await).done();
    assert_eq!(inside.demo.record("app", "message"), ["hello"]);
}
