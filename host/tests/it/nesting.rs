//! Runs that would start runs: what a job may do that calls this server, however it calls.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

use crate::berth::{Berth, Called, PATIENCE, Place, called, message};

/// A backend whose agent runs as a job: it notes its entry, and does what stands in `do` until there is `end`. What is
/// written to `do` once the entry is there is for the next job.
struct Scene {
    place: Place,
    berth: Berth,
}

const AGENT: &str = r#"
deed=; [ -e do ] && deed=./do
cat "${1#--to=}" > "entry-$BERTH_JOB"
[ -n "$deed" ] && . "$deed"
while ! [ -e end ]; do sleep 0.02; done
"#;

impl Scene {
    async fn new(more: &str) -> Self {
        Self::with_server(more, "").await
    }

    async fn with_server(more: &str, server: &str) -> Self {
        Self::started(more, server, None).await
    }

    /// The same in surroundings that say how deep runs go.
    async fn started(more: &str, server: &str, deepest: Option<&str>) -> Self {
        let config = format!(
            "default_backend = \"local\"\n{more}\n\
             [agents.a]\ncommand = [\"env\", \"true\"]\nheadless = [\"env\", \"sh\", \"agent.sh\", \"--to=@entry\"]\n\
             [backends.local.programs.agent]\npath = \"env\"\njob = [[\"@agent\"]]\n\
             [backends.other]\nplugin = \"./misbehaving.wasm\"\n"
        );
        let place = Place::with_server(&config, server);
        place.write("projects/agent.sh", AGENT, 0o600);
        let mut command = place.command(&["serve", "--config", &place.name("config.toml")]);
        command.envs(deepest.map(|deepest| ("CLAUDE_MCP_MAX_DEPTH", deepest)));
        let berth = Berth::start(&place, command).await;
        Self { place, berth }
    }

    async fn usual() -> Self {
        Self::new(&backend("")).await
    }

    fn spec(&self, key: &str) -> Value {
        json!({
            "key": key, "queue": key, "program": "agent", "directory": self.place.name("projects"),
            "args": ["env", "sh", "agent.sh", "--to=@entry"],
        })
    }

    /// Lets a job do `script` before it waits for its end.
    fn script(&self, script: &str) {
        self.place.write("projects/do", script, 0o600);
    }

    /// A person's job, as it runs.
    async fn job(&self, key: &str) -> (String, String) {
        let id = self
            .berth
            .call("job_submit", self.spec(key))
            .await
            .done()
            .text
            .trim()
            .to_owned();
        let token = self.token(&id).await;
        (id, token)
    }

    /// The token in the entry of the job, once that has begun.
    async fn token(&self, id: &str) -> String {
        let entry = self.written(&format!("entry-{id}")).await;
        let entry: Value = serde_json::from_str(&entry).unwrap();
        let bearer = entry["mcpServers"]["berth"]["headers"]["Authorization"]
            .as_str()
            .unwrap();
        bearer.strip_prefix("Bearer ").unwrap().to_owned()
    }

    /// What a job has written whole to a file of its directory.
    async fn written(&self, name: &str) -> String {
        let path = self.place.path("projects").join(name);
        until(&format!("{name} is not written"), || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            text.trim_end().ends_with('}').then_some(text)
        })
        .await
    }

    async fn call_with(&self, token: &str, tool: &str, arguments: Value) -> Called {
        let response = self.request(token, tool, arguments).send().await.unwrap();
        called(&message(response).await)
    }

    fn request(&self, token: &str, tool: &str, arguments: Value) -> reqwest::RequestBuilder {
        let params = json!({"name": tool, "arguments": arguments});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let request = self
            .berth
            .client
            .post(self.berth.endpoint())
            .bearer_auth(token)
            .json(&body);
        request.header("accept", "application/json, text/event-stream")
    }

    async fn end(&self, id: &str) {
        self.place.write("projects/end", "", 0o600);
        let began = Instant::now();
        while !self
            .berth
            .call("job_get", json!({"id": id}))
            .await
            .done()
            .text
            .contains("Exited")
        {
            assert!(began.elapsed() < PATIENCE, "it does not end");
        }
    }
}

fn backend(more: &str) -> String {
    format!(
        "[backends.local]\nplugin = \"./misbehaving.wasm\"\ndirectories = [\"./projects\"]\nenv = [\"PATH\", \"HOME\"]\n\
         agents = [\"a\"]\nread_tools = [\"job_get\", \"job_list\"]\n{more}\n"
    )
}

async fn until<T>(otherwise: &str, look: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{otherwise}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[track_caller]
fn too_deep(called: Called, chain: &[&str]) {
    assert!(
        called.failed && called.text.starts_with("recursion_limit_exceeded"),
        "{called:?}"
    );
    assert_eq!(called.structured["error"], "recursion_limit_exceeded");
    let named: Vec<String> = chain.iter().map(|id| format!("local/{id}")).collect();
    assert_eq!(called.structured["chain"], json!(named));
    for id in named {
        assert!(called.text.contains(&id), "{}", called.text);
    }
}

#[tokio::test]
async fn a_job_is_known_by_its_token_sees_what_is_its_own_and_starts_nothing() {
    let scene = Scene::usual().await;
    let (id, token) = scene.job("a").await;
    let (other, others) = scene.job("b").await;
    assert_ne!(token, others);
    too_deep(scene.call_with(&token, "job_submit", scene.spec("c")).await, &[&id]);
    too_deep(scene.call_with(&token, "create_session", json!({})).await, &[&id]);
    // What it starts is told by one who asks whatever it names.
    too_deep(
        scene.call_with(&token, "job_submit", json!({"backend": "other"})).await,
        &[&id],
    );
    assert_eq!(
        scene.call_with(&token, "job_list", json!({})).await.done().text.trim(),
        id
    );
    scene.call_with(&token, "job_get", json!({"id": id})).await.done();
    scene.call_with(&token, "job_get", json!({"id": other})).await.error();
    let (sessions, projects) = (
        scene.call_with(&token, "list_sessions", json!({})).await,
        scene.call_with(&token, "list_projects", json!({})).await,
    );
    assert!(
        !sessions.text.contains("calm-1") && !projects.text.contains("other"),
        "{sessions:?}"
    );
    for (tool, arguments) in [
        ("send_message", json!({"session_id": "local/calm-1", "message": "x"})),
        (
            "respond_to_prompt",
            json!({"session_id": "local/calm-1", "response": "yes"}),
        ),
        ("interrupt_session", json!({"session_id": "local/calm-1"})),
        ("terminate_session", json!({"session_id": "local/calm-1"})),
        (
            "set_session",
            json!({"session_id": "local/calm-1", "options": {"a": "b"}}),
        ),
    ] {
        let error = scene.call_with(&token, tool, arguments).await.error();
        assert!(error.contains("in a job"), "{tool}: {error}");
    }
    let record = scene.place.run(&["audit", "--limit", "50"]).await;
    assert!(record.stdout.contains(&format!("job local/{id}")), "{}", record.stdout);
}

#[tokio::test]
async fn a_jobs_own_session_is_the_only_one_for_it() {
    let scene = Scene::usual().await;
    let mut spec = scene.spec("a");
    spec["session"] = json!("calm-1");
    let id = scene.berth.call("job_submit", spec).await.done().text.trim().to_owned();
    let own = scene.token(&id).await;
    let (_, others) = scene.job("b").await;
    for (tool, arguments) in [
        ("list_sessions", json!({})),
        ("get_session_status", json!({"session_id": "local/calm-1"})),
        ("get_logs", json!({"session_id": "local/calm-1"})),
        ("get_logs", json!({"session_id": "calm-1"})),
        ("fetch", json!({"id": "local/calm-1"})),
        ("search", json!({"query": "calm"})),
        ("check_prompts", json!({})),
    ] {
        let (mine, theirs) = (
            scene.call_with(&own, tool, arguments.clone()).await,
            scene.call_with(&others, tool, arguments).await,
        );
        if tool != "check_prompts" {
            assert!(!mine.failed, "{tool}: {mine:?}");
        }
        let names_it = !theirs.failed && theirs.text.contains("calm-1");
        assert!(
            !names_it && !theirs.structured.to_string().contains("calm-1"),
            "{tool}: {theirs:?}"
        );
    }
    let error = scene
        .call_with(
            &own,
            "send_message",
            json!({"session_id": "local/calm-1", "message": "x"}),
        )
        .await;
    assert!(error.error().contains("in a job"));
}

#[tokio::test]
async fn a_token_lasts_as_long_as_its_job_and_stands_in_its_file_alone() {
    let mut scene = Scene::usual().await;
    let (id, token) = scene.job("a").await;
    scene.berth.kill().await;
    scene.berth = Berth::serve(&scene.place).await;
    too_deep(scene.call_with(&token, "job_submit", scene.spec("b")).await, &[&id]);
    // It counts on this machine, and with nothing between.
    let forwarded = scene
        .request(&token, "job_list", json!({}))
        .header("x-forwarded-for", "192.0.2.1");
    assert_eq!(forwarded.send().await.unwrap().status(), 401);
    let job = scene.place.path("data/jobs/local").join(&id);
    let file = job.join("entry.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    for path in files(scene.place.path("data"))
        .into_iter()
        .chain([scene.place.path("log")])
    {
        let holds = fs::read(&path).is_ok_and(|bytes| bytes.windows(64).any(|part| part == token.as_bytes()));
        assert!(!holds || path == file, "{path:?}");
    }
    scene.end(&id).await;
    assert!(!file.exists());
    let ended = scene.request(&token, "job_list", json!({})).send().await.unwrap();
    assert_eq!(ended.status(), 401);
}

fn files(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(path),
            false => vec![path],
        })
        .filter(|path| fs::metadata(path).is_ok_and(|found| found.is_file()))
        .collect()
}

#[tokio::test]
async fn without_a_token_a_call_is_matched_to_its_job_by_its_process() {
    let scene = Scene::with_server(&backend(""), "open_on_loopback = true\nsessions_may_control = true").await;
    let (berth, config) = (env!("CARGO_BIN_EXE_berth"), scene.place.name("config.toml"));
    let call = format!("{berth} call --json job_submit '{{}}' --config {config}");
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "job_submit", "arguments": {}},
    });
    let curl = format!(
        "curl -s -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' -d '{body}' {}",
        scene.berth.endpoint()
    );
    let surroundings = format!("HOME={} PATH=/usr/local/bin:/usr/bin:/bin", scene.place.name("home"));
    let ways = [
        ("socket", call.clone()),
        ("http", curl.clone()),
        ("emptied", format!("env -i {surroundings} {curl}")),
        ("other-job", format!("BERTH_JOB=none {curl}")),
        ("apart", format!("setsid env -i {surroundings} sh -c \"$CURL\"")),
    ];
    let mut script = format!("CURL=$(cat <<'END'\n{curl}\nEND\n)\nexport CURL\n");
    for (name, way) in &ways {
        let way = way.replace("env -i HOME", "env -i CURL=\"$CURL\" HOME");
        let way = way.replace("sh -c \"$CURL\"", "sh -c 'eval \"$CURL\"'");
        script.push_str(&format!("{{ {way}; }} > said-{name} 2>&1\n"));
    }
    script.push_str("echo '{}' > done\n");
    scene.script(&script);
    let (id, _) = scene.job("a").await;
    scene.written("done").await;
    for (name, _) in ways {
        let said = scene.place.read(&format!("projects/said-{name}"));
        assert!(said.contains("recursion_limit_exceeded"), "{name}: {said}");
        assert!(said.contains(&id), "{name}: {said}");
    }
}

#[tokio::test]
async fn a_variable_that_names_a_job_only_limits() {
    let scene = Scene::new(&backend("nested = true")).await;
    let (ended, _) = scene.job("ended").await;
    scene.end(&ended).await;
    fs::remove_file(scene.place.path("projects/end")).unwrap();
    let (id, _) = scene.job("a").await;
    let config = scene.place.name("config.toml");
    let spec = scene.spec("b").to_string();
    for named in [&id, &ended] {
        let call = async |tool: &str, arguments: &str| {
            let mut call = scene.place.command(&["call", tool, arguments, "--config", &config]);
            call.env(berth::peer::MARK, "local").env(berth::peer::JOB_MARK, named);
            let ran = call.output().await.unwrap();
            String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned()
        };
        let said = call("job_submit", &spec).await;
        assert!(said.contains("recursion_limit_exceeded"), "{said}");
        assert_eq!(call("job_list", "{}").await.trim(), *named);
    }
    let record = scene.place.run(&["audit", "--limit", "50"]).await.stdout;
    assert!(record.contains(&format!("job local/{id} by a variable")), "{record}");
}

#[tokio::test]
async fn a_job_that_spoils_the_file_of_its_processes_is_known_all_the_same() {
    let scene = Scene::with_server(&backend("nested = true"), "sessions_may_control = true").await;
    let (other, _) = scene.job("other").await;
    let (berth, config) = (env!("CARGO_BIN_EXE_berth"), scene.place.name("config.toml"));
    let spec = scene.spec("b").to_string();
    let call = format!("{berth} call --json job_submit '{spec}' --config {config}");
    scene.place.write(
        "projects/call.sh",
        format!("{call} > \"$1\" 2>&1\necho '{{}}' >> \"$1\"\n"),
        0o600,
    );
    let pid = format!("{}/$BERTH_JOB/pid", scene.place.name("data/jobs/local"));
    scene.script(&format!(
        "while ! grep -q group-start {pid}; do sleep 0.02; done\necho x > {pid}\nHOME={}; export HOME\n\
         env -u BERTH_JOB setsid -f sh call.sh said-apart\nBERTH_JOB={other} sh call.sh said-other\n",
        scene.place.name("home")
    ));
    let (id, _) = scene.job("a").await;
    for (name, known) in [("said-apart", &id), ("said-other", &other)] {
        let said = scene.written(name).await;
        assert!(
            said.contains("recursion_limit_exceeded") && said.contains(known),
            "{name}: {said}"
        );
    }
}

#[tokio::test]
async fn with_nested_a_run_starts_one_more_and_changes_only_what_it_started() {
    let scene = Scene::new(&backend("nested = true")).await;
    let (parent, parents) = scene.job("a").await;
    let (sibling, _) = scene.job("sibling").await;
    let child = scene
        .call_with(&parents, "job_submit", scene.spec("child"))
        .await
        .done();
    let child = child.text.trim().to_owned();
    let listed = scene.call_with(&parents, "job_list", json!({})).await.done();
    assert_eq!(listed.text.trim(), format!("{child} {parent}"));
    let named = scene
        .call_with(&parents, "job_cancel", json!({"id": format!("local/{sibling}")}))
        .await;
    assert!(named.error().contains("not one of yours"));
    for (id, why) in [(&parent, "itself"), (&sibling, "not one of yours")] {
        let error = scene.call_with(&parents, "job_cancel", json!({"id": id})).await.error();
        assert!(error.contains(why), "{error}");
    }
    let error = scene
        .call_with(
            &parents,
            "send_message",
            json!({"session_id": "local/calm-1", "message": "x"}),
        )
        .await;
    assert!(error.error().contains("in a job"));
    scene
        .call_with(&parents, "job_cancel", json!({"id": child}))
        .await
        .done();
}

#[tokio::test]
async fn with_nested_the_chain_ends_at_its_depth_and_is_named_whole() {
    let scene = Scene::new(&backend("nested = true\n[backends.local.limits]\njobs = 4")).await;
    let (parent, parents) = scene.job("a").await;
    let child = scene
        .call_with(&parents, "job_submit", scene.spec("child"))
        .await
        .done();
    let child = child.text.trim().to_owned();
    let childs = scene.token(&child).await;
    too_deep(
        scene.call_with(&childs, "job_submit", scene.spec("c")).await,
        &[&parent, &child],
    );
    assert_eq!(
        scene.call_with(&childs, "job_list", json!({})).await.done().text.trim(),
        child
    );
    let error = scene.call_with(&childs, "job_get", json!({"id": parent})).await.error();
    assert!(error.contains("not one of yours"), "{error}");
}

#[tokio::test]
async fn what_a_client_says_of_its_depth_can_only_raise_it() {
    let scene = Scene::usual().await;
    let (id, token) = scene.job("a").await;
    let said = |token: &str, depth: &str| {
        scene
            .request(token, "job_submit", scene.spec("x"))
            .header("x-mcp-depth", depth)
    };
    let answer = async |request: reqwest::RequestBuilder| called(&message(request.send().await.unwrap()).await);
    too_deep(answer(said(&token, "0")).await, &[&id]);
    let deep = answer(said(&scene.berth.token, "1")).await;
    assert_eq!(deep.structured["error"], "recursion_limit_exceeded", "{deep:?}");
    for depth in ["0", "-1", "x", ""] {
        answer(said(&scene.berth.token, depth)).await.done();
    }
    let spec = scene.spec("y").to_string();
    let mut call = scene.place.command(&[
        "call",
        "job_submit",
        &spec,
        "--config",
        &scene.place.name("config.toml"),
    ]);
    let ran = call.env("CLAUDE_MCP_DEPTH", "1").output().await.unwrap();
    let words = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    assert!(words.contains("recursion_limit_exceeded"), "{words}");
}

#[tokio::test]
async fn how_deep_runs_go_is_what_the_table_says_and_otherwise_what_the_surroundings_do() {
    for (table, surroundings, deepest) in [
        ("nested = true", Some("3"), 3),
        ("nested = true", Some("1"), 1),
        ("nested = true", Some("9"), 2),
        ("nested = true", Some("deep"), 2),
        ("nested = true\nlimits = { depth = 2, jobs = 4 }", Some("3"), 2),
        ("", Some("3"), 1),
    ] {
        let table = match table.contains("limits") {
            true => table.to_owned(),
            false => format!("{table}\nlimits = {{ jobs = 4 }}"),
        };
        let scene = Scene::started(&backend(&table), "", surroundings).await;
        let (first, mut token) = scene.job("1").await;
        let mut chain = vec![first];
        for depth in 2..=deepest {
            let spec = scene.spec(&depth.to_string());
            let submitted = scene.call_with(&token, "job_submit", spec).await.done();
            let id = submitted.text.trim().to_owned();
            token = scene.token(&id).await;
            chain.push(id);
        }
        let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
        too_deep(
            scene.call_with(&token, "job_submit", scene.spec("deeper")).await,
            &chain,
        );
    }
}

#[tokio::test]
async fn where_runs_start_runs_a_client_can_still_only_raise_its_depth() {
    let table = "nested = true\nlimits = { jobs = 4 }";
    let scene = Scene::started(&backend(table), "", Some("3")).await;
    let (parent, parents) = scene.job("parent").await;
    let start = async |token: &str, depth: &str, key: &str| {
        let request = scene.request(token, "job_submit", scene.spec(key));
        called(&message(request.header("x-mcp-depth", depth).send().await.unwrap()).await)
    };
    too_deep(start(&parents, "3", "x").await, &[&parent]);
    let child = start(&parents, "2", "child").await.done().text.trim().to_owned();
    // What was started from depth 2 is at depth 3, whatever it says of itself.
    let childs = scene.token(&child).await;
    for depth in ["0", "1", "2"] {
        too_deep(start(&childs, depth, "y").await, &[&parent, &child]);
    }
}
