//! The demo agent without a terminal: it says and ends as the real agent was measured.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

use crate::berth::{PATIENCE, Place};

const ID: &str = "0b9d4f5e-9f0a-4a53-9c35-3f1f5f3b6f10";

/// What one start of it came to.
struct Answer {
    status: Option<i32>,
    lines: Vec<Value>,
    errors: String,
}

impl Answer {
    fn result(&self) -> &Value {
        let last = self.lines.last().unwrap();
        assert_eq!(last["type"], "result", "{last}");
        last
    }

    fn kinds(&self) -> Vec<String> {
        let kind = |line: &Value| match line["subtype"].as_str() {
            Some(subtype) => format!("{}/{subtype}", line["type"].as_str().unwrap()),
            None => line["type"].as_str().unwrap().to_owned(),
        };
        self.lines.iter().map(kind).collect()
    }
}

fn start(place: &Place, options: &[&str]) -> Child {
    let options = [&["demo-agent", "--stream-json"], options].concat();
    let mut command = place.command(&options);
    command.current_dir(place.path("projects"));
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

async fn ask(place: &Place, options: &[&str], messages: &[&str]) -> Answer {
    let mut agent = start(place, options);
    let mut input = agent.stdin.take().unwrap();
    for message in messages {
        // It may have ended, and then nobody reads.
        let _ = input.write_all(said(message).as_bytes()).await;
    }
    drop(input);
    let output = timeout(PATIENCE, agent.wait_with_output()).await.unwrap().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    Answer {
        status: output.status.code(),
        lines: lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

fn said(message: &str) -> String {
    let content = json!([{ "type": "text", "text": message }]);
    format!(
        "{}\n",
        json!({ "type": "user", "message": { "role": "user", "content": content } })
    )
}

#[tokio::test]
async fn a_conversation_goes_on_with_what_it_remembers_and_what_it_cost() {
    let place = Place::new("");
    let first = ask(&place, &["--session-id", ID], &["hello"]).await;
    assert_eq!((first.status, &*first.errors), (Some(0), ""));
    assert_eq!(first.kinds(), ["system/init", "assistant", "result/success"]);
    assert!(first.lines.iter().all(|line| line["session_id"] == ID));
    let result = first.result();
    assert_eq!(result["result"], "You said: hello");
    assert_eq!(result["is_error"], false);
    assert_eq!(
        (&result["num_turns"], &result["total_cost_usd"]),
        (&json!(1), &json!(0.01))
    );

    let second = ask(&place, &["--resume", ID], &["run ls\nsay again"]).await;
    assert_eq!(second.result()["session_id"], ID);
    assert_eq!(second.result()["total_cost_usd"], 0.03, "of the whole conversation");
    let third = ask(&place, &["--resume", ID], &["and you?"]).await;
    let text = third.result()["result"].as_str().unwrap();
    assert!(
        text.ends_with("message 3 of our conversation, which began with: hello"),
        "{text}"
    );

    let fork = ask(&place, &["--resume", ID, "--fork-session"], &["hello"]).await;
    assert_ne!(fork.result()["session_id"], ID);
    assert_eq!(fork.result()["total_cost_usd"], 0.05);
    let both = ask(&place, &["--session-id", ID], &["hello"]).await;
    assert_eq!((both.status, both.lines.len()), (Some(1), 0));
    assert_eq!(both.errors, format!("Error: Session ID {ID} is already in use.\n"));
}

#[tokio::test]
async fn an_id_that_it_does_not_know_is_refused_with_words() {
    let place = Place::new("");
    let answer = ask(&place, &["--resume", ID], &["hello"]).await;
    let why = format!("No conversation found with session ID: {ID}");
    assert_eq!((answer.status, answer.errors.trim_end()), (Some(1), &*why));
    assert_eq!(answer.result()["subtype"], "error_during_execution");
    assert_eq!(answer.result()["errors"], json!([why]));
    assert_ne!(answer.result()["session_id"], ID);
    for options in [&["--session-id", "me"][..], &["--resume", "me"]] {
        let answer = ask(&place, options, &["hello"]).await;
        assert_eq!(answer.status, Some(1));
        assert!(answer.errors.starts_with("Error: "), "{}", answer.errors);
    }
}

#[tokio::test]
async fn it_writes_and_commits_only_where_the_tools_for_that_are_allowed() {
    let place = Place::new("");
    let git = |arguments: &[&str]| {
        let run = std::process::Command::new("git")
            .args(arguments)
            .current_dir(place.path("projects"))
            .output();
        String::from_utf8(run.unwrap().stdout).unwrap()
    };
    git(&["init", "-q"]);
    let message = "Please:\nwrite docs/a.txt some text\ncommit Add \"a\"";
    let denied = ask(&place, &["--session-id", ID], &[message]).await;
    assert_eq!((denied.status, &denied.result()["is_error"]), (Some(0), &json!(false)));
    let denials = denied.result()["permission_denials"].as_array().unwrap();
    let named: Vec<&Value> = denials.iter().map(|denial| &denial["tool_name"]).collect();
    assert_eq!(named, ["Write", "Bash", "Bash"]);
    assert_eq!(denials[1]["tool_input"]["command"], "git add -A");
    assert!(!place.path("projects/docs").exists());

    let tools = "--allowedTools=Edit,Bash(git add:*),Bash(git commit:*)";
    let done = ask(&place, &["--resume", ID, tools], &[message]).await;
    assert_eq!(
        done.result()["permission_denials"],
        json!([]),
        "{:?}",
        done.result()["result"]
    );
    assert_eq!(place.read("projects/docs/a.txt"), "some text\n");
    assert_eq!(git(&["log", "--format=%s by %an"]), "Add \"a\" by Demo agent\n");
    assert_eq!(git(&["status", "--porcelain"]), "");

    std::os::unix::fs::symlink(place.path("home"), place.path("projects/out")).unwrap();
    for file in ["../a", "out/a", "/tmp/berth-demo-agent-a", "out"] {
        let refused = ask(&place, &["--resume", ID, tools], &[&format!("write {file} x")]).await;
        let text = refused.result()["result"].as_str().unwrap();
        assert!(text.contains("directory"), "{file}: {text}");
    }
    assert!(!place.path("home/a").exists() && !place.path("a").exists());
}

#[tokio::test]
async fn turns_and_budget_end_it() {
    let place = Place::new("");
    let turns = ask(&place, &["--max-turns=2"], &["twice ls"]).await;
    assert_eq!((turns.status, &turns.result()["is_error"]), (Some(1), &json!(true)));
    assert_eq!(turns.result()["subtype"], "error_max_turns");
    assert_eq!(turns.result()["errors"], json!(["Reached maximum number of turns (2)"]));
    let budget = ask(&place, &["--max-budget-usd=0.02", "--session-id", ID], &["work 60"]).await;
    assert_eq!(budget.status, Some(1));
    assert_eq!(budget.result()["subtype"], "error_max_budget_usd");
    assert_eq!(budget.result()["total_cost_usd"], 0.02);
    let again = ask(&place, &["--max-budget-usd=0.02", "--resume", ID], &["hello"]).await;
    assert_eq!(again.status, Some(0), "it counts from its start on");
}

#[tokio::test]
async fn errors_of_what_talks_to_the_model_are_results_that_failed() {
    let place = Place::new("");
    for (message, status, said) in [
        ("fail 500", 500, "API Error: 500"),
        ("fail 401", 401, "Failed to authenticate."),
        ("fail 429", 429, "API Error: Request rejected (429)"),
        ("limit", 429, "You've hit your session limit · resets "),
    ] {
        let answer = ask(&place, &[], &[message]).await;
        assert_eq!(answer.status, Some(1), "{message}");
        let result = answer.result();
        assert_eq!(
            (&result["subtype"], &result["is_error"]),
            (&json!("success"), &json!(true))
        );
        assert_eq!(result["api_error_status"], status);
        assert!(result["result"].as_str().unwrap().starts_with(said), "{result}");
        let limit = answer.lines.iter().find(|line| line["type"] == "rate_limit_event");
        assert_eq!(limit.is_some(), message == "limit");
        assert!(limit.is_none_or(|limit| limit["rate_limit_info"]["resetsAt"].is_u64()));
    }
}

#[tokio::test]
async fn it_prints_as_much_as_it_is_told_and_dies_with_nothing_said() {
    let place = Place::new("");
    let answer = ask(&place, &[], &["print 200000", "die", "hello"]).await;
    assert_eq!(answer.status, Some(3));
    let text = |line: &Value| {
        line["message"]["content"][0]["text"]
            .as_str()
            .map_or(0, |text| if text.starts_with("demo ") { text.len() } else { 0 })
    };
    assert_eq!(answer.lines.iter().map(text).sum::<usize>(), 200_000);
    assert_eq!(answer.kinds().last().unwrap(), "system/init", "of the second message");
    let nothing = ask(&place, &[], &[]).await;
    assert_eq!((nothing.status, nothing.lines.len()), (Some(0), 0));
}

#[tokio::test]
async fn it_ends_at_a_signal_as_the_real_one_does() {
    let place = Place::new("");
    for (signal, status, last) in [
        (rustix::process::Signal::TERM, 143, None),
        (rustix::process::Signal::HUP, 129, None),
        (rustix::process::Signal::INT, 0, Some("[Request interrupted by user]")),
    ] {
        let mut agent = start(&place, &[]);
        let mut input = agent.stdin.take().unwrap();
        input.write_all(said("work 600").as_bytes()).await.unwrap();
        let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
        while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
            if line.contains("step 1 of 60") {
                break;
            }
        }
        let pid = rustix::process::Pid::from_raw(agent.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let mut rest = Vec::new();
        while let Some(line) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
            rest.push(serde_json::from_str::<Value>(&line).unwrap());
        }
        let said = rest.last().map(|line| &line["message"]["content"][0]["text"]);
        assert_eq!(said, last.map(|last| json!(last)).as_ref());
        let ended = timeout(PATIENCE, agent.wait()).await.unwrap().unwrap();
        assert_eq!(ended.code(), Some(status));
    }
}
