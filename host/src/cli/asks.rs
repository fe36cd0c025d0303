//! What a session asks, as somebody sees it who looks again and again.

use std::collections::BTreeMap;

use berth::shell;
use serde_json::Value;

use super::print;

/// What was seen to be asked, by the prompts' ids.
#[derive(Default)]
pub(crate) struct Asks(BTreeMap<String, String>);

impl Asks {
    /// Lines on what `session` asks that was not seen before, and on what it does not ask any more.
    pub(crate) fn see(&mut self, session: &Value) -> Vec<String> {
        let prompts = session["prompts"].as_array().map_or(&[][..], Vec::as_slice);
        let open: BTreeMap<String, String> = prompts.iter().filter_map(named).collect();
        let gone = |(id, _): &(&String, &String)| !open.contains_key(*id);
        let gone = self.0.iter().filter(gone);
        let mut lines: Vec<String> = gone
            .map(|(_, question)| format!("[It does not ask any more: {question}]"))
            .collect();
        let is_new = |prompt: &&Value| named(prompt).is_some_and(|(id, _)| !self.0.contains_key(&id));
        for prompt in prompts.iter().filter(is_new) {
            lines.extend(described(session, prompt));
        }
        self.0 = open;
        lines
    }
}

/// The id of a prompt, and its question in a line.
fn named(prompt: &Value) -> Option<(String, String)> {
    let text = |key: &str| prompt[key].as_str().map(print::safe);
    Some((text("prompt_id")?, text("question")?))
}

/// A prompt and how it is answered.
fn described(session: &Value, prompt: &Value) -> Vec<String> {
    let text = |of: &Value, key: &str| of[key].as_str().map(print::safe).unwrap_or_default();
    let (kind, question, id) = (
        text(prompt, "kind"),
        text(prompt, "question"),
        text(prompt, "prompt_id"),
    );
    let until = prompt["expires_at"]
        .as_str()
        .map(|until| format!(", until {}", print::safe(until)));
    let mut lines = vec![format!("[It asks ({kind}{}): {question}]", until.unwrap_or_default())];
    let detail = prompt["detail"].as_str().unwrap_or_default();
    lines.extend(detail.lines().map(|line| format!("    | {}", print::safe(line))));
    for choice in prompt["choices"].as_array().into_iter().flatten() {
        let widens = match choice["effect"] == "widens" {
            true => " (allows more than this one request)",
            false => "",
        };
        lines.push(format!(
            "    {} — {}{widens}",
            text(choice, "key"),
            text(choice, "label")
        ));
    }
    let session_id = shell::word(session["session_id"].as_str().unwrap_or_default());
    lines.push(format!(
        "    to answer it: berth answer {session_id} --prompt {} yes",
        shell::word(&id)
    ));
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn session(prompts: Value) -> Value {
        json!({"session_id": "one/talk-1", "prompts": prompts})
    }

    fn prompt(id: &str, question: &str) -> Value {
        json!({"prompt_id": id, "kind": "question", "question": question, "choices": [{"key": "1", "label": "Yes", "effect": "widens"}]})
    }

    #[test]
    fn each_question_is_told_when_it_opens_and_when_it_closes() {
        let mut asks = Asks::default();
        let first = asks.see(&session(json!([prompt("p1", "First?\u{1b}[2J")])));
        assert_eq!(first[0], "[It asks (question): First?]");
        assert_eq!(first[1], "    1 — Yes (allows more than this one request)");
        assert_eq!(first[2], "    to answer it: berth answer one/talk-1 --prompt p1 yes");
        assert!(asks.see(&session(json!([prompt("p1", "First?")]))).is_empty());
        let both = asks.see(&session(json!([prompt("p2", "Second?")])));
        assert_eq!(both[0], "[It does not ask any more: First?]");
        assert_eq!(both[1], "[It asks (question): Second?]");
        assert_eq!(asks.see(&session(json!([]))), ["[It does not ask any more: Second?]"]);
    }
}
