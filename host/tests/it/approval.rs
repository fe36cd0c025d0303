//! Who approves: a person in a form of their client, or at the terminal; never a client alone where the operator says so,
//! and never more than it was shown.

use berth::session::Effect;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::berth::{Berth, Called, PATIENCE, Place, called, message};
use crate::demo::{Demo, until};
use crate::peers::Inside;
use crate::protocol;

/// Two backends with a session `asks-1` each, whose prompt stays open whatever is answered.
const TWO: &str = r#"
default_backend = "one"

[backends.one]
plugin = "./misbehaving.wasm"
read_tools = ["typed"]
settings.tools = ["typed"]

[backends.two]
plugin = "./misbehaving.wasm"
"#;

const ASKS: &str = "one/asks-1";

/// A client of 2026-07-28 that shows forms.
struct Client {
    endpoint: String,
    token: String,
}

/// A form that was shown.
#[derive(Clone)]
struct Shown {
    message: String,
    schema: Value,
    state: String,
}

impl Client {
    fn of(berth: &Berth) -> Self {
        Self {
            endpoint: berth.endpoint(),
            token: berth.token.clone(),
        }
    }

    async fn ask(&self, method: &str, name: Option<&str>, mut params: Value, capabilities: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client
            .post(&self.endpoint)
            .bearer_auth(&self.token)
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", method)
            .json(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}));
        if let Some(name) = name {
            request = request.header("Mcp-Name", name);
        }
        message(request.send().await.unwrap()).await
    }

    async fn call(&self, tool: &str, arguments: Value, further: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": arguments});
        for (key, value) in further.as_object().unwrap() {
            params[key] = value.clone();
        }
        let able = json!({"elicitation": {"form": {}}});
        self.ask("tools/call", Some(tool), params, able).await
    }

    /// The form that a call is answered with.
    #[track_caller]
    fn form(answer: &Value) -> Shown {
        let result = &answer["result"];
        assert_eq!(result["resultType"], "input_required", "{answer}");
        let request = &result["inputRequests"]["answer"];
        assert_eq!(request["method"], "elicitation/create");
        let shown = &request["params"];
        assert_eq!(shown["mode"], "form");
        Shown {
            message: shown["message"].as_str().unwrap().to_owned(),
            schema: shown["requestedSchema"].clone(),
            state: result["requestState"].as_str().unwrap().to_owned(),
        }
    }

    async fn shown(&self, session_id: &str) -> Shown {
        Self::form(
            &self
                .call("respond_to_prompt", json!({"session_id": session_id}), json!({}))
                .await,
        )
    }

    /// Gives a form back with `response`.
    async fn back(&self, tool: &str, session_id: &str, state: &str, response: Value) -> Called {
        let arguments = match tool {
            "send_message" => json!({"session_id": session_id, "message": "use pnpm"}),
            _ => json!({"session_id": session_id, "wait_seconds": 20}),
        };
        let further = json!({"requestState": state, "inputResponses": {"answer": response}});
        called(&self.call(tool, arguments, further).await)
    }

    async fn chooses(&self, session_id: &str, form: &Shown, choice: &str) -> Called {
        self.back("respond_to_prompt", session_id, &form.state, takes(choice))
            .await
    }
}

fn takes(choice: &str) -> Value {
    json!({"action": "accept", "content": {"choice": choice}})
}

/// The keys that a form offers.
fn offered(form: &Shown) -> Vec<&str> {
    let choices = form.schema["properties"]["choice"]["oneOf"].as_array().unwrap();
    choices.iter().map(|choice| choice["const"].as_str().unwrap()).collect()
}

/// What was typed into the sessions of `one`.
async fn typed(berth: &Berth) -> String {
    berth.call("typed", json!({})).await.done().text
}

/// A session of the demo agent that asks whether `git push` may run, which has two choices that widen.
async fn asking(demo: &Demo) -> String {
    let id = demo.create("app").await;
    demo.send(&id, "run git push").await.done();
    demo.until_state(&id, "waiting").await;
    id
}

async fn prompt_id(demo: &Demo, id: &str) -> String {
    let status = demo.call("get_session_status", json!({"session_id": id})).await.done();
    let prompt = &status.structured["session"]["prompts"][0]["prompt_id"];
    prompt.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_person_reads_the_whole_question_in_a_form_and_what_they_choose_is_pressed() {
    let demo = Demo::start().await;
    let id = asking(&demo).await;
    let client = Client::of(&demo.berth);
    // What the model would answer counts for nothing.
    let arguments = json!({"session_id": id, "response": "no"});
    let form = Client::form(&client.call("respond_to_prompt", arguments, json!({})).await);
    for part in [
        &*id,
        "permission",
        "git push",
        "allows this one request",
        "declines",
        "To decline or close this form answers nothing",
    ] {
        assert!(form.message.contains(part), "{part}: {}", form.message);
    }
    assert!(
        form.message.contains("allows more than this one request"),
        "{}",
        form.message
    );
    assert!(form.message.contains(&format!("berth answer {id}")), "{}", form.message);
    // Two widen, and are not left to clients.
    assert_eq!(offered(&form), ["1", "4", "(dismiss)"]);
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());

    let told = client.chooses(&id, &form, "1").await.done();
    assert_eq!(told.structured["receipt"], "confirmed", "{told:?}");
    assert_eq!(demo.record("app", "answer"), ["git push=Yes"]);
    let outcomes = demo
        .place
        .run(&["audit", "--tool", "respond_to_prompt", "--json"])
        .await
        .stdout;
    let outcomes: Vec<Value> = outcomes
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let outcomes: Vec<&str> = outcomes.iter().filter_map(|entry| entry["outcome"].as_str()).collect();
    assert!(outcomes.contains(&"asked") && outcomes.contains(&"ok"), "{outcomes:?}");
}

#[tokio::test]
async fn a_form_counts_once_also_for_two_at_once() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let form = client.shown(ASKS).await;
    let both = tokio::join!(client.chooses(ASKS, &form, "1"), client.chooses(ASKS, &form, "1"));
    assert_eq!(
        [both.0.failed, both.1.failed].iter().filter(|failed| **failed).count(),
        1,
        "{both:?}"
    );
    assert_eq!(typed(&berth).await.lines().count(), 1);
    // The same question stands again.
    for choice in ["1", "2"] {
        let why = client.chooses(ASKS, &form, choice).await.error();
        assert!(
            why.contains("counts once") && why.contains("Nothing was typed"),
            "{why}"
        );
    }
    assert_eq!(typed(&berth).await.lines().count(), 1);
    let next = client.shown(ASKS).await;
    client.chooses(ASKS, &next, "2").await.done();
    assert_eq!(typed(&berth).await.lines().count(), 2);
}

#[tokio::test]
async fn a_form_that_was_given_before_a_restart_counts_after_it_and_one_that_was_spent_does_not() {
    let place = Place::new(TWO);
    let mut berth = Berth::serve(&place).await;
    let (spent, open) = (
        Client::of(&berth).shown(ASKS).await,
        Client::of(&berth).shown(ASKS).await,
    );
    Client::of(&berth).chooses(ASKS, &spent, "2").await.done();
    berth.terminate().await;
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    assert!(client.chooses(ASKS, &spent, "1").await.error().contains("counts once"));
    client.chooses(ASKS, &open, "1").await.done();
    assert_eq!(typed(&berth).await.lines().count(), 2);
}

#[tokio::test]
async fn an_altered_form_counts_for_nothing() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let state = client.shown(ASKS).await.state;
    let at = |at: usize| {
        let other = if state.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &state[..at], &state[at + 1..])
    };
    let mut altered: Vec<String> = (0..state.len() - 1).step_by(5).map(at).collect();
    altered.extend([
        String::new(),
        "x".into(),
        state[..state.len() / 2].into(),
        format!("{state}{state}"),
    ]);
    for other in altered {
        let why = client.back("respond_to_prompt", ASKS, &other, takes("1")).await.error();
        assert!(why.contains("not one of berth's"), "{other}: {why}");
    }
    assert_eq!(typed(&berth).await, "");
}

#[tokio::test]
async fn a_form_counts_only_for_its_caller_tool_and_session() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let state = client.shown(ASKS).await.state;
    let ran = place
        .run(&["tokens", "create", "other", "--scope", "sessions:control"])
        .await;
    assert!(ran.success, "{}", ran.stderr);
    let other = Client {
        token: ran.stdout.trim().to_owned(),
        ..Client::of(&berth)
    };
    for (client, tool, session, why) in [
        (&other, "respond_to_prompt", ASKS, "another caller"),
        (&client, "send_message", ASKS, "another tool"),
        (&client, "respond_to_prompt", "two/asks-1", "another session"),
        (&client, "respond_to_prompt", "one/calm-1", "another session"),
    ] {
        let refused = client.back(tool, session, &state, takes("1")).await.error();
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(typed(&berth).await, "");
    let form = other.shown(ASKS).await;
    other.chooses(ASKS, &form, "2").await.done();
}

#[tokio::test]
async fn closing_a_form_is_no_answer_and_spends_it() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    for response in [
        json!({"action": "cancel"}),
        json!({"action": "decline"}),
        json!({"action": "accept", "content": {}}),
        json!({"action": "decline", "content": {"choice": "1"}}),
        Value::Null,
    ] {
        let form = client.shown(ASKS).await;
        let why = client
            .back("respond_to_prompt", ASKS, &form.state, response.clone())
            .await
            .error();
        assert!(
            why.contains("closed the form") && why.contains("still asks"),
            "{response}: {why}"
        );
        assert!(client.chooses(ASKS, &form, "1").await.error().contains("counts once"));
    }
    assert_eq!(typed(&berth).await, "");
}

#[tokio::test]
async fn what_a_form_did_not_offer_cannot_be_taken_by_it() {
    let demo = Demo::start().await;
    let id = asking(&demo).await;
    let client = Client::of(&demo.berth);
    let form = client.shown(&id).await;
    for choice in ["2", "3", "9", "yes, and switch to auto mode"] {
        let refused = client.chooses(&id, &form, choice).await.error();
        assert!(refused.contains("Nothing was typed"), "{choice}: {refused}");
    }
    let several = json!({"action": "accept", "content": {"choice": ["1", "2"]}});
    client
        .back("respond_to_prompt", &id, &form.state, several)
        .await
        .error();
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
    // A mistake does not spend it.
    client.chooses(&id, &form, "4").await.done();
    assert_eq!(demo.record("app", "answer"), ["git push=No"]);
}

#[tokio::test]
async fn a_form_does_not_answer_the_next_question_even_if_it_is_equal() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.send(&id, "twice rm -rf build").await.done();
    let client = Client::of(&demo.berth);
    let form = client.shown(&id).await;
    let first = prompt_id(&demo, &id).await;
    demo.tmux.press(&id, &["Enter"]);
    until("the next question", async || {
        (prompt_id(&demo, &id).await != first).then_some(())
    })
    .await;
    let refused = client.chooses(&id, &form, "1").await.error();
    assert!(refused.contains("not open any more"), "{refused}");
    assert_eq!(demo.record("app", "answer").len(), 1);
}

#[tokio::test]
async fn a_question_of_trust_can_only_be_declined_in_a_form() {
    let demo = Demo::with(|config, _| {
        let command = config["agents"]["demo"]["command"].as_array_mut().unwrap();
        command.push("--ask-trust".into());
    })
    .await;
    demo.project("app");
    let created = demo.call("create_session", json!({"project": "app"})).await.done();
    let id = created.structured["session"]["session_id"].as_str().unwrap().to_owned();
    demo.until_state(&id, "waiting").await;
    let client = Client::of(&demo.berth);
    let form = client.shown(&id).await;
    let prompts = demo.call("check_prompts", json!({})).await.done().structured;
    let choices = prompts["prompts"][0]["choices"].as_array().unwrap();
    let effect = |key: &str| {
        let choice = choices.iter().find(|choice| choice["key"] == key);
        choice.is_none_or(|choice| choice["effect"] == "declines")
    };
    assert!(offered(&form).into_iter().all(effect), "{:?} {prompts}", form.schema);
    let accepting = choices.iter().find(|choice| choice["effect"] != "declines").unwrap();
    client
        .chooses(&id, &form, accepting["key"].as_str().unwrap())
        .await
        .error();
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
}

#[tokio::test]
async fn where_a_person_must_answer_only_a_form_or_the_terminal_does() {
    let demo = Demo::with(|config, _| {
        config["prompts"]["confirm"] = "person".into();
    })
    .await;
    let id = asking(&demo).await;
    let prompt = prompt_id(&demo, &id).await;
    for response in ["yes", "no", "1", "dismiss"] {
        let arguments = json!({"session_id": id, "response": response, "prompt_id": prompt});
        let refused = demo.call("respond_to_prompt", arguments.clone()).await.error();
        assert!(
            refused.contains(&format!("berth answer {id} --prompt {prompt}")),
            "{refused}"
        );
        let ran = demo
            .place
            .run(&["call", "respond_to_prompt", &arguments.to_string()])
            .await;
        assert!(!ran.success && ran.stderr.contains("berth answer"), "{}", ran.stderr);
    }
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
    let client = Client::of(&demo.berth);
    let form = client.shown(&id).await;
    client.chooses(&id, &form, "4").await.done();
    assert_eq!(demo.record("app", "answer"), ["git push=No"]);

    demo.send(&id, "run git push").await.done();
    let prompt = prompt_id(&demo, &id).await;
    let ran = demo.place.run(&["answer", &id, "yes", "--prompt", &prompt]).await;
    assert!(ran.success, "{}", ran.stderr);
    assert_eq!(demo.record("app", "answer").last().unwrap(), "git push=Yes");
}

#[tokio::test]
async fn where_nobody_asks_a_client_answers_without_a_form() {
    let demo = Demo::with(|config, _| {
        config["prompts"]["confirm"] = "none".into();
    })
    .await;
    let id = asking(&demo).await;
    let prompt = prompt_id(&demo, &id).await;
    let client = Client::of(&demo.berth);
    let arguments = json!({"session_id": id, "response": "yes", "prompt_id": prompt, "wait_seconds": 20});
    called(&client.call("respond_to_prompt", arguments, json!({})).await).done();
    assert_eq!(demo.record("app", "answer"), ["git push=Yes"]);
}

#[tokio::test]
async fn what_widens_is_left_to_the_person_at_the_terminal_unless_the_operator_allows_it() {
    let demo = Demo::start().await;
    let id = asking(&demo).await;
    let prompt = prompt_id(&demo, &id).await;
    for response in ["2", "3", "Yes, and switch to auto mode"] {
        let arguments = json!({"session_id": id, "response": response, "prompt_id": prompt});
        let refused = demo.call("respond_to_prompt", arguments).await.error();
        assert!(
            refused.contains("remote_effects") && refused.contains("berth answer"),
            "{refused}"
        );
    }
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
    let ran = demo.place.run(&["answer", &id, "2", "--prompt", &prompt]).await;
    assert!(ran.success, "{}", ran.stderr);
    assert_eq!(
        demo.record("app", "answer"),
        ["git push=Yes, and do not ask again for git"]
    );

    let demo = Demo::with(|config, _| {
        config["prompts"]["remote_effects"] = vec!["widens"].into();
    })
    .await;
    let id = asking(&demo).await;
    let form = Client::of(&demo.berth).shown(&id).await;
    assert_eq!(offered(&form), ["2", "3"]);
    let prompt = prompt_id(&demo, &id).await;
    for response in ["yes", "no", "dismiss"] {
        let arguments = json!({"session_id": id, "response": response, "prompt_id": prompt});
        assert!(
            demo.call("respond_to_prompt", arguments)
                .await
                .error()
                .contains("remote_effects")
        );
    }
    let arguments = json!({"session_id": id, "response": "3", "prompt_id": prompt, "wait_seconds": 20});
    demo.call("respond_to_prompt", arguments).await.done();
    assert_eq!(demo.record("app", "answer"), ["git push=Yes, and switch to auto mode"]);
}

#[tokio::test]
async fn a_message_that_meets_a_question_shows_it_and_is_not_sent_by_its_answer() {
    let demo = Demo::start().await;
    let id = asking(&demo).await;
    let client = Client::of(&demo.berth);
    let sent = json!({"session_id": id, "message": "use pnpm"});
    let form = Client::form(&client.call("send_message", sent.clone(), json!({})).await);
    assert!(
        form.message.contains("git push") && form.message.contains("not sent"),
        "{}",
        form.message
    );
    let told = client.back("send_message", &id, &form.state, takes("4")).await.done();
    assert!(
        told.text.contains("was not sent") && told.text.contains("Send it again"),
        "{}",
        told.text
    );
    assert_eq!(demo.record("app", "answer"), ["git push=No"]);
    assert_eq!(demo.record("app", "message"), ["run git push"]);
    let again = client.back("send_message", &id, &form.state, takes("1")).await.error();
    assert!(again.contains("already answered, with “No”"), "{again}");
    demo.until_state(&id, "idle").await;
    called(&client.call("send_message", sent, json!({})).await).done();
    assert_eq!(demo.record("app", "message"), ["run git push", "use pnpm"]);
}

#[tokio::test]
async fn an_option_that_lets_the_agent_do_more_is_not_set_by_a_client() {
    let set = json!({"session_id": "one/calm-1", "options": {"mode": "auto"}});
    let settings = |further: &str| {
        format!(
            "[backends.one]\nplugin = \"./misbehaving.wasm\"\nagents = [\"none\"]\n\
             settings = {{ describe = \"creates\", options = \"usual\" }}\n\
             [agents.none]\ncommand = [\"env\", \"true\"]\n\
             [agents.none.widens_unless]\nMode = [\"plan\"]\npermission_mode = [\"plan\"]\nbold = []\n{further}"
        )
    };
    let place = Place::new(&settings(""));
    let berth = Berth::serve(&place).await;
    for options in [
        json!({"permission_mode": "acceptEdits"}),
        json!({"model": "x", "permission_mode": "default"}),
        json!({"permission_mode": "plan ", "model": "x"}),
        json!({"permission-mode": "plan"}),
        json!({"mode": "auto"}),
        json!({"bold": "true"}),
    ] {
        let refused = berth.call("create_session", json!({"options": options})).await.error();
        assert!(
            refused.contains("remote_effects") && refused.contains("nothing was done"),
            "{options}: {refused}"
        );
        let set = json!({"session_id": "one/calm-1", "options": options});
        let refused = berth.call("set_session", set).await.error();
        assert!(refused.contains("remote_effects"), "{options}: {refused}");
    }
    assert_eq!(place.kept("one", "created"), None);
    assert_eq!(place.kept("one", "options"), None);
    for options in [json!({"permission_mode": "plan"}), json!({"model": "x"})] {
        berth.call("create_session", json!({"options": options})).await.done();
        let set = json!({"session_id": "one/calm-1", "options": options});
        berth.call("set_session", set).await.done();
    }

    let place = Place::new(&settings("[prompts]\nremote_effects = [\"widens\"]\n"));
    let berth = Berth::serve(&place).await;
    berth
        .call("create_session", json!({"options": {"mode": "auto"}}))
        .await
        .done();
    berth.call("set_session", set).await.done();
}

#[tokio::test]
async fn a_client_on_stdio_is_not_the_person_whatever_it_says() {
    let demo = Demo::start().await;
    let id = asking(&demo).await;
    let prompt = prompt_id(&demo, &id).await;
    let call =
        json!({"name": "respond_to_prompt", "arguments": {"session_id": id, "response": "2", "prompt_id": prompt}});
    for before in [true, false] {
        let mut client = protocol::Client::start(&demo.place);
        if before {
            client.tell(json!({"berth": "person"})).await;
        }
        let mut lines = vec![
            json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"},
            }}),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            json!({"berth": "person"}),
            json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}),
        ];
        for line in lines.drain(..) {
            client.tell(line).await;
        }
        let mut told = Vec::new();
        while let Ok(Ok(Some(line))) = timeout(PATIENCE, client.from.next_line()).await {
            let is_last = line.contains("\"id\":2") || (before && line.contains("\"error\""));
            told.push(line);
            if is_last {
                break;
            }
        }
        assert!(!told.iter().any(|line| line.contains("confirmed")), "{told:?}");
        assert!(
            before || told.iter().any(|line| line.contains("remote_effects")),
            "{told:?}"
        );
    }
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
}

#[tokio::test]
async fn what_runs_in_a_session_is_never_the_person() {
    let inside = Inside::with("sessions_may_control = true", &[], |_| {}).await;
    let demo = &inside.demo;
    let id = asking(demo).await;
    let prompt = prompt_id(demo, &id).await;
    let berth = env!("CARGO_BIN_EXE_berth");
    let config = demo.place.name("config.toml");
    let said = inside
        .run(&format!("{berth} answer {id} 2 --prompt {prompt} --config {config}"))
        .await;
    assert!(said.contains("remote_effects"), "{said}");
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
}

#[tokio::test]
async fn a_client_without_forms_is_told_to_ask_its_person_each_time() {
    let marked = async |berth: &Berth, capabilities: Value| {
        let listed = Client::of(berth).ask("tools/list", None, json!({}), capabilities).await;
        let tools = listed["result"]["tools"].as_array().unwrap().clone();
        let marked = tools
            .iter()
            .filter(|tool| tool["_meta"]["anthropic/requiresUserInteraction"] == true);
        let names = marked.map(|tool| tool["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let alias = "[tools.alias.say]\ntool = \"respond_to_prompt\"\narguments = { session_id = \"one/asks-1\" }\n";
    for (confirm, names) in [
        ("client", vec!["respond_to_prompt", "say"]),
        ("person", vec![]),
        ("none", vec![]),
    ] {
        let place = Place::new(&format!("{TWO}\n{alias}\n[prompts]\nconfirm = \"{confirm}\"\n"));
        let berth = Berth::serve(&place).await;
        assert_eq!(marked(&berth, json!({})).await, names, "{confirm}");
        let forms = json!({"elicitation": {}});
        assert_eq!(marked(&berth, forms).await, Vec::<String>::new(), "{confirm}");
    }
}

#[tokio::test]
async fn a_reload_changes_who_approves() {
    let place = Place::new(TWO);
    let berth = Berth::serve(&place).await;
    let client = Client::of(&berth);
    let form = client.shown(ASKS).await;
    place.configure(
        &format!("{TWO}\n[prompts]\nconfirm = \"person\"\nremote_effects = [\"declines\"]\n"),
        "",
    );
    let ran = place.run(&["reload"]).await;
    assert!(
        ran.success && ran.stdout.contains("prompts"),
        "{}{}",
        ran.stdout,
        ran.stderr
    );
    // The form shows more than counts now.
    let refused = client.chooses(ASKS, &form, "1").await.error();
    assert!(refused.contains("another one now"), "{refused}");
    assert_eq!(offered(&client.shown(ASKS).await), ["2", "(dismiss)"]);
    let arguments = json!({"session_id": ASKS, "response": "no", "prompt_id": "prompt-1"});
    assert!(
        berth
            .call("respond_to_prompt", arguments)
            .await
            .error()
            .contains("a person answers")
    );
    assert_eq!(typed(&berth).await, "");
}

#[test]
fn every_effect_of_the_contract_has_a_name_in_the_configuration() {
    for (name, effect) in [
        ("accepts", Effect::Accepts),
        ("widens", Effect::Widens),
        ("declines", Effect::Declines),
        ("neutral", Effect::Neutral),
    ] {
        assert_eq!(serde_json::from_value::<Effect>(json!(name)).unwrap(), effect);
    }
}
