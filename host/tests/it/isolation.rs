//! Plugins that misbehave: each misdeed ends with an error that names why, and everybody else goes on.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::berth::{Berth, Called, Place};
use crate::members::refusals;

/// A backend that misbehaves beside one that does not.
const BAD_AND_WELL: &str = r#"
default_backend = "bad"

[backends.bad]
plugin = "./misbehaving.wasm"
directories = ["projects"]
[backends.bad.limits]
memory = "32 MiB"
deadline = "1s"
[backends.bad.programs.sh]
control = [["-c", "@text"]]

[backends.well]
plugin = "./misbehaving.wasm"
"#;

/// Calls a misdeed of `bad`; meanwhile and afterwards `well` must answer.
async fn misdeed(berth: &Berth, tool: &str, arguments: Value) -> Called {
    let well = async {
        loop {
            well_answers(berth).await;
        }
    };
    let called = tokio::select! {
        called = berth.call(tool, arguments) => called,
        () = well => unreachable!("it answers for ever"),
    };
    well_answers(berth).await;
    called
}

async fn well_answers(berth: &Berth) {
    let began = Instant::now();
    let answer = berth.call("noop", json!({"backend": "well"})).await.done();
    assert_eq!(answer.text, "done");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "the other backend took {took:?}");
}

/// What a misdeed comes to in a place where nothing else happens.
async fn error_of(tool: &str, arguments: Value) -> String {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    let error = misdeed(&berth, tool, arguments).await.error();
    let again = berth.call("noop", json!({"backend": "bad"})).await.done();
    assert_eq!(
        again.text, "done",
        "the next call of the same backend is none the worse for it"
    );
    error
}

#[tokio::test]
async fn an_endless_loop_ends_with_its_deadline() {
    let error = error_of("endless_loop", json!({})).await;
    assert!(error.contains("backend `bad` did not answer within "), "{error}");
}

#[tokio::test]
async fn more_endless_loops_than_processors_leave_time_for_others() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    let loops = futures::future::join_all((0..8).map(|_| berth.call("endless_loop", json!({}))));
    let (loops, ()) = tokio::join!(loops, well_answers(&berth));
    for ended in loops {
        let error = ended.error();
        assert!(error.contains("did not answer within"), "{error}");
    }
}

#[tokio::test]
async fn an_endless_allocation_ends_at_the_limit() {
    let error = error_of("endless_allocation", json!({})).await;
    assert!(error.contains("the plugin of backend `bad` was stopped"), "{error}");
    assert!(
        error.contains("more memory than its limit of 33554432 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn a_trap_ends_its_own_call_only_and_its_last_words_are_told_without_frames() {
    let place = Place::new(BAD_AND_WELL);
    let mut berth = Berth::serve(&place).await;
    let error = misdeed(&berth, "trap", json!({})).await.error();
    assert!(error.contains("the plugin of backend `bad` was stopped"), "{error}");
    assert!(error.contains("unreachable"), "{error}");
    berth.terminate().await;
    let log = place.read("log");
    let records: Vec<&str> = log.lines().filter(|line| line.contains("a misdeed")).collect();
    assert!(records.len() == 1 && records[0].contains("WARN"), "{log}");
    for told in [&*error, &log] {
        assert!(told.contains("it said last: ") && told.contains("a misdeed"), "{told}");
        assert!(
            !told.contains("wasm backtrace") && !told.contains("<unknown>!"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_huge_answer_is_not_taken() {
    let error = error_of("huge_answer", json!({"bytes": 20 << 20})).await;
    assert!(
        error.contains("it handed over more than 16777216 bytes at once"),
        "{error}"
    );
}

#[tokio::test]
async fn a_huge_request_to_the_host_is_not_taken() {
    let command = json!({"program": "sh", "args": ["-c", "cat"]});
    let error = error_of("huge_request", json!({"bytes": 20 << 20, "command": command})).await;
    assert!(
        error.contains("it handed over more than 16777216 bytes at once"),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_that_is_broken_json_is_an_error() {
    let error = error_of("broken_json", json!({})).await;
    assert!(
        error.contains("`broken_json` of backend `bad` answered with broken JSON"),
        "{error}"
    );
}

#[tokio::test]
async fn data_is_bounded_by_what_it_becomes() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    for (tool, arguments, says) in [
        (
            "many_values",
            json!({"bytes": 300 << 10}),
            "bytes of data, and 262144 are taken",
        ),
        (
            "many_values",
            json!({"bytes": 200 << 10}),
            "answered with more than 32768 values",
        ),
        (
            "deep_values",
            json!({"depth": 100_000}),
            "answered with data that is more than 64 deep",
        ),
        (
            "deep_values",
            json!({"depth": 65}),
            "answered with data that is more than 64 deep",
        ),
    ] {
        let error = misdeed(&berth, tool, arguments).await.error();
        assert!(error.contains(says), "{error}");
    }
    let text = misdeed(&berth, "huge_answer", json!({"bytes": 5 << 20}))
        .await
        .done()
        .text;
    assert!(
        text.starts_with("[… 5182880 characters before this were left out]"),
        "{}",
        &text[..100]
    );
    assert!(text.len() < 61_000);
    let large = misdeed(&berth, "many_values", json!({"bytes": 60 << 10})).await.done();
    assert!(large.structured["values"].as_array().unwrap().len() > 20_000);
    let deep = misdeed(&berth, "deep_values", json!({"depth": 60})).await.done();
    assert!(deep.structured["deep"].is_array());
}

#[tokio::test]
async fn sixteen_answers_of_fifteen_megabytes_at_once_leave_berth_small_and_answering() {
    let place = Place::new("[backends.bad]\nplugin = \"./misbehaving.wasm\"\n");
    let berth = Berth::serve(&place).await;
    let calls = (0..16).map(|_| berth.call("many_values", json!({"bytes": 15 << 20})));
    let mut healths = 0;
    let health = async {
        loop {
            healths += 1;
            let healthy = berth.client.get(format!("{}/health", berth.base)).send().await.unwrap();
            assert!(healthy.status().is_success());
        }
    };
    let answers = tokio::select! {
        answers = futures::future::join_all(calls) => answers,
        () = health => unreachable!("it asks for ever"),
    };
    assert!(healths > 1, "it was asked for its health once only");
    for answer in answers {
        let error = answer.error();
        assert!(error.contains("262144 are taken"), "{error}");
    }
    #[cfg(target_os = "linux")]
    assert!(peak(&berth) < 300 << 10, "{} kB at its largest", peak(&berth));
}

/// What a backend answers 15 MB of, by its setting, and what asks for it.
const FLOODS: [(&str, &str, &str); 29] = [
    ("list", "flood-id", "list_sessions"),
    ("list", "flood-name", "list_sessions"),
    ("list", "flood-agent", "list_sessions"),
    ("list", "flood-directory", "list_sessions"),
    ("list", "flood-project", "list_sessions"),
    ("list", "flood-parent", "list_sessions"),
    ("list", "flood-summary", "list_sessions"),
    ("list", "flood-task", "list_sessions"),
    ("list", "flood-output", "list_sessions"),
    ("list", "flood-attention", "list_sessions"),
    ("list", "flood-queue", "list_sessions"),
    ("list", "flood-url", "list_sessions"),
    ("list", "flood-fact", "list_sessions"),
    ("list", "flood-facts", "list_sessions"),
    ("list", "flood-prompt", "check_prompts"),
    ("list", "flood-question", "check_prompts"),
    ("list", "flood-detail", "check_prompts"),
    ("list", "flood-key", "check_prompts"),
    ("list", "flood-label", "check_prompts"),
    ("list", "flood-description", "check_prompts"),
    ("list", "flood-choices", "check_prompts"),
    ("list", "flood-error", "list_sessions"),
    ("projects", "flood", "list_projects"),
    ("projects", "flood-error", "list_projects"),
    ("log", "flood", "get_logs"),
    ("log", "too-long", "get_logs"),
    ("log", "flood-next", "get_logs"),
    ("deed", "flood-error", "send_message"),
    ("deed", "flood-error", "interrupt_session"),
];

#[tokio::test]
async fn fifteen_megabytes_of_hostile_text_in_any_field_sixteen_at_once_leave_berth_small_and_answering() {
    let mut config = String::from("default_backend = \"own\"\n[backends.own]\nplugin = \"./misbehaving.wasm\"\n");
    config += "settings = { describe = \"flood\", tools = [\"flood\"] }\n";
    for (number, (setting, value, _)) in FLOODS.iter().enumerate() {
        config += &format!(
            "[backends.b{number}]\nplugin = \"./misbehaving.wasm\"\nlimits.calls = 4\n\
             settings = {{ {setting} = \"{value}\", tools = [] }}\n"
        );
    }
    let place = Place::new(&config);
    let berth = Berth::serve(&place).await;
    #[cfg(target_os = "linux")]
    let before = peak(&berth);
    let mut healths = 0;
    let healthy = async {
        loop {
            let health = berth.client.get(format!("{}/health", berth.base)).send().await.unwrap();
            assert!(health.status().is_success());
            healths += 1;
        }
    };
    let calls = async {
        for (number, (_, value, tool)) in FLOODS.iter().enumerate() {
            let arguments = match *tool {
                "list_sessions" | "check_prompts" | "list_projects" => json!({"backend": format!("b{number}")}),
                "send_message" => json!({"session_id": format!("b{number}/calm-1"), "message": "hello"}),
                _ => json!({"session_id": format!("b{number}/calm-1")}),
            };
            let asked = (0..16).map(|_| berth.call(tool, arguments.clone()));
            for answer in futures::future::join_all(asked).await {
                let size = answer.text.len() + answer.structured.to_string().len();
                assert!(size < 200_000, "{tool} {value}: {size}");
                assert!(!answer.text.contains('\u{200b}'), "{tool} {value}");
                let said = format!("{}{}", answer.text, answer.structured);
                let told = [
                    "too long",
                    "gives a",
                    "gives what is too long",
                    "…",
                    "not shown here",
                    "left out",
                    "bytes of log",
                    "cursor",
                ];
                assert!(told.iter().any(|told| said.contains(told)), "{tool} {value}: {said}");
            }
        }
        for how in ["text", "error", "program", "path", "print"] {
            let asked = (0..16).map(|_| berth.call("flood", json!({"as": how})));
            for answer in futures::future::join_all(asked).await {
                let size = answer.text.len() + answer.structured.to_string().len();
                assert!(size < 200_000 && !answer.text.contains('\u{200b}'), "{how}: {size}");
            }
        }
    };
    tokio::select! {
        () = calls => {}
        () = healthy => unreachable!("it asks for ever"),
    }
    assert!(healths > 1, "it was asked for its health once only");
    // Four large calls at once, each with all of its memory and an answer.
    #[cfg(target_os = "linux")]
    assert!(
        peak(&berth) - before < (4 * (64 + 16)) << 10,
        "{before} kB, then {} kB",
        peak(&berth)
    );
}

/// kB of memory that berth has had at most.
#[cfg(target_os = "linux")]
fn peak(berth: &Berth) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", berth.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_slow_host_call_ends_with_the_call_and_leaves_no_process() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    let life = place.life().await;
    let slow = json!({"program": "sh", "args": ["-c", "exec 9>life; echo lives >&9; sleep 60"],
        "directory": place.name("projects")});
    let error = misdeed(&berth, "run", json!({"commands": [slow]})).await;
    let text = format!("{}{}", error.text, error.structured);
    assert!(
        text.contains("did not answer within") || text.contains("did not end within"),
        "{text}"
    );
    assert_eq!(life.ended().await, "lives\n");
}

#[tokio::test]
async fn a_plugin_sees_no_environment_and_no_arguments() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    let seen = misdeed(&berth, "read_environment", json!({})).await.done();
    assert_eq!(seen.structured, json!({"variables": [], "arguments": []}));
}

#[tokio::test]
async fn a_plugin_opens_no_file_by_wasi() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    place.write("secret", "secret", 0o644);
    for path in [
        "/etc/passwd",
        "etc/passwd",
        "/",
        ".",
        &place.name("secret"),
        "/state",
        "/state/../../../secret",
        "/state/../well",
    ] {
        let opened = misdeed(&berth, "open_file", json!({"path": path})).await.done();
        assert!(opened.structured["error"].is_string(), "{path}: {opened:?}");
    }
}

#[tokio::test]
async fn a_plugin_remembers_what_it_put_into_its_store_and_no_other_backend_sees_it() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    let remember = |backend, text| berth.call("remember", json!({"backend": backend, "text": text}));
    assert_eq!(remember("bad", "one").await.done().text, "one\n");
    assert_eq!(remember("bad", "two").await.done().text, "one\ntwo\n");
    assert_eq!(remember("well", "three").await.done().text, "three\n");
    let keys = berth.call("list_state", json!({"backend": "bad"})).await.done();
    assert_eq!(keys.text, "1");
    let message = json!({"session_id": "well/calm-1", "message": "hello"});
    berth.call("send_message", message).await.done();
    let typed = |backend: &str| berth.call("typed", json!({"backend": backend}));
    assert_eq!(typed("well").await.done().text, "calm-1: hello\n");
    assert_eq!(typed("bad").await.done().text, "");
}

#[tokio::test]
async fn sixteen_calls_that_count_up_at_once_lose_no_step() {
    let place = Place::new("[backends.bad]\nplugin = \"./misbehaving.wasm\"\n");
    let berth = Berth::serve(&place).await;
    let count = || async { berth.call("store_count", json!({"key": "n", "times": 5})).await.done() };
    futures::future::join_all((0..16).map(|_| count())).await;
    let counted = berth.call("store_get", json!({"key": "n"})).await.done();
    assert_eq!(counted.structured["done"]["text"], "80");
}

#[tokio::test]
async fn a_store_is_bounded_and_says_by_which_limit_and_who_was_quicker() {
    let place = Place::new("[backends.bad]\nplugin = \"./misbehaving.wasm\"\n");
    let berth = Berth::serve(&place).await;
    let long = "k".repeat(257);
    for (key, bytes, says) in [
        ("", 1, "1 to 256 bytes"),
        (long.as_str(), 1, "1 to 256 bytes"),
        ("a", (1 << 20) + 1, "at most 1048576 bytes"),
    ] {
        let put = berth
            .call("store_put", json!({"key": key, "bytes": bytes}))
            .await
            .done();
        assert!(put.structured["invalid"].as_str().unwrap().contains(says), "{put:?}");
    }
    let first = berth
        .call("store_put", json!({"key": "a", "text": "1", "expect": 0}))
        .await
        .done();
    assert!(first.structured["done"].is_u64(), "{first:?}");
    let again = berth
        .call("store_put", json!({"key": "a", "text": "2", "expect": 0}))
        .await
        .done();
    assert!(
        again.structured["conflict"].as_str().unwrap().contains("changed since"),
        "{again:?}"
    );
    let filled = berth
        .call("store_fill", json!({"count": 70, "bytes": 1 << 20}))
        .await
        .done();
    assert_eq!(filled.structured["set"], 63);
    assert!(
        filled.structured["limited"].as_str().unwrap().contains("64 MiB"),
        "{filled:?}"
    );
}

#[tokio::test]
async fn what_a_plugin_kept_in_files_for_an_older_berth_is_in_its_store() {
    let place = Place::new(BAD_AND_WELL);
    let former = place.path("data/state/bad");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(former)
        .unwrap();
    place.write("data/state/bad/remembered", r#""old\n""#, 0o600);
    let berth = Berth::serve(&place).await;
    let found = berth
        .call("remember", json!({"backend": "bad", "text": "new"}))
        .await
        .done();
    assert_eq!(found.text, "old\nnew\n");
    assert!(!place.path("data/state/bad").exists());
}

#[tokio::test]
async fn what_a_plugin_says_to_the_operator_is_one_clean_line_below_its_name_and_bounded() {
    let place = Place::new(BAD_AND_WELL);
    let mut berth = Berth::serve(&place).await;
    let text = "one\nWARN berth: forged\u{1b}[31m";
    misdeed(&berth, "write_log", json!({"text": text, "times": 1}))
        .await
        .done();
    misdeed(&berth, "write_log", json!({"text": "again", "times": 2_000}))
        .await
        .done();
    misdeed(&berth, "tell_progress", json!({"text": "half", "times": 2}))
        .await
        .done();
    berth.terminate().await;
    let log = place.read("log");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("forged")).collect();
    assert!(
        lines.len() == 1 && lines[0].contains("backend=\"bad\"") && lines[0].contains("plugin: one WARN berth: forged"),
        "{lines:?}"
    );
    let again = log.lines().filter(|line| line.contains("plugin: again")).count();
    assert!((100..500).contains(&again), "{again}");
}

#[tokio::test]
async fn keys_of_a_store_come_in_pages_and_what_was_removed_is_gone() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    misdeed(&berth, "store_fill", json!({"count": 20, "bytes": 1}))
        .await
        .done();
    let keys = |arguments| berth.call("store_keys", arguments);
    let first = keys(json!({"prefix": "fill/", "limit": 15})).await.done().structured;
    assert_eq!(
        first["done"],
        json!({"count": 15, "first": "fill/000000", "last": "fill/000014"})
    );
    let rest = json!({"prefix": "fill/", "limit": 15, "after": "fill/000014"});
    assert_eq!(keys(rest.clone()).await.done().structured["done"]["count"], 5);
    let removed = berth.call("store_remove", json!({"key": "fill/000017"})).await.done();
    assert!(removed.structured.get("done").is_some(), "{removed:?}");
    assert_eq!(keys(rest).await.done().structured["done"]["count"], 4);
}

#[tokio::test]
async fn a_call_knows_when_it_must_be_over_and_whether_it_may_act() {
    let toml = BAD_AND_WELL.replacen("plugin =", "read_tools = [\"tell_context\"]\nplugin =", 1);
    let place = Place::new(&toml);
    let berth = Berth::serve(&place).await;
    let told = |backend: &str| berth.call("tell_context", json!({"backend": backend}));
    let (reads, acts) = (
        told("bad").await.done().structured,
        told("well").await.done().structured,
    );
    assert_eq!((&reads["may_act"], &acts["may_act"]), (&json!(false), &json!(true)));
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let left = acts["deadline"]
        .as_u64()
        .unwrap()
        .abs_diff(now.as_millis().try_into().unwrap());
    assert!(left < 60_000, "{left}");
}

#[tokio::test]
async fn a_plugin_reaches_no_socket() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let tried = misdeed(&berth, "socket", json!({"port": port})).await.done();
    assert!(tried.structured["error"].is_string(), "{tried:?}");
    let accepted = listener.accept().unwrap_err();
    assert_eq!(accepted.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn what_steers_a_terminal_or_hides_text_does_not_reach_the_client() {
    let place = Place::new(BAD_AND_WELL);
    let berth = Berth::serve(&place).await;
    let hostile = "a\u{1b}[31mb\u{1b}]0;title\u{7}c\u{9b}d\u{202e}e\u{200b}f\u{e0041}g\rh\u{0}";
    let echoed = misdeed(&berth, "echo", json!({"text": hostile})).await.done();
    assert_eq!(echoed.text, "abcdefgh");
    assert_eq!(
        echoed.structured,
        json!({"text": "abcdefgh", "fields": {"abcdefgh": true}})
    );
}

#[tokio::test]
async fn sessions_with_hostile_text_are_shown_without_it() {
    let place = Place::new(
        "[backends.bad]\nplugin = \"./misbehaving.wasm\"\n[backends.bad.settings]\nlist = \"foreign\"\ntools = []\n",
    );
    let berth = Berth::serve(&place).await;
    let listed = berth.call("list_sessions", json!({})).await.done();
    let session = &listed.structured["sessions"][0];
    for (field, expected) in [
        ("name", "name"),
        ("agent", "agent"),
        ("directory", "/directory"),
        ("summary", "summary"),
    ] {
        assert_eq!(session[field], expected);
    }
    assert_eq!(session["prompts"][0]["question"], "question");
    assert_eq!(session["prompts"][0]["detail"], "detail");
    for (field, expected) in [("task", "task"), ("last_output", "output"), ("project", "project")] {
        assert_eq!(session[field], expected);
    }
    assert_eq!(session["facts"], json!({"fact": "value"}));
    assert_eq!(
        session["url"],
        Value::Null,
        "a host that the configuration does not list"
    );
    for tool in ["list_sessions", "check_prompts"] {
        let text = berth.call(tool, json!({})).await.done().text;
        let hidden = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{200b}' | '\u{202e}' | '\u{e0041}'));
        assert!(!text.contains(hidden), "{tool}: {text:?}");
    }
}

#[tokio::test]
async fn a_backend_whose_list_fails_is_one_line_of_errors() {
    for (list, why) in [
        ("fail", "because its settings say so"),
        ("trap", "was stopped"),
        ("hang", "did not answer within"),
    ] {
        let place = Place::new(&format!("{BAD_AND_WELL}\n[backends.bad.settings]\nlist = \"{list}\"\n"));
        let berth = Berth::serve(&place).await;
        let began = Instant::now();
        let listed = berth.call("list_sessions", json!({})).await.done();
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{list}: {:?}",
            began.elapsed()
        );
        let ids: Vec<_> = listed.structured["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| &s["session_id"])
            .collect();
        assert_eq!(ids, ["well/calm-1", "well/calm-2", "well/asks-1"]);
        let errors = listed.structured["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0]["backend"], "bad");
        assert!(errors[0]["error"].as_str().unwrap().contains(why), "{list}: {errors:?}");
        assert!(
            listed.text.starts_with("Backend bad did not answer: "),
            "{}",
            listed.text
        );
        assert!(listed.text.contains("well/calm-1 — idle"), "{}", listed.text);
    }
}

#[tokio::test]
async fn a_backend_whose_plugin_cannot_describe_itself_is_down_and_the_others_are_not() {
    for (describe, why) in [
        ("fail", "because its settings say so"),
        ("trap", "was stopped"),
        ("hang", "did not answer within"),
    ] {
        let place = Place::new(&format!(
            "{BAD_AND_WELL}\n[backends.bad.settings]\ndescribe = \"{describe}\"\n"
        ));
        for told in refusals(&place, "bad").await {
            assert!(
                told.contains("backend `bad`") && told.contains("misbehaving.wasm"),
                "{told}"
            );
            assert!(told.contains(why), "{told}");
        }
        let berth = Berth::serve(&place).await;
        assert_eq!(berth.call("noop", json!({"backend": "well"})).await.done().text, "done");
    }
}

#[tokio::test]
async fn every_misdeed_is_tried() {
    let place = Place::new(BAD_AND_WELL);
    let found = place
        .run(&["plugin", "inspect", "--json", &place.name("misbehaving.wasm")])
        .await;
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    let tests = concat!(
        include_str!("isolation.rs"),
        include_str!("foreign.rs"),
        include_str!("grants.rs"),
        include_str!("job_calls.rs"),
        include_str!("jobs_cli.rs"),
        include_str!("nesting.rs"),
        include_str!("own_tools.rs"),
        include_str!("several.rs")
    );
    for misdeed in found["tools"].as_array().unwrap() {
        assert!(
            tests.contains(&misdeed["name"].to_string()),
            "no test tries the misdeed {misdeed}"
        );
    }
}
