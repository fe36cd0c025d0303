//! Forms for the person at a client, in the protocol's shape: an answer to a call that says what must be filled in, and a
//! further call with what was.

use std::collections::BTreeMap;

use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    InputRequest, InputRequiredResult, ProtocolVersion, RequestMetaObject, Tool,
};
use serde_json::{Map, Value, json};

use crate::desk::{By, Filled, Form, Returned};
use crate::text::{clean, clean_json};

/// The form among the requests of an answer; there is one.
const FORM: &str = "answer";
/// The field of what is chosen.
const CHOICE: &str = "choice";
/// The field of words.
const TEXT: &str = "text";
/// What tells a client to ask its person at each call of a tool, whatever it is allowed otherwise.
const ASKS: &str = "anthropic/requiresUserInteraction";

/// Whether the client of this very request shows forms: earlier requests and its name say nothing.
pub(super) fn shows(meta: &RequestMetaObject) -> bool {
    let stateless = meta
        .protocol_version()
        .is_some_and(|version| version >= ProtocolVersion::V_2026_07_28);
    let declared = meta.client_capabilities().and_then(|able| able.elicitation);
    // Before there were addresses to open, a client that declared nothing more meant forms.
    stateless && declared.is_some_and(|able| able.form.is_some() || able.url.is_none())
}

/// Who makes a call, by what is in it.
pub(super) fn by(request: &CallToolRequestParams, meta: &RequestMetaObject) -> By {
    match &request.request_state {
        Some(state) => By::Form(Some(Returned {
            state: state.clone(),
            filled: request.input_responses.as_ref().and_then(|all| filled(all.get(FORM)?)),
        })),
        None if shows(meta) => By::Form(None),
        None => By::Program,
    }
}

/// What a person filled in; nothing if the form was closed, declined, or came back empty. A client also declines where no
/// person sees the form, so that refuses nothing: a refusal is one of the choices.
pub(super) fn filled(response: &Value) -> Option<Filled> {
    let result: ElicitResult = serde_json::from_value(response.clone()).ok()?;
    let content = match (result.action, result.content) {
        (ElicitationAction::Accept, Some(Value::Object(content))) => content,
        _ => return None,
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let choices = match content.get(CHOICE) {
        Some(Value::Array(several)) => several.iter().map(text).collect::<Option<_>>()?,
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![text(one)?],
    };
    let filled = Filled {
        choices: choices
            .into_iter()
            .filter(|choice: &String| !choice.is_empty())
            .collect(),
        text: content.get(TEXT).and_then(text).filter(|text| !text.is_empty()),
    };
    Some(filled).filter(|filled| *filled != Filled::default())
}

/// The answer to a call that asks the person first.
pub(super) fn asks(form: &Form) -> Result<InputRequiredResult, ErrorData> {
    let asked = BTreeMap::from([(FORM.to_owned(), request(form)?)]);
    Ok(InputRequiredResult::new(Some(asked), Some(form.state.clone())))
}

/// A form as it is asked for.
pub(super) fn request(form: &Form) -> Result<InputRequest, ErrorData> {
    let fault = |error: serde_json::Error| ErrorData::internal_error(format!("a form cannot be made: {error}"), None);
    let schema: ElicitationSchema = serde_json::from_value(clean_json(schema(form))).map_err(fault)?;
    let params = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: clean(&form.message),
        requested_schema: schema,
    };
    Ok(InputRequest::Elicitation(ElicitRequest::new(params)))
}

fn schema(form: &Form) -> Value {
    let mut properties = Map::new();
    let choices = form
        .choices
        .iter()
        .map(|(key, words)| json!({"const": key, "title": words}));
    let choices: Vec<Value> = choices.collect();
    match &form.several {
        _ if choices.is_empty() => {}
        Some(ticked) => {
            let field = json!({
                "type": "array", "title": "Your choices", "items": {"anyOf": choices}, "default": ticked,
            });
            properties.insert(CHOICE.into(), field);
        }
        None => {
            let field = json!({"type": "string", "title": "Your choice", "oneOf": choices});
            properties.insert(CHOICE.into(), field);
        }
    }
    if let Some(about) = form.text {
        let field = json!({"type": "string", "title": "Words", "description": about});
        properties.insert(TEXT.into(), field);
    }
    let required: Vec<&str> = match properties.len() {
        // Of two fields, one is enough.
        2 => Vec::new(),
        _ => properties.keys().map(String::as_str).collect(),
    };
    json!({"type": "object", "properties": properties, "required": required})
}

/// `tool` with the mark that its client asks its person at each call.
pub(super) fn asking(tool: Tool) -> Tool {
    let mut meta = tool.meta.clone().unwrap_or_default();
    meta.insert(ASKS.into(), true.into());
    tool.with_meta(meta)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn meta(version: &str, capabilities: Value) -> RequestMetaObject {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": version,
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        serde_json::from_value(meta).unwrap()
    }

    #[test]
    fn a_client_shows_forms_if_this_request_says_so_in_a_revision_that_has_them() {
        for (version, capabilities, is_shown) in [
            ("2026-07-28", json!({"elicitation": {}}), true),
            ("2026-07-28", json!({"elicitation": {"form": {}}}), true),
            ("2026-07-28", json!({"elicitation": {"form": {}, "url": {}}}), true),
            ("2026-07-28", json!({"elicitation": {"url": {}}}), false),
            ("2026-07-28", json!({}), false),
            ("2025-11-25", json!({"elicitation": {"form": {}}}), false),
        ] {
            assert_eq!(
                shows(&meta(version, capabilities.clone())),
                is_shown,
                "{version} {capabilities}"
            );
        }
        assert!(!shows(&RequestMetaObject::new()));
    }

    #[test]
    fn only_what_was_accepted_and_filled_in_is_an_answer() {
        let one = |choices: &[&str], text: Option<&str>| {
            Some(Filled {
                choices: choices.iter().map(ToString::to_string).collect(),
                text: text.map(str::to_owned),
            })
        };
        for (response, meant) in [
            (
                json!({"action": "accept", "content": {"choice": "1"}}),
                one(&["1"], None),
            ),
            (
                json!({"action": "accept", "content": {"choice": ["1", "2"]}}),
                one(&["1", "2"], None),
            ),
            (
                json!({"action": "accept", "content": {"choice": "2", "text": "why"}}),
                one(&["2"], Some("why")),
            ),
            (
                json!({"action": "accept", "content": {"choice": null, "text": "why"}}),
                one(&[], Some("why")),
            ),
            (json!({"action": "accept", "content": {"choice": "", "text": ""}}), None),
            (json!({"action": "accept", "content": {"choice": 1}}), None),
            (json!({"action": "accept", "content": {"choice": ["1", 2]}}), None),
            (json!({"action": "accept", "content": {}}), None),
            (json!({"action": "accept"}), None),
            (json!({"action": "decline", "content": {"choice": "1"}}), None),
            (json!({"action": "cancel", "content": {"choice": "1"}}), None),
            (json!({"action": "ACCEPT", "content": {"choice": "1"}}), None),
            (json!("accept"), None),
        ] {
            assert_eq!(filled(&response), meant, "{response}");
        }
    }

    #[test]
    fn a_form_has_a_field_for_what_can_be_chosen_and_one_for_words() {
        let form = Form {
            message: "It asks:\u{1b}[2J".into(),
            choices: vec![("1".into(), "Yes\u{202e}".into()), ("2".into(), "No".into())],
            several: None,
            text: None,
            state: "sealed".into(),
        };
        let shown = |form: &Form| serde_json::to_value(asks(form).unwrap()).unwrap();
        let one = shown(&form);
        assert_eq!(one["resultType"], "input_required");
        assert_eq!(one["requestState"], "sealed");
        let request = &one["inputRequests"][FORM];
        assert_eq!(request["method"], "elicitation/create");
        assert_eq!(request["params"]["message"], "It asks:");
        let schema = &request["params"]["requestedSchema"];
        assert_eq!(
            schema["properties"][CHOICE]["oneOf"],
            json!([{"const": "1", "title": "Yes"}, {"const": "2", "title": "No"}])
        );
        assert_eq!(schema["required"], json!([CHOICE]));
        let both = Form {
            several: Some(vec!["2".into()]),
            text: Some("why"),
            ..form
        };
        let schema = &shown(&both)["inputRequests"][FORM]["params"]["requestedSchema"];
        assert_eq!(schema["properties"][CHOICE]["default"], json!(["2"]));
        assert_eq!(schema["properties"][TEXT]["type"], "string");
    }
}
