//! Reload without a restart: what is configured is replaced while berth runs. Calls under way finish as they were begun, the
//! next ones are done with what is new, and what is wrong with that changes nothing.

use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::berth::{Berth, END, PATIENCE, Place, Ran};
use crate::demo::{Demo, until};
use crate::layers::Terminal;
use crate::own_tools::another_plugin;
use crate::peers::Inside;

/// A backend `one` with the tool `noop` alone.
const ONE: &str =
    "default_backend = \"one\"\n[backends.one]\nplugin = \"./misbehaving.wasm\"\nsettings.tools = [\"noop\"]\n";
/// A further one, whose tool no other has.
const TWO: &str = "[backends.two]\nplugin = \"./misbehaving.wasm\"\nsettings.tools = [\"echo\"]\n";

/// A backend that may run a shell: whatever comes, or only what does nothing.
fn shell(control: &str) -> String {
    format!(
        "[backends.one]\nplugin = \"./misbehaving.wasm\"\ndirectories = [\"projects\"]\n\
         [backends.one.programs.sh]\npath = \"/bin/sh\"\ncontrol = [{control}]\n"
    )
}

/// What `berth reload` prints where it was done.
async fn reloaded(place: &Place) -> String {
    let Ran {
        success,
        stdout,
        stderr,
    } = place.run(&["reload"]).await;
    assert!(success, "{stderr}");
    stdout
}

/// Waits until berth's log has `text` more than `before` times.
async fn logged(place: &Place, text: &str, before: usize) -> String {
    until(text, async || {
        let log = place.read("log");
        (log.matches(text).count() > before).then_some(log)
    })
    .await
}

/// What `list_sessions` says to who has `token`.
async fn listed_by(base: &str, token: &str) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "list_sessions", "arguments": {}}});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("{base}/mcp")).bearer_auth(token);
    let answer = request
        .header("Accept", "application/json, text/event-stream")
        .json(&body);
    let answer = crate::berth::message(answer.send().await.unwrap()).await;
    answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
}

async fn names(berth: &Berth) -> Vec<String> {
    let tools = berth.tools().await;
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A client on the socket, as `berth stdio` is one.
struct Client {
    to: OwnedWriteHalf,
    from: Lines<BufReader<OwnedReadHalf>>,
    /// How often it was told that the list of tools is another.
    told: usize,
}

impl Client {
    async fn connect(place: &Place) -> Self {
        let (from, to) = UnixStream::connect(place.path("data/berth.sock"))
            .await
            .unwrap()
            .into_split();
        Self {
            to,
            from: BufReader::new(from).lines(),
            told: 0,
        }
    }

    /// One that has begun with `initialize`.
    async fn begin(place: &Place) -> Self {
        let mut client = Self::connect(place).await;
        let parameters = json!({
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        });
        let answer = client.ask("initialize", parameters).await;
        assert_eq!(
            answer["result"]["capabilities"]["tools"]["listChanged"], true,
            "{answer}"
        );
        client
            .tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        client.ask("tools/list", json!({})).await;
        client
    }

    async fn tell(&mut self, message: &Value) {
        self.to.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// The next message.
    async fn hear(&mut self) -> Value {
        let line = timeout(PATIENCE, self.from.next_line()).await.expect("it is silent");
        let message: Value = serde_json::from_str(&line.unwrap().expect("it has ended")).unwrap();
        self.told += usize::from(message["method"] == "notifications/tools/list_changed");
        message
    }

    async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.tell(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}))
            .await;
        loop {
            let message = self.hear().await;
            if message["id"] == 7 {
                return message;
            }
        }
    }
}

#[tokio::test]
async fn backends_that_are_added_changed_and_removed_count_for_the_next_call_and_are_named() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    assert_eq!(reloaded(&place).await, "Reloaded.\n  nothing changed\n");
    place.configure(&format!("{ONE}{TWO}"), "");
    let told = reloaded(&place).await;
    assert_eq!(told, "Reloaded.\n  backend `two`: added\n");
    assert!(names(&berth).await.contains(&"echo".to_owned()));
    assert_eq!(berth.call("echo", json!({"text": "hello"})).await.done().text, "hello");

    place.configure(&format!("{ONE}{TWO}").replace("noop", "remember"), "");
    assert_eq!(reloaded(&place).await, "Reloaded.\n  backend `one`: changed\n");
    berth.call("remember", json!({"text": "kept"})).await.done();
    assert!(!names(&berth).await.contains(&"noop".to_owned()));

    place.configure(&ONE.replace("noop", "remember"), "");
    assert_eq!(reloaded(&place).await, "Reloaded.\n  backend `two`: removed\n");
    assert!(!names(&berth).await.contains(&"echo".to_owned()));
    let error = berth.call("list_sessions", json!({"backend": "two"})).await.error();
    assert_eq!(error, "there is no backend `two`; there are: one");
    let kept = berth.call("remember", json!({"text": "still"})).await.done().text;
    assert_eq!(kept, "kept\nstill\n", "what it keeps outlives its generations");
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_fix_and_everything_stays_as_it_was() {
    let place = Place::new(&format!("{ONE}{TWO}"));
    let berth = Berth::serve(&place).await;
    let works = async || {
        assert_eq!(berth.call("noop", json!({})).await.done().text, "done");
        assert_eq!(berth.call("echo", json!({"text": "a"})).await.done().text, "a");
    };
    let file = place.name("config.toml");
    for (text, faults) in [
        // A text that does not parse, a key that does not exist, a value that is wrong, tools that collide.
        (format!("{ONE}{TWO}[backends.three"), vec![file.as_str()]),
        (
            format!("{ONE}{TWO}[backends.three]\nplug = \"x\"\n"),
            vec![&file, "config.toml:9", "plug"],
        ),
        (
            format!("{ONE}{TWO}[backends.three]\nplugin = \"./gone.wasm\"\n"),
            vec![&file, "there is no file", "correct the path"],
        ),
        (
            format!("{ONE}{TWO}[tools]\nhide = [\"no-such-tool\"]\n"),
            vec!["no-such-tool"],
        ),
        (
            format!("{ONE}{TWO}").replace("[\"echo\"]", "[\"echo\"]\nsettings.describe = \"fail\""),
            vec![
                "backend `two` is up and would be down",
                "it fails because its settings say so",
            ],
        ),
    ] {
        place.configure(&text, "");
        let complaint = place.complaint(&["reload"]).await;
        for fault in faults {
            assert!(complaint.contains(fault), "{text}: {complaint}");
        }
        works().await;
    }
    place.configure(&format!("{ONE}{TWO}"), "");
    place.write("misbehaving.wasm", "broken", 0o600);
    let complaint = place.complaint(&["reload"]).await;
    for backend in ["one", "two"] {
        let told = format!("backend `{backend}` is up and would be down: ");
        assert!(complaint.contains(&told), "all of it is told: {complaint}");
    }
    works().await;
    let log = logged(&place, "not reloaded, and everything stays as it was: backend `one`", 0).await;
    assert!(
        !log.contains("is tried again"),
        "what came up aside is not told as down: {log}"
    );
    let record = place.run(&["audit", "--json"]).await.stdout;
    assert!(
        record.contains("\"event\":\"reloaded\"") && record.contains("would be down"),
        "{record}"
    );
}

#[tokio::test]
async fn a_new_backend_may_be_down_and_one_that_was_down_comes_up() {
    let place = Place::new(&format!(
        "{ONE}[backends.two]\nplugin = \"./two.wasm\"\nsettings.tools = [\"echo\"]\n"
    ));
    place.write("two.wasm", "broken", 0o600);
    let berth = Berth::serve(&place).await;
    let three = "[backends.three]\nplugin = \"./three.wasm\"\n";
    let text = format!("{ONE}{TWO}{three}");
    place.write("three.wasm", "broken", 0o600);
    place.configure(&text, "");
    let told = reloaded(&place).await;
    assert!(
        told.contains("  backend `three`: added; it is down, and is tried again: ")
            && told.contains("  backend `two`: changed"),
        "{told}"
    );
    assert_eq!(berth.call("echo", json!({"text": "a"})).await.done().text, "a");
    std::fs::copy(berth_guests::MISBEHAVING, place.path("three.wasm")).unwrap();
    until("it comes up later", async || {
        let listed = berth.call("list_projects", json!({})).await.done();
        (listed.structured["errors"] == json!([])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_was_taken_away_counts_for_the_next_call_and_a_call_under_way_finishes() {
    let place = Place::new(&shell("[\"-c\", \"@text\"]"));
    let berth = Berth::serve(&place).await;
    let script = |script: &str| json!({"commands": [{"program": "sh", "args": ["-c", script]}]});
    let (begun, go) = (place.name("projects/begun"), place.name("projects/go"));
    let under_way = berth.call(
        "run",
        script(&format!(
            "touch {begun}; while ! [ -e {go} ]; do sleep 0.05; done; echo finished"
        )),
    );
    let meanwhile = async {
        until("it is under way", async || {
            place.path("projects/begun").exists().then_some(())
        })
        .await;
        place.configure(&shell("[\"-c\", \"true\"]"), "");
        assert_eq!(reloaded(&place).await, "Reloaded.\n  backend `one`: changed\n");
        let denied = berth.call("run", script("echo more")).await;
        assert!(
            denied.text.contains("not granted") || denied.structured.to_string().contains("denied"),
            "{denied:?}"
        );
        let allowed = berth.call("run", script("true")).await.done();
        assert_eq!(allowed.structured["outcomes"][0]["status"], 0);
        place.write("projects/go", "", 0o600);
    };
    let (finished, ()) = tokio::join!(under_way, meanwhile);
    assert_eq!(finished.done().structured["outcomes"][0]["stdout"], "finished\n");
}

#[tokio::test]
async fn who_waits_for_a_session_is_told_across_a_reload_and_messages_keep_their_order() {
    let demo = Demo::start().await;
    let id = demo.create("one").await;
    // It works for four seconds, the others wait for their turn, and one of them is taken back after the reload.
    let works = demo.send(&id, "work 4");
    let meanwhile = async {
        demo.until_state(&id, "busy").await;
        let second = demo.send(&id, "second");
        let third = async {
            until("the second waits", async || {
                let status = demo.call("get_session_status", json!({"session_id": &id})).await.done();
                status.structured["session"]["queue"][0].is_object().then_some(())
            })
            .await;
            reloaded(&demo.place).await;
            let status = demo.call("get_session_status", json!({"session_id": &id})).await.done();
            assert_eq!(
                status.structured["session"]["queue"][0]["text"], "second",
                "queues outlive it"
            );
            demo.send(&id, "third").await
        };
        tokio::join!(second, third)
    };
    let (first, (second, third)) = tokio::join!(works, meanwhile);
    for sent in [first, second, third] {
        let sent = sent.done();
        assert_eq!(sent.structured["receipt"], "submitted", "{}", sent.text);
        assert_eq!(sent.structured["session"]["state"], "idle", "{}", sent.text);
    }
    assert_eq!(demo.record("one", "message"), ["work 4", "second", "third"]);
}

#[tokio::test]
async fn under_load_no_call_fails_nothing_is_typed_twice_and_the_list_is_told_to_have_changed_once() {
    const CLIENTS: usize = 8;
    const CALLS: usize = 200;
    const MESSAGES: usize = 5;
    let with = |more: &'static str| {
        move |config: &mut toml::Table, _: &Place| {
            let more: toml::Table = more.parse().unwrap();
            let backends = config["backends"].as_table_mut().unwrap();
            backends.extend(more["backends"].as_table().unwrap().clone());
        }
    };
    let noop = "[backends.quick]\nplugin = \"misbehaving.wasm\"\nsettings.tools = [\"noop\"]\n";
    let demo = Demo::with(with(noop)).await;
    let ids = join_all((0..CLIENTS).map(|client| {
        let demo = &demo;
        async move { demo.create(&format!("p{client}")).await }
    }))
    .await;
    let text = demo.place.read("config.toml");
    let mut listening = Client::begin(&demo.place).await;
    let client = async |client: usize| {
        let id = &ids[client];
        for call in 0..CALLS {
            let called = match call {
                _ if call % (CALLS / MESSAGES) == 1 => {
                    let message = json!({"session_id": id, "message": format!("message {call}"), "wait_seconds": 20});
                    let sent = demo.call("send_message", message).await.done();
                    assert_eq!(sent.structured["receipt"], "submitted", "{}", sent.text);
                    continue;
                }
                _ if call % 10 == 0 => demo.call("get_session_status", json!({"session_id": id})).await,
                _ => demo.call("noop", json!({})).await,
            };
            called.done();
        }
    };
    let reloads = async {
        for round in 0..4 {
            // The second one brings a tool, the others change nothing that a client sees.
            let with_two = format!("{text}\n{TWO}");
            let next = if round == 0 { &text } else { &with_two };
            demo.place.write("config.toml", next, 0o600);
            reloaded(&demo.place).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::join!(join_all((0..CLIENTS).map(client)), reloads);
    let expected: Vec<String> = (0..CALLS)
        .filter(|call| call % (CALLS / MESSAGES) == 1)
        .map(|call| format!("message {call}"))
        .collect();
    for client in 0..CLIENTS {
        assert_eq!(
            demo.record(&format!("p{client}"), "message"),
            expected,
            "client {client}"
        );
    }
    let listed = listening.ask("tools/list", json!({})).await;
    assert!(listed.to_string().contains("\"echo\""), "{listed}");
    assert_eq!(listening.told, 1, "once for the tool that came");
}

#[tokio::test]
async fn a_client_is_told_that_the_list_changed_once_for_each_change_that_it_can_see() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    let mut client = Client::begin(&place).await;
    // One of the revision without `initialize` asks for it, and is told by that request alone.
    let mut listener = Client::connect(&place).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"_meta": meta, "notifications": {"toolsListChanged": true}});
    let listen = json!({"jsonrpc": "2.0", "id": "listen", "method": "subscriptions/listen", "params": params});
    listener.tell(&listen).await;
    let acknowledged = listener.hear().await;
    assert_eq!(
        acknowledged["method"], "notifications/subscriptions/acknowledged",
        "{acknowledged}"
    );
    let mut over_http = berth
        .request(&listen)
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "subscriptions/listen")
        .send()
        .await
        .unwrap();

    reloaded(&place).await;
    place.configure(&format!("{ONE}{TWO}"), "");
    reloaded(&place).await;
    reloaded(&place).await;
    assert_eq!(client.hear().await["method"], "notifications/tools/list_changed");
    client.ask("tools/list", json!({})).await;
    assert_eq!(client.told, 1);
    let told = listener.hear().await;
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    assert_eq!(
        told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "listen",
        "{told}"
    );
    let mut events = String::new();
    while !events.contains("notifications/tools/list_changed") {
        let chunk = timeout(PATIENCE, over_http.chunk())
            .await
            .expect("it is silent")
            .unwrap();
        events.push_str(std::str::from_utf8(&chunk.expect("it has ended")).unwrap());
    }

    // A backend that comes up later brings its tool as well.
    let slow = format!(
        "[backends.slow]\nplugin = \"./misbehaving.wasm\"\ndirectories = [\"projects\"]\n\
         settings = {{ describe = \"wait\", go = {:?}, tools = [\"remember\"] }}\n[backends.slow.limits]\ndeadline = \"2m\"\n",
        place.name("projects/go")
    );
    place.configure(&format!("{ONE}{TWO}{slow}"), "");
    assert!(
        reloaded(&place)
            .await
            .contains("  backend `slow`: added; it is coming up\n")
    );
    client.ask("tools/list", json!({})).await;
    assert_eq!(client.told, 1, "nothing came yet");
    place.write("projects/go", "", 0o600);
    client.hear().await;
    assert_eq!(client.told, 2);
}

#[tokio::test]
async fn over_http_the_revisions_that_cannot_be_told_do_not_read_that_they_will_be() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    let params =
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let answer = berth.ask("initialize", params).await;
    let tools = &answer["result"]["capabilities"]["tools"];
    assert!(tools.is_object() && tools.get("listChanged").is_none(), "{answer}");
}

#[tokio::test]
async fn a_hangup_reloads_a_server_without_a_terminal() {
    let place = Place::new(ONE);
    let mut berth = Berth::serve(&place).await;
    place.configure(&format!("{ONE}{TWO}"), "");
    berth.signal(Signal::HUP);
    logged(&place, "reload: backend `two`: added", 0).await;
    assert_eq!(berth.call("echo", json!({"text": "a"})).await.done().text, "a");
    place.configure("[backends.one", "");
    berth.signal(Signal::HUP);
    let log = logged(&place, "not reloaded, and everything stays as it was: ", 0).await;
    assert!(log.contains("config.toml:1"), "{log}");
    assert_eq!(berth.call("echo", json!({"text": "a"})).await.done().text, "a");
    let (took, well) = berth.terminate().await;
    assert!(well && took < END, "it took {took:?}");
}

#[tokio::test]
async fn a_hangup_ends_a_server_with_a_terminal_and_stdio_cleanly() {
    let place = Place::new(ONE);
    let (config, pid) = (place.name("config.toml"), place.name("pid"));
    let serve = format!("serve --config {config} & echo $! > {pid}; wait $!");
    let terminal = Terminal::berth(&place, "terminal", &[&serve]);
    terminal.shows("Tools: ").await;
    let server: i32 = place.read("pid").trim().parse().unwrap();
    kill_process(Pid::from_raw(server).unwrap(), Signal::HUP).unwrap();
    terminal.shows("ended 0").await;

    let mut command = place.command(&["stdio", "--config", &config]);
    command.stdin(std::process::Stdio::piped());
    let mut stdio = command.spawn().unwrap();
    let _open = stdio.stdin.take();
    until("it owns the data directory", async || {
        UnixStream::connect(place.path("data/berth.sock")).await.ok()
    })
    .await;
    let id = Pid::from_raw(stdio.id().unwrap().cast_signed()).unwrap();
    kill_process(id, Signal::HUP).unwrap();
    let status = timeout(END, stdio.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_plugin_file_whose_bytes_changed_is_taken_by_the_command_and_not_by_a_signal() {
    let place = Place::new(&ONE.replace("./misbehaving", "./mine"));
    std::fs::copy(berth_guests::MISBEHAVING, place.path("mine.wasm")).unwrap();
    let berth = Berth::serve(&place).await;
    another_plugin(&place);
    std::fs::rename(place.path("other.wasm"), place.path("mine.wasm")).unwrap();
    berth.signal(Signal::HUP);
    let log = logged(&place, "not reloaded, and everything stays as it was: ", 0).await;
    assert!(
        log.contains("backend `one`") && log.contains("run `berth reload`"),
        "{log}"
    );
    berth.call("noop", json!({})).await.done();
    assert_eq!(
        reloaded(&place).await,
        "Reloaded.\n  backend `one`: changed: its plugin has other bytes\n"
    );
    berth.signal(Signal::HUP);
    logged(&place, "reload: nothing changed", 0).await;
    berth.call("noop", json!({})).await.done();
}

#[tokio::test]
async fn a_signal_leaves_approvals_for_a_plugin_file_without_a_digest() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    let ran = place.run(&["tokens", "create", "script", "--backend", "one"]).await;
    let token = ran.stdout.trim().to_owned();
    berth.signal(Signal::HUP);
    logged(&place, "reload: nothing changed", 0).await;
    let listed = listed_by(&berth.base, &token).await;
    assert!(listed.contains("one/calm-1"), "{listed}");
}

#[tokio::test]
async fn while_the_operators_file_is_away_nothing_is_reloaded() {
    let place = Place::new("");
    place.configure(&ONE.replace("./misbehaving.wasm", &place.name("misbehaving.wasm")), "");
    let usual = place.path("home/.config/berth");
    std::fs::create_dir_all(&usual).unwrap();
    // What the shipped configuration grants is there, so that only the file is missing.
    std::fs::create_dir_all(place.path("home/projects")).unwrap();
    std::fs::rename(place.path("config.toml"), usual.join("config.toml")).unwrap();
    let mut berth = Berth::start(&place, place.command(&["serve"])).await;
    std::fs::rename(usual.join("config.toml"), usual.join("config.toml~")).unwrap();
    berth.signal(Signal::HUP);
    let log = logged(&place, "not reloaded, and everything stays as it was: ", 0).await;
    assert!(
        log.contains("it is not there any more: put it back") && !log.contains("reload: backend"),
        "{log}"
    );
    let (_, well) = berth.terminate().await;
    assert!(well);
}

#[tokio::test]
async fn what_needs_a_restart_is_named_until_then_and_rates_count_at_once() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    let more = "public_url = \"https://berth.example.org\"\nmax_requests = 32\nrates = { tools = 5 }\n";
    place.configure(&format!("{ONE}[audit]\ntexts = true\n"), more);
    let told = reloaded(&place).await;
    for key in ["audit.texts", "server.max_requests", "server.public_url"] {
        assert!(
            told.contains(&format!("  {key}: changed, and counts after a restart\n")),
            "{told}"
        );
    }
    assert!(told.contains("  server.rates: changed\n"), "{told}");
    let mut refused = 0;
    for _ in 0..10 {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
        let status = berth.request(&body).send().await.unwrap().status();
        refused += usize::from(status == 429);
    }
    assert_eq!(refused, 5);
    let told = reloaded(&place).await;
    assert!(
        told.contains("  server.public_url: changed, and counts after a restart\n") && !told.contains("server.rates"),
        "{told}"
    );
}

#[tokio::test]
async fn the_data_directory_that_is_in_use_stays_what_no_backend_is_granted() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    place.configure(&format!("{ONE}directories = [\"data\"]\n"), "");
    let text = place
        .read("config.toml")
        .replace("data = \"data\"", "data = \"elsewhere\"");
    place.write("config.toml", text, 0o600);
    // The command would look for a berth elsewhere.
    berth.signal(Signal::HUP);
    let log = logged(&place, "not reloaded, and everything stays as it was: ", 0).await;
    assert!(
        log.contains("backends.one.directories") && log.contains(&place.name("data")),
        "{log}"
    );
    let complaint = place.complaint(&["reload"]).await;
    assert!(
        complaint.contains("If you changed `data` in [server], that counts after a restart"),
        "{complaint}"
    );
    place.configure(ONE, "");
    let text = place
        .read("config.toml")
        .replace("data = \"data\"", "data = \"elsewhere\"");
    place.write("config.toml", text, 0o600);
    berth.signal(Signal::HUP);
    logged(&place, "reload: server.data: changed, and counts after a restart", 0).await;
    berth.call("noop", json!({})).await.done();
}

#[tokio::test]
async fn where_no_berth_runs_the_command_says_so() {
    let place = Place::new(ONE);
    let complaint = place.complaint(&["reload"]).await;
    assert!(
        complaint.contains("no berth runs with the data directory ") && complaint.contains(&place.name("data")),
        "{complaint}"
    );
}

#[tokio::test]
async fn from_inside_a_session_nothing_is_reloaded() {
    let inside = Inside::start().await;
    let place = &inside.demo.place;
    let printed = inside.run(&inside.berth("reload")).await;
    assert!(printed.contains("what is in a session may only look"), "{printed}");
    // Nor by the socket itself, with or without the mark.
    let ask = format!(
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect({:?}); s.send(b'{{\"berth\":\"reload\"}}\\n'); print(s.recv(9999).decode())",
        place.name("data/berth.sock")
    );
    place.write("ask.py", ask, 0o600);
    for before in ["", "env -u BERTH_SESSION "] {
        let printed = inside.run(&format!("{before}python3 {}", place.name("ask.py"))).await;
        assert!(
            printed.contains("\"done\":false") && printed.contains("runs in a session"),
            "{before}: {printed}"
        );
    }
    assert!(!place.read("log").contains("reload: "));
}

#[tokio::test]
async fn earlier_configurations_end_with_their_last_call_and_at_most_four_wait_for_that() {
    let place = Place::new(&shell("[\"-c\", \"@text\"]"));
    let berth = Berth::serve(&place).await;
    let go = place.name("projects/go");
    let long = async |number: usize| {
        let next = format!("projects/next-{number}");
        until("its turn", async || {
            (number == 0 || place.path(&next).exists()).then_some(())
        })
        .await;
        let begun = place.name(&format!("projects/{number}"));
        let script = format!("touch {begun}; while ! [ -e {go} ]; do sleep 0.05; done; echo {number}");
        let arguments = json!({"commands": [{"program": "sh", "args": ["-c", script]}]});
        let ran = berth.call("run", arguments).await.done();
        ran.structured["outcomes"][0]["stdout"].as_str().unwrap().to_owned()
    };
    let reloads = async {
        for number in 0..5 {
            let begun = format!("projects/{number}");
            until("it is under way", async || place.path(&begun).exists().then_some(())).await;
            // One that no call uses ends at once, so it does not count.
            for _ in 0..[2, 2, 2, 1, 0][number] {
                reloaded(&place).await;
            }
            place.write(&format!("projects/next-{}", number + 1), "", 0o600);
        }
        let complaint = place.complaint(&["reload"]).await;
        assert!(
            complaint.contains("calls are still under way with 4 earlier"),
            "{complaint}"
        );
        place.write("projects/go", "", 0o600);
    };
    let (finished, ()) = tokio::join!(join_all((0..5).map(&long)), reloads);
    assert_eq!(finished, ["0\n", "1\n", "2\n", "3\n", "4\n"]);
    until("the earlier ones have ended", async || {
        place.run(&["reload"]).await.success.then_some(())
    })
    .await;
}

#[tokio::test]
async fn reloads_at_the_same_time_are_done_one_after_the_other() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    let began = Instant::now();
    for told in join_all((0..4).map(|_| reloaded(&place))).await {
        assert_eq!(told, "Reloaded.\n  nothing changed\n");
    }
    assert!(began.elapsed() < PATIENCE);
    berth.call("noop", json!({})).await.done();
}

#[tokio::test]
async fn an_approval_is_for_what_a_name_meant_and_not_for_what_it_means_now() {
    let place = Place::new(&format!("{ONE}{TWO}"));
    let mut berth = Berth::serve(&place).await;
    another_plugin(&place);
    let token = async |backend: &str| {
        let ran = place.run(&["tokens", "create", "script", "--backend", backend]).await;
        assert!(ran.success, "{}", ran.stderr);
        ran.stdout.trim().to_owned()
    };
    let (one, two) = (token("one").await, token("two").await);
    assert!(listed_by(&berth.base, &one).await.contains("one/calm-1"));
    assert!(listed_by(&berth.base, &two).await.contains("two/calm-1"));

    // The name stays, and is another plugin from now on.
    place.configure(&format!("{ONE}{TWO}").replacen("misbehaving", "other", 1), "");
    let told = reloaded(&place).await;
    assert!(
        told.contains("  backend `one`: changed; its name means another plugin"),
        "{told}"
    );
    for after in ["a reload", "a restart"] {
        let refused = listed_by(&berth.base, &one).await;
        assert!(
            refused.contains("there is no backend for you") && !refused.contains("calm-1"),
            "after {after}: {refused}"
        );
        assert!(
            listed_by(&berth.base, &two).await.contains("two/calm-1"),
            "after {after}"
        );
        let listed = place.run(&["tokens", "list"]).await;
        let rows: Vec<&str> = listed.stdout.lines().collect();
        assert!(
            rows[0].contains("\tone (!)\t") && rows[1].contains("\ttwo\t"),
            "{}",
            listed.stdout
        );
        assert!(listed.stderr.contains("means another plugin now"), "{}", listed.stderr);
        let again = token("one").await;
        assert!(
            listed_by(&berth.base, &again).await.contains("one/calm-1"),
            "after {after}"
        );
        berth.terminate().await;
        berth = Berth::serve(&place).await;
    }
    // It means again what it meant.
    place.configure(&format!("{ONE}{TWO}"), "");
    reloaded(&place).await;
    assert!(listed_by(&berth.base, &one).await.contains("one/calm-1"));
}

#[tokio::test]
async fn a_backend_on_other_machines_is_told_as_that_and_not_as_another_plugin() {
    let host = |name: &str| format!("[hosts.{name}]\ndestination = \"nobody@127.0.0.1\"\nport = 1\n");
    let on = |hosts: &str| format!("{ONE}hosts = {hosts}\n{}{}", host("mac"), host("linux"));
    let place = Place::new(&on("[\"mac\"]"));
    let _berth = Berth::serve(&place).await;
    place.configure(&on("[\"mac\", \"linux\"]"), "");
    let told = reloaded(&place).await;
    let mac = "mac (nobody@127.0.0.1, port 1)";
    assert!(
        told.contains(&format!(
            "  backend `one`: changed; it was on the host {mac}, and is on the hosts {mac} and linux (nobody@127.0.0.1, \
             port 1) now, so what was approved for it counts only when it is approved again\n"
        )),
        "{told}"
    );
    assert!(!told.contains("another plugin"), "{told}");
    // The machine by a name is another one.
    place.configure(&on("[\"mac\", \"linux\"]").replacen("nobody@", "somebody@", 1), "");
    let told = reloaded(&place).await;
    assert!(
        told.contains("is on the hosts mac (somebody@127.0.0.1, port 1) and linux") && !told.contains("another plugin"),
        "{told}"
    );
}

#[tokio::test]
async fn each_entry_of_the_record_has_the_digest_of_what_was_granted_then() {
    let place = Place::new(ONE);
    let berth = Berth::serve(&place).await;
    let digest = async || {
        let shown = place.run(&["config", "show"]).await.stdout;
        let line = shown
            .lines()
            .find(|line| line.starts_with("# Digest of what is granted"))
            .unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let first = digest().await;
    assert_eq!(first.len(), 64);
    berth.call("noop", json!({})).await.done();
    place.configure(&format!("{ONE}{TWO}"), "");
    let second = digest().await;
    assert_ne!(first, second);
    // Until it is loaded, what is granted is what was.
    berth.call("noop", json!({})).await.done();
    reloaded(&place).await;
    berth.call("noop", json!({})).await.done();
    assert!(place.run(&["tokens", "create", "script"]).await.success);
    let record = place.run(&["audit", "--json"]).await.stdout;
    let entries: Vec<Value> = record.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of: Vec<(&str, &str)> = entries
        .iter()
        .map(|entry| {
            (
                entry["event"].as_str().unwrap(),
                entry["grants"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    let (first, second) = (first.as_str(), second.as_str());
    assert_eq!(
        of,
        [
            ("call", first),
            ("call", first),
            ("reloaded", second),
            ("call", second),
            ("token-created", second)
        ],
        "{record}"
    );
    assert!(place.run(&["audit", "verify"]).await.success);
}
