//! Conversations with the demo agent, without a terminal, over both protocols: what reaches it, and what it makes of it.

use std::fs;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use toml::Table;

use crate::conversations::Scene;
use crate::demo::until;
use crate::headless::{place, place_of, told};

/// A conversation of the agent's own, which berth did not begin.
const OWN: &str = "0b9d4f5e-9f0a-4a53-9c35-3f1f5f3b6f10";

async fn scene() -> Scene {
    Scene::of(place(|_| {})).await
}

/// The demo agent speaks the Agent Client Protocol; `other` does so too, and forgets its conversation with its process.
async fn acp(settings: &[(&str, &str)]) -> Scene {
    let agent = |more: &[&str]| {
        let mut command = vec!["env", "BERTH_SESSION=demo", "@berth", "demo-agent", "--acp"];
        command.extend(more);
        let mut agent: Table = "command = [\"env\", \"true\"]\nprotocol = \"acp\"".parse().unwrap();
        agent.insert("headless".into(), command.into());
        agent
    };
    let place = place_of(|config| {
        config["agents"]["demo"] = agent(&[]).into();
        let agents = config["agents"].as_table_mut().unwrap();
        agents.insert("other".into(), agent(&["--forgetful"]).into());
        let jobs = config["backends"]["jobs"].as_table_mut().unwrap();
        jobs.insert("agents".into(), vec!["demo", "other"].into());
        let kept = jobs["settings"].as_table_mut().unwrap();
        for (name, value) in settings {
            kept.insert((*name).to_owned(), (*value).into());
        }
    });
    Scene::of(place).await
}

/// Begins a conversation in project `app`, with these arguments more.
async fn create(scene: &Scene, more: Value) -> Value {
    let mut arguments = json!({"backend": "jobs", "project": "app", "wait_seconds": 25});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    scene.call("create_session", arguments).await
}

fn id(created: &Value) -> String {
    created["session"]["session_id"].as_str().unwrap().to_owned()
}

fn conversation(session: &Value) -> &str {
    session["facts"]["conversation"].as_str().unwrap()
}

/// What the agent says to a message.
async fn answer(scene: &Scene, session: &str, message: &str) -> String {
    let wanted = json!({"session_id": session, "message": message, "wait_seconds": 25});
    let sent = scene.call("send_message", wanted).await;
    let text = sent["text"].as_str();
    text.unwrap_or_else(|| panic!("no answer: {sent}")).to_owned()
}

/// The session once the agent has said this and rests.
async fn says(scene: &Scene, session: &str, words: &str) -> Value {
    until(words, async || {
        let seen = scene.session(session).await;
        let said = seen["last_output"].as_str().unwrap_or_default();
        (seen["state"] == "idle" && said.contains(words)).then_some(seen)
    })
    .await
}

/// Kills the agents that work in project `app`.
fn kill_agents(scene: &Scene) {
    let project = scene.place.path("projects/app");
    let pids = fs::read_dir("/proc").unwrap().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let is_agent = String::from_utf8_lossy(&line).contains("\0demo-agent\0");
        if is_agent && fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == project) {
            let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        }
    }
}

async fn died(scene: &Scene, session: &str) -> Value {
    until("its end", async || {
        let seen = scene.session(session).await;
        (seen["attention"]["kind"] == "error").then_some(seen)
    })
    .await
}

#[tokio::test]
async fn a_copy_goes_on_with_what_was_said_and_the_first_stays_as_it_is() {
    let scene = scene().await;
    let first = scene.begin("hello").await;
    let seen = scene.becomes(&first, "idle").await;
    let copied = json!({"resume": conversation(&seen), "fork": true, "message": "and you?"});
    let copy = create(&scene, copied).await;
    let said = copy["text"].as_str().unwrap();
    assert!(
        said.contains("message 2 of our conversation, which began with: hello"),
        "{copy}"
    );
    let second = id(&copy);
    assert_ne!(conversation(&copy["session"]), conversation(&seen));
    let said = answer(&scene, &second, "more").await;
    assert!(said.contains("message 3 of our conversation"), "{said}");
    let said = answer(&scene, &first, "still there?").await;
    assert!(said.contains("message 2 of our conversation"), "{said}");
    // Two sessions do not go on with the same one, and nothing is copied that is not named.
    let twice = json!({"backend": "jobs", "project": "app", "resume": conversation(&seen)});
    let why = scene.refused("create_session", twice).await;
    assert!(
        why.contains("fork") && why.contains(first.strip_prefix("jobs/").unwrap()),
        "{why}"
    );
    let nothing = json!({"backend": "jobs", "project": "app", "fork": true});
    let why = scene.refused("create_session", nothing).await;
    assert!(why.contains("`resume`"), "{why}");
    let listed = scene.call("list_sessions", json!({})).await;
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test]
async fn a_conversation_that_was_begun_by_hand_is_gone_on_with() {
    let scene = scene().await;
    let mut command = scene
        .place
        .command(&["demo-agent", "--stream-json", "--session-id", OWN]);
    command.current_dir(scene.place.path("projects/app"));
    let mut agent = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let line = json!({"type": "user", "message": {"role": "user", "content": "by hand"}});
    let mut input = agent.stdin.take().unwrap();
    input.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    drop(input);
    assert!(agent.wait().await.unwrap().success());
    let created = create(&scene, json!({"resume": OWN, "message": "and now?"})).await;
    let said = created["text"].as_str().unwrap();
    assert!(
        said.contains("message 2 of our conversation, which began with: by hand"),
        "{created}"
    );
    assert_eq!(conversation(&created["session"]), OWN);
    let again = json!({"backend": "jobs", "project": "app", "resume": OWN});
    let why = scene.refused("create_session", again).await;
    assert!(why.contains(id(&created).strip_prefix("jobs/").unwrap()), "{why}");
}

/// An agent of the Agent Client Protocol that wants a login, as long as there is no file of that name where it works.
const LOCKED: &str = r#"
id() { printf '%s' "$line" | sed 's/.*"id":"\([^"]*\)".*/\1/'; }
result() { printf '{"jsonrpc":"2.0","id":"%s","result":%s}\n' "$(id)" "$1"; }
while IFS= read -r line; do
    case $line in
    *'"method":"initialize"'*) result '{"protocolVersion":1,"agentCapabilities":{}}' ;;
    *'"method":"session/new"'*)
        if [ -e login ]; then result '{"sessionId":"s"}'
        else printf '{"jsonrpc":"2.0","id":"%s","error":{"code":-32000,"message":"Authentication required"}}\n' "$(id)"; fi ;;
    *'"method":"session/prompt"'*)
        printf '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"s","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"done"}}}}\n'
        result '{"stopReason":"end_turn"}' ;;
    esac
done
"#;

#[tokio::test]
async fn an_agent_that_wants_a_login_is_told_at_once_and_gets_what_waits_once_it_has_one() {
    let place = place_of(|config| {
        let mut agent: Table = "command = [\"env\", \"true\"]\nprotocol = \"acp\"".parse().unwrap();
        let command = ["env", "BERTH_SESSION=demo", "sh", "agent.sh"];
        agent.insert("headless".into(), command.map(str::to_owned).to_vec().into());
        config["agents"]["demo"] = agent.into();
    });
    place.write("projects/app/agent.sh", LOCKED, 0o600);
    let scene = Scene::of(place).await;
    let created = create(&scene, json!({"message": "hello"})).await;
    let session = id(&created);
    assert_eq!(created["session"]["state"], "idle", "{created}");
    assert_eq!(created["session"]["attention"]["kind"], "login", "{created}");
    assert_eq!(created["session"]["queue"][0]["text"], "hello", "{created}");
    assert_eq!(created["note"], Value::Null, "it is not at work: {created}");
    fs::write(scene.place.path("projects/app/login"), "").unwrap();
    assert_eq!(answer(&scene, &session, "and now?").await, "done");
    let seen = says(&scene, &session, "done").await;
    assert_eq!(
        (&seen["attention"], &seen["queue"]),
        (&Value::Null, &Value::Null),
        "{seen}"
    );
    assert_eq!(seen["facts"]["turns"], "2", "both messages were answered: {seen}");
}

#[tokio::test]
async fn texts_and_pictures_reach_the_agent_with_their_message() {
    let picture = json!({"name": "shot.png", "media_type": "image/png", "data": "iVBORw0KGgoA/w=="});
    let text = json!({"name": "a.txt", "media_type": "text/plain", "text": "say this stood in the file\n"});
    let stream = scene().await;
    let created = create(
        &stream,
        json!({"message": "say look", "attachments": [picture.clone()]}),
    )
    .await;
    let said = created["text"].as_str().unwrap();
    assert!(said.contains("look") && said.contains("with 1 image"), "{created}");
    let session = id(&created);
    let can = stream.session(&session).await["can"].clone();
    assert!(can.as_array().unwrap().contains(&json!("attach")), "{can}");
    let send = async |scene: &Scene, session: &str, attachments: Value| {
        let wanted =
            json!({"session_id": session, "message": "say look", "attachments": attachments, "wait_seconds": 25});
        scene.berth.call("send_message", wanted).await
    };
    let sent = send(&stream, &session, json!([text, picture])).await.done().structured;
    let said = sent["text"].as_str().unwrap();
    for words in ["this stood in the file", "look", "with 1 image"] {
        assert!(said.contains(words), "{sent}");
    }
    let archive = json!([{"name": "a.zip", "media_type": "application/zip", "data": "/w=="}]);
    let why = send(&stream, &session, archive).await.error();
    assert!(why.contains("a.zip") && why.contains("file of the project"), "{why}");
    let said = answer(&stream, &session, "hello").await;
    assert!(
        said.contains("message 3 of"),
        "what was refused did not reach it: {said}"
    );

    let acp = acp(&[]).await;
    let session = id(&create(&acp, json!({"message": "hello"})).await);
    let sent = send(&acp, &session, json!([text, picture])).await.done().structured;
    assert!(
        sent["text"].as_str().unwrap().contains("with 1 image and 1 document"),
        "{sent}"
    );
}

#[tokio::test]
async fn two_questions_at_once_are_answered_one_by_one_also_over_a_kill_and_reach_the_agent_together() {
    let mut scene = scene().await;
    let session = scene.begin("group Shall I?").await;
    let prompts = scene.asks(&session, 2).await;
    scene.respond(&session, &prompts[0], "Yes").await;
    scene.kill_berth().await;
    let seen = scene.session(&session).await;
    assert_eq!(seen["state"], "waiting", "{seen}");
    assert_eq!(scene.asks(&session, 1).await, prompts[1..], "{seen}");
    assert!(
        seen["summary"].as_str().unwrap().contains("\"Shall I?\" with \"Yes\""),
        "{seen}"
    );
    let colours = json!({"session_id": session, "prompt_id": prompts[1], "choices": ["1", "3"]});
    scene.call("respond_to_prompt", colours.clone()).await;
    let seen = says(&scene, &session, "have been answered").await;
    let said = seen["last_output"].as_str().unwrap();
    assert!(said.contains("\"Shall I?\"=\"Yes\""), "{said}");
    assert!(said.contains("\"Which colours?\"=\"Red, Blue\""), "{said}");
    let late = scene.refused("respond_to_prompt", colours).await;
    assert!(late.contains("already answered"), "{late}");
}

#[tokio::test]
async fn what_a_person_says_with_a_refusal_reaches_the_agent_and_a_plan_is_approved_or_not() {
    let scene = scene().await;
    let session = scene.begin("run rm x").await;
    let prompts = scene.asks(&session, 1).await;
    let seen = scene.session(&session).await;
    let prompt = &seen["prompts"][0];
    assert_eq!(
        (&prompt["kind"], &prompt["detail"]),
        (&json!("permission"), &json!("rm x"))
    );
    let words = json!({"session_id": session, "prompt_id": prompts[0], "choices": ["no"], "text": "use make clean"});
    scene.call("respond_to_prompt", words).await;
    says(&scene, &session, "use make clean").await;

    scene.send(&session, "plan First the tests").await;
    let prompts = scene.asks(&session, 1).await;
    let seen = scene.session(&session).await;
    let prompt = &seen["prompts"][0];
    assert_eq!(
        (&prompt["kind"], &prompt["detail"]),
        (&json!("plan"), &json!("First the tests"))
    );
    scene.respond(&session, &prompts[0], "yes").await;
    says(&scene, &session, "approved exiting plan mode").await;

    scene.send(&session, "plan Then the rest").await;
    let prompts = scene.asks(&session, 1).await;
    let words = json!({"session_id": session, "prompt_id": prompts[0], "response": "do less than that"});
    scene.call("respond_to_prompt", words).await;
    says(&scene, &session, "do less than that").await;
}

#[tokio::test]
async fn a_prompt_that_the_agent_withdraws_is_closed_and_a_late_answer_goes_nowhere() {
    let scene = scene().await;
    let session = scene.begin("withdraw 4 rm x").await;
    let prompts = scene.asks(&session, 1).await;
    until("its withdrawal", async || {
        let seen = scene.session(&session).await;
        seen["prompts"].as_array().is_none_or(Vec::is_empty).then_some(())
    })
    .await;
    let late = json!({"session_id": session, "prompt_id": prompts[0], "response": "yes"});
    scene.refused("respond_to_prompt", late).await;
    let seen = says(&scene, &session, "was withdrawn").await;
    assert!(!seen["last_output"].as_str().unwrap().contains("Ran rm x"), "{seen}");
}

#[tokio::test]
async fn two_that_work_in_one_directory_are_told_of_each_other() {
    let scene = scene().await;
    let first = scene.begin("run touch x").await;
    scene.asks(&first, 1).await;
    let second = scene.begin("run touch y").await;
    scene.asks(&second, 1).await;
    let bare = |session: &str| session.strip_prefix("jobs/").unwrap().to_owned();
    let note = async |session: &str| scene.session(session).await["facts"]["note"].to_string();
    let (of_first, of_second) = (note(&first).await, note(&second).await);
    assert!(of_first.contains(&bare(&second)), "{of_first}");
    assert!(of_second.contains(&bare(&first)), "{of_second}");
    let run = told(
        &scene.berth,
        "claude_run",
        json!({"project": "app", "prompt": "run touch z"}),
    )
    .await;
    let said = run["note"].as_str().unwrap();
    assert!(said.contains(&bare(&first)) && said.contains(&bare(&second)), "{run}");
    let run_session = run["sessionId"].as_str().unwrap().to_owned();
    scene.asks(&format!("jobs/{run_session}"), 1).await;
    let of_first = note(&first).await;
    assert!(of_first.contains(&run_session), "{of_first}");
    // Another directory is nobody's business, and neither is one that rests.
    let other = told(
        &scene.berth,
        "claude_run",
        json!({"project": "web", "prompt": "say hello"}),
    )
    .await;
    assert!(!other["note"].to_string().contains("same directory"), "{other}");
    scene.call("terminate_session", json!({"session_id": second})).await;
    let prompts = scene.asks(&first, 1).await;
    scene.respond(&first, &prompts[0], "yes").await;
    scene.becomes(&first, "idle").await;
    let of_run = scene.session(&format!("jobs/{run_session}")).await["facts"]["note"].to_string();
    assert!(
        !of_run.contains(&bare(&first)) && !of_run.contains(&bare(&second)),
        "{of_run}"
    );
}

#[tokio::test]
async fn an_agent_of_the_client_protocol_answers_asks_and_takes_the_next_message_after_that() {
    let scene = acp(&[]).await;
    let session = scene.begin("hello").await;
    says(&scene, &session, "You said: hello").await;
    let said = answer(&scene, &session, "one").await;
    assert!(said.contains("message 2 of our conversation"), "{said}");
    scene.send(&session, "run touch x").await;
    let prompts = scene.asks(&session, 1).await;
    let sent = scene.send(&session, "say the second").await;
    assert_eq!(sent["receipt"], "queued", "{sent}");
    let back = scene.send(&session, "say the third").await;
    let queue = scene.session(&session).await["queue"].clone();
    assert_eq!(queue[0]["message_id"], sent["message_id"], "{queue}");
    let cancel = json!({"session_id": session, "message_id": back["message_id"]});
    scene.call("interrupt_session", cancel).await;
    scene.respond(&session, &prompts[0], "yes").await;
    says(&scene, &session, "the second").await;
    let read = json!({"session_id": session, "view": "transcript"});
    let transcript = scene.berth.call("get_logs", read).await.done();
    assert!(transcript.text.contains("Ran touch x"), "{}", transcript.text);
    assert!(transcript.text.contains("say the second"), "{}", transcript.text);
    assert!(!transcript.text.contains("the third"), "{}", transcript.text);
    // Files of this machine are not the protocol's to read.
    let said = answer(&scene, &session, "files").await;
    assert!(said.contains("fs/read_text_file: -32601"), "{said}");
    scene.send(&session, "run touch y").await;
    let prompts = scene.asks(&session, 1).await;
    scene.respond(&session, &prompts[0], "no").await;
    says(&scene, &session, "touch y was rejected").await;
}

#[tokio::test]
async fn an_agent_of_the_client_protocol_that_was_killed_loads_its_conversation_again() {
    let mut scene = acp(&[]).await;
    let session = scene.begin("hello").await;
    let before = says(&scene, &session, "You said: hello").await;
    kill_agents(&scene);
    let dead = died(&scene, &session).await;
    assert!(
        dead["attention"]["reason"].as_str().unwrap().contains("brings it back"),
        "{dead}"
    );
    let said = answer(&scene, &session, "again").await;
    assert!(
        said.contains("message 2 of our conversation, which began with: hello"),
        "{said}"
    );
    assert_eq!(conversation(&scene.session(&session).await), conversation(&before));
    // A question outlives berth here too, and is answered once.
    scene.send(&session, "run touch x").await;
    let prompts = scene.asks(&session, 1).await;
    scene.kill_berth().await;
    assert_eq!(scene.asks(&session, 1).await, prompts);
    scene.respond(&session, &prompts[0], "yes").await;
    says(&scene, &session, "Ran touch x").await;
    // What a person said stands there too, and what the agent told again when it was loaded stands there once.
    let read = json!({"session_id": session, "view": "transcript"});
    let transcript = scene.berth.call("get_logs", read).await.done().text;
    let places = ["hello", "You said: hello", "again", "run touch x", "Ran touch x"].map(|said| transcript.find(said));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{transcript}");
    assert_eq!(transcript.matches("You said: hello").count(), 1, "{transcript}");
}

#[tokio::test]
async fn a_conversation_whose_output_cannot_be_read_says_so_and_a_message_brings_it_back_once_it_can() {
    let scene = scene().await;
    let session = scene.begin("hello").await;
    let before = says(&scene, &session, "You said: hello").await;
    let job = before["facts"]["job"].as_str().unwrap();
    let directory = scene.place.path("data/jobs/jobs").join(job);
    let away = directory.with_extension("away");
    fs::rename(&directory, &away).unwrap();
    fs::write(&directory, "").unwrap();
    let lost = died(&scene, &session).await;
    assert_eq!(lost["state"], "unreachable", "{lost}");
    let reason = lost["attention"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("cannot be read") && reason.contains("end the session"),
        "{lost}"
    );
    fs::remove_file(&directory).unwrap();
    fs::rename(&away, &directory).unwrap();
    let said = answer(&scene, &session, "again").await;
    assert!(said.contains("message 2 of our conversation"), "{said}");
    let found = scene.session(&session).await;
    assert_eq!(
        (&found["state"], &found["attention"]),
        (&json!("idle"), &Value::Null),
        "{found}"
    );
}

#[tokio::test]
async fn a_conversation_that_cannot_be_loaded_again_is_told_as_lost_and_not_begun_anew() {
    let scene = acp(&[("idle_timeout", "1s")]).await;
    let session = id(&create(&scene, json!({"agent": "other", "message": "hello"})).await);
    create(&scene, json!({"message": "hello"})).await;
    until("the end of the one that is idle and can be loaded", async || {
        let jobs = scene.place.run(&["jobs", "--json"]).await.stdout;
        jobs.contains("\"idle\"").then_some(())
    })
    .await;
    let said = answer(&scene, &session, "still there?").await;
    assert!(
        said.contains("message 2 of our conversation"),
        "it was not ended for being idle: {said}"
    );
    kill_agents(&scene);
    let dead = died(&scene, &session).await;
    let reason = dead["attention"]["reason"].as_str().unwrap();
    assert!(reason.contains("lost") && !reason.contains("brings it back"), "{dead}");
    assert!(!dead["can"].as_array().unwrap().contains(&json!("send")), "{dead}");
    let more = json!({"session_id": session, "message": "go on"});
    let why = scene.refused("send_message", more).await;
    assert!(why.contains("lost") && why.contains("new session"), "{why}");
    let after = scene.session(&session).await;
    assert_eq!(
        (&after["attention"], &after["queue"]),
        (&dead["attention"], &Value::Null),
        "{after}"
    );
}
