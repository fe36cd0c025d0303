//! What an agent wants to do, as a person reads it.

use serde_json::Value;

/// What a request to use a tool asks, in one sentence.
pub(super) fn question(tool: &str, request: &Value) -> String {
    match tool {
        "Bash" => "May it run this command?".to_owned(),
        "Write" => format!("May it write {}?", file(request)),
        "Edit" | "MultiEdit" | "NotebookEdit" => format!("May it change {}?", file(request)),
        "Read" => format!("May it read {}?", file(request)),
        "ExitPlanMode" => "Shall it carry out this plan?".to_owned(),
        "WebFetch" | "WebSearch" => format!("May it use the internet ({tool})?"),
        "AskUserQuestion" => "It asks something that cannot be shown.".to_owned(),
        tool => format!("May it use {}?", plain(tool)),
    }
}

/// What it is about.
pub(super) fn detail(tool: &str, request: &Value, plan: Option<&str>) -> Option<String> {
    let input = &request["input"];
    let text = |key: &str| input[key].as_str().map(str::to_owned);
    // What is told, and the fields that it tells.
    let (about, told): (_, &[&str]) = match tool {
        "Bash" => (text("command"), &["command"]),
        "Write" => (text("content"), &["file_path", "content"]),
        "Edit" => (
            changed(input),
            &["file_path", "old_string", "new_string", "replace_all"],
        ),
        "ExitPlanMode" => (text("plan").or(plan.map(str::to_owned)), &["plan"]),
        _ => (None, &[]),
    };
    // All that is allowed is shown, so what has no place of its own stands below.
    let about = match about {
        Some(about) => Some(about + &others(input, told)),
        None => match input {
            Value::Object(fields) if fields.is_empty() => None,
            Value::Null => None,
            input => serde_json::to_string_pretty(input).ok(),
        },
    };
    let reason = request["decision_reason"]
        .as_str()
        .map(plain)
        .filter(|reason| !reason.is_empty());
    match (about, reason) {
        (about, None) => about,
        (None, Some(reason)) => Some(format!("Why it asks: {reason}")),
        (Some(about), Some(reason)) => Some(format!("{about}\n\nWhy it asks: {reason}")),
    }
}

/// A wider permission that the agent suggests, as a label.
pub(super) fn suggestion(one: &Value) -> String {
    let place = match one["destination"].as_str().unwrap_or_default() {
        "session" => " in this session",
        "localSettings" | "projectSettings" => " in this project",
        "userSettings" => " in all projects",
        _ => "",
    };
    let texts = |key: &str| -> String {
        let texts: Vec<String> = one[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|text| text.as_str().map(plain))
            .collect();
        texts.join(", ")
    };
    match one["type"].as_str().unwrap_or_default() {
        "addRules" | "replaceRules" => {
            let rules: Vec<String> = one["rules"].as_array().into_iter().flatten().map(rule).collect();
            format!("Yes, and do not ask again for {}{place}", rules.join(", "))
        }
        "setMode" => format!(
            "Yes, and from now on work in mode {}{place}",
            plain(one["mode"].as_str().unwrap_or("?"))
        ),
        "addDirectories" => format!("Yes, and it may work in {}{place}", texts("directories")),
        other => format!("Yes, and more: {}{place}", plain(other)),
    }
}

/// What is shown beside the choices of a question.
pub(super) fn previews(asked: &Value) -> Option<String> {
    let header = asked["header"].as_str().map(plain).filter(|header| !header.is_empty());
    let previews = asked["options"].as_array().into_iter().flatten().filter_map(|option| {
        let preview = option["preview"].as_str()?;
        Some(format!("{}:\n{preview}", plain(option["label"].as_str()?)))
    });
    let parts: Vec<String> = header.into_iter().chain(previews).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// The fields of an input that are not told elsewhere, in a line each.
fn others(input: &Value, told: &[&str]) -> String {
    let fields = input.as_object().into_iter().flatten();
    let others = fields.filter(|(key, _)| !told.contains(&key.as_str()));
    let lines: Vec<String> = others
        .map(|(key, value)| match value.as_str() {
            Some(text) => format!("{}: {text}", plain(key)),
            None => format!("{}: {value}", plain(key)),
        })
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n\n{}", lines.join("\n")),
    }
}

fn rule(rule: &Value) -> String {
    let tool = plain(rule["toolName"].as_str().unwrap_or("?"));
    match rule["ruleContent"].as_str() {
        Some(content) => format!("{tool}({})", plain(content)),
        None => tool,
    }
}

fn file(request: &Value) -> String {
    let input = &request["input"];
    let path = input["file_path"].as_str().or(input["notebook_path"].as_str());
    path.map_or_else(|| "a file".to_owned(), plain)
}

/// A change of a text, as lines that go and lines that come.
fn changed(edit: &Value) -> Option<String> {
    let lines = |key: &str, sign: char| -> Option<String> {
        let lines: Vec<String> = edit[key]
            .as_str()?
            .lines()
            .map(|line| format!("{sign}{line}"))
            .collect();
        Some(lines.join("\n"))
    };
    let (old, new) = (lines("old_string", '-')?, lines("new_string", '+')?);
    let all = match edit["replace_all"] == true {
        true => "everywhere:\n",
        false => "",
    };
    Some(format!("{all}{old}\n{new}"))
}

/// One line without control characters.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
