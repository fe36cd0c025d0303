//! Calls that are answered with a task (`io.modelcontextprotocol/tasks`): kept, asked for, answered, cancelled.

use serde_json::{Value, json};

use crate::berth::{Berth, Place, called, message};
use crate::demo::until;
use crate::headless;

const CONFIG: &str = r#"
[backends.one]
plugin = "./misbehaving.wasm"
settings.talk = true
settings.turns = ""
settings.tools = ["noop"]
"#;

const TALK: &str = "one/talk-1";

/// A client of 2026-07-28 with these capabilities.
pub(crate) struct Client {
    endpoint: String,
    token: String,
    able: Value,
}

impl Client {
    /// One that takes tasks and shows forms.
    pub(crate) fn of(berth: &Berth) -> Self {
        Self::able(
            berth,
            json!({"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {"form": {}}}),
        )
    }

    fn able(berth: &Berth, able: Value) -> Self {
        Self {
            endpoint: berth.endpoint(),
            token: berth.token.clone(),
            able,
        }
    }

    async fn ask(&self, method: &str, name: &str, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": self.able,
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client
            .post(&self.endpoint)
            .bearer_auth(&self.token)
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method)
            .header("Mcp-Name", name)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        message(request.send().await.unwrap()).await
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", tool, json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// A call that is answered with a task: its id.
    pub(crate) async fn begin(&self, tool: &str, arguments: Value) -> String {
        let answer = self.call(tool, arguments).await;
        let task = &answer["result"];
        assert_eq!(task["resultType"], "task", "{answer}");
        assert_eq!(task["status"], "working", "{answer}");
        assert!(task["ttlMs"].as_u64().unwrap() > 0 && task["pollIntervalMs"].as_u64().unwrap() > 0);
        assert!(task["createdAt"].as_str().unwrap().ends_with('Z'));
        task["taskId"].as_str().unwrap().to_owned()
    }

    async fn get(&self, task: &str) -> Value {
        let answer = self.ask("tasks/get", task, json!({"taskId": task})).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        answer["result"].clone()
    }

    pub(crate) async fn becomes(&self, task: &str, status: &str) -> Value {
        until(status, async || {
            let now = self.get(task).await;
            (now["status"] == status).then_some(now)
        })
        .await
    }

    async fn update(&self, task: &str, responses: Value) -> Value {
        self.ask(
            "tasks/update",
            task,
            json!({"taskId": task, "inputResponses": responses}),
        )
        .await
    }

    async fn cancel(&self, task: &str) -> Value {
        self.ask("tasks/cancel", task, json!({"taskId": task})).await
    }
}

/// What the agent of the session does next.
async fn talk(berth: &Berth, told: Value) -> Value {
    let said = berth.call("talk", json!({"text": told.to_string()})).await.done();
    serde_json::from_str(&said.text).unwrap()
}

/// The names under which the questions of a task are answered, by what each asks.
fn keys(task: &Value) -> Vec<(String, String)> {
    let requests = task["inputRequests"].as_object().unwrap();
    let mut keys: Vec<(String, String)> = requests
        .iter()
        .map(|(key, request)| {
            assert_eq!(request["method"], "elicitation/create");
            (request["params"]["message"].as_str().unwrap().to_owned(), key.clone())
        })
        .collect();
    keys.sort();
    keys
}

fn takes(choice: &str) -> Value {
    json!({"action": "accept", "content": {"choice": choice}})
}

async fn place() -> (Place, Berth) {
    let place = Place::new(CONFIG);
    let berth = Berth::serve(&place).await;
    (place, berth)
}

#[tokio::test]
async fn a_call_whose_work_goes_on_is_a_task_which_asks_the_person_and_ends_with_the_tools_answer() {
    let (place, berth) = place().await;
    let client = Client::of(&berth);
    let task = client.begin("talk_run", json!({"text": "fix it"})).await;
    assert_eq!(client.get(&task).await["status"], "working");
    talk(&berth, json!({"ask": [{"id": "p1", "question": "May I push?"}]})).await;
    let asks = client.becomes(&task, "input_required").await;
    let asked = keys(&asks);
    assert!(
        asked[0].0.contains("May I push?") && asked[0].0.contains(TALK),
        "{asks}"
    );
    assert_eq!(keys(&client.get(&task).await), asked, "a question keeps its name");
    let answered = client.update(&task, json!({&asked[0].1: takes("3")})).await;
    assert_eq!(answered["result"], json!({"resultType": "complete"}), "{answered}");
    let told = talk(&berth, json!({})).await;
    assert!(told["answered"][0][1].as_str().unwrap().contains("\"3\""), "{told}");
    assert_eq!(client.get(&task).await["status"], "working");
    // An answer that comes again is passed over.
    talk(&berth, json!({"ask": [{"id": "p2", "question": "And now?"}]})).await;
    let again = client.update(&task, json!({&asked[0].1: takes("1")})).await;
    assert_eq!(again["result"]["resultType"], "complete");
    assert_eq!(talk(&berth, json!({})).await["answered"].as_array().unwrap().len(), 1);
    talk(&berth, json!({"ask": [], "say": "it is fixed"})).await;
    let done = client.becomes(&task, "completed").await;
    assert_eq!(done["result"]["content"][0]["text"], "it is fixed");
    assert_ne!(done["result"]["isError"], true);
    // It does not change any more, whatever its session does.
    berth
        .call("send_message", json!({"session_id": TALK, "message": "go on"}))
        .await
        .done();
    assert_eq!(client.get(&task).await["result"], done["result"]);
    let told = talk(&berth, json!({})).await;
    assert_eq!(told["calls"].as_array().unwrap().len(), 1, "the work was begun once");
    let record = place.run(&["audit", "--json"]).await.stdout;
    assert!(record.contains("tasks/update"), "{record}");
    assert!(!record.contains("tasks/get"), "{record}");
}

#[tokio::test]
async fn a_task_is_still_there_when_berth_was_killed_and_its_end_is_found_by_the_next_one() {
    let (place, mut berth) = place().await;
    let task = Client::of(&berth).begin("talk_run", json!({"text": "fix it"})).await;
    berth.kill().await;
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    assert_eq!(client.get(&task).await["status"], "working");
    talk(&berth, json!({"say": "it is fixed"})).await;
    client.becomes(&task, "completed").await;
    let mut berth = berth;
    berth.kill().await;
    let berth = Berth::serve(&place).await;
    let done = Client::of(&berth).get(&task).await;
    assert_eq!(done["result"]["content"][0]["text"], "it is fixed");
}

#[tokio::test]
async fn a_new_session_with_a_message_is_a_task_that_ends_with_the_answer_to_that_message() {
    let (_place, berth) = place().await;
    let client = Client::of(&berth);
    let first = client.begin("create_session", json!({"message": "first"})).await;
    let second = client
        .begin("create_session", json!({"message": "second", "wait_seconds": 50}))
        .await;
    talk(&berth, json!({"say": "to the first"})).await;
    let done = client.becomes(&first, "completed").await;
    let answer = called(&json!({"result": done["result"]})).done();
    assert_eq!(answer.structured["text"], "to the first");
    assert_eq!(answer.structured["message_id"], first.as_str());
    assert_eq!(answer.structured["session"]["session_id"], TALK);
    assert_eq!(client.get(&second).await["status"], "working");
    talk(&berth, json!({"say": "to the second"})).await;
    let done = client.becomes(&second, "completed").await;
    assert_eq!(done["result"]["structuredContent"]["text"], "to the second");
}

#[tokio::test]
async fn only_a_request_that_says_so_itself_gets_a_task() {
    let (_place, berth) = place().await;
    Client::of(&berth).begin("talk_run", json!({"text": "one"})).await;
    for able in [
        json!({}),
        json!({"elicitation": {"form": {}}}),
        json!({"extensions": {"io.modelcontextprotocol/ui": {}}}),
    ] {
        let client = Client::able(&berth, able);
        let answer = client.call("talk_run", json!({"text": "two"})).await;
        assert_eq!(answer["result"]["content"][0]["text"], "it is at work", "{answer}");
        let error = client.ask("tasks/get", "x", json!({"taskId": "x"})).await["error"].clone();
        assert_eq!(error["code"], -32021, "{error}");
    }
    let discovered = Client::of(&berth).ask("server/discover", "", json!({})).await;
    let extensions = &discovered["result"]["capabilities"]["extensions"];
    assert!(extensions["io.modelcontextprotocol/tasks"].is_object(), "{discovered}");
    // What goes on nowhere is answered as it always is.
    let noop = Client::of(&berth).call("noop", json!({})).await;
    assert_eq!(noop["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn a_task_that_is_cancelled_stops_its_work_and_stays_cancelled() {
    let (_place, berth) = place().await;
    let client = Client::of(&berth);
    let first = client.begin("talk_run", json!({"text": "first"})).await;
    let second = client.begin("create_session", json!({"message": "second"})).await;
    let waits = berth
        .call("get_session_status", json!({"session_id": TALK}))
        .await
        .done();
    assert_eq!(waits.structured["session"]["queue"][0]["message_id"], second.as_str());
    // One that waits is taken back, and what is at work goes on.
    assert_eq!(client.cancel(&second).await["result"]["resultType"], "complete");
    assert_eq!(client.get(&second).await["status"], "cancelled");
    let left = berth
        .call("get_session_status", json!({"session_id": TALK}))
        .await
        .done();
    assert_eq!(left.structured["session"]["queue"], Value::Null);
    assert_eq!(left.structured["session"]["state"], "busy");
    client.cancel(&first).await;
    client.cancel(&first).await;
    assert_eq!(client.get(&first).await["status"], "cancelled");
    let still = berth
        .call("get_session_status", json!({"session_id": TALK}))
        .await
        .done();
    assert_eq!(still.structured["session"]["state"], "idle");
}

#[tokio::test]
async fn a_task_of_nobody_and_of_another_caller_are_told_alike() {
    let (place, berth) = place().await;
    let client = Client::of(&berth);
    let task = client.begin("talk_run", json!({"text": "one"})).await;
    let made = place.run(&["tokens", "create", "--scope", "sessions:control"]).await;
    let other = Client {
        token: made.stdout.trim().to_owned(),
        ..Client::of(&berth)
    };
    let unnamed = client.ask("tasks/get", "", json!({})).await["error"].clone();
    assert!(unnamed["message"].as_str().unwrap().contains("taskId"), "{unnamed}");
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let of = async |client: &Client, id: &str| {
            let params = json!({"taskId": id, "inputResponses": {}});
            let error = client.ask(method, id, params).await["error"].clone();
            assert_eq!(error["code"], -32602, "{error}");
            error["message"].clone()
        };
        let missing = of(&other, "6d1e4a70-3b0e-4f51-9c3f-0f3f6c1f2a11").await;
        assert_eq!(of(&other, &task).await, missing);
        assert_eq!(of(&client, "../x").await, missing);
    }
    assert_eq!(client.get(&task).await["status"], "working");
}

#[tokio::test]
async fn a_form_that_is_closed_answers_nothing_and_is_not_shown_again_and_several_are_shown_at_once() {
    let (_place, berth) = place().await;
    let client = Client::of(&berth);
    let task = client.begin("talk_run", json!({"text": "one"})).await;
    let asked = json!({"ask": [
        {"id": "p1", "question": "First?"},
        {"id": "p2", "question": "Second?", "words": true},
        {"id": "p3", "question": "Third?", "cut": true},
    ]});
    talk(&berth, asked).await;
    let asks = client.becomes(&task, "input_required").await;
    let shown = keys(&asks);
    assert_eq!(shown.len(), 3, "{asks}");
    let of = |question: &str| {
        shown
            .iter()
            .find(|(text, _)| text.contains(question))
            .unwrap()
            .1
            .clone()
    };
    // Part of it is not shown, so it can only be declined.
    let third = &asks["inputRequests"][of("Third?")]["params"]["requestedSchema"]["properties"]["choice"]["oneOf"];
    assert_eq!(third.as_array().unwrap().len(), 1, "{asks}");
    // What is not left to clients is not offered.
    let first = &asks["inputRequests"][of("First?")]["params"]["requestedSchema"]["properties"]["choice"]["oneOf"];
    assert!(
        first.as_array().unwrap().iter().all(|choice| choice["const"] != "2"),
        "{asks}"
    );
    client.update(&task, json!({of("First?"): {"action": "cancel"}})).await;
    let words = json!({"action": "accept", "content": {"choice": "3", "text": "not today"}});
    client.update(&task, json!({of("Second?"): words})).await;
    let told = talk(&berth, json!({})).await;
    assert_eq!(told["answered"].as_array().unwrap().len(), 1, "{told}");
    assert!(told["answered"][0][1].as_str().unwrap().contains("not today"), "{told}");
    let left = keys(&client.get(&task).await);
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].0.contains("Third?"), "{left:?}");
    // The question itself is still open for others.
    let prompts = berth.call("check_prompts", json!({})).await.done();
    assert!(prompts.text.contains("First?"), "{}", prompts.text);
}

#[tokio::test]
async fn a_form_for_a_permission_that_is_declined_refuses_nothing_and_the_question_is_answered_elsewhere() {
    let place = headless::place(|_| {});
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let task = client
        .begin("claude_run", json!({"project": "app", "prompt": "run touch x"}))
        .await;
    let asks = client.becomes(&task, "input_required").await;
    let shown = keys(&asks);
    assert_eq!(shown.len(), 1, "{asks}");
    assert!(
        shown[0].0.contains("To decline or close this form answers nothing"),
        "{}",
        shown[0].0
    );
    client.update(&task, json!({&shown[0].1: {"action": "decline"}})).await;
    let waits = client.get(&task).await;
    assert_eq!(waits["status"], "working", "{waits}");
    assert!(
        waits["statusMessage"].as_str().unwrap().contains("respond_to_prompt"),
        "{waits}"
    );
    // The form is spent.
    client.update(&task, json!({&shown[0].1: takes("yes")})).await;
    let open = berth.call("check_prompts", json!({})).await.done().structured;
    let prompt = &open["prompts"][0];
    let yes = json!({"session_id": prompt["session_id"], "prompt_id": prompt["prompt_id"], "response": "yes"});
    berth.call("respond_to_prompt", yes).await.done();
    let done = client.becomes(&task, "completed").await;
    let told = &done["result"]["structuredContent"];
    assert_eq!(told["state"], "done", "{done}");
    assert!(told["output"].as_str().unwrap().contains("Ran touch x"), "{done}");
}

#[tokio::test]
async fn a_client_that_shows_no_forms_is_told_that_its_task_waits_for_an_answer() {
    let (_place, berth) = place().await;
    let client = Client::able(&berth, json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
    let task = client.begin("talk_run", json!({"text": "one"})).await;
    talk(&berth, json!({"ask": [{"id": "p1", "question": "May I?"}]})).await;
    let waits = client.get(&task).await;
    assert_eq!(waits["status"], "working", "{waits}");
    assert!(
        waits["statusMessage"].as_str().unwrap().contains("respond_to_prompt"),
        "{waits}"
    );
}

#[tokio::test]
async fn questions_of_one_group_are_answered_together_also_in_two_updates() {
    let (_place, berth) = place().await;
    let client = Client::of(&berth);
    let task = client.begin("talk_run", json!({"text": "one"})).await;
    let asked = json!({"ask": [
        {"id": "p1", "question": "First?", "group": "g"},
        {"id": "p2", "question": "Second?", "group": "g"},
        {"id": "p3", "question": "Third?", "group": "g", "optional": true},
    ]});
    talk(&berth, asked).await;
    let shown = keys(&client.becomes(&task, "input_required").await);
    client.update(&task, json!({&shown[0].1: takes("1")})).await;
    assert_eq!(talk(&berth, json!({})).await["answered"], json!([]));
    let left = keys(&client.get(&task).await);
    assert_eq!(left.len(), 2, "what is answered is not asked again: {left:?}");
    client.update(&task, json!({&shown[1].1: takes("3")})).await;
    let told = talk(&berth, json!({})).await;
    assert_eq!(told["answered"].as_array().unwrap().len(), 2, "{told}");
}

#[tokio::test]
async fn a_run_is_a_task_whose_result_is_its_status_with_its_output_also_where_its_conversation_goes_on() {
    let place = headless::place(|_| {});
    let mut berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let task = client
        .begin("claude_run", json!({"project": "app", "prompt": "say hello there"}))
        .await;
    let done = client.becomes(&task, "completed").await;
    let told = &done["result"]["structuredContent"];
    assert_eq!(told["state"], "done", "{done}");
    assert!(told["output"].as_str().unwrap().contains("hello there"), "{done}");
    let more = json!({"project": "app", "prompt": "say more", "sessionId": told["sessionId"]});
    let next = client.begin("claude_run", more).await;
    assert_eq!(client.get(&task).await["result"], done["result"]);
    berth.kill().await;
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let further = client.becomes(&next, "completed").await;
    assert!(
        further["result"]["structuredContent"]["output"]
            .as_str()
            .unwrap()
            .contains("more"),
        "{further}"
    );
    assert_eq!(client.get(&task).await["result"], done["result"]);
    // One that is cancelled ends its job.
    let works = client
        .begin("claude_run", json!({"project": "app", "prompt": "work 60"}))
        .await;
    client.cancel(&works).await;
    assert_eq!(client.get(&works).await["status"], "cancelled");
    until("the job is cancelled", async || {
        let listed = berth
            .call("claude_list_jobs", json!({"state": "cancelled"}))
            .await
            .done();
        listed.structured["jobs"][0].is_object().then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_may_only_read_begins_no_task() {
    let (place, berth) = place().await;
    let made = place.run(&["tokens", "create", "--scope", "sessions:read"]).await;
    let reader = Client {
        token: made.stdout.trim().to_owned(),
        ..Client::of(&berth)
    };
    let refused = reader.call("talk_run", json!({"text": "one"})).await;
    assert_eq!(refused["error"], "insufficient_scope", "{refused}");
    assert_eq!(talk(&berth, json!({})).await["calls"], json!([]));
}

#[tokio::test]
async fn a_session_in_a_terminal_is_a_task_too_and_its_first_question_a_form() {
    let demo = crate::demo::Demo::start().await;
    demo.project("app");
    let client = Client::of(&demo.berth);
    let arguments = json!({"project": "app", "message": "run git push"});
    let task = client.begin("create_session", arguments).await;
    let asks = client.becomes(&task, "input_required").await;
    let shown = keys(&asks);
    assert!(shown[0].0.contains("git push"), "{asks}");
    let answered = client.update(&task, json!({&shown[0].1: takes("1")})).await;
    assert_eq!(answered["result"]["resultType"], "complete", "{answered}");
    let done = client.becomes(&task, "completed").await;
    assert_eq!(
        done["result"]["structuredContent"]["session"]["state"], "idle",
        "{done}"
    );
}

#[tokio::test]
async fn a_run_that_asks_is_a_task_that_needs_an_answer_and_goes_on_with_it_also_after_a_berth_that_was_killed() {
    let place = headless::place(|_| {});
    let mut berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let wanted = json!({"project": "app", "prompt": "run touch x"});
    let task = client.begin("claude_run", wanted.clone()).await;
    let asks = client.becomes(&task, "input_required").await;
    let asked = keys(&asks);
    assert!(asked.len() == 1 && asked[0].0.contains("touch x"), "{asks}");
    berth.kill().await;
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let again = client.becomes(&task, "input_required").await;
    // It names the page, whose port is another one here; the prompt is the same.
    let prompt = |asked: &[(String, String)]| {
        let named = asked[0].0.split_once("--prompt ").unwrap().1;
        named.split(';').next().unwrap().to_owned()
    };
    assert_eq!(prompt(&keys(&again)), prompt(&asked));
    let asked = keys(&again);
    let answered = client.update(&task, json!({&asked[0].1: takes("yes")})).await;
    assert_eq!(answered["result"], json!({"resultType": "complete"}), "{answered}");
    let done = client.becomes(&task, "completed").await;
    let told = &done["result"]["structuredContent"];
    assert_eq!(told["state"], "done", "{done}");
    assert!(told["output"].as_str().unwrap().contains("Ran touch x"), "{done}");
    // The one that is declined ends as well, and does not do it.
    let task = client.begin("claude_run", wanted).await;
    let asked = keys(&client.becomes(&task, "input_required").await);
    client.update(&task, json!({&asked[0].1: takes("no")})).await;
    let done = client.becomes(&task, "completed").await;
    let output = &done["result"]["structuredContent"]["output"];
    assert!(!output.as_str().unwrap().contains("Ran touch x"), "{done}");
}

#[tokio::test]
async fn a_task_whose_run_waits_for_an_answer_is_cancelled_with_its_run() {
    let place = headless::place(|_| {});
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let task = client
        .begin("claude_run", json!({"project": "app", "prompt": "run touch x"}))
        .await;
    let asked = keys(&client.becomes(&task, "input_required").await);
    client.cancel(&task).await;
    assert_eq!(client.get(&task).await["status"], "cancelled");
    until("the end of the run and of its question", async || {
        let listed = berth
            .call("claude_list_jobs", json!({"state": "cancelled"}))
            .await
            .done();
        let prompts = berth.call("check_prompts", json!({})).await.done();
        (listed.structured["jobs"][0].is_object() && !prompts.text.contains("touch x")).then_some(())
    })
    .await;
    let late = client.update(&task, json!({&asked[0].1: takes("yes")})).await;
    assert_eq!(late["error"], Value::Null, "{late}");
    assert_eq!(client.get(&task).await["status"], "cancelled");
}
