//! A tool that the agent wants to use: what a person is asked about it, and what comes of it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::deed;
use super::order::Asked;
use super::permission::{Rules, Use};

/// One use of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tool {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) input: Value,
    /// Nobody needs to answer after this time.
    pub(super) withdrawn_after: Option<Duration>,
    /// Git really runs with these arguments, if the command is the one that was meant.
    git: Option<Vec<String>>,
}

impl Tool {
    /// A command that is only pretended.
    pub(super) fn run(command: &str) -> Self {
        Self::new("Bash", json!({ "command": command }))
    }

    /// One that needs no answer after a time.
    pub(super) fn withdrawn(after: Duration, command: &str) -> Self {
        Self {
            withdrawn_after: Some(after),
            ..Self::run(command)
        }
    }

    /// A command that really runs.
    pub(super) fn git(command: &str, arguments: &[&str]) -> Self {
        Self {
            git: Some(arguments.iter().map(|&argument| argument.to_owned()).collect()),
            ..Self::run(command)
        }
    }

    pub(super) fn write(file: &str, text: &str) -> Self {
        Self::new("Write", json!({ "file_path": file, "content": text }))
    }

    pub(super) fn plan(text: &str) -> Self {
        Self::new("ExitPlanMode", json!({ "plan": text }))
    }

    pub(super) fn ask(asked: Asked<'_>) -> Self {
        let questions = match asked {
            Asked::One(question) => vec![yes_or_no(question)],
            Asked::Several(question) => vec![colours(question)],
            Asked::Group(question) => vec![yes_or_no(question), colours("Which colours?")],
        };
        Self::new("AskUserQuestion", json!({ "questions": questions }))
    }

    fn new(name: &'static str, input: Value) -> Self {
        Self {
            id: format!("toolu_{}", Uuid::new_v4().simple()),
            name,
            input,
            withdrawn_after: None,
            git: None,
        }
    }

    /// Only a person can answer it, whatever is allowed.
    pub(super) fn needs_a_person(&self) -> bool {
        matches!(self.name, "AskUserQuestion" | "ExitPlanMode")
    }

    pub(super) fn is_allowed(&self, rules: &Rules) -> bool {
        match self.name {
            "Bash" => rules.allow(Use::Bash(text(&self.input, "command"))),
            "Write" => rules.allow(Use::Write(text(&self.input, "file_path"))),
            _ => false,
        }
    }

    /// What it is called in the record.
    pub(super) fn label(&self) -> &str {
        let asked = &self.input["questions"][0];
        match self.name {
            "Bash" => text(&self.input, "command"),
            "Write" => text(&self.input, "file_path"),
            "ExitPlanMode" => text(&self.input, "plan"),
            _ => text(asked, "question"),
        }
    }

    /// The request that asks for it.
    pub(super) fn request(&self) -> Value {
        let mut request = json!({
            "subtype": "can_use_tool", "tool_name": self.name, "display_name": self.name, "input": self.input,
            "tool_use_id": self.id,
        });
        if self.needs_a_person() {
            request["requires_user_interaction"] = true.into();
        } else {
            request["description"] = self.label().into();
            request["permission_suggestions"] = self.suggestions();
        }
        request
    }

    /// What a person may allow beyond this use.
    fn suggestions(&self) -> Value {
        let mode = json!({ "type": "setMode", "mode": "acceptEdits", "destination": "session" });
        if self.name == "Write" {
            return json!([mode]);
        }
        let rule = json!({ "toolName": "Bash", "ruleContent": format!("{} *", self.label()) });
        json!([{ "type": "addRules", "rules": [rule], "behavior": "allow", "destination": "session" }, mode])
    }

    /// Does it, exactly with what the input says.
    pub(super) fn carry_out(&self, input: &Value, directory: &Path) -> Result<String, String> {
        match self.name {
            "Bash" => self.run_in(text(input, "command"), directory),
            "Write" => deed::write(directory, text(input, "file_path"), text(input, "content")),
            "ExitPlanMode" => Ok("User has approved exiting plan mode. You can now proceed.".to_owned()),
            _ => Ok(answered(&input["answers"])),
        }
    }

    fn run_in(&self, command: &str, directory: &Path) -> Result<String, String> {
        match &self.git {
            Some(arguments) if command == self.label() => {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                deed::git(directory, &arguments)
            }
            _ => Ok(format!("Ran {command} (pretended)")),
        }
    }
}

fn text<'a>(input: &'a Value, key: &str) -> &'a str {
    input[key].as_str().unwrap_or_default()
}

fn yes_or_no(question: &str) -> Value {
    json!({
        "question": question, "header": "Question", "multiSelect": false,
        "options": [
            { "label": "Yes", "description": "It is right" },
            { "label": "No", "description": "It is not right" },
        ],
    })
}

fn colours(question: &str) -> Value {
    json!({
        "question": question, "header": "Colours", "multiSelect": true,
        "options": [
            { "label": "Red", "description": "Warm" },
            { "label": "Green", "description": "Calm" },
            { "label": "Blue", "description": "Cold" },
        ],
    })
}

fn answered(answers: &Value) -> String {
    let answers = answers.as_object().into_iter().flatten();
    let answers: Vec<String> = answers
        .map(|(question, answer)| format!("{question:?}={answer}"))
        .collect();
    match answers.is_empty() {
        true => "The questions were not answered".to_owned(),
        false => format!("Your questions have been answered: {}", answers.join(", ")),
    }
}
