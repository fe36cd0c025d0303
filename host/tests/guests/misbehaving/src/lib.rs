//! A plugin for tests: a few sessions that never change, and one own tool for each misdeed.
//!
//! Its settings make it misbehave where a test cannot call a tool: `describe` and `list` say what those verbs do
//! (`fail`, `trap`, `hang`, `forge-error` for one that looks like a row, `flood-error` for one of 15 MB; of `list` also the
//! lists in `sessions.rs`), `acts` the same of all verbs that act, `create` how many sessions are new after a start that was
//! broken off, which it offers only then, `projects` what `list-projects` does, which it has only
//! then, `log` what a log holds, `about` what it says of itself, `tools` which misdeeds it offers (all where it is left
//! out), `tool` replaces fields of the first of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a plugin for tests; a panic is one of its misdeeds"
)]

mod misdeeds;
mod sessions;

use berth_plugin::types::{
    Access, Answer, Delivery, Description, Error, LogPage, LogQuery, NewSession, Project, Session, Timestamp, Tool,
    ToolOutput, Verbs,
};
use berth_plugin::{Backend, settings};
use serde_json::Value;

struct Misbehaving;

impl Backend for Misbehaving {
    fn describe() -> Result<Description, Error> {
        let settings = own_settings();
        behave(&settings["describe"])?;
        Ok(Description {
            about: match settings["about"].as_str() {
                Some("flood") => sessions::flood(),
                _ => "a plugin for tests".into(),
            },
            version: env!("CARGO_PKG_VERSION").into(),
            verbs: verbs(&settings),
            tools: tools(&settings),
        })
    }

    fn list_sessions() -> Result<Vec<Session>, Error> {
        behave(&own_settings()["list"])?;
        Ok(listed())
    }

    fn get_session(id: String) -> Result<Session, Error> {
        sessions::find_in(listed(), &id)
    }

    fn read_log(id: String, _: LogQuery) -> Result<LogPage, Error> {
        sessions::find_in(listed(), &id)?;
        Ok(sessions::log(&id, own_settings()["log"].as_str().unwrap_or_default()))
    }

    fn create_session(_: NewSession) -> Result<Session, Error> {
        match own_settings()["create"].is_null() {
            true => Err(Error::Unsupported),
            false => sessions::break_off(),
        }
    }

    fn send_message(id: String, message: String) -> Result<Delivery, Error> {
        behave(&own_settings()["acts"])?;
        sessions::send(&id, &message)
    }

    fn respond(id: String, prompt: String, answer: Answer) -> Result<(), Error> {
        behave(&own_settings()["acts"])?;
        sessions::respond(&id, &prompt, &answer)
    }

    fn interrupt(id: String) -> Result<(), Error> {
        behave(&own_settings()["acts"])?;
        sessions::find(&id).map(drop)
    }

    fn terminate(id: String) -> Result<(), Error> {
        behave(&own_settings()["acts"])?;
        sessions::find(&id).map(drop)
    }

    fn list_projects() -> Result<Vec<Project>, Error> {
        let settings = own_settings();
        behave(&settings["projects"])?;
        Ok(sessions::projects(settings["projects"].as_str().unwrap_or_default()))
    }

    fn call_tool(name: String, arguments: String) -> Result<ToolOutput, Error> {
        let arguments = serde_json::from_str(&arguments).expect("the host sends JSON");
        let misdeed = misdeeds::ALL.iter().find(|(known, _)| *known == name);
        let (_, misdeed) = misdeed.ok_or_else(|| Error::NotFound(format!("no tool {name}")))?;
        misdeed(&arguments)
    }

    fn upkeep() -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }
}

fn verbs(settings: &Value) -> Verbs {
    let mut verbs = Verbs::SEND | Verbs::RESPOND | Verbs::INTERRUPT | Verbs::TERMINATE;
    verbs.set(Verbs::PROJECTS, !settings["projects"].is_null());
    verbs.set(Verbs::CREATE, !settings["create"].is_null());
    verbs
}

fn listed() -> Vec<Session> {
    let settings = own_settings();
    let mut listed = sessions::listed(settings["list"].as_str().unwrap_or_default());
    listed.extend(sessions::started(settings["create"].as_u64().unwrap_or_default()));
    listed
}

fn own_settings() -> Value {
    let mut all: Value = serde_json::from_str(&settings::get()).expect("settings are JSON");
    all["settings"].take()
}

/// Does what a setting says before the verb itself.
fn behave(setting: &Value) -> Result<(), Error> {
    match setting.as_str() {
        Some("fail") => Err(Error::Failed("it fails because its settings say so".into())),
        Some("forge-error") => Err(Error::Failed("why\nwell/forged-1 — idle\u{2028}\u{1b}]0;".into())),
        Some("flood-error") => Err(Error::Failed(sessions::flood())),
        Some("trap") => panic!("as its settings say"),
        Some("hang") => misdeeds::hang(),
        _ => Ok(()),
    }
}

fn tools(settings: &Value) -> Vec<Tool> {
    let wanted = settings["tools"].as_array();
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted.iter().any(|tool| tool == name));
    let names = misdeeds::ALL
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| is_wanted(name));
    let mut tools: Vec<Tool> = names.map(described).collect();
    if let (Some(first), Value::Object(changes)) = (tools.first_mut(), &settings["tool"]) {
        let change = |field: &mut String, key: &str| {
            if let Some(value) = changes.get(key).and_then(Value::as_str) {
                *field = value.to_owned();
            }
        };
        change(&mut first.name, "name");
        change(&mut first.title, "title");
        change(&mut first.description, "description");
        change(&mut first.input_schema, "input_schema");
        if let Some(schema) = changes.get("output_schema").and_then(Value::as_str) {
            first.output_schema = Some(schema.to_owned());
        }
    }
    tools
}

fn described(name: &str) -> Tool {
    Tool {
        name: name.into(),
        title: name.replace('_', " "),
        description: format!("A misdeed of the test plugin: {name}."),
        input_schema: r#"{"type": "object", "properties": {"text": {"type": "string"}}}"#.into(),
        output_schema: None,
        access: Access::Read,
        destructive: true,
        idempotent: false,
    }
}

berth_plugin::export!(Misbehaving);
