//! Reads captured conversations.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use berth_agents::{Said, turns};

/// Lines that Claude Code 2.1.329 kept, without what they say of models and costs. The last of the first part is one of
/// a subagent's.
const CAPTURED: &str = include_str!("transcripts/claude-2.1.329.jsonl");

fn captured() -> Vec<Said> {
    turns(0, CAPTURED.as_bytes())
}

fn told(said: &Said) -> String {
    let tool = said.tool.as_deref().map(|tool| format!(" {tool}")).unwrap_or_default();
    let failed = if said.failed { " failed" } else { "" };
    format!("{:?}{tool}{failed}: {}", said.who, said.text)
}

#[test]
fn a_captured_conversation_is_told_turn_by_turn() {
    let told: Vec<String> = captured().iter().map(told).collect();
    let expected = [
        "Person: hello there",
        "Agent: I have read 11 characters.",
        "Person: @bash echo hi",
        "Agent: I will run it.",
        "Tool Bash: echo hi",
        "Agent: The tool answered: hi",
        "Person: @tool Write {\"file_path\":\"/home/dev/app/new.txt\",\"content\":\"one\"}",
        "Agent: I will use a tool.",
        "Tool Write failed: /home/dev/app/new.txt",
        "System: A person interrupted it.",
        "Person: @tools [[\"Bash\",{\"command\":\"ls\",\"description\":\"Lists files\"}],[\"Read\",{\"file_path\":\"/home/dev/app/a\"}]]",
        "Tool Bash: ls",
        "Tool Read failed: /home/dev/app/a",
        "Agent: The tool answered: (Bash completed with no output)",
        "Person: @stall 3",
        "Agent: Here I am again.",
        "Person: queued while busy",
        "Agent: I have read 17 characters.",
        "Person: @tool Agent {\"description\":\"sub\",\"prompt\":\"@say sub done\",\"subagent_type\":\"general-purpose\"}",
        "Agent: I will use a tool.",
        "Tool Agent: sub",
        "Agent: The tool answered: Async agent launched successfully. (This tool result is inte",
        "System: Agent \"sub\" finished",
        "Agent: The tool answered: ",
        "Person: @status 500",
        "System failed: API Error: 500 the stub answers 500. This is a server-side issue, usually temporary — try again in a moment. If it persists, check your inference gateway (127.0.0.1:8080).",
        "Person: @stall 20",
        "Person: @stall 20/clear",
        "Agent: Here I am again.",
        "Person: second life",
        "Agent: I have read 11 characters.",
        "Person: /clear",
        "Person: second life",
        "Agent: I have read 11 characters.",
        "Person: ! echo shell",
        "Agent: I have read 59 characters.",
        "System: The conversation was compacted.",
        "Person: /compact",
        "Person: after compact",
        "Agent: I have read 13 characters.",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len());
}

#[test]
fn a_turn_has_its_time_and_its_place() {
    let all = captured();
    assert_eq!(all[0].at, Some(1_795_714_227_961));
    assert!(all.windows(2).all(|two| two[0].place < two[1].place));
    // The same from any line on.
    let (line, _) = all[9].place;
    let rest = turns(line, &CAPTURED.as_bytes()[usize::try_from(line).unwrap()..]);
    assert_eq!(rest, all[9..]);
}

#[test]
fn what_is_not_understood_or_not_whole_is_passed_over() {
    let mut text = captured_line("hello there");
    let whole = turns(0, text.as_bytes()).len();
    for other in [
        "",
        "{",
        "not JSON",
        "[]",
        "null",
        "\u{0}\u{0}",
        "{\"type\":\"user\"}",
        "{\"type\":\"user\",\"message\":{\"content\":7}}",
        "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"new\"},3]}}",
        "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"new\",\"text\":\"x\"}]}}",
        "{\"type\":\"of a later version\",\"message\":{\"content\":\"x\"}}",
    ] {
        text.push_str(other);
        text.push('\n');
        assert_eq!(turns(0, text.as_bytes()).len(), whole, "{other}");
    }
    let torn = captured_line("second life");
    text.push_str(torn.trim_end());
    assert_eq!(turns(0, text.as_bytes()).len(), whole);
    text.push('\n');
    assert_eq!(turns(0, text.as_bytes()).len(), whole + 1);
    assert_eq!(turns(0, &[0xff, 0xfe, b'\n']), []);
}

#[test]
fn a_tool_is_told_in_one_short_line() {
    let call = |input: &str| {
        let line = format!(
            "{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"type\":\"tool_use\",\"name\":\"X\",\"input\":{input}}}]}}}}\n"
        );
        turns(0, line.as_bytes()).remove(0).text
    };
    assert_eq!(call(r#"{"command":"a\n  b","description":"c"}"#), "a b");
    assert_eq!(call(r#"{"n":1}"#), r#"{"n":1}"#);
    assert_eq!(call("null"), "");
    let long = call(&format!(r#"{{"command":"{}"}}"#, "ü".repeat(900)));
    assert_eq!(long.chars().count(), 201);
}

/// The captured line with this text.
fn captured_line(text: &str) -> String {
    let line = CAPTURED
        .lines()
        .find(|line| line.contains(&format!("\"content\":\"{text}\"")));
    format!("{}\n", line.unwrap())
}
