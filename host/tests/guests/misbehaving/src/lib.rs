//! A plugin for tests: a few sessions that never change, and one own tool for each misdeed.
//!
//! Its settings make it misbehave where a test cannot call a tool. Each is a word:
//!
//! - `describe`, `list`, `log`, `projects`, `options`, `turns`, `changes`, `upkeep` and `deed` (what changes a session):
//!   `fail`, `trap`, `hang`, `forge-error` for an error that looks like a row, or `flood-error` for one of 15 MB. Each has
//!   further words of its own, in `describe` below, `lists.rs`, `others.rs` and `sessions.rs`.
//! - `describe` may also be `wait`, until there is the granted file `go`.
//! - `create` is how many sessions are new after a start that was broken off; only with it a start breaks off.
//! - Without `projects`, `options`, `turns` or `changes` those are not supported.
//! - With `talk` there is one more session, whose turns name messages: see `talk.rs`.
//! - `tools` is the list of misdeeds that it offers (all where it is left out), `tool` replaces fields of the first.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a plugin for tests; a panic is one of its misdeeds"
)]

mod hosts;
mod jobs;
mod lists;
mod misdeeds;
mod others;
mod raw;
mod sessions;
mod talk;

use berth_plugin::{
    Answered, Backend, ChangePage, Changes, Control, Creation, Delivery, Description, Error, Event, LogPage, LogQuery,
    Manifest, Message, Needs, NewSession, OptionSpec, OptionState, Options, OwnTools, ProjectPage, Projects, Receipt,
    Result, Session, SessionPage, SessionQuery, Tool, ToolCall, ToolOutput, Transcripts, TurnPage, TurnQuery, Upkeep,
    Upkept, settings,
};
use serde_json::{Value, json};

use crate::lists::FORGED;

struct Misbehaving;

impl Backend for Misbehaving {
    fn describe() -> Result<Description> {
        let how = behave("describe")?;
        if how == "wait" {
            others::wait_for(setting("go").as_str().expect("a path"));
        }
        let mut description = Description::new("a plugin for tests", env!("CARGO_PKG_VERSION"));
        description.tools = tools();
        description.poll_ms = setting("poll_ms").as_u64().and_then(|pause| pause.try_into().ok());
        if how == "creates" || !setting("create").is_null() {
            description.creation = Creation::CREATE;
        }
        if talk::is_wanted() {
            description.creation = Creation::CREATE | Creation::FIRST_MESSAGE;
        }
        if how == "flood" {
            description.about = sessions::flood();
        }
        if how == "forge" {
            description.about.push_str(FORGED);
            description.version.push_str(FORGED);
            description.views = vec![
                "output".into(),
                format!("output{FORGED}"),
                String::new(),
                "output".into(),
            ];
            let option = |name: &str| {
                OptionSpec::new(name, FORGED)
                    .values([FORGED, "", "x", "x"])
                    .agent(FORGED)
            };
            description.options = [FORGED, "", "twin", "twin"].map(option).to_vec();
            description.facts = vec![(FORGED.into(), FORGED.into())];
        }
        Ok(description)
    }

    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        Ok(lists::page(&behave("list")?, &query))
    }

    fn read_log(id: &str, query: LogQuery) -> Result<LogPage> {
        if id == talk::ID {
            return talk::log(&query);
        }
        let how = behave("log")?;
        Self::get_session(id)?;
        Ok(others::log(&how, id))
    }
}

impl Control for Misbehaving {
    fn create_session(request: NewSession) -> Result<Session> {
        behave("deed")?;
        match talk::is_wanted() {
            true => talk::create(request),
            false => sessions::create(&request),
        }
    }

    fn send_message(id: &str, message: Message) -> Result<Delivery> {
        match (behave("deed")?, id) {
            (_, talk::ID) => talk::send(&message),
            (how, _) => sessions::send(&how, id, &message),
        }
    }

    fn cancel_message(id: &str, message: &str) -> Result<()> {
        behave("deed")?;
        match id {
            talk::ID => talk::cancel(message),
            _ => sessions::cancel(id, message),
        }
    }

    fn respond(id: &str, answers: Vec<Answered>) -> Result<Delivery> {
        match (behave("deed")?, id) {
            (_, talk::ID) => talk::respond(&answers),
            (how, _) => sessions::respond(&how, id, &answers),
        }
    }

    fn interrupt(id: &str) -> Result<Receipt> {
        if id == talk::ID {
            return talk::interrupt();
        }
        sessions::end(&behave("deed")?, id)
    }

    fn terminate(id: &str) -> Result<Receipt> {
        sessions::end(&behave("deed")?, id)
    }
}

impl Options for Misbehaving {
    fn list_options(_: &str) -> Result<Vec<OptionState>> {
        Ok(others::options(&supported("options")?))
    }

    fn set_option(_: &str, name: &str, value: &str) -> Result<()> {
        supported("options")?;
        sessions::note("options", &format!("{name}={value}"))
    }
}

impl Transcripts for Misbehaving {
    fn read_turns(id: &str, query: TurnQuery) -> Result<TurnPage> {
        if id == talk::ID {
            return talk::turns(&query);
        }
        Ok(others::turns(&supported("turns")?, &query))
    }
}

impl Changes for Misbehaving {
    fn get_changes(_: &str, after: Option<&str>, _: u32) -> Result<ChangePage> {
        Ok(others::changes(&supported("changes")?, after))
    }
}

impl Projects for Misbehaving {
    fn list_projects() -> Result<ProjectPage> {
        Ok(others::projects(&supported("projects")?))
    }
}

impl OwnTools for Misbehaving {
    fn call_tool(call: ToolCall) -> Result<ToolOutput> {
        match call.name.as_str() {
            talk::RUN => return talk::run(&call),
            talk::TELL => return talk::tell(&call.arguments()?),
            _ => {}
        }
        let misdeed = misdeeds::ALL.iter().find(|(known, _)| *known == call.name);
        let (_, misdeed) = misdeed.ok_or_else(|| Error::NotFound(format!("no tool {}", call.name)))?;
        misdeed(&call.arguments()?)
    }
}

impl Upkeep for Misbehaving {
    fn run(events: Vec<Event>) -> Result<Upkept> {
        others::upkeep(&behave("upkeep")?, &events)
    }
}

impl Manifest for Misbehaving {
    fn needs() -> Needs {
        Needs::new().grants(json!({"programs": {"sh": {"path": "sh", "control": [["-c", "@text"]]}}}))
    }
}

berth_plugin::export!(Misbehaving: Control, Options, Transcripts, Changes, Projects, OwnTools, Upkeep, Manifest);

fn setting(name: &str) -> Value {
    let mut all: Value = settings().expect("settings are an object");
    all[name].take()
}

/// Does what a setting says before the function itself; answers its word.
fn behave(name: &str) -> Result<String> {
    let how = setting(name).as_str().unwrap_or_default().to_owned();
    match how.as_str() {
        "fail" => Err(Error::Failed("it fails because its settings say so".into())),
        "forge-error" => Err(Error::Failed("why\nwell/forged-1 — idle\u{2028}\u{1b}]0;".into())),
        "flood-error" => Err(Error::Failed(sessions::flood())),
        "trap" => panic!("as its settings say"),
        "hang" => misdeeds::hang(),
        _ => Ok(how),
    }
}

/// The same of a function that there is only with its setting.
fn supported(name: &str) -> Result<String> {
    match setting(name) {
        Value::Null => Err(Error::Unsupported),
        _ => behave(name),
    }
}

fn tools() -> Vec<Tool> {
    let wanted = setting("tools");
    let is_wanted = |name: &str| {
        wanted
            .as_array()
            .is_none_or(|wanted| wanted.iter().any(|tool| tool == name))
    };
    let names = misdeeds::ALL
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| is_wanted(name));
    let mut tools: Vec<Tool> = names.map(described).collect();
    if talk::is_wanted() {
        tools.extend([talk::RUN, talk::TELL].map(described));
    }
    if let (Some(first), Value::Object(changes)) = (tools.first_mut(), setting("tool")) {
        let text = |key: &str| changes.get(key).and_then(Value::as_str).map(str::to_owned);
        let change = |field: &mut String, key: &str| *field = text(key).unwrap_or_else(|| field.clone());
        change(&mut first.name, "name");
        change(&mut first.title, "title");
        change(&mut first.description, "description");
        change(&mut first.input_schema, "input_schema");
        first.output_schema = text("output_schema");
    }
    tools
}

fn described(name: &str) -> Tool {
    let about = format!("A misdeed of the test plugin: {name}.");
    let input = json!({"type": "object", "properties": {"text": {"type": "string"}}});
    let tool = Tool::new(name, name.replace('_', " "), about).input(&input).reads();
    Tool {
        destructive: true,
        idempotent: false,
        ..tool.stays_here()
    }
}
