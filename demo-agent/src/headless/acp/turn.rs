//! One prompt, and what is done until it is answered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::message::Message;
use super::super::order::{Order, orders};
use super::super::stream::ApiError;
use super::super::tool::Tool;
use super::session::Session;
use super::wire::{INTERNAL, INVALID, Refusal};
use super::{Agent, Work};
use crate::record::Kind;

/// How often it looks what came.
const TICK: Duration = Duration::from_millis(20);
/// `work` uses so many tools at most.
const STEPS: u64 = 60;
/// Bytes of one chunk of `print`.
const CHUNK: u64 = 64 << 10;

/// How an answer ended.
pub(super) enum Ended {
    /// With an answer to the request.
    Answered(Result<Value, Refusal>),
    /// It was told to end with nothing said.
    Died,
}

/// Why an answer does not go on.
enum Stop {
    Cancelled,
    Died,
    Api(ApiError),
    Gone(Refusal),
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// What the client answered about a tool.
enum Decision {
    Once,
    Always,
    Rejected,
    RejectedAlways,
}

/// A prompt that is being answered.
pub(super) struct Turn<'a> {
    agent: &'a mut Agent,
    session: String,
    said: String,
}

impl<'a> Turn<'a> {
    pub(super) fn new(agent: &'a mut Agent, session: String) -> Self {
        let said = String::new();
        Self { agent, session, said }
    }

    /// Does what the message says, and answers it.
    ///
    /// # Errors
    /// When nobody reads what it prints, or the conversation cannot be kept.
    pub(super) fn answer(mut self, message: &Message) -> anyhow::Result<Ended> {
        let outcome = self.hear(message).and_then(|()| self.follow(message));
        self.agent.asked.clear();
        let outcome = match outcome {
            Ok(()) => Ok(json!({ "stopReason": "end_turn" })),
            Err(Stop::Cancelled) => Ok(json!({ "stopReason": "cancelled" })),
            Err(Stop::Api(error)) => Err(Refusal {
                code: INTERNAL,
                why: error.text,
            }),
            Err(Stop::Gone(refusal)) => Err(refusal),
            Err(Stop::Died) => return Ok(Ended::Died),
            Err(Stop::Broken(error)) => return Err(error),
        };
        let said = self.said.clone();
        self.remember(|session| session.memory.tell(&message.text, &said))?;
        Ok(Ended::Answered(outcome))
    }

    fn hear(&mut self, message: &Message) -> Result<(), Stop> {
        self.remember(|session| session.memory.hear(&message.text))?;
        Ok(())
    }

    fn remember(&mut self, change: impl FnOnce(&mut Session)) -> anyhow::Result<()> {
        if let Some(session) = self.agent.sessions.get_mut(&self.session) {
            change(session);
            self.agent.kept.write(session.id, &session.memory)?;
        }
        Ok(())
    }

    fn session(&mut self) -> Result<&mut Session, Stop> {
        let gone = || Refusal {
            code: INVALID,
            why: "the session is gone".to_owned(),
        };
        self.agent
            .sessions
            .get_mut(&self.session)
            .ok_or_else(|| Stop::Gone(gone()))
    }

    fn follow(&mut self, message: &Message) -> Result<(), Stop> {
        let orders = orders(&message.text);
        for order in &orders {
            self.carry_out(order)?;
        }
        if orders.is_empty() {
            let said = self.session()?.memory.repeat(&message.text);
            self.say(&said)?;
        }
        if let Some(attached) = message.attached() {
            self.say(&format!("It came with {attached}"))?;
        }
        self.wait(Duration::ZERO)
    }

    fn carry_out(&mut self, order: &Order<'_>) -> Result<(), Stop> {
        match *order {
            Order::Run { command, twice } => {
                let times = if twice { 2 } else { 1 };
                self.tools((0..times).map(|_| Tool::run(command)).collect())
            }
            Order::Write { file, text } => self.tools(vec![Tool::write(file, text)]),
            Order::Commit(message) => {
                let commit = format!("git commit -m {message:?}");
                self.tools(vec![Tool::git("git add -A", &["add", "-A"])])?;
                self.tools(vec![Tool::git(&commit, &["commit", "--no-verify", "-m", message])])
            }
            Order::Plan(text) => self.tools(vec![Tool::plan(text)]),
            Order::Ask(_) => self.say("This protocol has no questions"),
            Order::Withdraw { .. } => self.say("This protocol cannot withdraw a request"),
            Order::Say(text) => self.say(text),
            Order::Work(takes) => self.work(takes),
            Order::Silent(takes) => self.wait(takes),
            Order::Print(bytes) => self.print(bytes),
            Order::Files => self.files(),
            Order::Fail(status) => Err(Stop::Api(ApiError::of(status))),
            Order::Limit => Err(Stop::Api(ApiError::of(429))),
            Order::Die => Err(Stop::Died),
        }
    }

    /// Uses tools, those first that are allowed. The others are asked for, all at once, and used as they are answered.
    fn tools(&mut self, tools: Vec<Tool>) -> Result<(), Stop> {
        let mut asked = Vec::new();
        for tool in tools {
            self.begin(&tool.id, &about(&tool))?;
            let session = self.session()?;
            if tool.is_allowed(&session.rules) {
                self.do_it(&tool)?;
            } else if session.rejected.iter().any(|label| label == tool.label()) {
                self.finish(&tool, &Err(format!("{} was rejected for always", tool.label())))?;
            } else {
                asked.push((self.ask(&tool)?, tool));
            }
        }
        while !asked.is_empty() {
            self.pause(TICK)?;
            let mut waiting = Vec::new();
            for (id, tool) in asked {
                match self.answered(id) {
                    Some(answer) => self.settle(&tool, &answer)?,
                    None if self.agent.is_closed => return Err(Stop::Cancelled),
                    None => waiting.push((id, tool)),
                }
            }
            asked = waiting;
        }
        Ok(())
    }

    fn ask(&mut self, tool: &Tool) -> Result<u64, Stop> {
        let mut call = about(tool);
        call["toolCallId"] = tool.id.clone().into();
        let always = format!("Yes, and don't ask again for {}", tool.label());
        let never = format!("No, and don't ask again for {}", tool.label());
        let options = json!([
            { "optionId": "once", "name": "Yes", "kind": "allow_once" },
            { "optionId": "always", "name": always, "kind": "allow_always" },
            { "optionId": "reject", "name": "No", "kind": "reject_once" },
            { "optionId": "never", "name": never, "kind": "reject_always" },
        ]);
        let params = json!({ "sessionId": self.session, "toolCall": call, "options": options });
        let id = self.agent.wire.request("session/request_permission", &params)?;
        self.agent.asked.insert(id, None);
        Ok(id)
    }

    /// The answer to a request, which is settled then.
    fn answered(&mut self, id: u64) -> Option<Value> {
        let answer = self.agent.asked.get(&id)?.clone()?;
        self.agent.asked.remove(&id);
        Some(answer)
    }

    fn settle(&mut self, tool: &Tool, answer: &Value) -> Result<(), Stop> {
        let outcome = &answer["result"]["outcome"];
        let decision = match outcome["optionId"].as_str() {
            _ if outcome["outcome"] == "cancelled" => return Err(Stop::Cancelled),
            Some("once") => Decision::Once,
            Some("always") => Decision::Always,
            Some("never") => Decision::RejectedAlways,
            _ => Decision::Rejected,
        };
        let label = match decision {
            Decision::Once | Decision::Always => "allow",
            Decision::Rejected | Decision::RejectedAlways => "deny",
        };
        self.agent
            .record
            .write(Kind::Answer, &format!("{}={label}", tool.label()))?;
        match decision {
            Decision::Once => self.do_it(tool),
            Decision::Always => {
                self.session()?.rules.add(format!("{}({})", tool.name, tool.label()));
                self.do_it(tool)
            }
            Decision::Rejected => self.finish(tool, &Err(format!("{} was rejected", tool.label()))),
            Decision::RejectedAlways => {
                self.session()?.rejected.push(tool.label().to_owned());
                self.finish(tool, &Err(format!("{} was rejected for always", tool.label())))
            }
        }
    }

    fn do_it(&mut self, tool: &Tool) -> Result<(), Stop> {
        let directory = self.session()?.directory.clone();
        let outcome = tool.carry_out(&tool.input, directory.as_ref());
        self.finish(tool, &outcome)
    }

    fn finish(&mut self, tool: &Tool, outcome: &Result<String, String>) -> Result<(), Stop> {
        let (Ok(text) | Err(text)) = outcome;
        self.end(&tool.id, text, outcome.is_err())?;
        self.say(text)
    }

    /// Tells that a use of a tool begins.
    fn begin(&mut self, id: &str, about: &Value) -> Result<(), Stop> {
        self.wait(Duration::ZERO)?;
        let mut update = about.clone();
        update["sessionUpdate"] = "tool_call".into();
        update["toolCallId"] = id.into();
        Ok(self.agent.wire.update(&self.session, &update)?)
    }

    /// Tells that it ended.
    fn end(&mut self, id: &str, text: &str, failed: bool) -> Result<(), Stop> {
        let status = if failed { "failed" } else { "completed" };
        let update = json!({
            "sessionUpdate": "tool_call_update", "toolCallId": id, "status": status, "content": [block(text)],
        });
        Ok(self.agent.wire.update(&self.session, &update)?)
    }

    fn say(&mut self, text: &str) -> Result<(), Stop> {
        let part = match self.said.is_empty() {
            true => text.to_owned(),
            false => format!("\n{text}"),
        };
        self.said.push_str(&part);
        Ok(self.agent.wire.chunk(&self.session, "agent_message_chunk", &part)?)
    }

    fn work(&mut self, takes: Duration) -> Result<(), Stop> {
        let steps = takes.as_secs().clamp(1, STEPS);
        for step in 1..=steps {
            let id = format!("call_{}", Uuid::new_v4().simple());
            let title = format!("Read step {step} of {steps}");
            self.begin(&id, &json!({ "title": title, "kind": "read", "status": "in_progress" }))?;
            self.wait(takes.div_f64(steps as f64))?;
            self.end(&id, "(pretended)", false)?;
        }
        self.say(&format!("Worked for {}s", takes.as_secs()))
    }

    fn print(&mut self, bytes: u64) -> Result<(), Stop> {
        let line = format!("{}\n", "demo ".repeat(16).trim_end());
        let mut left = bytes;
        while left > 0 {
            let size = left.min(CHUNK);
            let text: String = line.chars().cycle().take(usize::try_from(size).unwrap_or(0)).collect();
            self.agent.wire.chunk(&self.session, "agent_message_chunk", &text)?;
            left -= size;
            self.wait(Duration::ZERO)?;
        }
        self.say(&format!("Printed {bytes} bytes"))
    }

    /// Asks the client for a file, and says what came of it.
    fn files(&mut self) -> Result<(), Stop> {
        let path = format!("{}/README.md", self.session()?.directory);
        let params = json!({ "sessionId": self.session, "path": path });
        let id = self.agent.wire.request("fs/read_text_file", &params)?;
        self.agent.asked.insert(id, None);
        let answer = loop {
            self.pause(TICK)?;
            if let Some(answer) = self.answered(id) {
                break answer;
            }
            if self.agent.is_closed {
                return Err(Stop::Cancelled);
            }
        };
        let said = match answer.get("error") {
            Some(error) => format!("fs/read_text_file: {} {}", error["code"], error["message"]),
            None => {
                let text = answer["result"]["content"].as_str().unwrap_or_default();
                format!("fs/read_text_file: {} bytes", text.len())
            }
        };
        self.say(&said)
    }

    /// Lets time pass, unless it is cancelled.
    fn wait(&mut self, takes: Duration) -> Result<(), Stop> {
        let until = Instant::now() + takes;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.pause(left.min(TICK))?;
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    /// Takes what comes, at most for so long.
    fn pause(&mut self, patience: Duration) -> Result<(), Stop> {
        self.agent.listen(patience)?;
        match &self.agent.work {
            Some(Work { is_cancelled: true, .. }) => Err(Stop::Cancelled),
            _ => Ok(()),
        }
    }
}

/// A tool as the client is told of it.
fn about(tool: &Tool) -> Value {
    let (title, kind, content) = match tool.name {
        "Write" => {
            let diff = json!({
                "type": "diff", "path": tool.input["file_path"], "oldText": null, "newText": tool.input["content"],
            });
            (format!("Write {}", tool.label()), "edit", vec![diff])
        }
        "ExitPlanMode" => (
            "Carry out the plan".to_owned(),
            "switch_mode",
            vec![block(tool.label())],
        ),
        _ => (tool.label().to_owned(), "execute", vec![]),
    };
    json!({ "title": title, "kind": kind, "status": "pending", "rawInput": tool.input, "content": content })
}

fn block(text: &str) -> Value {
    json!({ "type": "content", "content": { "type": "text", "text": text } })
}
