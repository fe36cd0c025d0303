//! Conversations without a terminal, with the real binary and an agent that says what a test asks it for.

use std::collections::BTreeSet;
use std::fs;

use berth::config::SHIPPED;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use toml::Table;

use crate::berth::{Berth, Place, called, message};
use crate::demo::until;
use crate::headless::{becomes, told};

/// An agent that notes each line that it is given, and speaks as Claude Code does. A message `ask N` opens that many
/// requests, `bare` opens one before anything was said, `hold` is worked on until it is interrupted, `die` ends it, and
/// everything else is answered at once.
const AGENT: &str = r#"
before=
for word; do
    case $before in --session-id | --resume) id=$word ;; esac
    case $word in --entry=*) entry=${word#--entry=} ;; esac
    before=$word
done
echo "$*" >> "starts-$id"
cat "$entry" > "entry-$id"
say() { printf '%s\n' "$1"; }
state() { say '{"type":"system","subtype":"session_state_changed","session_id":"'"$id"'","state":"'"$1"'"}'; }
receipt() { say '{"type":"command_lifecycle","session_id":"'"$id"'","command_uuid":"'"$1"'","state":"'"$2"'"}'; }
field() { printf '%s' "$line" | sed 's/.*"'"$1"'":"\([^"]*\)".*/\1/'; }
accepted() { say '{"type":"control_response","response":{"subtype":"success","request_id":"'"$(field request_id)"'","response":{'"$1"'}}}'; }
answered() {
    say '{"type":"result","subtype":"success","is_error":'"$2"',"session_id":"'"$id"'","num_turns":1,"total_cost_usd":0.01,"permission_denials":[],"result":"it is done","terminal_reason":"'"$3"'","user_message_uuids":["'"$1"'"]}'
    receipt "$1" completed
    held=
    state idle
}
say '{"type":"system","subtype":"init","session_id":"'"$id"'","model":"stand-in","permissionMode":"default","capabilities":["msg_lifecycle_v1","interrupt_receipt_v1"]}'
state idle
open=0 held=
while IFS= read -r line; do
    printf '%s\n' "$line" >> "given-$id"
    case $line in
    *'"subtype":"initialize"'*) accepted '' ;;
    *'"subtype":"set_permission_mode"'*) accepted '' ;;
    *'"subtype":"interrupt"'*) accepted ''; [ -z "$held" ] || answered "$held" true aborted ;;
    *'"subtype":"cancel_async_message"'*) accepted '"cancelled":true'; receipt "$(field message_uuid)" cancelled ;;
    *'"type":"control_response"'*)
        open=$((open - 1))
        [ $open -gt 0 ] || answered "$held" false completed ;;
    *'"type":"user"'*)
        uuid=$(field uuid) content=$(field content)
        if [ -n "$held" ]; then receipt "$uuid" queued; continue; fi
        receipt "$uuid" started
        state running
        case $content in
        bare) ;;
        *) say '{"type":"user","uuid":"'"$uuid"'","isReplay":true,"session_id":"'"$id"'","message":{"role":"user","content":"'"$content"'"}}' ;;
        esac
        case $content in
        hold) held=$uuid ;;
        die) echo "no more" >&2; exit 3 ;;
        ask\ * | bare)
            held=$uuid
            [ "$content" != bare ] || content='ask 1'
            while [ $open -lt "${content#ask }" ]; do
                open=$((open + 1))
                say '{"type":"control_request","request_id":"r'"$open-$uuid"'","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"touch '"$open"'"},"tool_use_id":"t'"$open"'"}}'
            done ;;
        *)
            say '{"type":"assistant","session_id":"'"$id"'","message":{"id":"m-'"$uuid"'","content":[{"type":"text","text":"you said '"$content"'"}]}}'
            answered "$uuid" false completed ;;
        esac ;;
    esac
done
"#;

pub(crate) struct Scene {
    pub(crate) place: Place,
    pub(crate) berth: Berth,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// One in this place.
    pub(crate) async fn of(place: Place) -> Self {
        let berth = Berth::serve(&place).await;
        Self { place, berth }
    }

    /// `change` changes the settings of the backend.
    async fn with(change: impl FnOnce(&mut Table)) -> Self {
        let mut config: Table = SHIPPED.parse().unwrap();
        config.remove("server");
        config.remove("default_backend");
        let backends = config["backends"].as_table_mut().unwrap();
        backends.remove("local");
        let jobs = backends["jobs"].as_table_mut().unwrap();
        jobs.insert("directories".into(), vec!["projects"].into());
        jobs.insert("agents".into(), vec!["demo"].into());
        let limits: Table = "interactive_jobs = 24".parse().unwrap();
        jobs.insert("limits".into(), limits.into());
        change(jobs["settings"].as_table_mut().unwrap());
        let place = Place::with_server("", "");
        place.write("agent.sh", AGENT, 0o600);
        let command = ["env", "sh", &place.name("agent.sh"), "--entry=@entry"]
            .map(str::to_owned)
            .to_vec();
        config["agents"]["demo"]
            .as_table_mut()
            .unwrap()
            .insert("headless".into(), command.into());
        place.configure(&config.to_string(), "open_on_loopback = true");
        fs::create_dir(place.path("projects/app")).unwrap();
        Self::of(place).await
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.berth.call(tool, arguments).await.done().structured
    }

    pub(crate) async fn refused(&self, tool: &str, arguments: Value) -> String {
        self.berth.call(tool, arguments).await.error()
    }

    /// Begins a conversation in project `app`.
    pub(crate) async fn begin(&self, message: &str) -> String {
        let arguments = json!({"backend": "jobs", "project": "app", "message": message});
        let created = self.call("create_session", arguments).await;
        created["session"]["session_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn send(&self, session: &str, message: &str) -> Value {
        self.call("send_message", json!({"session_id": session, "message": message}))
            .await
    }

    pub(crate) async fn session(&self, session: &str) -> Value {
        self.call("get_session_status", json!({"session_id": session})).await["session"].clone()
    }

    /// The session once it is in this state.
    pub(crate) async fn becomes(&self, session: &str, state: &str) -> Value {
        until(state, async || {
            let seen = self.session(session).await;
            (seen["state"] == state).then_some(seen)
        })
        .await
    }

    /// The session once so many of its prompts are open.
    pub(crate) async fn asks(&self, session: &str, count: usize) -> Vec<String> {
        until("its prompts", async || {
            let seen = self.session(session).await;
            let prompts = seen["prompts"].as_array()?;
            let ids = prompts
                .iter()
                .map(|prompt| prompt["prompt_id"].as_str().unwrap().to_owned());
            (prompts.len() == count).then(|| ids.collect())
        })
        .await
    }

    pub(crate) async fn respond(&self, session: &str, prompt: &str, response: &str) -> Value {
        let arguments = json!({"session_id": session, "prompt_id": prompt, "response": response});
        self.call("respond_to_prompt", arguments).await
    }

    /// The lines that the agent of a conversation was given, all its processes together.
    fn given(&self, session: &str) -> Vec<Value> {
        let file = format!("projects/app/given-{}", session.strip_prefix("jobs/").unwrap());
        let text = fs::read_to_string(self.place.path(&file)).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// What it was told of its requests, each by its id.
    fn answers(&self, session: &str) -> Vec<(String, String)> {
        let lines = self
            .given(session)
            .into_iter()
            .filter(|line| line["type"] == "control_response");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        lines
            .map(|line| {
                (
                    text(&line["response"]["request_id"]),
                    text(&line["response"]["response"]["behavior"]),
                )
            })
            .collect()
    }

    /// The texts of the messages that it was given.
    fn messages(&self, session: &str) -> Vec<String> {
        let lines = self.given(session).into_iter().filter(|line| line["type"] == "user");
        lines
            .map(|line| line["message"]["content"].as_str().unwrap().to_owned())
            .collect()
    }

    /// How often its process was started.
    fn starts(&self, session: &str) -> usize {
        let file = format!("projects/app/starts-{}", session.strip_prefix("jobs/").unwrap());
        fs::read_to_string(self.place.path(&file))
            .unwrap_or_default()
            .lines()
            .count()
    }

    pub(crate) async fn kill_berth(&mut self) {
        self.berth.kill().await;
        self.berth = Berth::serve(&self.place).await;
    }

    /// Kills the processes of a conversation's agent.
    fn kill_agent(&self, session: &str) {
        let mark = session.strip_prefix("jobs/").unwrap();
        let script = self.place.name("agent.sh");
        let pids = fs::read_dir("/proc").unwrap().flatten();
        for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            if line.starts_with("sh\0") && line.contains(&script) && line.contains(mark) {
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
        }
    }
}

#[tokio::test]
async fn a_message_has_the_agents_own_receipt_and_its_answer() {
    let scene = Scene::new().await;
    let session = scene.begin("hello").await;
    scene.becomes(&session, "idle").await;
    let sent = scene
        .call(
            "send_message",
            json!({"session_id": session, "message": "one", "wait_seconds": 20}),
        )
        .await;
    assert_eq!(sent["receipt"], "submitted", "{sent}");
    assert!(sent.to_string().contains("you said one"), "{sent}");
    let seen = scene.session(&session).await;
    assert_eq!((&seen["state"], &seen["project"]), (&json!("idle"), &json!("app")));
    let read = json!({"session_id": session, "view": "transcript"});
    let transcript = scene.berth.call("get_logs", read).await.done();
    for said in ["hello", "you said hello", "you said one"] {
        assert!(transcript.text.contains(said), "{}", transcript.text);
    }
    assert_eq!(scene.messages(&session), ["hello", "one"]);
    assert_eq!(scene.starts(&session), 1);
}

#[tokio::test]
async fn a_wait_ends_with_what_is_asked_also_before_anything_was_said() {
    let scene = Scene::new().await;
    let arguments = json!({"backend": "jobs", "project": "app"});
    let created = scene.call("create_session", arguments).await;
    let session = created["session"]["session_id"].as_str().unwrap();
    // The call itself is given up earlier.
    let sent = json!({"session_id": session, "message": "bare", "wait_seconds": 50});
    let seen = scene.call("send_message", sent).await;
    assert_eq!(seen["session"]["state"], "waiting", "{seen}");
    assert_eq!(seen["session"]["prompts"].as_array().map(Vec::len), Some(1), "{seen}");
}

#[tokio::test]
async fn several_prompts_are_shown_and_each_is_answered_once() {
    let scene = Scene::new().await;
    let session = scene.begin("ask 3").await;
    let prompts = scene.asks(&session, 3).await;
    scene.respond(&session, &prompts[1], "yes").await;
    let again = json!({"session_id": session, "prompt_id": prompts[1], "response": "no"});
    let why = scene.refused("respond_to_prompt", again).await;
    assert!(why.contains("already") || why.contains("gone"), "{why}");
    scene.respond(&session, &prompts[0], "no").await;
    scene.respond(&session, &prompts[2], "yes").await;
    scene.becomes(&session, "idle").await;
    let answers = scene.answers(&session);
    let behaviours: Vec<&str> = answers.iter().map(|(_, behaviour)| behaviour.as_str()).collect();
    assert_eq!(behaviours, ["allow", "deny", "allow"]);
}

#[tokio::test]
async fn a_prompt_survives_berth_that_is_killed_and_is_answered_once_afterwards() {
    let mut scene = Scene::new().await;
    let session = scene.begin("ask 1").await;
    let prompts = scene.asks(&session, 1).await;
    scene.kill_berth().await;
    assert_eq!(scene.asks(&session, 1).await, prompts);
    scene.respond(&session, &prompts[0], "yes").await;
    scene.becomes(&session, "idle").await;
    assert_eq!(scene.answers(&session).len(), 1);
    assert_eq!((scene.messages(&session).len(), scene.starts(&session)), (1, 1));
}

#[tokio::test]
async fn fifty_prompts_of_twenty_conversations_wait_over_a_restart_and_are_answered_once_each() {
    let mut scene = Scene::new().await;
    let mut sessions = Vec::new();
    for number in 0..20 {
        let count = if number < 10 { 2 } else { 3 };
        sessions.push((scene.begin(&format!("ask {count}")).await, count));
    }
    let mut prompts = Vec::new();
    for (session, count) in &sessions {
        prompts.extend(
            scene
                .asks(session, *count)
                .await
                .into_iter()
                .map(|prompt| (session.clone(), prompt)),
        );
    }
    assert_eq!(prompts.len(), 50);
    // Some before the restart, the others after it.
    for (session, prompt) in &prompts[..15] {
        scene.respond(session, prompt, "yes").await;
    }
    scene.kill_berth().await;
    for (session, prompt) in &prompts[15..] {
        scene.respond(session, prompt, "yes").await;
    }
    for (session, count) in &sessions {
        scene.becomes(session, "idle").await;
        let answers = scene.answers(session);
        let ids: BTreeSet<_> = answers.iter().collect();
        assert_eq!((answers.len(), ids.len()), (*count, *count), "{answers:?}");
    }
}

#[tokio::test]
async fn an_idle_process_is_ended_and_comes_back_with_its_conversation() {
    let scene = Scene::with(|settings| drop(settings.insert("idle_timeout".into(), "1s".into()))).await;
    let session = scene.begin("hello").await;
    let id = session.strip_prefix("jobs/").unwrap();
    until("its end", async || {
        let jobs = scene.place.run(&["jobs", "--json"]).await.stdout;
        jobs.contains("\"idle\"").then_some(())
    })
    .await;
    let seen = scene.session(&session).await;
    assert_eq!(
        (&seen["state"], &seen["attention"]),
        (&json!("idle"), &Value::Null),
        "{seen}"
    );
    scene.send(&session, "again").await;
    until("its answer", async || {
        (scene.messages(&session).len() == 2).then_some(())
    })
    .await;
    let starts = scene.place.read(&format!("projects/app/starts-{id}"));
    assert!(
        starts.lines().nth(1).unwrap().contains(&format!("--resume {id}")),
        "{starts}"
    );
}

#[tokio::test]
async fn a_process_that_died_is_told_with_why_and_what_it_had_begun_is_not_sent_again() {
    let scene = Scene::new().await;
    let session = scene.begin("hello").await;
    scene.becomes(&session, "idle").await;
    scene.send(&session, "die").await;
    let dead = until("its end", async || {
        let seen = scene.session(&session).await;
        (seen["attention"]["kind"] == "error").then_some(seen)
    })
    .await;
    let reason = dead["attention"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("status 3") && reason.contains("no more") && reason.contains("not known"),
        "{dead}"
    );
    scene.send(&session, "go on").await;
    scene.becomes(&session, "idle").await;
    assert_eq!(scene.messages(&session), ["hello", "die", "go on"]);
    scene.send(&session, "ask 1").await;
    let prompts = scene.asks(&session, 1).await;
    scene.kill_agent(&session);
    until("the end of its prompt", async || {
        scene.session(&session).await["prompts"]
            .as_array()
            .is_none_or(Vec::is_empty)
            .then_some(())
    })
    .await;
    let late = json!({"session_id": session, "prompt_id": prompts[0], "response": "yes"});
    scene.refused("respond_to_prompt", late).await;
    assert_eq!(scene.answers(&session), []);
}

#[tokio::test]
async fn messages_wait_in_the_queue_are_taken_back_one_by_one_and_go_on_after_an_interrupt() {
    let scene = Scene::new().await;
    let session = scene.begin("hold").await;
    scene.becomes(&session, "busy").await;
    let mut ids = Vec::new();
    for text in ["one", "two"] {
        let sent = scene.send(&session, text).await;
        assert_eq!(sent["receipt"], "queued", "{sent}");
        ids.push(sent["message_id"].clone());
    }
    let cancel = json!({"session_id": session, "message_id": ids[0]});
    scene.call("interrupt_session", cancel).await;
    let queue = scene.session(&session).await["queue"].clone();
    assert_eq!(
        (queue.as_array().unwrap().len(), &queue[0]["message_id"]),
        (1, &ids[1]),
        "{queue}"
    );
    scene.call("interrupt_session", json!({"session_id": session})).await;
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_declined_at_its_deadline() {
    let scene = Scene::with(|settings| drop(settings.insert("prompt_deadline".into(), "1s".into()))).await;
    let session = scene.begin("ask 1").await;
    scene.becomes(&session, "idle").await;
    assert_eq!(scene.answers(&session)[0].1, "deny");
}

#[tokio::test]
async fn a_run_asks_a_person_and_goes_on_with_the_answer() {
    let mut scene = Scene::new().await;
    let run = told(&scene.berth, "claude_run", json!({"project": "app", "prompt": "ask 1"})).await;
    let session = format!("jobs/{}", run["sessionId"].as_str().unwrap());
    let prompts = scene.asks(&session, 1).await;
    scene.kill_berth().await;
    assert_eq!(scene.asks(&session, 1).await, prompts);
    scene.respond(&session, &prompts[0], "yes").await;
    becomes(&scene.berth, &run["jobId"], "done").await;
    assert_eq!(scene.answers(&session).len(), 1);
}

#[tokio::test]
async fn a_request_of_a_run_to_a_conversation_is_a_message_there() {
    let scene = Scene::new().await;
    let session = scene.begin("hello").await;
    scene.becomes(&session, "idle").await;
    let id = session.strip_prefix("jobs/").unwrap();
    let run = told(
        &scene.berth,
        "claude_run",
        json!({"project": "app", "prompt": "one", "sessionId": id}),
    )
    .await;
    let done = becomes(&scene.berth, &run["jobId"], "done").await;
    assert_eq!(done["sessionId"], id);
    assert_eq!(
        (scene.messages(&session), scene.starts(&session)),
        (vec!["hello".into(), "one".into()], 1)
    );
    let listed = told(&scene.berth, "claude_list_jobs", json!({})).await;
    assert_eq!(listed["jobs"][0]["jobId"], run["jobId"]);
}

#[tokio::test]
async fn a_conversation_that_is_ended_comes_back_with_a_message() {
    let scene = Scene::new().await;
    let session = scene.begin("hello").await;
    scene.becomes(&session, "idle").await;
    scene.call("terminate_session", json!({"session_id": session})).await;
    scene.becomes(&session, "cancelled").await;
    scene.send(&session, "again").await;
    scene.becomes(&session, "idle").await;
    assert_eq!(scene.starts(&session), 2);
    let unknown = json!({"backend": "jobs", "project": "nope"});
    let why = scene.refused("create_session", unknown).await;
    assert!(why.contains("unknown project"), "{why}");
}

#[tokio::test]
async fn an_agent_neither_answers_nor_sends_to_nor_stops_its_own_conversation() {
    let scene = Scene::new().await;
    let session = scene.begin("ask 1").await;
    let prompts = scene.asks(&session, 1).await;
    let id = session.strip_prefix("jobs/").unwrap();
    let entry: Value = serde_json::from_str(&scene.place.read(&format!("projects/app/entry-{id}"))).unwrap();
    let bearer = entry["mcpServers"]["berth"]["headers"]["Authorization"]
        .as_str()
        .unwrap();
    let call = async |tool: &str, arguments: Value| {
        let params = json!({"name": tool, "arguments": arguments});
        let request = scene
            .berth
            .client
            .post(scene.berth.endpoint())
            .header("Authorization", bearer)
            .header("Accept", "application/json, text/event-stream")
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}));
        called(&message(request.send().await.unwrap()).await)
    };
    for (tool, arguments) in [
        (
            "respond_to_prompt",
            json!({"session_id": session, "prompt_id": prompts[0], "response": "yes"}),
        ),
        (
            "respond_to_prompt",
            json!({"session_id": session, "prompt_id": prompts[0], "response": "no"}),
        ),
        ("send_message", json!({"session_id": session, "message": "yes"})),
        ("interrupt_session", json!({"session_id": session})),
        ("terminate_session", json!({"session_id": session})),
        (
            "set_session",
            json!({"session_id": session, "options": {"mode": "plan"}}),
        ),
    ] {
        let why = call(tool, arguments).await.error();
        assert!(why.contains("in a job"), "{tool}: {why}");
    }
    for (tool, arguments) in [
        ("create_session", json!({"backend": "jobs", "project": "app"})),
        ("claude_run", json!({"project": "app", "prompt": "x", "sessionId": id})),
        ("claude_run", json!({"project": "app", "prompt": "x"})),
    ] {
        let why = call(tool, arguments).await.error();
        assert!(why.starts_with("recursion_limit_exceeded"), "{tool}: {why}");
    }
    assert_eq!(scene.asks(&session, 1).await, prompts);
    assert_eq!((scene.answers(&session), scene.messages(&session).len()), (vec![], 1));
    scene.respond(&session, &prompts[0], "yes").await;
    scene.becomes(&session, "idle").await;
}
