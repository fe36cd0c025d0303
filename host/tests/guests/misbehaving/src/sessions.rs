//! Sessions that never change: `calm-1` is idle, `calm-2` too, `asks-1` waits for an answer, and `dead-1` is over.
//!
//! What is typed into one is a line at the key `typed` of the store, so that a test can see that nothing was; the own tool
//! `typed` answers it.

use berth_plugin::{
    Answered, Choice, Command, Delivery, Effect, Error, Evidence, Message, NewSession, Prompt, PromptKind, Receipt,
    Result, Session, State, Verbs, store, time,
};

/// Where what is typed is kept.
pub(crate) const TYPED: &str = "typed";
/// Where it is kept when a start was broken off.
const STARTED: &str = "started";

/// The sessions.
pub(crate) fn all() -> Vec<Session> {
    let asking = session("asks-1", State::Waiting).prompt(prompt("prompt-1"));
    let mut all = vec![
        session("calm-1", State::Idle),
        session("calm-2", State::Idle),
        asking,
        session("dead-1", State::Done),
    ];
    if crate::talk::is_wanted() {
        all.push(crate::talk::session().expect("it is kept"));
    }
    all
}

pub(crate) fn session(id: &str, state: State) -> Session {
    let can = match state {
        State::Waiting => Verbs::RESPOND | Verbs::INTERRUPT | Verbs::TERMINATE,
        State::Done => Verbs::TERMINATE,
        _ => Verbs::SEND | Verbs::INTERRUPT | Verbs::TERMINATE,
    };
    Session::new(id)
        .agent("none")
        .directory("/")
        .state(state, Evidence::Agent)
        .created_at(1_700_000_000_000)
        .can(can)
}

pub(crate) fn prompt(id: &str) -> Prompt {
    Prompt {
        dismissible: true,
        ..Prompt::new(id, PromptKind::Permission, "May I?")
    }
    .choice(Choice::new("1", "Yes", Effect::Accepts))
    .choice(Choice::new("2", "No", Effect::Declines))
}

/// Makes no session, or where `describe` is `creates`, answers one of the usual ones, or breaks off where `create` is set.
pub(crate) fn create(request: &NewSession) -> Result<Session> {
    if !crate::setting("create").is_null() {
        break_off();
    }
    if crate::setting("describe") != "creates" {
        return Err(Error::Unsupported);
    }
    note("created", &request.id)?;
    find("calm-1")
}

/// Begins to start a session, and breaks off before it says which.
fn break_off() -> ! {
    store::put(STARTED, &time::now()).expect("the store takes it");
    let command = Command::new("sh", ["-c", "true"]);
    command.run().expect("it is granted");
    panic!("as its settings say");
}

/// As many sessions as `create` says that are new once a start was broken off.
pub(crate) fn started() -> Vec<Session> {
    let Ok(Some(begun)) = store::get::<u64>(STARTED) else {
        return Vec::new();
    };
    let count = crate::setting("create").as_u64().unwrap_or_default();
    (1..=count)
        .map(|number| session(&format!("new-{number}"), State::Idle).created_at(begun))
        .collect()
}

/// 15 MB of text of which nothing is to be shown.
pub(crate) fn flood() -> String {
    "\u{200b}".repeat(5 << 20)
}

/// Types a message, where the session can take one. `how` it ends: `busy`, `refused`, `timed-out` once it was typed,
/// `unconfirmed`, `queued`; otherwise it is confirmed.
pub(crate) fn send(how: &str, id: &str, message: &Message) -> Result<Delivery> {
    match (how, find(id)?.state) {
        ("busy", _) => Err(Error::Busy),
        ("refused", _) => Err(Error::Refused("because its settings say so".into())),
        (_, State::Waiting) => Err(Error::Refused("it waits for an answer: use respond_to_prompt".into())),
        (_, State::Done) => Err(Error::Refused("it has ended: create another one".into())),
        _ => {
            note("message-ids", &message.id)?;
            note(TYPED, &format!("{id}: {}", message.text))?;
            delivery(how)
        }
    }
}

pub(crate) fn cancel(id: &str, message: &str) -> Result<()> {
    let session = find(id)?;
    if session.queue.iter().any(|queued| queued.id == message) {
        return Ok(());
    }
    Err(Error::Conflict("the agent has it already".into()))
}

/// Answers the prompts, where each is the present one; `how` as for a message.
pub(crate) fn respond(how: &str, id: &str, answers: &[Answered]) -> Result<Delivery> {
    let open = find(id)?.prompts;
    let is_open = |answered: &Answered| open.iter().any(|prompt| prompt.id == answered.prompt);
    if how == "conflict" || !answers.iter().all(is_open) {
        return Err(Error::Conflict("that prompt is gone: look at the session again".into()));
    }
    for answered in answers {
        note(TYPED, &format!("{id}: {:?}", answered.answer))?;
    }
    delivery(how)
}

/// Interrupts or ends nothing; `how` as for a message.
pub(crate) fn end(how: &str, id: &str) -> Result<Receipt> {
    find(id)?;
    Ok(delivery(how)?.receipt)
}

/// Adds a line to what is at this key.
pub(crate) fn note(key: &str, line: &str) -> Result<()> {
    store::update(key, |lines: &mut String| {
        lines.push_str(line);
        lines.push('\n');
    })
}

fn delivery(how: &str) -> Result<Delivery> {
    match how {
        "timed-out" => Err(Error::TimedOut("because its settings say so".into())),
        "unconfirmed" => Ok(Delivery::unconfirmed()),
        "queued" => Ok(Delivery::queued()),
        _ => Ok(Delivery::confirmed()),
    }
}

/// One of the usual sessions.
fn find(id: &str) -> Result<Session> {
    let found = all().into_iter().find(|session| session.id == id);
    found.ok_or_else(|| Error::NotFound(format!("there is no session {id:?}; list_sessions shows all")))
}
