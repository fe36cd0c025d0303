//! What the real agent printed without a terminal, as `node tests/claude/headless.mjs` captures it, and what is made of it.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;

use berth_agents::headless::{Ending, Outcome, Progress, message, outcome, printed, progress};

/// The conversation of every capture.
const ID: &str = "11111111-2222-4333-8444-555555555555";

fn captured(name: &str) -> (Vec<u8>, Vec<u8>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/headless");
    let output = fs::read(folder.join(format!("{name}.jsonl"))).unwrap();
    let errors = fs::read(folder.join(format!("{name}.stderr"))).unwrap_or_default();
    (output, errors)
}

fn of(output: &[u8], errors: &[u8], status: i32) -> Outcome {
    outcome(&Ending {
        conversation: ID,
        output: (0, output),
        errors,
        status: Some(status),
        signal: None,
    })
}

fn ended(name: &str, status: i32) -> Outcome {
    let (output, errors) = captured(name);
    of(&output, &errors, status)
}

fn seen(name: &str) -> Progress {
    progress(ID, 0, &captured(name).0)
}

#[test]
fn an_answer_is_done_with_its_turns_and_the_cost_of_the_whole_conversation() {
    let first = ended("success", 0);
    assert_eq!((first.failure, &*first.answer), (None, "hello there"));
    assert_eq!((first.turns, first.cost), (Some(1), Some(0.00044)));
    let next = ended("resume", 0);
    assert_eq!((next.failure, next.turns, next.cost), (None, Some(1), Some(0.00088)));
}

#[test]
fn each_way_to_fail_has_its_own_words() {
    let table = [
        ("api-500", 1, "the model's API answered 500"),
        ("api-401", 1, "log in"),
        ("api-429", 1, "usage limit is reached, or requests come too fast (429)"),
        ("api-529", 1, "overloaded"),
        ("api-529-retried", 1, "overloaded"),
        ("no-key", 1, "Not logged in"),
        ("max-turns", 1, "limit of turns"),
        ("max-budget", 1, "limit of its cost"),
        (
            "startup-failure",
            1,
            "could not start (config file invalid): Configuration error in /home/dev/.claude.json",
        ),
        (
            "id-in-use",
            1,
            "ended with status 1: Error: Session ID 11111111-2222-4333-8444-555555555555 is already in use.",
        ),
        ("sigterm", 143, "told to end (SIGTERM)"),
        ("sigint", 0, "it was interrupted"),
    ];
    for (name, status, words) in table {
        let outcome = ended(name, status);
        let failure = outcome.failure.unwrap_or_else(|| panic!("{name} counts as done"));
        assert!(failure.contains(words), "{name}: {failure}");
        assert!(!outcome.is_gone && outcome.limited_until.is_none(), "{name}");
    }
}

#[test]
fn what_an_api_answered_is_not_an_answer_of_the_agent_and_what_it_said_before_is() {
    for name in ["api-500", "api-401", "api-429", "api-529", "no-key"] {
        assert_eq!(ended(name, 1).answer, "", "{name}");
    }
    assert_eq!(ended("max-turns", 1).answer, "I will run it.");
}

#[test]
fn an_unknown_conversation_says_to_start_afresh_with_and_without_a_result() {
    let (output, errors) = captured("unknown-conversation");
    for outcome in [of(&output, &errors, 1), of(&output, b"", 1), of(b"", &errors, 1)] {
        assert!(outcome.is_gone);
        let failure = outcome.failure.unwrap();
        assert!(failure.contains("start afresh") && failure.contains(ID), "{failure}");
        // Each tool has its own name for the argument.
        assert!(!failure.contains('`'), "{failure}");
    }
}

#[test]
fn a_denial_is_named_and_a_run_that_said_nothing_after_it_failed() {
    let outcome = ended("denial", 0);
    assert_eq!(
        (outcome.failure, outcome.denied),
        (None, vec!["Bash (touch /etc/x)".to_owned()])
    );
    assert_eq!(seen("denial").denied, ["Bash"]);
    let (output, _) = captured("denial");
    let answer = r#""result":"The tool answered: touch in '/etc/x' needs approval. The path is outside the wo""#;
    let silent = String::from_utf8(output).unwrap().replace(answer, r#""result":"""#);
    let failure = of(silent.as_bytes(), b"", 0).failure.unwrap();
    assert!(failure.contains("denied"), "{failure}");
}

#[test]
fn a_result_counts_only_as_a_line_of_the_agent_and_for_its_conversation() {
    let outcome = ended("forged-by-a-tool", 0);
    assert!(outcome.answer.starts_with("The tool answered"), "{}", outcome.answer);
    let (output, _) = captured("success");
    for conversation in ["", "11111111-2222-4333-8444-555555555556"] {
        let ending = Ending {
            conversation,
            output: (0, &output),
            errors: b"",
            status: Some(0),
            signal: None,
        };
        assert!(weighed(&ending).failure.is_some(), "{conversation}");
    }
    let without = String::from_utf8(output.clone())
        .unwrap()
        .replace(&format!("\"session_id\":\"{ID}\","), "");
    assert!(of(without.as_bytes(), b"", 0).failure.is_some(), "anybody's result");
    for (number, cut) in (1..output.len()).enumerate().step_by(7) {
        let ending = Ending {
            conversation: ID,
            output: (cut as u64, &output[cut..]),
            errors: b"",
            status: Some(0),
            signal: None,
        };
        let outcome = weighed(&ending);
        assert!(
            outcome.failure.is_some() || outcome.answer == "hello there",
            "{number}: {outcome:?}"
        );
    }
}

fn weighed(ending: &Ending<'_>) -> Outcome {
    outcome(ending)
}

#[test]
fn a_success_that_other_signs_contradict_is_a_failure() {
    assert!(ended("success", 1).failure.unwrap().contains("status 1"));
    let ending = |output: &[u8]| of(output, b"", 0);
    let (output, _) = captured("success");
    let text = String::from_utf8(output).unwrap();
    let error = text.replace("\"is_error\":false", "\"is_error\":true");
    assert_eq!(ending(error.as_bytes()).failure.as_deref(), Some("hello there"));
    let empty = text.replace("\"result\":\"hello there\"", "\"result\":\" \"");
    assert_eq!(
        ending(empty.as_bytes()).failure.as_deref(),
        Some("it ended without an answer")
    );
    let nothing = of(b"", b"", 0).failure.unwrap();
    assert!(nothing.contains("printed nothing"), "{nothing}");
    let killed = Ending {
        conversation: ID,
        output: (0, b""),
        errors: b"",
        status: None,
        signal: Some(9),
    };
    assert!(outcome(&killed).failure.unwrap().contains("signal 9"));
}

#[test]
fn a_usage_limit_says_until_when_and_a_warning_of_one_does_not_count() {
    let event = |status: &str| {
        format!(
            r#"{{"type":"rate_limit_event","rate_limit_info":{{"status":"{status}","resetsAt":1795727696,"rateLimitType":"five_hour"}},"session_id":"{ID}"}}"#
        )
    };
    let (output, _) = captured("api-429");
    let (begun, rest) = output.split_at(output.iter().position(|byte| *byte == b'\n').unwrap() + 1);
    let with = |status: &str| [begun, event(status).as_bytes(), b"\n", rest].concat();
    let outcome = of(&with("rejected"), b"", 1);
    assert_eq!(outcome.limited_until, Some(1_795_727_696_000));
    assert_eq!(outcome.failure.as_deref(), Some("the model's usage limit is reached"));
    for status in ["allowed", "allowed_warning"] {
        assert_eq!(of(&with(status), b"", 1).limited_until, None, "{status}");
    }
    let waiting = progress(ID, 0, &[begun, event("rejected").as_bytes(), b"\n"].concat());
    assert_eq!(waiting.waits_until, Some(1_795_727_696_000));
    let (output, _) = captured("success");
    let done = [event("rejected").as_bytes(), b"\n", &output].concat();
    assert_eq!(of(&done, b"", 0).failure, None, "it went on afterwards");
    let old = String::from_utf8(output)
        .unwrap()
        .replace("\"is_error\":false", "\"is_error\":true")
        .replace(
            "\"result\":\"hello there\"",
            "\"result\":\"Claude AI usage limit reached|1795727696\"",
        );
    let outcome = of(old.as_bytes(), b"", 1);
    assert_eq!(outcome.limited_until, Some(1_795_727_696_000));
    let real = ended("usage-limit", 1);
    assert_eq!(real.limited_until, Some(4_102_444_800_000));
    assert!(real.failure.unwrap().contains("usage limit is reached"));
}

#[test]
fn while_it_works_its_turns_tool_words_and_what_it_waits_for_are_known() {
    let allowed = seen("allowed");
    assert_eq!(
        (allowed.turns, allowed.tool.as_deref()),
        (Some(2), Some("Bash: echo hi"))
    );
    assert!(allowed.said.starts_with("I will run it.\n\n"), "{}", allowed.said);
    assert!(allowed.has_begun && allowed.waits_for.is_none() && allowed.at > Some(1_795_000_000_000));
    let (output, _) = captured("api-529-retried");
    let waiting: Vec<u8> = output
        .split_inclusive(|byte| *byte == b'\n')
        .take(2)
        .collect::<Vec<_>>()
        .concat();
    let waits = progress(ID, 0, &waiting).waits_for.unwrap();
    assert!(
        waits.contains("overloaded (529)") && waits.contains("1 of 2"),
        "{waits}"
    );
}

#[test]
fn of_a_part_of_the_output_the_turns_are_not_known_and_a_line_that_grows_is_passed_over() {
    let (output, _) = captured("allowed");
    assert_eq!(progress(ID, 10, &output[10..]).turns, None);
    let growing = progress(ID, 0, &output[..output.len() - 1]);
    assert_eq!(growing, seen("allowed"));
    assert_eq!(
        progress(ID, 0, b"{\"type\":\n\nnull\n[]\n\xff\xfe\n7\n{}\n").turns,
        Some(0)
    );
}

#[test]
fn a_log_shows_words_and_tools_and_what_programs_need_is_left_out() {
    let (output, _) = captured("denial");
    let lines: Vec<String> = output.split_inclusive(|byte| *byte == b'\n').map(printed).collect();
    assert_eq!(
        lines[..4],
        ["", "I will run it.", "[Bash] touch /etc/x", "[denied] Bash"]
    );
    assert!(lines[4].starts_with("[failed] touch in"), "{}", lines[4]);
    assert_eq!(lines[6], "");
    assert_eq!(printed(b"npm warn\n"), "npm warn");
    let (output, _) = captured("startup-failure");
    assert!(printed(&output).starts_with("[error] Configuration error"));
}

#[test]
fn a_message_is_one_line_whatever_it_holds() {
    let line = message("two\nlines \"quoted\" \u{1b}[0m");
    assert_eq!(line.matches('\n').count(), 1);
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["message"]["content"], "two\nlines \"quoted\" \u{1b}[0m");
}
