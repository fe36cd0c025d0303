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
    let text = bounded(text(output.content));
    let outcome = if output.failed { Outcome::Failed } else { Outcome::Done };
    let structured = match output.structured {
        Some(given) => structured::parse(given).await.map(Some),
        None => Ok(None),
    };
    let fault = match structured {
        Ok(structured) => {
            let text = Some(text);
            return Ok(Answer {
                text,
                structured,
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
            outcome: Outcome::Failed,
        }),
    }
}

/// All parts of an answer as one text.
fn text(content: Vec<Content>) -> String {
    let part = |content| match content {
        Content::Text(text) => text,
        Content::Media { media_type, bytes } => format!("[{media_type}, {} bytes]", bytes.len()),
        Content::Link { url, title } => format!("{title}: {url}"),
    };
    content.into_iter().map(part).collect::<Vec<_>>().join("\n")
}
