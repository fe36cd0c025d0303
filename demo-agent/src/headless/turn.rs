//! One message, and what is done until it is answered.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use super::Agent;
use super::client::Answer;
use super::message::Message;
use super::order::{Order, orders};
use super::stream::ApiError;
use super::tool::Tool;
use crate::record::Kind;

/// How often it looks whether it is interrupted.
const TICK: Duration = Duration::from_millis(20);
/// `work` uses so many tools at most.
const STEPS: u64 = 60;
/// Bytes of one line of `print`.
const CHUNK: u64 = 64 << 10;
/// How long a reached limit lasts.
const LIMIT_LASTS: u64 = 3600;
/// What one answer or use of a tool pretends to cost, in cents.
const CENTS: u64 = 1;

/// How an answer ended.
pub(super) enum Ended {
    /// With a result.
    Answered { is_error: bool },
    /// A signal interrupted it, and there is no result.
    Interrupted,
    /// It was told to end with nothing said.
    Died,
}

/// Why an answer does not go on.
enum Stop {
    Turns,
    Budget,
    Api(ApiError),
    Interrupted,
    /// The client told it to stop.
    Told,
    Died,
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Broken(error)
    }
}

/// A message that is being answered.
pub(super) struct Turn<'a> {
    agent: &'a mut Agent,
    uuid: Option<String>,
    /// Somebody was asked about a tool when it was told to stop.
    was_asking: bool,
    began: Instant,
    turns: u64,
    denials: Vec<Value>,
    said: Vec<String>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(agent: &'a mut Agent) -> Self {
        Self {
            agent,
            uuid: None,
            was_asking: false,
            began: Instant::now(),
            turns: 0,
            denials: Vec::new(),
            said: Vec::new(),
        }
    }

    /// Does what the message says, and answers it.
    ///
    /// # Errors
    /// When nobody reads what it prints, or the conversation cannot be kept.
    pub(super) fn answer(mut self, message: &Message) -> anyhow::Result<Ended> {
        self.uuid.clone_from(&message.uuid);
        let outcome = self.follow(message);
        for asked in self.agent.client.unsettled() {
            self.agent.withdraw(&asked)?;
        }
        match outcome {
            Ok(()) => {
                let result = self.said.join("\n");
                let fields = json!({ "subtype": "success", "api_error_status": null, "result": result });
                self.end(false, "completed", fields)
            }
            Err(Stop::Turns) => {
                self.turns += 1;
                let most = self.agent.options.max_turns.unwrap_or_default();
                let errors = [format!("Reached maximum number of turns ({most})")];
                let fields = json!({ "subtype": "error_max_turns", "errors": errors });
                self.end(true, "max_turns", fields)
            }
            Err(Stop::Budget) => {
                let most = self.agent.options.max_budget_usd.unwrap_or_default();
                let errors = [format!("Reached maximum budget (${most})")];
                let fields = json!({ "subtype": "error_max_budget_usd", "errors": errors });
                self.end(true, "budget_exhausted", fields)
            }
            Err(Stop::Api(error)) => {
                self.turns += 1;
                self.agent.stream.api_error(&error)?;
                let fields = json!({ "subtype": "success", "api_error_status": error.status, "result": error.text });
                self.end(true, "api_error", fields)
            }
            Err(Stop::Interrupted) => {
                self.agent.stream.interrupted(false)?;
                Ok(Ended::Interrupted)
            }
            Err(Stop::Told) => {
                self.agent.stream.interrupted(self.was_asking)?;
                let reason = match self.was_asking {
                    true => "aborted_tools",
                    false => "aborted_streaming",
                };
                let errors = ["[ede_diagnostic] result_type=user last_content_type=n/a stop_reason=null"];
                let fields = json!({ "subtype": "error_during_execution", "errors": errors });
                self.end(true, reason, fields)
            }
            Err(Stop::Died) => Ok(Ended::Died),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    fn follow(&mut self, message: &Message) -> Result<(), Stop> {
        let agent = &mut *self.agent;
        agent.stream.init(&agent.directory, agent.rules.mode())?;
        agent.replay(message)?;
        let orders = orders(&message.text);
        for order in &orders {
            self.carry_out(order)?;
        }
        if orders.is_empty() {
            self.said.push(self.agent.memory.repeat(&message.text));
        }
        if let Some(attached) = message.attached() {
            self.said.push(format!("It came with {attached}"));
        }
        self.pay()?;
        self.agent.stream.text(&self.said.join("\n"))?;
        self.afford()
    }

    fn carry_out(&mut self, order: &Order<'_>) -> Result<(), Stop> {
        match *order {
            Order::Run { command, twice } => {
                let times = if twice { 2 } else { 1 };
                self.tools((0..times).map(|_| Tool::run(command)).collect())?;
            }
            Order::Write { file, text } => self.tools(vec![Tool::write(file, text)])?,
            Order::Commit(message) => {
                let commit = format!("git commit -m {message:?}");
                self.tools(vec![Tool::git("git add -A", &["add", "-A"])])?;
                self.tools(vec![Tool::git(&commit, &["commit", "--no-verify", "-m", message])])?;
            }
            Order::Withdraw { after, command } => self.tools(vec![Tool::withdrawn(after, command)])?,
            Order::Ask(_) | Order::Plan(_) if !self.agent.options.asks() => {
                self.said.push("Nobody is here whom I could ask".to_owned());
            }
            Order::Ask(asked) => self.tools(vec![Tool::ask(asked)])?,
            Order::Plan(text) => self.tools(vec![Tool::plan(text)])?,
            Order::Say(text) => self.said.push(text.to_owned()),
            Order::Work(takes) => self.work(takes)?,
            Order::Silent(takes) => self.wait(takes)?,
            Order::Print(bytes) => self.print(bytes)?,
            Order::Fail(status) => return Err(Stop::Api(ApiError::of(status))),
            Order::Limit => return Err(self.limit()?),
            Order::Files => self.said.push("No client is here that offers files".to_owned()),
            Order::Die => return Err(Stop::Died),
        }
        Ok(())
    }

    /// Uses tools, those first that are allowed. The others are asked for, all at once, and used as they are answered.
    fn tools(&mut self, tools: Vec<Tool>) -> Result<(), Stop> {
        let mut asked = Vec::new();
        for tool in tools {
            self.use_tool(&tool.id, tool.name, &tool.input)?;
            if tool.is_allowed(&self.agent.rules) {
                self.do_it(&tool, &tool.input)?;
            } else if self.agent.options.asks() {
                let until = tool.withdrawn_after.map(|after| Instant::now() + after);
                asked.push((self.agent.ask(&tool)?, until, tool));
            } else {
                self.refuse(&tool)?;
            }
        }
        while !asked.is_empty() {
            self.was_asking = true;
            self.pause(TICK)?;
            let mut waiting = Vec::new();
            for (id, until, tool) in asked {
                if let Some(answer) = self.agent.client.take_answer(&id) {
                    self.settle(&tool, answer)?;
                } else if until.is_some_and(|until| until <= Instant::now()) {
                    self.agent.withdraw(&id)?;
                    self.finish(&tool, Err("The request was withdrawn".to_owned()))?;
                } else {
                    waiting.push((id, until, tool));
                }
            }
            asked = waiting;
        }
        self.was_asking = false;
        Ok(())
    }

    /// Does what a person answered.
    fn settle(&mut self, tool: &Tool, answer: Answer) -> Result<(), Stop> {
        match answer {
            Answer::Allowed { input, permissions } => {
                self.agent
                    .record
                    .write(Kind::Answer, &format!("{}=allow", tool.label()))?;
                self.agent.widen(&permissions)?;
                if tool.name == "ExitPlanMode" {
                    self.agent.change_mode("default")?;
                }
                self.do_it(tool, input.as_ref().unwrap_or(&tool.input))
            }
            Answer::Denied { why, interrupts } => {
                self.agent
                    .record
                    .write(Kind::Answer, &format!("{}=deny", tool.label()))?;
                self.deny(tool);
                self.finish(tool, Err(why))?;
                if interrupts { Err(Stop::Told) } else { Ok(()) }
            }
        }
    }

    /// Nobody can allow it.
    fn refuse(&mut self, tool: &Tool) -> Result<(), Stop> {
        let why = format!("{} needs approval, and nobody is here who could give it", tool.name);
        self.agent.stream.denied(&tool.id, tool.name, &why)?;
        self.deny(tool);
        self.finish(tool, Err(why))
    }

    fn deny(&mut self, tool: &Tool) {
        self.denials
            .push(json!({ "tool_name": tool.name, "tool_use_id": tool.id, "tool_input": tool.input }));
    }

    fn do_it(&mut self, tool: &Tool, input: &Value) -> Result<(), Stop> {
        let outcome = tool.carry_out(input, self.agent.directory.as_ref());
        self.finish(tool, outcome)
    }

    fn finish(&mut self, tool: &Tool, outcome: Result<String, String>) -> Result<(), Stop> {
        let (text, is_error) = match outcome {
            Ok(text) => (text, false),
            Err(why) => (why, true),
        };
        self.said.push(text.clone());
        self.finish_tool(&tool.id, &text, is_error)
    }

    fn use_tool(&mut self, id: &str, name: &str, input: &Value) -> Result<(), Stop> {
        self.pay()?;
        self.agent.stream.tool_use(id, name, input)?;
        self.afford()
    }

    fn finish_tool(&mut self, id: &str, text: &str, is_error: bool) -> Result<(), Stop> {
        self.agent.stream.tool_result(id, text, is_error)?;
        match self.agent.options.max_turns {
            Some(most) if self.turns >= most => Err(Stop::Turns),
            _ => Ok(()),
        }
    }

    fn work(&mut self, takes: Duration) -> Result<(), Stop> {
        let steps = takes.as_secs().clamp(1, STEPS);
        for step in 1..=steps {
            let input = json!({ "file_path": format!("step {step} of {steps}") });
            let id = format!("toolu_{}", Uuid::new_v4().simple());
            self.use_tool(&id, "Read", &input)?;
            self.wait(takes.div_f64(steps as f64))?;
            self.finish_tool(&id, "(pretended)", false)?;
        }
        self.said.push(format!("Worked for {}s", takes.as_secs()));
        Ok(())
    }

    fn print(&mut self, bytes: u64) -> Result<(), Stop> {
        let line = format!("{}\n", "demo ".repeat(16).trim_end());
        let mut left = bytes;
        while left > 0 {
            let size = left.min(CHUNK);
            let text: String = line.chars().cycle().take(usize::try_from(size).unwrap_or(0)).collect();
            self.agent.stream.text(&text)?;
            left -= size;
            self.wait(Duration::ZERO)?;
        }
        self.said.push(format!("Printed {bytes} bytes"));
        Ok(())
    }

    fn limit(&mut self) -> Result<Stop, Stop> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let resets = now.as_secs() + LIMIT_LASTS;
        self.agent.stream.limited(resets)?;
        let hour = resets / 3600 % 24;
        let half = if hour < 12 { "am" } else { "pm" };
        Ok(Stop::Api(ApiError {
            status: 429,
            text: format!(
                "You've hit your session limit · resets {}{half} (UTC)",
                (hour + 11) % 12 + 1
            ),
        }))
    }

    /// Lets time pass, unless it is interrupted.
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
        match () {
            () if self.agent.is_interrupted() => Err(Stop::Interrupted),
            () if self.agent.client.is_told_to_stop => Err(Stop::Told),
            () => Ok(()),
        }
    }

    /// Counts an answer of the model.
    fn pay(&mut self) -> Result<(), Stop> {
        self.wait(Duration::ZERO)?;
        self.turns += 1;
        self.agent.spend(CENTS)?;
        Ok(())
    }

    fn afford(&self) -> Result<(), Stop> {
        match self.agent.options.max_budget_usd {
            Some(most) if usd(self.agent.spent) >= most => Err(Stop::Budget),
            _ => Ok(()),
        }
    }

    fn end(self, is_error: bool, reason: &str, mut fields: Value) -> anyhow::Result<Ended> {
        fields["is_error"] = is_error.into();
        fields["terminal_reason"] = reason.into();
        fields["num_turns"] = self.turns.into();
        fields["permission_denials"] = self.denials.into();
        // Of the whole conversation, also after `--resume`.
        fields["total_cost_usd"] = usd(self.agent.memory.cents).into();
        fields["duration_ms"] = u64::try_from(self.began.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .into();
        if let Some(uuid) = &self.uuid {
            fields["user_message_uuid"] = json!(uuid);
            fields["user_message_uuids"] = json!([uuid]);
        }
        fields["result_index"] = self.agent.results.into();
        self.agent.results += 1;
        self.agent.stream.result(fields)?;
        Ok(Ended::Answered { is_error })
    }
}

fn usd(cents: u64) -> f64 {
    cents as f64 / 100.0
}
