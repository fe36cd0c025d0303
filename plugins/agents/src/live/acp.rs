//! The Agent Client Protocol, version 1: JSON-RPC over standard input and output. <https://agentclientprotocol.com>
//!
//! It has no receipt for a message and takes one at a time, so the others wait here. No part of this machine is offered to
//! the agent: neither files nor terminals.

mod ask;
mod content;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use ask::{answer, expire};

use super::given::Attachment;
use super::refused::Refusal;
use super::shared::Shared;
use super::{Begin, OptionState};
use crate::headless::failure::{About, Failure};
use crate::shorter::{beginning, end};

/// Bytes of messages that wait for their turn.
const WAITING: usize = 384 << 10;
/// Characters of an answer that are kept, and of a name that the agent gives.
const SAID: usize = 2_000;
const NAME: usize = 100;
/// Characters of why it cannot begin, and ways to log in that are named.
const WORDS: usize = 400;
const WAYS: usize = 5;
/// Modes and models that are listed.
const LISTED: usize = 50;
/// Our requests that are not answered yet, at most.
const UNANSWERED: usize = 64;
/// JSON-RPC's own: the method does not exist.
const UNKNOWN_METHOD: i64 = -32_601;
/// The protocol's own: the agent wants a login.
const LOGIN: i64 = -32_000;

/// What is known beside what every protocol has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Acp {
    begin: Begin,
    next: u64,
    /// Our requests that are not answered yet; those with a message have its id.
    waiting: Vec<(String, Purpose)>,
    /// It has said what it can.
    is_known: bool,
    /// The names of the ways to log in.
    #[serde(default)]
    logins: Vec<String>,
    loads: bool,
    takes_pictures: bool,
    takes_texts: bool,
    /// What the agent says now is the past, told again.
    is_loading: bool,
    mode: Option<String>,
    modes: Vec<String>,
    model: Option<String>,
    models: Vec<String>,
    /// The ids of the options of the session that they are, where they are not kinds of their own.
    mode_option: Option<String>,
    model_option: Option<String>,
    /// Messages that wait for their turn, as they will be written.
    queue: Vec<(String, String)>,
    /// The message on which it works.
    current: Option<String>,
    /// What it has said to that.
    said: String,
}

/// What a request of ours is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Purpose {
    Initialize,
    Session,
    Message,
    Model(String),
    Mode(String),
}

impl Acp {
    pub(super) fn begin(begin: &Begin, shared: &mut Shared) -> Self {
        let mut talk = Self {
            begin: begin.clone(),
            ..Self::default()
        };
        let params = json!({
            "protocolVersion": 1,
            "clientCapabilities": {"fs": {"readTextFile": false, "writeTextFile": false}, "terminal": false},
            "clientInfo": {"name": "berth", "title": "berth", "version": env!("CARGO_PKG_VERSION")},
        });
        talk.request(shared, "initialize", &params, Purpose::Initialize);
        talk
    }

    pub(super) fn message(
        &mut self,
        shared: &mut Shared,
        id: &str,
        text: &str,
        attachments: &[Attachment],
    ) -> Result<(), Refusal> {
        let blocks = content::blocks(text, attachments, self.takes_pictures, self.takes_texts);
        let blocks = blocks.map_err(|refusal| match self.is_known {
            true => refusal,
            false => Refusal::Refused(
                "this agent has not said yet what it takes with a message: begin without that, and send it once it is idle"
                    .to_owned(),
            ),
        });
        let blocks = blocks?.to_string();
        let waits: usize = self.queue.iter().map(|(_, blocks)| blocks.len()).sum();
        if waits + blocks.len() > WAITING && !self.queue.is_empty() {
            return Err(Refusal::Refused(
                "the messages that wait for the agent are as long as they may be together: wait, or take some back"
                    .to_owned(),
            ));
        }
        self.queue.push((id.to_owned(), blocks));
        self.go_on(shared);
        Ok(())
    }

    pub(super) fn cancel_message(&mut self, shared: &mut Shared, id: &str) -> Result<(), Refusal> {
        if self.current.as_deref() == Some(id) {
            return Err(Refusal::Started);
        }
        self.queue.retain(|(waiting, _)| waiting != id);
        shared.messages.cancel(id);
        Ok(())
    }

    pub(super) fn interrupt(&mut self, shared: &mut Shared) {
        if self.current.is_none() {
            return;
        }
        shared.write(
            &json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": shared.conversation}}),
        );
        ask::cancel_all(shared);
    }

    pub(super) fn set(&mut self, shared: &mut Shared, option: &str, value: &str) -> Result<(), Refusal> {
        let (known, method, key, own) = match option {
            "mode" => (&self.modes, "session/set_mode", "modeId", &self.mode_option),
            "model" => (&self.models, "session/set_model", "modelId", &self.model_option),
            _ => {
                return Err(Refusal::Invalid(format!(
                    "there is no option {option:?}: `model` and `mode` can be set"
                )));
            }
        };
        if known.is_empty() {
            return Err(Refusal::Refused(format!(
                "this agent has not said that its {option} can be set"
            )));
        }
        // Of a longer list not all are known, and the agent decides.
        if known.len() < LISTED && !known.iter().any(|known| known == value) {
            return Err(Refusal::Invalid(format!(
                "`{option}` is one of {}, not {value:?}",
                known.join(", ")
            )));
        }
        shared.not_set = None;
        let purpose = match option {
            "mode" => Purpose::Mode(value.to_owned()),
            _ => Purpose::Model(value.to_owned()),
        };
        let (method, params) = match own {
            Some(own) => (
                "session/set_config_option",
                json!({"sessionId": shared.conversation, "configId": own, "value": value}),
            ),
            None => (method, json!({"sessionId": shared.conversation, key: value})),
        };
        self.request(shared, method, &params, purpose);
        Ok(())
    }

    pub(super) fn options(&self) -> Vec<OptionState> {
        let option = |name: &str, about: &str, values: &[String], value: &Option<String>| OptionState {
            name: name.to_owned(),
            about: about.to_owned(),
            values: values.to_vec(),
            value: value.clone(),
        };
        let all = [
            option("mode", "how it works, in its own words", &self.modes, &self.mode),
            option("model", "the model that answers", &self.models, &self.model),
        ];
        all.into_iter().filter(|option| !option.values.is_empty()).collect()
    }

    /// The message on which it works, or is about to.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Whether what it says now is the past, told again.
    pub(super) fn is_loading(&self) -> bool {
        self.is_loading
    }

    pub(super) fn can_load(&self) -> bool {
        // One that has not said yet may: it says so before it loads anything.
        self.loads || !self.is_known
    }

    /// The process is gone.
    pub(super) fn ended(&mut self) {
        self.queue.clear();
        self.waiting.clear();
    }

    pub(super) fn read(&mut self, shared: &mut Shared, line: &[u8], now: u64) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let id = &value["id"];
        match (value["method"].as_str(), id.is_string() || id.is_number()) {
            (Some("session/update"), false) => self.update(shared, &value["params"]),
            (Some("session/request_permission"), true) => {
                if self.is_ours(shared, &value["params"]) {
                    self.has_begun(shared);
                    ask::open(shared, id, &value["params"], now);
                } else {
                    ask::cancel(shared, id);
                }
            }
            (Some(method), true) => shared.reply(&json!({"jsonrpc": "2.0", "id": id, "error": {
                "code": UNKNOWN_METHOD, "message": format!("{} is not offered", beginning(method, NAME)),
            }})),
            (None, true) => self.answered(shared, id, &value),
            _ => {}
        }
    }

    fn request(&mut self, shared: &mut Shared, method: &str, params: &Value, purpose: Purpose) {
        self.next += 1;
        let id = format!("berth-{}", self.next);
        shared.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.waiting.push((id, purpose));
        let surplus = self.waiting.len().saturating_sub(UNANSWERED);
        self.waiting.drain(..surplus);
    }

    /// Gives it the next message, if it can take one.
    fn go_on(&mut self, shared: &mut Shared) {
        if !shared.is_ready || self.current.is_some() || self.queue.is_empty() {
            return;
        }
        let (id, blocks) = self.queue.remove(0);
        let prompt: Value = serde_json::from_str(&blocks).unwrap_or_default();
        let params = json!({"sessionId": shared.conversation, "prompt": prompt});
        // The answer to a request names it, so that its turns are known as answers to this message.
        shared.write(&json!({"jsonrpc": "2.0", "id": id, "method": "session/prompt", "params": params}));
        self.waiting.push((id.clone(), Purpose::Message));
        self.said.clear();
        self.current = Some(id);
    }

    /// The first sign that the agent works on a message is the only receipt that there is.
    fn has_begun(&self, shared: &mut Shared) {
        if let Some(current) = &self.current {
            shared.begins(current);
        }
    }

    fn is_ours(&self, shared: &Shared, params: &Value) -> bool {
        shared.conversation.is_some() && params["sessionId"].as_str() == shared.conversation.as_deref()
    }

    /// The agent answers a request; only one of ours counts.
    fn answered(&mut self, shared: &mut Shared, id: &Value, value: &Value) {
        let known = self.waiting.iter().position(|(known, _)| id.as_str() == Some(known));
        let Some(place) = known else { return };
        let (id, purpose) = self.waiting.remove(place);
        let (result, error) = (&value["result"], value["error"]["message"].as_str());
        match (purpose, error) {
            (Purpose::Initialize, None) => self.initialized(shared, result),
            (Purpose::Session, None) => self.has_session(shared, result),
            (Purpose::Initialize | Purpose::Session, Some(_)) => {
                let failure = self.refused(&value["error"], "then send a message, which tries it again");
                cannot_begin(shared, self.not_loaded(failure));
            }
            (Purpose::Message, error) => {
                self.ended_work(shared, &id, result, error);
                if error.is_some() {
                    let next = "then end this session and send the message again";
                    shared.fails(Some(self.refused(&value["error"], next)));
                }
            }
            (Purpose::Model(model), None) => {
                self.model = Some(model);
                self.options_are(&result["configOptions"]);
            }
            (Purpose::Mode(mode), None) => {
                self.mode = Some(mode);
                self.options_are(&result["configOptions"]);
            }
            (Purpose::Model(_) | Purpose::Mode(_), Some(why)) => shared.not_set = Some(beginning(why, 300)),
        }
    }

    /// What it answers in place of a result, and what a person does once it has a login.
    fn refused(&self, error: &Value, next: &str) -> Failure {
        let why = said(error);
        if error["code"] != LOGIN {
            return Failure::new(About::Error, why);
        }
        // The names are the agent's: they stand apart from what to do.
        let ways = match self.logins.is_empty() {
            true => String::new(),
            false => format!("; its ways to log in: {:?}", self.logins),
        };
        let what =
            format!("it wants a login: log in with its own program on this machine, {next}; it says: {why:?}{ways}");
        Failure::new(About::Login, what)
    }

    /// A failure to load a conversation says what that means.
    fn not_loaded(&self, failure: Failure) -> Failure {
        match (failure.about, self.is_loading) {
            (About::Error, true) => Failure::new(
                About::Error,
                format!(
                    "it did not load the conversation again, and says: {:?}; the next message tries that again, or create a new \
                     session",
                    failure.why
                ),
            ),
            _ => failure,
        }
    }

    fn initialized(&mut self, shared: &mut Shared, result: &Value) {
        let able = &result["agentCapabilities"];
        self.is_known = true;
        let logins = result["authMethods"].as_array().into_iter().flatten();
        self.logins = logins.filter_map(|way| name(&way["name"])).take(WAYS).collect();
        self.loads = able["loadSession"] == true;
        self.takes_pictures = able["promptCapabilities"]["image"] == true;
        self.takes_texts = able["promptCapabilities"]["embeddedContext"] == true;
        if result["protocolVersion"] != 1 {
            let version = beginning(&result["protocolVersion"].to_string(), 20);
            let why = format!("it speaks version {version} of the Agent Client Protocol, and berth version 1");
            return cannot_begin(shared, Failure::new(About::Error, why));
        }
        let mut params = json!({"cwd": self.begin.directory, "mcpServers": []});
        match (&self.begin.resume, self.begin.fork, self.loads) {
            (None, ..) => self.request(shared, "session/new", &params, Purpose::Session),
            (Some(_), true, _) => cannot_begin(shared, Failure::new(About::Error, "it cannot copy a conversation")),
            (Some(_), _, false) => {
                cannot_begin(
                    shared,
                    Failure::new(About::Error, "it cannot load a conversation again"),
                );
            }
            (Some(resume), ..) => {
                params["sessionId"] = json!(resume);
                shared.conversation = Some(resume.clone());
                self.is_loading = true;
                self.request(shared, "session/load", &params, Purpose::Session);
            }
        }
    }

    fn has_session(&mut self, shared: &mut Shared, result: &Value) {
        self.is_loading = false;
        let named = name(&result["sessionId"]).or(shared.conversation.take());
        shared.conversation = named;
        if shared.conversation.is_none() {
            return cannot_begin(shared, Failure::new(About::Error, "it has not named its session"));
        }
        let list = |all: &Value, key: &str| -> Vec<String> {
            let all = all.as_array().into_iter().flatten();
            all.filter_map(|one| name(&one[key])).take(LISTED).collect()
        };
        self.modes = list(&result["modes"]["availableModes"], "id");
        self.mode = name(&result["modes"]["currentModeId"]);
        self.models = list(&result["models"]["availableModels"], "modelId");
        self.model = name(&result["models"]["currentModelId"]);
        self.options_are(&result["configOptions"]);
        shared.is_ready = true;
        for (option, wanted) in [("mode", self.begin.mode.clone()), ("model", self.begin.model.clone())] {
            if let Some(wanted) = wanted
                && let Err(why) = self.set(shared, option, &wanted)
            {
                shared.not_set = Some(why.to_string());
            }
        }
        self.go_on(shared);
    }

    /// Options of a session, which newer agents have in place of modes and models.
    fn options_are(&mut self, options: &Value) {
        for option in options.as_array().into_iter().flatten() {
            let own = name(&option["id"]);
            let (values, value) = (values(&option["options"]), name(&option["currentValue"]));
            match option["category"].as_str().or(option["id"].as_str()) {
                Some("mode") => (self.mode_option, self.modes, self.mode) = (own, values, value),
                Some("model") => (self.model_option, self.models, self.model) = (own, values, value),
                _ => {}
            }
        }
    }

    fn update(&mut self, shared: &mut Shared, params: &Value) {
        if !self.is_ours(shared, params) || self.is_loading {
            return;
        }
        let update = &params["update"];
        match update["sessionUpdate"].as_str().unwrap_or_default() {
            "agent_message_chunk" => {
                self.has_begun(shared);
                self.said
                    .push_str(update["content"]["text"].as_str().unwrap_or_default());
                self.said = end(&self.said, SAID);
                shared.says(&self.said);
            }
            "agent_thought_chunk" | "plan" => self.has_begun(shared),
            "tool_call" | "tool_call_update" if update["title"].is_string() => {
                self.has_begun(shared);
                shared.uses(&beginning(&content::title(update), NAME), &content::called_with(update));
            }
            "config_option_update" => self.options_are(&update["configOptions"]),
            "current_mode_update" => self.mode = name(&update["currentModeId"]).or(self.mode.take()),
            _ => {}
        }
    }

    /// The agent has ended its work on a message.
    fn ended_work(&mut self, shared: &mut Shared, id: &str, result: &Value, error: Option<&str>) {
        ask::cancel_all(shared);
        let said = std::mem::take(&mut self.said);
        let failed = |why: &str| match said.is_empty() {
            true => why.to_owned(),
            false => format!("{said}\n\n({why})"),
        };
        let (text, is_error) = match (error, result["stopReason"].as_str()) {
            (Some(error), _) => (failed(error), true),
            (None, Some("end_turn")) => (said.clone(), false),
            (None, Some("cancelled")) => ("it was interrupted".to_owned(), true),
            (None, Some("max_tokens")) => (failed("it reached the limit of tokens"), true),
            (None, Some("max_turn_requests")) => (failed("it reached the limit of turns"), true),
            (None, Some("refusal")) => (failed("it refuses to go on"), true),
            (None, _) => (failed("it did not say how it ended"), true),
        };
        let is_interrupted = result["stopReason"] == "cancelled";
        shared.fails((is_error && !is_interrupted).then(|| Failure::new(About::Error, &*text)));
        shared.messages.answer(id, &text, is_error);
        if self.current.as_deref() == Some(id) {
            self.current = None;
            shared.turns = Some(shared.turns.unwrap_or(0) + 1);
        }
        self.go_on(shared);
    }
}

/// The words of an error: some agents say only in its details what is wrong.
fn said(error: &Value) -> String {
    let what = error["message"].as_str().unwrap_or_default();
    match error["data"]["details"].as_str().or(error["data"].as_str()) {
        Some(details) if !what.contains(details) => format!("{what}: {details}"),
        _ => what.to_owned(),
    }
}

/// It will take no message, and why.
fn cannot_begin(shared: &mut Shared, failure: Failure) {
    shared.waits_for = Some(beginning(&format!("it cannot begin: {}", failure.why), WORDS));
    shared.fails(Some(failure));
}

/// The values of an option, which may stand in groups.
fn values(options: &Value) -> Vec<String> {
    let options = options.as_array().into_iter().flatten();
    let of = |one: &Value| match &one["options"] {
        Value::Array(group) => group.iter().filter_map(|one| name(&one["value"])).collect(),
        _ => name(&one["value"]).into_iter().collect::<Vec<_>>(),
    };
    options.flat_map(of).take(LISTED).collect()
}

fn name(value: &Value) -> Option<String> {
    value.as_str().map(|name| beginning(name, NAME))
}
