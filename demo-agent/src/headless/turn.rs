//! One message, and what is done until it is answered.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use uuid::Uuid;

use super::Agent;
use super::deed;
use super::order::{Order, orders};
use super::permission::Use;
use super::stream::ApiError;

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
    /// Somebody interrupted it, and there is no result.
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
    began: Instant,
    turns: u64,
    denials: Vec<Value>,
    said: Vec<String>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(agent: &'a mut Agent) -> Self {
        Self {
            agent,
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
    pub(super) fn answer(mut self, message: &str) -> anyhow::Result<Ended> {
        match self.follow(message) {
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
                self.agent.stream.interrupted()?;
                Ok(Ended::Interrupted)
            }
            Err(Stop::Died) => Ok(Ended::Died),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    fn follow(&mut self, message: &str) -> Result<(), Stop> {
        self.agent
            .stream
            .init(&self.agent.directory, &self.agent.options.permission_mode)?;
        let orders = orders(message);
        for order in &orders {
            self.carry_out(order)?;
        }
        if orders.is_empty() {
            self.said.push(self.repeat(message));
        }
        self.pay()?;
        self.agent.stream.text(&self.said.join("\n"))?;
        self.afford()
    }

    fn carry_out(&mut self, order: &Order<'_>) -> Result<(), Stop> {
        match *order {
            Order::Run { command, twice } => {
                for _ in 0..if twice { 2 } else { 1 } {
                    self.run(command, || Ok(format!("Ran {command} (pretended)")))?;
                }
            }
            Order::Write { file, text } => {
                let input = json!({ "file_path": file, "content": text });
                self.tool("Write", &input, Use::Write(file), || deed::write(file, text))?;
            }
            Order::Commit(message) => {
                let commit = format!("git commit -m {message:?}");
                self.run("git add -A", || deed::git(&["add", "-A"]))?;
                self.run(&commit, || deed::git(&["commit", "--no-verify", "-m", message]))?;
            }
            Order::Say(text) => self.said.push(text.to_owned()),
            Order::Work(takes) => self.work(takes)?,
            Order::Silent(takes) => self.wait(takes)?,
            Order::Print(bytes) => self.print(bytes)?,
            Order::Fail(status) => return Err(Stop::Api(ApiError::of(status))),
            Order::Limit => return Err(self.limit()?),
            Order::Die => return Err(Stop::Died),
            Order::Ask => self.said.push("Nobody is here whom I could ask".to_owned()),
        }
        Ok(())
    }

    fn run(&mut self, command: &str, deed: impl FnOnce() -> Result<String, String>) -> Result<(), Stop> {
        self.tool("Bash", &json!({ "command": command }), Use::Bash(command), deed)
    }

    /// Uses a tool, if that is allowed.
    fn tool(
        &mut self,
        name: &str,
        input: &Value,
        wanted: Use<'_>,
        deed: impl FnOnce() -> Result<String, String>,
    ) -> Result<(), Stop> {
        let id = self.use_tool(name, input)?;
        let outcome = match self.agent.rules.allow(wanted) {
            true => deed(),
            false => {
                let why = format!("{name} needs approval, and nobody is here who could give it");
                self.agent.stream.denied(&id, name, &why)?;
                self.denials
                    .push(json!({ "tool_name": name, "tool_use_id": id, "tool_input": input }));
                Err(why)
            }
        };
        let (text, is_error) = match outcome {
            Ok(text) => (text, false),
            Err(why) => (why, true),
        };
        self.said.push(text.clone());
        self.finish_tool(&id, &text, is_error)
    }

    fn use_tool(&mut self, name: &str, input: &Value) -> Result<String, Stop> {
        let id = format!("toolu_{}", Uuid::new_v4().simple());
        self.pay()?;
        self.agent.stream.tool_use(&id, name, input)?;
        self.afford()?;
        Ok(id)
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
            let id = self.use_tool("Read", &input)?;
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

    fn limit(&self) -> Result<Stop, Stop> {
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
    fn wait(&self, takes: Duration) -> Result<(), Stop> {
        let until = Instant::now() + takes;
        loop {
            if self.agent.is_interrupted() {
                return Err(Stop::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(TICK));
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

    fn repeat(&self, message: &str) -> String {
        let said = format!("You said: {}", message.lines().next().unwrap_or_default());
        match &self.agent.memory {
            memory if memory.messages > 1 => format!(
                "{said}\nIt is message {} of our conversation, which began with: {}",
                memory.messages, memory.first
            ),
            _ => said,
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
        self.agent.stream.result(fields)?;
        Ok(Ended::Answered { is_error })
    }
}

fn usd(cents: u64) -> f64 {
    cents as f64 / 100.0
}
