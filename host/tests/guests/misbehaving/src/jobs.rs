//! Jobs, as tools whose arguments are JSON. Text of a job is answered as it is.

use berth_plugin::jobs::{self, Channel, Filter, Spec};
use berth_plugin::{Command, Result, ToolOutput};
use serde_json::{Value, json};

use crate::misdeeds::{said, string};

/// Submits a shell's script, or the `args` of a program: `key`, `queue`, `script`, and what else a job has.
pub(crate) fn submit(arguments: &Value) -> Result<ToolOutput> {
    let args = match arguments["args"].as_array() {
        Some(args) => args.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        None => vec!["-c".to_owned(), string(arguments, "script")],
    };
    let mut command = Command::new(arguments["program"].as_str().unwrap_or("sh"), args);
    command.stdin = arguments["stdin"].as_str().unwrap_or_default().into();
    command.directory = arguments["directory"].as_str().map(str::to_owned);
    let note = arguments["note"].as_str().unwrap_or_default();
    let mut spec = Spec::new(string(arguments, "key"), string(arguments, "queue"), command).note(note);
    spec.interactive = arguments["interactive"] == true;
    spec.watch = arguments["watch"] == true;
    spec.host = arguments["host"].as_str().map(str::to_owned);
    let mut submitted = said(jobs::submit(spec)?)?;
    submitted.session = arguments["session"].as_str().map(str::to_owned);
    Ok(submitted)
}

/// A job, with what it printed, if that can be read.
pub(crate) fn get(arguments: &Value) -> Result<ToolOutput> {
    let id = string(arguments, "id");
    let job = jobs::get(&id)?;
    let printed = jobs::read(&id, Channel::Output, 0, 1 << 16).ok();
    said(
        json!({
            "phase": format!("{:?}", job.phase).trim_start_matches("Phase::"),
            "host": job.host,
            "reason": job.reason,
            "status": job.status,
            "input": job.input_bytes,
            "printed": printed.as_ref().map(|printed| String::from_utf8_lossy(&printed.bytes)),
        })
        .to_string(),
    )
}

pub(crate) fn cancel(arguments: &Value) -> Result<ToolOutput> {
    jobs::cancel(&string(arguments, "id"))?;
    said("asked for")
}

pub(crate) fn label(arguments: &Value) -> Result<ToolOutput> {
    jobs::set_label(&string(arguments, "id"), &string(arguments, "label"))?;
    said("set")
}

pub(crate) fn write(arguments: &Value) -> Result<ToolOutput> {
    let (id, bytes) = (string(arguments, "id"), string(arguments, "text"));
    said(jobs::write(&id, bytes.as_bytes(), arguments["expect"].as_u64())?.to_string())
}

/// The ids of the newest: `limit` of them, of those with a `label`.
pub(crate) fn recent(arguments: &Value) -> Result<ToolOutput> {
    let limit = arguments["limit"].as_u64().and_then(|limit| limit.try_into().ok());
    let mut filter = Filter::newest(limit.unwrap_or(10));
    filter.labels.extend(arguments["label"].as_str().map(str::to_owned));
    let listed = jobs::recent(&filter)?;
    let ids: Vec<String> = listed.into_iter().map(|job| job.id).collect();
    said(ids.join(" "))
}
