//! Calls of the tools that only one plugin has.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer::GoesOn;
use super::deeds::{Effect, effect};
use super::receipt::{Receipt, line};
use super::{Caller, Generation, ToolAnswer, ToolError};
use crate::capability::Access;
use crate::catalog::OwnCall;
use crate::plugin::{Output, Promise};
use crate::principal::Scope;
use crate::session::ToolCall;
use crate::store::audit::Outcome;
use crate::text::marked;

pub(super) async fn call_own_tool(
    generation: &Generation,
    caller: &Caller,
    wanted: OwnCall<'_>,
) -> Result<ToolAnswer, ToolError> {
    let member = generation.reach(caller).member(Some(wanted.backend)).await?;
    let name = wanted.tool;
    let access = match wanted.scope {
        Scope::Read => Access::Read,
        Scope::Control => Access::Control,
    };
    let lineage = caller.principal.lineage();
    let acts = wanted.scope == Scope::Control;
    for named in texts(&wanted.arguments) {
        // A run is named with its backend or without.
        let own = named
            .strip_prefix(member.name())
            .and_then(|rest| rest.strip_prefix('/'));
        let may = member
            .watched
            .backend
            .may_name(lineage, own.unwrap_or(named), acts)
            .await;
        may.map_err(|why| ToolError::refused(format!("`{name}`: {why}, so nothing was done")))?;
    }
    called(generation, caller, wanted, Uuid::new_v4().to_string(), access).await
}

/// What an own tool answers now to an earlier call, the one with this id. It may only read meanwhile, so a backend that does
/// not know that call any more begins nothing.
pub(super) async fn call_again(
    generation: &Generation,
    caller: &Caller,
    wanted: OwnCall<'_>,
    id: &str,
) -> Result<ToolAnswer, ToolError> {
    called(generation, caller, wanted, id.to_owned(), Access::Read).await
}

async fn called(
    generation: &Generation,
    caller: &Caller,
    wanted: OwnCall<'_>,
    id: String,
    access: Access,
) -> Result<ToolAnswer, ToolError> {
    let member = generation.reach(caller).member(Some(wanted.backend)).await?;
    let name = wanted.tool;
    let call = ToolCall {
        id,
        name: name.to_owned(),
        arguments: Value::Object(wanted.arguments).to_string(),
    };
    let promise = wanted
        .output
        .map(|schema| -> Promise { Arc::new(move |data| schema.fault(data)) });
    let report = Report {
        promised: promise.is_some(),
        access,
    };
    let lineage = caller.principal.lineage().clone();
    let answered = member.watched.backend.call_tool(&call, access, promise, lineage).await;
    match effect(member.name(), answered)? {
        Effect::Done(mut output) => {
            let goes_on = output.session.take().map(|session| GoesOn {
                id: call.id,
                backend: member.name().to_owned(),
                session,
                after: None,
            });
            let answer = report.on(output, &format!("`{name}` of backend `{}`", member.name()))?;
            let goes_on = goes_on.filter(|_| answer.outcome == Outcome::Done).map(Box::new);
            Ok(ToolAnswer { goes_on, ..answer })
        }
        Effect::Perhaps(why) => Ok(report.perhaps(&why)),
    }
}

/// The texts among the values of arguments.
fn texts(arguments: &Map<String, Value>) -> impl Iterator<Item = &str> {
    arguments.values().filter_map(Value::as_str)
}

/// What is reported of a call, whatever its outcome. Once the plugin had begun to act, that is not an error.
struct Report {
    /// The plugin's schema describes its data, so ours cannot be there.
    promised: bool,
    access: Access,
}

impl Report {
    /// It ended; `tool` says in words whose answer this is.
    fn on(&self, output: Output, tool: &str) -> Result<ToolAnswer, ToolError> {
        let outcome = if output.failed { Outcome::Failed } else { Outcome::Done };
        let fault = match output.structured {
            Ok(structured) => {
                return Ok(ToolAnswer {
                    text: Some(output.text),
                    structured,
                    further: output.further,
                    outcome,
                    goes_on: None,
                });
            }
            Err(fault) => format!("{tool} answered with {fault}"),
        };
        // What neither ran nor kept anything has done nothing.
        if self.access == Access::Read || !output.acted {
            return Err(ToolError::new(with_said(&fault, &output.text)));
        }
        let (receipt, came_to) = match output.failed {
            false => (Receipt::Confirmed, "It was carried out, but"),
            true => (
                Receipt::Unconfirmed,
                "It failed, perhaps after it had done something, and",
            ),
        };
        let note = format!("{came_to} its answer cannot be shown: {fault}.");
        let ToolAnswer { text, structured, .. } = self.told(receipt, &note);
        let text = text.unwrap_or_default();
        Ok(ToolAnswer {
            text: Some(with_said(&text, &output.text)),
            structured,
            further: output.further,
            outcome,
            goes_on: None,
        })
    }

    /// It had begun to act, and did not come to its end.
    fn perhaps(&self, why: &str) -> ToolAnswer {
        let note = format!(
            "It had begun to act, so it may have been carried out, but its answer cannot be shown: {why}. Look at what it \
             did before you repeat the call."
        );
        self.told(Receipt::Unconfirmed, &note)
    }

    fn told(&self, receipt: Receipt, note: &str) -> ToolAnswer {
        let receipt = receipt.name();
        let line = line("Tool", receipt);
        ToolAnswer {
            text: Some(format!("{line}\n{note}")),
            structured: (!self.promised).then(|| json!({"receipt": receipt, "note": note})),
            further: Vec::new(),
            outcome: Outcome::Done,
            goes_on: None,
        }
    }
}

/// `text`, and below it what the tool said itself.
fn with_said(text: &str, said: &str) -> String {
    match said.is_empty() {
        true => text.to_owned(),
        false => format!("{text}\nIt said:\n{}", marked(said, "| ")),
    }
}
