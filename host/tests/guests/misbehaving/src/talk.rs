//! One session, `talk-1`, where the setting `talk` is: it takes messages while it is at work, names in its turns what they
//! answer, and asks several things at once. The own tool `talk` says what its agent does, and `talk_run` gives it work as a
//! call of a tool.

use berth_plugin::{
    Answered, Choice, Delivery, Effect, Error, Evidence, LogPage, LogQuery, Message, NewSession, Prompt, PromptKind,
    QueuedMessage, Receipt, Result, Role, Session, State, ToolCall, ToolOutput, Turn, TurnPage, TurnQuery, Verbs,
    store,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sessions;

pub(crate) const ID: &str = "talk-1";
pub(crate) const RUN: &str = "talk_run";
pub(crate) const TELL: &str = "talk";
const KEY: &str = "talk";

#[derive(Default, Serialize, Deserialize)]
struct Talk {
    /// Of each turn its role, its message and its text.
    turns: Vec<(String, String, String)>,
    /// The message that is worked on.
    now: Option<String>,
    queue: Vec<(String, String)>,
    /// The prompts that are open: what `ask` was given.
    prompts: Vec<Value>,
    /// Those that were answered, and how.
    answered: Vec<(String, String)>,
    /// Calls of `talk_run` by their ids, which read alone may not begin.
    calls: Vec<String>,
}

pub(crate) fn is_wanted() -> bool {
    !crate::setting("talk").is_null()
}

pub(crate) fn session() -> Result<Session> {
    let talk: Talk = store::get(KEY)?.unwrap_or_default();
    let state = match (talk.prompts.is_empty(), &talk.now) {
        (false, _) => State::Waiting,
        (true, Some(_)) => State::Busy,
        (true, None) => State::Idle,
    };
    let mut session = sessions::session(ID, State::Idle)
        .state(state, Evidence::Agent)
        .can(Verbs::SEND | Verbs::CANCEL_MESSAGE | Verbs::RESPOND | Verbs::INTERRUPT | Verbs::TERMINATE);
    for prompt in &talk.prompts {
        session = session.prompt(open(prompt));
    }
    session.queue = talk
        .queue
        .iter()
        .map(|(id, text)| QueuedMessage {
            id: id.clone(),
            text: text.clone(),
            at: 1_700_000_000_000,
        })
        .collect();
    Ok(session)
}

fn open(asked: &Value) -> Prompt {
    let text = |key: &str| asked[key].as_str().map(str::to_owned);
    let prompt = Prompt {
        multiple: asked["multiple"] == true,
        accepts_text: asked["words"] == true,
        cut: asked["cut"] == true,
        group: text("group"),
        required: asked["optional"] != true,
        expires_at: asked["expires_at"].as_u64(),
        ..Prompt::new(
            text("id").unwrap_or_default(),
            PromptKind::Question,
            text("question").unwrap_or_default(),
        )
    };
    prompt
        .choice(Choice::new("1", "Yes", Effect::Accepts))
        .choice(Choice::new("2", "Always", Effect::Widens))
        .choice(Choice::new("3", "No", Effect::Declines))
}

pub(crate) fn create(request: NewSession) -> Result<Session> {
    if let Some(message) = request.message {
        send(&message)?;
    }
    session()
}

pub(crate) fn send(message: &Message) -> Result<Delivery> {
    store::update(KEY, |talk: &mut Talk| talk.take(&message.id, &message.text))?
}

pub(crate) fn cancel(message: &str) -> Result<()> {
    let cancelled = store::update(KEY, |talk: &mut Talk| {
        let waits = talk.queue.len();
        talk.queue.retain(|(id, _)| id != message);
        talk.queue.len() < waits
    })?;
    match cancelled {
        true => Ok(()),
        false => Err(Error::Conflict("the agent has it already".into())),
    }
}

pub(crate) fn respond(answers: &[Answered]) -> Result<Delivery> {
    store::update(KEY, |talk: &mut Talk| {
        for answered in answers {
            if let Some((_, how)) = talk.answered.iter().find(|(id, _)| *id == answered.prompt) {
                return Err(Error::Conflict(format!("it is already answered, with {how}")));
            }
        }
        for answered in answers {
            talk.prompts.retain(|prompt| prompt["id"] != answered.prompt.as_str());
            talk.answered
                .push((answered.prompt.clone(), format!("{:?}", answered.answer)));
        }
        Ok(Delivery::confirmed())
    })?
}

pub(crate) fn interrupt() -> Result<Receipt> {
    store::update(KEY, |talk: &mut Talk| {
        talk.prompts.clear();
        talk.now = None;
        talk.next();
    })?;
    Ok(Receipt::Confirmed)
}

/// What the agent has said, a line for each turn.
pub(crate) fn log(query: &LogQuery) -> Result<LogPage> {
    let talk: Talk = store::get(KEY)?.unwrap_or_default();
    let seen = query.after.as_deref().map_or(0, |after| after.parse().unwrap_or(0));
    let said = talk.turns.iter().skip(seen).map(|(_, _, text)| format!("{text}\n"));
    Ok(LogPage {
        text: said.collect(),
        next: talk.turns.len().to_string(),
        more: false,
        gap: false,
    })
}

pub(crate) fn turns(query: &TurnQuery) -> Result<TurnPage> {
    let talk: Talk = store::get(KEY)?.unwrap_or_default();
    let turn = |(number, (role, message, text)): (usize, &(String, String, String))| {
        let role = match role.as_str() {
            "person" => Role::Person,
            _ => Role::Agent,
        };
        Turn {
            message: Some(message.clone()),
            ..Turn::new(number.to_string(), role, text)
        }
    };
    let seen = query.after.as_deref().map_or(0, |after| after.parse().unwrap_or(0) + 1);
    Ok(TurnPage {
        turns: talk.turns.iter().enumerate().skip(seen).map(turn).collect(),
        more: false,
        gap: false,
    })
}

/// Lets the agent `say` the end of its answer to the present message, or `ask` these prompts in place of those that are open.
pub(crate) fn tell(arguments: &Value) -> Result<ToolOutput> {
    let told: Value = serde_json::from_str(arguments["text"].as_str().unwrap_or_default())
        .map_err(|error| Error::Invalid(error.to_string()))?;
    store::update(KEY, |talk: &mut Talk| {
        if let Some(asked) = told["ask"].as_array() {
            talk.prompts = asked.clone();
        }
        if let Some(said) = told["say"].as_str()
            && let Some(now) = talk.now.take()
        {
            talk.turns.push(("agent".into(), now, said.into()));
            talk.next();
        }
    })?;
    let talk: Talk = store::get(KEY)?.unwrap_or_default();
    Ok(ToolOutput::text(
        json!({"answered": talk.answered, "calls": talk.calls}).to_string(),
    ))
}

/// Gives the session `text` as work, and says how that is: the call's id is that of its message.
pub(crate) fn run(call: &ToolCall) -> Result<ToolOutput> {
    let arguments: Value = call.arguments()?;
    let text = arguments["text"].as_str().unwrap_or_default();
    let is_known = store::get::<Talk>(KEY)?.unwrap_or_default().calls.contains(&call.id);
    if !is_known && !berth_plugin::context::may_act() {
        return Err(Error::Denied("it may only read".into()));
    }
    if !is_known {
        store::update(KEY, |talk: &mut Talk| {
            talk.calls.push(call.id.clone());
            talk.take(&call.id, text).map(drop)
        })??;
    }
    let talk: Talk = store::get(KEY)?.unwrap_or_default();
    let said = talk
        .turns
        .iter()
        .find(|(role, message, _)| role == "agent" && *message == call.id);
    Ok(match said {
        Some((_, _, said)) => ToolOutput::text(said),
        None => ToolOutput::text("it is at work").session(ID),
    })
}

impl Talk {
    fn take(&mut self, id: &str, text: &str) -> Result<Delivery> {
        let is_known = |known: &String| known == id;
        if self.turns.iter().any(|(_, message, _)| is_known(message)) {
            return Ok(Delivery::confirmed());
        }
        self.queue.push((id.to_owned(), text.to_owned()));
        match self.now {
            Some(_) => Ok(Delivery::queued()),
            None => {
                self.next();
                Ok(Delivery::confirmed())
            }
        }
    }

    /// Begins with the next message.
    fn next(&mut self) {
        if self.now.is_none() && !self.queue.is_empty() {
            let (id, text) = self.queue.remove(0);
            self.turns.push(("person".into(), id.clone(), text));
            self.now = Some(id);
        }
    }
}
