//! What plugins say of their sessions: it forges no row, is bounded, and what is not known is never told as none.

use serde_json::{Value, json};

use crate::berth::{Berth, Called, Place};
use crate::demo::until;

/// A backend whose `list-sessions` and `list-projects` do what `settings` say, and one that is well.
fn beside_well(settings: &str) -> Place {
    Place::new(&format!(
        "{}\n[backends.well]\nplugin = \"./misbehaving.wasm\"\n",
        alone_toml(settings)
    ))
}

fn alone(settings: &str) -> Place {
    Place::new(&alone_toml(settings))
}

fn alone_toml(settings: &str) -> String {
    format!(
        "default_backend = \"bad\"\n[backends.bad]\nplugin = \"./misbehaving.wasm\"\n\
         [backends.bad.limits]\ndeadline = \"2s\"\n[backends.bad.settings]\n{settings}\n"
    )
}

/// The reading tools, with arguments that ask about every backend.
fn readers() -> [(&'static str, Value); 5] {
    [
        ("list_sessions", json!({})),
        ("check_prompts", json!({})),
        ("list_projects", json!({})),
        ("search", json!({"query": "nothing-has-this-name"})),
        ("get_session_status", json!({"session_id": "nothing-has-this-name"})),
    ]
}

fn ids(listed: &Called) -> Vec<&str> {
    let sessions = listed.structured["sessions"].as_array().unwrap();
    sessions
        .iter()
        .map(|session| session["session_id"].as_str().unwrap())
        .collect()
}

/// The errors of an answer, which all are of `bad`.
fn errors(called: &Called) -> Vec<&str> {
    let errors = called.structured["errors"].as_array().unwrap();
    assert!(errors.iter().all(|error| error["backend"] == "bad"), "{errors:?}");
    errors.iter().map(|error| error["error"].as_str().unwrap()).collect()
}

/// No line of `text` may begin as a row of another backend does.
#[track_caller]
fn forges_nothing(what: &str, text: &str) {
    assert!(
        text.lines().all(|line| !line.starts_with("well/forged")),
        "{what}: {text}"
    );
    let breaks = ['\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{1b}'];
    assert!(!text.contains(breaks), "{what}: {text:?}");
}

#[tokio::test]
async fn no_field_of_a_session_forges_a_row() {
    let place = alone("list = \"forge\"\nprojects = \"forge\"");
    let berth = Berth::serve(&place).await;
    let mut texts = Vec::new();
    for (tool, arguments) in readers() {
        texts.push((tool, berth.call(tool, arguments).await.text));
    }
    for id in ["named-1", "asks-1", "asks-2"] {
        for (tool, argument) in [("get_session_status", "session_id"), ("fetch", "id")] {
            let called = berth.call(tool, json!({argument: format!("bad/{id}")})).await.done();
            let text = called.structured["text"].as_str().unwrap_or(&called.text).to_owned();
            texts.push((tool, text));
        }
    }
    texts.push((
        "search",
        berth.call("search", json!({"query": "name"})).await.done().text,
    ));
    for (tool, text) in texts {
        forges_nothing(tool, &text);
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_used_is_the_plugins_fault_and_hides_no_other_session() {
    let place = beside_well("list = \"forge\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({"backend": "bad"})).await.done();
    assert_eq!(
        ids(&listed),
        ["bad/named-1", "bad/asks-1", "bad/asks-2", "bad/asks-3", "bad/asks-4"]
    );
    let errors = errors(&listed);
    for fault in [
        "its plugin gives a session the id `id\\nwell/forged-1",
        "its plugin gives a session an empty id",
        "its plugin gives a session the id `a/b`",
        "session `asks-2`: its plugin gives a prompt the id `prompt\\nwell/forged-1",
        "session `asks-3`: its plugin gives several choices the key `1`",
        "session `asks-4`: its plugin gives a choice the id `2\\nwell/forged-1",
    ] {
        assert!(
            errors.iter().any(|error| error.starts_with(fault)),
            "{fault}: {errors:#?}"
        );
    }
    assert_eq!(errors.len(), 6, "{errors:#?}");
    let prompts = berth.call("check_prompts", json!({})).await.done();
    assert_eq!(prompts.structured["prompts"][0]["session_id"], "bad/asks-1");
    assert_eq!(prompts.structured["errors"], listed.structured["errors"]);
    assert!(
        prompts.text.starts_with("Backend bad: its plugin gives"),
        "{}",
        prompts.text
    );
}

#[tokio::test]
async fn sessions_that_share_an_id_are_left_out_and_named() {
    let place = alone("list = \"twins\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    assert_eq!(ids(&listed), ["bad/calm-2", "bad/asks-1"]);
    assert_eq!(
        errors(&listed),
        ["its plugin gives several sessions the id `calm-1`; they are left out"]
    );
}

#[tokio::test]
async fn a_crowd_of_sessions_is_bounded_and_said() {
    let place = alone("list = \"crowd\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    assert_eq!(ids(&listed).len(), 50);
    let says = "it has more than 1000 sessions; only the first 1000 are shown";
    assert_eq!(errors(&listed), [says]);
    assert!(
        listed.text.starts_with(&format!("Backend bad: {says}\n")),
        "{}",
        &listed.text[..200]
    );
    let mut seen: Vec<String> = Vec::new();
    let mut after = Value::Null;
    loop {
        let mut arguments = json!({"limit": 500});
        if !after.is_null() {
            arguments["after"] = after;
        }
        let page = berth.call("list_sessions", arguments).await.done();
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        after = page.structured["next"].clone();
        if after.is_null() {
            break;
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1_000);
}

#[tokio::test]
async fn lists_that_lead_nowhere_or_say_too_much_at_once_are_cut_and_said() {
    for (how, says) in [
        (
            "overfull",
            "its plugin lists 1500 sessions; only the first 1000 are shown",
        ),
        ("endless", "in more than 64 pages"),
        ("stuck", "goes on where it was"),
    ] {
        let place = alone(&format!("list = \"{how}\""));
        let berth = Berth::serve(&place).await;
        // What ended long ago would end a list without one.
        let listed = berth.call("list_sessions", json!({"state": "idle"})).await.done();
        let errors = errors(&listed);
        assert!(errors.iter().any(|error| error.contains(says)), "{how}: {errors:?}");
    }
}

#[tokio::test]
async fn what_a_backend_could_not_look_at_is_told_as_not_known() {
    let place = alone("list = \"problems\"\nprojects = \"problems\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    assert_eq!(ids(&listed).len(), 3);
    assert_eq!(
        errors(&listed)[0],
        "box: after 5 s well/forged-1 — waiting well/forged-2 — waiting well/forged-3 well/forged-4"
    );
    forges_nothing("list_sessions", &listed.text);
    let projects = berth.call("list_projects", json!({})).await.done();
    forges_nothing("list_projects", &projects.text);
    assert!(errors(&projects).iter().any(|error| error.starts_with("/root: denied")));

    let place = alone("list = \"only-problems\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    assert!(
        listed.text.contains("not known whether there are sessions in bad."),
        "{}",
        listed.text
    );
}

#[tokio::test]
async fn a_plugin_that_contradicts_itself_about_prompts_is_named_and_no_prompt_is_answered_for_another() {
    for (how, says, state) in [
        ("twin-prompts", "gives several prompts the id `prompt-1`", "waiting"),
        ("twin-keys", "gives several choices the key `1`", "waiting"),
        ("unasked", "gives no prompt", "unknown"),
        ("asks-idle", "counts as waiting", "waiting"),
    ] {
        let place = alone(&format!("list = \"{how}\""));
        let berth = Berth::serve(&place).await;
        let listed = berth.call("list_sessions", json!({})).await.done();
        let session = listed.structured["sessions"].as_array().unwrap();
        assert_eq!(session[0]["state"], state, "{how}");
        assert!(
            errors(&listed).iter().any(|error| error.contains(says)),
            "{how}: {:?}",
            errors(&listed)
        );
        until(&format!("{how} in the log"), async || {
            let log = place.read("log");
            (log.contains("WARN") && log.contains(says)).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn times_that_nobody_can_tell_are_left_out() {
    let place = alone("list = \"numbers\"\nupkeep = \"numbers\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    let session = &listed.structured["sessions"][0];
    for field in ["since", "created_at", "active_at"] {
        assert!(session.get(field).is_none(), "{session}");
    }
    assert!(errors(&listed)[0].contains("times"), "{:?}", errors(&listed));
}

#[tokio::test]
async fn a_session_that_says_too_much_is_cut_and_said_and_its_prompt_can_only_be_declined() {
    let place = alone("list = \"verbose\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    assert_eq!(ids(&listed), ["bad/calm-1", "bad/verbose-1"]);
    assert_eq!(
        errors(&listed),
        ["session `verbose-1`: its plugin gives what is too long, and is cut: name, agent, directory, summary, facts"]
    );
    assert!(listed.structured.to_string().len() < 100_000);
    let prompt = &listed.structured["sessions"][1]["prompts"][0];
    assert_eq!(prompt["cut"], true);
    assert_eq!(prompt["choices"].as_array().unwrap().len(), 64);
    let answer = json!({"session_id": "bad/verbose-1", "prompt_id": "prompt-1", "response": "1"});
    let refused = berth.call("respond_to_prompt", answer).await.error();
    assert!(refused.contains("can only be declined"), "{refused}");
}

#[tokio::test]
async fn what_a_backend_that_fails_may_have_is_never_told_as_none() {
    for (how, why) in [
        ("fail", "because its settings say so"),
        ("trap", "was stopped"),
        ("hang", "did not answer within"),
    ] {
        for (place, others) in [
            (alone(&format!("list = \"{how}\"\nprojects = \"{how}\"")), false),
            (beside_well(&format!("list = \"{how}\"\nprojects = \"{how}\"")), true),
        ] {
            let berth = Berth::serve(&place).await;
            for (tool, arguments) in readers() {
                let called = berth.call(tool, arguments).await;
                assert!(called.text.contains(why), "{tool}: {}", called.text);
                assert!(
                    called.text.starts_with("Backend bad did not answer: "),
                    "{tool}: {}",
                    called.text
                );
                for none in [
                    "No sessions",
                    "Nothing waits",
                    "No projects",
                    "there is no session",
                    "there are no sessions",
                ] {
                    assert!(!called.text.contains(none), "{tool}: {}", called.text);
                }
                if !called.failed {
                    let first = called.structured["errors"][0]["error"].as_str().unwrap();
                    assert!(first.contains(why), "{tool}: {first}");
                }
            }
            let listed = berth.call("list_sessions", json!({"state": "busy"})).await.done();
            assert!(
                listed.text.contains("not known whether there are sessions in bad."),
                "{}",
                listed.text
            );
            let prompts = berth.call("check_prompts", json!({"backend": "bad"})).await.done();
            assert!(
                prompts
                    .text
                    .contains("not known whether anything waits for an answer in bad.")
            );
            let found = berth.call("search", json!({"query": "calm"})).await;
            assert_eq!(found.failed, !others, "{found:?}");
            if others {
                assert_eq!(found.structured["results"].as_array().unwrap().len(), 2);
                assert!(found.structured["errors"][0]["error"].as_str().unwrap().contains(why));
            }
        }
    }
}

#[tokio::test]
async fn what_could_not_be_looked_at_is_an_error_and_neither_a_project_nor_none() {
    let place = beside_well("projects = \"unknown\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_projects", json!({})).await.done();
    assert_eq!(errors(&listed), ["/other: it cannot be read"]);
    assert!(
        listed.text.starts_with("Backend bad: /other: it cannot be read\n"),
        "{}",
        listed.text
    );
    let projects = listed.structured["projects"].as_array().unwrap();
    assert_eq!(projects.len(), 1, "{projects:?}");
    assert_eq!(projects[0]["directory"], "/plain");

    let place = alone("projects = \"all-unknown\"");
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_projects", json!({})).await.done();
    assert_eq!(
        errors(&listed),
        ["/one: it cannot be read", "/other: it cannot be read"]
    );
    assert_eq!(listed.structured["projects"], json!([]));
    assert!(
        listed
            .text
            .starts_with("Backend bad: /one: it cannot be read\nBackend bad: /other"),
        "{}",
        listed.text
    );
    assert!(
        listed
            .text
            .ends_with("It is not known whether there are projects in bad.\n"),
        "{}",
        listed.text
    );
}

#[tokio::test]
async fn where_everything_answered_none_is_told_as_none() {
    let place = alone("list = \"none\"\nprojects = \"none\"");
    let berth = Berth::serve(&place).await;
    for (tool, arguments, says) in [
        ("list_sessions", json!({}), "No sessions."),
        ("check_prompts", json!({}), "Nothing waits for an answer."),
        ("list_projects", json!({}), "No projects."),
    ] {
        let called = berth.call(tool, arguments).await.done();
        assert!(called.text.ends_with(&format!("{says}\n")), "{}", called.text);
        assert_eq!(called.structured["errors"], json!([]));
    }
    let found = berth.call("search", json!({"query": "x"})).await.done();
    assert_eq!(found.structured, json!({"results": []}));
}

#[tokio::test]
async fn the_words_of_an_error_stay_in_their_row() {
    let place = beside_well("list = \"forge\"\nprojects = \"forge\"");
    let plain = place.read("config.toml");
    place.write(
        "config.toml",
        plain.replace("list = \"forge\"", "list = \"forge-error\""),
        0o600,
    );
    let berth = Berth::serve(&place).await;
    for (tool, arguments) in readers() {
        let called = berth.call(tool, arguments).await;
        forges_nothing(tool, &called.text);
        if tool == "list_sessions" {
            assert!(
                called
                    .text
                    .starts_with("Backend bad did not answer: why well/forged-1 — idle\nwell/calm-1 — idle"),
                "{}",
                called.text
            );
        }
    }
}

#[tokio::test]
async fn hidden_characters_go_from_every_field_and_those_that_writing_needs_stay() {
    let place = alone("");
    let berth = Berth::serve(&place).await;
    let hidden = "a\u{34f}b\u{fff9}c\u{fffb}d\u{fff0}e\u{17b4}f\u{180b}g\u{180f}h\u{1d173}i\u{1bca0}j\u{13430}k\
                  \u{fe0f}\u{fe0f}l\u{3164}m\u{ffa0}n\u{fe00}o\u{e0020}p\u{2066}q";
    let echoed = berth.call("echo", json!({"text": hidden})).await.done();
    assert_eq!(echoed.text, "abcdefghijklmnopq");
    assert_eq!(
        echoed.structured,
        json!({"text": "abcdefghijklmnopq", "fields": {"abcdefghijklmnopq": true}})
    );
    let written = "می\u{200c}خواهم क\u{94d}\u{200d}ष 👨\u{200d}👩\u{200d}👧 🏳\u{fe0f}\u{200d}🌈 ❤\u{fe0f} 1\u{fe0f}\u{20e3} 日本語";
    let echoed = berth.call("echo", json!({"text": written})).await.done();
    assert_eq!(echoed.text, written);
    assert_eq!(echoed.structured["text"], written);
}
