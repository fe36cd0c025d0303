//! A message to the agent, with what goes with it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::given::Attachment;
use super::super::refused::Refusal;

/// Pictures that the agent's model can see.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The line of a message.
pub(super) fn line(id: &str, text: &str, attachments: &[Attachment]) -> Result<Value, Refusal> {
    let mut content = attachments.iter().map(block).collect::<Result<Vec<_>, _>>()?;
    let content = match content.is_empty() {
        true => json!(text),
        false => {
            content.push(json!({"type": "text", "text": text}));
            json!(content)
        }
    };
    Ok(json!({
        "type": "user", "uuid": id, "parent_tool_use_id": null, "session_id": "",
        "message": {"role": "user", "content": content},
    }))
}

fn block(attachment: &Attachment) -> Result<Value, Refusal> {
    let media_type = attachment.media_type.to_ascii_lowercase();
    let data = || STANDARD.encode(&attachment.bytes);
    if PICTURES.contains(&media_type.as_str()) {
        return Ok(json!({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data()}}));
    }
    if media_type == "application/pdf" {
        let source = json!({"type": "base64", "media_type": media_type, "data": data()});
        return Ok(json!({"type": "document", "source": source, "title": attachment.name}));
    }
    match std::str::from_utf8(&attachment.bytes) {
        Ok(text) => Ok(json!({
            "type": "text",
            "text": format!("<attachment name={:?}>\n{text}\n</attachment>", attachment.name),
        })),
        Err(_) => Err(Refusal::Invalid(format!(
            "the agent does not take {} as it is ({media_type}): give a picture, a PDF or a text, or put it into a file of the \
             project",
            attachment.name
        ))),
    }
}
