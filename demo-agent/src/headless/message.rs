//! A message of a person.

use serde_json::Value;

/// What came, with the id that its receipts name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) uuid: Option<String>,
    pub(super) text: String,
    /// As it came, to be said again.
    pub(super) content: Value,
    images: usize,
    documents: usize,
}

impl Message {
    /// None if the line says nothing.
    pub(super) fn of(line: &Value) -> Option<Self> {
        let content = &line["message"]["content"];
        let parts: &[Value] = content.as_array().map_or(&[], Vec::as_slice);
        let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
        let count = |kind: &str| parts.iter().filter(|part| part["type"] == kind).count();
        let message = Self {
            uuid: line["uuid"].as_str().map(str::to_owned),
            text: content.as_str().map_or_else(|| texts.join("\n"), str::to_owned),
            content: content.clone(),
            images: count("image"),
            documents: count("document"),
        };
        let says_nothing = !content.is_string() && texts.is_empty() && message.attached().is_none();
        (!says_nothing).then_some(message)
    }

    /// `1 image and 2 documents`.
    pub(super) fn attached(&self) -> Option<String> {
        let counted = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            count => Some(format!("{count} {what}s")),
        };
        let parts = [counted(self.images, "image"), counted(self.documents, "document")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn attached(content: &Value) -> Option<Option<String>> {
        let line = json!({ "type": "user", "message": { "role": "user", "content": content } });
        Message::of(&line).map(|message| message.attached())
    }

    #[test]
    fn counts_what_is_attached_and_takes_no_empty_message() {
        let image = json!({ "type": "image", "source": {} });
        let document = json!({ "type": "document", "source": {} });
        let text = json!({ "type": "text", "text": "look" });
        assert_eq!(attached(&json!("hello")), Some(None));
        assert_eq!(attached(&json!([text, image])), Some(Some("1 image".to_owned())));
        let all = json!([image, document, document]);
        assert_eq!(attached(&all), Some(Some("1 image and 2 documents".to_owned())));
        assert_eq!(attached(&json!([])), None);
    }
}
