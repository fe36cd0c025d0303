//! What goes to an agent and comes from it, as blocks of content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::given::Attachment;
use super::super::refused::Refusal;

/// A message as blocks.
pub(super) fn blocks(text: &str, attachments: &[Attachment], pictures: bool, texts: bool) -> Result<Value, Refusal> {
    let mut blocks = vec![json!({"type": "text", "text": text})];
    for attachment in attachments {
        blocks.push(block(attachment, pictures, texts)?);
    }
    Ok(json!(blocks))
}

fn block(attachment: &Attachment, pictures: bool, texts: bool) -> Result<Value, Refusal> {
    let Attachment {
        name,
        media_type,
        bytes,
    } = attachment;
    if media_type.starts_with("image/") && pictures {
        return Ok(json!({"type": "image", "mimeType": media_type, "data": STANDARD.encode(bytes)}));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if texts => Ok(json!({"type": "resource", "resource": {
            "uri": format!("attachment:///{}", name.replace(['/', ' '], "_")), "mimeType": media_type, "text": text,
        }})),
        Ok(text) => Ok(json!({"type": "text", "text": format!("<attachment name={name:?}>\n{text}\n</attachment>")})),
        Err(_) => Err(Refusal::Invalid(format!(
            "this agent does not take {name} ({media_type}): put it into a file of the project, and name that"
        ))),
    }
}

/// The title of a call of a tool.
pub(super) fn title(call: &Value) -> String {
    let title = call["title"].as_str().or(call["kind"].as_str());
    title.unwrap_or("a tool").to_owned()
}

/// What a tool is called with, in one line.
pub(super) fn called_with(call: &Value) -> String {
    let input = &call["rawInput"];
    let text = ["command", "path", "file_path", "query", "url"]
        .iter()
        .find_map(|key| input[*key].as_str());
    text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// What a call of a tool would do, as a person reads it.
pub(super) fn about(call: &Value) -> Option<String> {
    let mut parts = Vec::new();
    match &call["rawInput"] {
        Value::Null => {}
        Value::Object(fields) if fields.is_empty() => {}
        input => match input["command"].as_str() {
            Some(command) if input.as_object().is_some_and(|fields| fields.len() == 1) => {
                parts.push(command.to_owned())
            }
            _ => parts.extend(serde_json::to_string_pretty(input).ok()),
        },
    }
    for content in call["content"].as_array().into_iter().flatten() {
        match content["type"].as_str() {
            Some("diff") => parts.push(diff(content)),
            Some("content") => parts.extend(content["content"]["text"].as_str().map(str::to_owned)),
            _ => {}
        }
    }
    let places = call["locations"].as_array().into_iter().flatten();
    let places: Vec<&str> = places.filter_map(|place| place["path"].as_str()).collect();
    if parts.is_empty() && !places.is_empty() {
        parts.push(places.join("\n"));
    }
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

fn diff(content: &Value) -> String {
    let lines = |key: &str, sign: char| -> String {
        let lines = content[key].as_str().unwrap_or_default().lines();
        lines.map(|line| format!("{sign}{line}\n")).collect()
    };
    let path = content["path"].as_str().unwrap_or("a file");
    format!("{path}\n{}{}", lines("oldText", '-'), lines("newText", '+'))
        .trim_end()
        .to_owned()
}
