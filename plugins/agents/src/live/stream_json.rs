//! The lines of Claude Code with `--input-format stream-json --permission-prompt-tool stdio`. What it can do is what it
//! announces, never a version.

mod ask;
mod message;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) use ask::{answer, expire};

use super::given::Attachment;
use super::refused::Refusal;
use super::shared::Shared;
use super::{Begin, OptionState};
use crate::headless::failure;
use crate::headless::line::{Event, Line, Part};
use crate::shorter::beginning;

/// What an agent announces that tells what becomes of each message.
const RECEIPTS: &str = "msg_lifecycle_v1";
/// Modes that a person may set. Others would allow everything.
const MODES: [&str; 3] = ["default", "acceptEdits", "plan"];
/// Our requests that are not answered yet, at most.
const WAITING: usize = 64;
/// Characters of a name that the agent gives.
const NAME: usize = 100;
/// Bytes of a plan.
const PLAN: usize = 32 << 10;

/// What is known beside what every protocol has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct StreamJson {
    /// Number of our next request.
    next: u64,
    /// Our requests that are not answered yet.
    waiting: Vec<(String, Purpose)>,
    model: Option<String>,
    mode: Option<String>,
    /// It tells when it works and when not.
    tells_states: bool,
    /// It tells what becomes of each message.
    tells_receipts: bool,
    /// What it has said that it does not do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cannot: Vec<Deed>,
    /// The plan, as it wrote it into its file.
    plan: Option<String>,
    /// The use of a tool that changes the plan, once it has succeeded, and what that is then; none: not known.
    planned: Option<(String, Option<String>)>,
}

/// What an agent is asked to do, and may not know. None of it is announced: an agent that does not do it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    Interrupt,
    TakeBack,
    Model,
    Mode,
}

/// What a request of ours is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Purpose {
    Initialize,
    Interrupt,
    Cancel(String),
    Model(String),
    Mode(String),
}

impl StreamJson {
    pub(super) fn begin(begin: &Begin, shared: &mut Shared) -> Self {
        let mut talk = Self {
            model: begin.model.clone(),
            mode: begin.mode.clone(),
            ..Self::default()
        };
        talk.ask_again(shared);
        talk
    }

    pub(super) fn message(
        &mut self,
        shared: &mut Shared,
        id: &str,
        text: &str,
        attachments: &[Attachment],
    ) -> Result<(), Refusal> {
        shared.write(&message::line(id, text, attachments)?);
        Ok(())
    }

    pub(super) fn cancel_message(&mut self, shared: &mut Shared, id: &str) -> Result<(), Refusal> {
        self.can(Deed::TakeBack)?;
        let request = json!({"subtype": "cancel_async_message", "message_uuid": id});
        self.request(shared, request, Purpose::Cancel(id.to_owned()));
        Ok(())
    }

    pub(super) fn interrupt(&mut self, shared: &mut Shared) -> Result<(), Refusal> {
        self.can(Deed::Interrupt)?;
        self.request(shared, json!({"subtype": "interrupt"}), Purpose::Interrupt);
        Ok(())
    }

    pub(super) fn can_take_back(&self) -> Result<(), Refusal> {
        self.can(Deed::TakeBack)
    }

    pub(super) fn can_interrupt(&self) -> Result<(), Refusal> {
        self.can(Deed::Interrupt)
    }

    /// Whether it does this, as far as is known.
    fn can(&self, deed: Deed) -> Result<(), Refusal> {
        if !self.cannot.contains(&deed) {
            return Ok(());
        }
        let what = match deed {
            Deed::Interrupt => "be interrupted: end the session, and a message brings it back",
            Deed::TakeBack => "give a message back: interrupt it once it works on that message",
            Deed::Model => {
                "change its model while it works: end the session, set the model, and a message brings it back"
            }
            Deed::Mode => "change its mode while it works: end the session, set the mode, and a message brings it back",
        };
        Err(Refusal::Refused(format!("this version of the agent cannot {what}")))
    }

    pub(super) fn ask_again(&mut self, shared: &mut Shared) {
        self.request(shared, json!({"subtype": "initialize"}), Purpose::Initialize);
    }

    pub(super) fn set(&mut self, shared: &mut Shared, option: &str, value: &str) -> Result<(), Refusal> {
        let (request, purpose) = match option {
            "mode" if MODES.contains(&value) => (
                json!({"subtype": "set_permission_mode", "mode": value}),
                Purpose::Mode(value.to_owned()),
            ),
            "mode" => {
                return Err(Refusal::Invalid(format!(
                    "`mode` is one of {}, not {value:?}",
                    MODES.join(", ")
                )));
            }
            "model" if is_name(value) => (
                json!({"subtype": "set_model", "model": value}),
                Purpose::Model(value.to_owned()),
            ),
            "model" => return Err(Refusal::Invalid(format!("{value:?} is not the name of a model"))),
            _ => {
                return Err(Refusal::Invalid(format!(
                    "there is no option {option:?}: `model` and `mode` can be set"
                )));
            }
        };
        self.can(match purpose {
            Purpose::Mode(_) => Deed::Mode,
            _ => Deed::Model,
        })?;
        shared.not_set = None;
        self.request(shared, request, purpose);
        Ok(())
    }

    pub(super) fn options(&self) -> Vec<OptionState> {
        vec![
            OptionState {
                name: "mode".to_owned(),
                about: "what it may do without asking".to_owned(),
                values: MODES.map(str::to_owned).to_vec(),
                value: self.mode.clone(),
            },
            OptionState {
                name: "model".to_owned(),
                about: "the model that answers".to_owned(),
                values: Vec::new(),
                value: self.model.clone(),
            },
        ]
    }

    fn request(&mut self, shared: &mut Shared, request: Value, purpose: Purpose) {
        self.next += 1;
        let id = format!("berth-{}", self.next);
        shared.write(&json!({"type": "control_request", "request_id": id, "request": request}));
        self.waiting.push((id, purpose));
        let surplus = self.waiting.len().saturating_sub(WAITING);
        self.waiting.drain(..surplus);
    }

    pub(super) fn read(&mut self, shared: &mut Shared, line: &[u8], now: u64) {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let kind = match value["type"].as_str() {
            Some("system") => value["subtype"].as_str(),
            kind => kind,
        };
        match kind.unwrap_or_default() {
            "control_request" => self.asked(shared, &value, now),
            "control_cancel_request" => {
                if let Some(id) = value["request_id"].as_str() {
                    ask::withdrawn(shared, id);
                }
            }
            "control_response" => self.answered(shared, &value["response"]),
            "command_lifecycle" => {
                self.tells_receipts = true;
                lifecycle(shared, &value);
            }
            "session_state_changed" => {
                self.tells_states = true;
                state(shared, &value["state"]);
            }
            "status" => self.mode_is(&value["permissionMode"]),
            "init" => {
                shared.is_ready = true;
                shared.conversation = name(&value["session_id"]).or(shared.conversation.take());
                self.mode_is(&value["permissionMode"]);
                self.model = name(&value["model"]).or(self.model.take());
                let able = value["capabilities"].as_array();
                self.tells_receipts |= able.is_some_and(|able| able.iter().any(|one| one == RECEIPTS));
            }
            _ => self.said(shared, &value),
        }
    }

    fn mode_is(&mut self, mode: &Value) {
        if let Some(mode) = name(mode) {
            self.mode = Some(mode);
        }
    }

    /// The agent asks something.
    fn asked(&mut self, shared: &mut Shared, value: &Value, now: u64) {
        let Some(id) = value["request_id"].as_str() else {
            return;
        };
        match value["request"]["subtype"].as_str() {
            Some("can_use_tool") => ask::open(shared, id, &value["request"], self.plan.as_deref(), now),
            _ => shared.reply(&json!({"type": "control_response", "response": {
                "subtype": "error", "request_id": id, "error": "this client does not take requests of this kind",
            }})),
        }
    }

    /// The agent answers a request; only one of ours counts.
    fn answered(&mut self, shared: &mut Shared, response: &Value) {
        let Some(place) = self
            .waiting
            .iter()
            .position(|(id, _)| response["request_id"].as_str() == Some(id))
        else {
            return;
        };
        let (_, purpose) = self.waiting.remove(place);
        let is_success = response["subtype"] == "success";
        if is_unknown(response) {
            let deed = match purpose {
                Purpose::Initialize => None,
                Purpose::Interrupt => Some(Deed::Interrupt),
                Purpose::Cancel(_) => Some(Deed::TakeBack),
                Purpose::Model(_) => Some(Deed::Model),
                Purpose::Mode(_) => Some(Deed::Mode),
            };
            self.cannot.extend(deed.filter(|deed| !self.cannot.contains(deed)));
        }
        match purpose {
            Purpose::Initialize => {
                shared.is_ready = true;
                if is_success {
                    self.mode_is(&response["response"]["current_permission_mode"]);
                    state(shared, &response["response"]["session_state"]);
                    if let Some(pending) = response["pending_permission_requests"].as_array() {
                        ask::pending(shared, pending);
                    }
                }
            }
            Purpose::Cancel(message) if is_success && response["response"]["cancelled"] == true => {
                shared.messages.cancel(&message);
            }
            Purpose::Model(model) if is_success => {
                self.model = name(&response["response"]["model"]).or(Some(model));
            }
            Purpose::Mode(mode) if is_success => self.mode = Some(mode),
            Purpose::Model(_) | Purpose::Mode(_) => {
                let why = response["error"].as_str().unwrap_or("the agent does not say why");
                shared.not_set = Some(beginning(why, 300));
            }
            Purpose::Cancel(_) | Purpose::Interrupt => {}
        }
    }

    /// What the agent says and does.
    fn said(&mut self, shared: &mut Shared, value: &Value) {
        if value["isReplay"] == true {
            if let Some(id) = value["uuid"].as_str() {
                shared.begins(id);
            }
            return;
        }
        self.notice_plan(value);
        let Some(line) = Line::of(value) else {
            return;
        };
        if !matches!(line.event, Event::Other) {
            shared.waits_for = None;
        }
        match line.event {
            Event::Said { by_helper, parts, .. } => {
                shared.is_running |= !self.tells_states;
                // The model answers again.
                shared.limited_until = None;
                for part in parts {
                    match part {
                        Part::Text(_) if by_helper => {}
                        Part::Text(text) => shared.says(&text),
                        Part::Tool { name, with } => shared.uses(&name, &with),
                    }
                }
            }
            Event::Retry(why) => shared.waits_for = Some(beginning(&why, 300)),
            Event::Limited(until) => {
                shared.waits_for = Some("the model's usage limit is reached".to_owned());
                shared.limited_until = until;
            }
            Event::Result(_) => self.ended(shared, value, &line),
            _ => {}
        }
    }

    /// The plan is in a file, and what asks for it to be carried out does not have it. A change of it counts once the tool
    /// has said that it succeeded. What helpers write is not the plan.
    fn notice_plan(&mut self, value: &Value) {
        if value["parent_tool_use_id"].is_string() {
            return;
        }
        for part in value["message"]["content"].as_array().into_iter().flatten() {
            match part["type"].as_str() {
                Some("tool_use") if is_plan(&part["input"]) => {
                    let plan = plan_after(part, self.plan.as_deref()).filter(|plan| plan.len() <= PLAN);
                    self.planned = name(&part["id"]).map(|id| (id, plan));
                }
                Some("tool_result") => {
                    let id = name(&part["tool_use_id"]);
                    if let Some((_, plan)) = self.planned.take_if(|(planned, _)| Some(&*planned) == id.as_ref())
                        && part["is_error"] != true
                    {
                        self.plan = plan;
                    }
                }
                _ => {}
            }
        }
    }

    /// The agent has ended its work on messages.
    fn ended(&mut self, shared: &mut Shared, value: &Value, line: &Line) {
        let Event::Result(answer) = &line.event else {
            return;
        };
        shared.cost = answer.cost.or(shared.cost);
        if let Some(turns) = answer.turns {
            shared.turns = Some(shared.turns.unwrap_or(0) + turns);
        }
        shared.is_running &= self.tells_states;
        shared.fails(failure::reported(answer).filter(|_| !answer.is_aborted));
        let text = match (answer.is_aborted, answer.text.trim(), answer.errors.as_slice()) {
            (true, ..) => "it was interrupted".to_owned(),
            (_, "", []) => String::new(),
            (_, "", errors) => errors.join("; "),
            (_, text, _) => text.to_owned(),
        };
        let named = value["user_message_uuids"].as_array().into_iter().flatten();
        let mut ids: Vec<String> = named.filter_map(|id| id.as_str().map(str::to_owned)).collect();
        // One that tells receipts names the messages that it has answered; other work is its own.
        if ids.is_empty() && !self.tells_receipts {
            ids.extend(shared.messages.first_open());
        }
        for id in ids {
            shared.messages.answer(&id, &text, answer.is_error || answer.is_aborted);
        }
    }
}

/// Whether the agent answers that it does not know such a request. Older ones give no code for that.
fn is_unknown(response: &Value) -> bool {
    let why = response["error"].as_str().unwrap_or_default();
    response["error_code"] == "unsupported_request" || why.starts_with("Unsupported control request")
}

/// Whether a tool is used on the file of a plan.
fn is_plan(input: &Value) -> bool {
    let path = input["file_path"].as_str();
    path.is_some_and(|path| path.contains("/.claude/plans/") && path.ends_with(".md"))
}

/// The plan after this use of a tool; none: that is not known.
fn plan_after(part: &Value, plan: Option<&str>) -> Option<String> {
    let input = &part["input"];
    let text = |key: &str| input[key].as_str();
    match (part["name"].as_str()?, plan) {
        ("Write", _) => text("content").map(str::to_owned),
        ("Read", plan) => plan.map(str::to_owned),
        ("Edit", Some(plan)) => {
            let (old, new) = (
                text("old_string").filter(|old| plan.contains(old))?,
                text("new_string")?,
            );
            Some(match input["replace_all"] == true {
                true => plan.replace(old, new),
                false => plan.replacen(old, new, 1),
            })
        }
        _ => None,
    }
}

/// A receipt for a message.
fn lifecycle(shared: &mut Shared, value: &Value) {
    let (Some(id), Some(state)) = (value["command_uuid"].as_str(), value["state"].as_str()) else {
        return;
    };
    match state {
        "started" => shared.begins(id),
        "completed" => {
            let said = shared.said.clone().unwrap_or_default();
            shared.messages.answer(id, &said, false);
        }
        "cancelled" => {
            shared.messages.cancel(id);
            // One on which it worked; what came of that was said before, if anything.
            shared.messages.answer(id, "it was interrupted", true);
        }
        _ => {}
    }
}

fn state(shared: &mut Shared, state: &Value) {
    if let Some(state) = state.as_str() {
        shared.is_ready = true;
        shared.is_running = state != "idle";
    }
}

fn name(value: &Value) -> Option<String> {
    value.as_str().map(|name| beginning(name, NAME))
}

/// Whether it can be the name of a model.
fn is_name(value: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "._-[]/:@".contains(c);
    (1..=NAME).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.chars().all(is_fine)
}
