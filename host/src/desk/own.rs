//! Calls of the tools that only one plugin has.

use serde_json::Value;

use uuid::Uuid;

use super::words::bounded;
use super::{Answer, Caller, Desk, ToolError, answer, structured};
use crate::capability::Access;
use crate::catalog::OwnCall;
use crate::plugin::Failure;
use crate::principal::Scope;
use crate::session::{Content, ToolCall};
use crate::store::audit::Outcome;
use crate::text::short_line;

/// Characters of a media type, a title or an address that stands in the text.
const NAME: usize = 127;

pub(super) async fn call_own_tool(desk: &Desk, caller: &Caller, wanted: OwnCall<'_>) -> Result<Answer, ToolError> {
    let member = desk.reach(caller).member(Some(wanted.backend))?;
    let name = wanted.tool;
    let access = match wanted.scope {
        Scope::Read => Access::Read,
        Scope::Control => Access::Control,
    };
    let call = ToolCall {
        id: Uuid::new_v4().to_string(),
        name: name.to_owned(),
        arguments: Value::Object(wanted.arguments).to_string(),
    };
    let output =
        member
            .watched
            .backend
            .call_tool(&call, access)
            .await
            .map_err(|Failure { error, acted }| match acted {
                true => ToolError::new(format!(
                    "{}. It had begun to act before: look at what it did before you repeat the call",
                    answer::describe(member.name(), error)
                )),
                false => ToolError::of(member.name(), error),
            })?;
    let (text, further) = apart(output.content);
    let text = bounded(text);
    let outcome = if output.failed { Outcome::Failed } else { Outcome::Done };
    let structured = match (output.structured, wanted.output) {
        (Some(given), schema) => structured::parse(given, schema).await.map(Some),
        // A call that failed says so in words.
        (None, Some(_)) if !output.failed => Err("no data, and its own schema promises some".to_owned()),
        (None, _) => Ok(None),
    };
    let fault = match structured {
        Ok(structured) => {
            let text = Some(text);
            return Ok(Answer {
                text,
                structured,
                further,
                outcome,
            });
        }
        Err(fault) => format!("`{name}` of backend `{}` answered with {fault}", member.name()),
    };
    match access {
        Access::Read => Err(ToolError::new(fault)),
        // Without its data an answer cannot count as one that succeeded, but what was done must not be repeated.
        Access::Control => Ok(Answer {
            text: Some(format!(
                "It was carried out, so do not repeat the call, but {fault}.\n{text}"
            )),
            structured: None,
            further,
            outcome: Outcome::Failed,
        }),
    }
}

/// The words of an answer as one text, and apart from them what clients can show. What they cannot is named in the text.
fn apart(content: Vec<Content>) -> (String, Vec<Content>) {
    let (mut words, mut further) = (Vec::new(), Vec::new());
    for part in content {
        match part {
            Content::Text(text) => words.push(text),
            Content::Media { ref media_type, .. } if is_media_type(media_type) => further.push(part),
            Content::Media { media_type, bytes } => {
                words.push(format!("[{} bytes of {}]", bytes.len(), short_line(&media_type, NAME)));
            }
            Content::Link { ref url, .. } if is_address(url) => further.push(part),
            Content::Link { url, title } => {
                words.push(format!("[{}: {}]", short_line(&title, NAME), short_line(&url, NAME)));
            }
        }
    }
    (words.join("\n"), further)
}

fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        (1..=NAME).contains(&part.len()) && part.bytes().all(plain)
    };
    text.split_once('/')
        .is_some_and(|(kind, name)| is_token(kind) && is_token(name))
}

/// Whether it is one that a person may be led to.
fn is_address(text: &str) -> bool {
    let parsed: Result<http::Uri, _> = text.parse();
    parsed.is_ok_and(|uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("https" | "http")))
}
