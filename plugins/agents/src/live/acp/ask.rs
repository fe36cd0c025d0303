//! Requests for a permission. An answer is one of the options; it carries no words.

use serde_json::{Value, json};

use super::super::asked::{Choice, Effect, Given, Kind, Prompt, Request};
use super::super::refused::Refusal;
use super::super::shared::Shared;
use super::content::{about, title};
use crate::shorter::beginning;

/// Options of a request.
const OPTIONS: usize = 20;
/// Bytes of the agent's id of a request, and characters of a title.
const LONGEST: usize = 200;

/// Opens what a request asks. One with an id that is known changes nothing; one without options is cancelled.
pub(super) fn open(shared: &mut Shared, id: &Value, params: &Value, now: u64) {
    let ours = own(id);
    let is_known = shared.prompts.iter().any(|prompt| prompt.id == ours)
        || shared.answered.iter().any(|(known, _)| *known == ours);
    if is_known {
        return;
    }
    let options = params["options"].as_array().into_iter().flatten().take(OPTIONS);
    let options: Vec<(&str, Choice)> = options
        .enumerate()
        .filter_map(|(number, one)| option(number, one))
        .collect();
    if options.is_empty() {
        return cancel(shared, id);
    }
    if id.to_string().len() > LONGEST {
        return cancel(shared, id);
    }
    let call = &params["toolCall"];
    let (title, whole) = named(call);
    let kind = match call["kind"].as_str() {
        Some("switch_mode") => Kind::Plan,
        _ => Kind::Permission,
    };
    let prompt = Prompt {
        id: ours,
        kind,
        question: format!("May it do this: {title}?"),
        detail: match (whole, about(call)) {
            (Some(whole), Some(about)) => Some(format!("{whole}\n\n{about}")),
            (whole, about) => whole.or(about),
        },
        choices: options.iter().map(|(_, choice)| choice.clone()).collect(),
        multiple: false,
        accepts_text: false,
        dismissible: true,
        cut: false,
        group: None,
        at: now,
        tool: Some(title),
        request: Request {
            id: id.to_string(),
            input: String::new(),
            choices: options.iter().map(|(id, _)| (*id).to_owned()).collect(),
        },
    };
    if !shared.open(vec![prompt]) {
        cancel(shared, id);
    }
}

/// Answers one prompt, and tells the agent.
pub(in super::super) fn answer(shared: &mut Shared, answers: &[(String, Given)]) -> Result<bool, Refusal> {
    let asked = shared.asked(answers)?;
    let ([prompt], [(_, given)]) = (asked.as_slice(), answers) else {
        return Err(Refusal::Invalid(
            "answer prompts of different requests one by one".to_owned(),
        ));
    };
    let (outcome, how) = match given {
        Given::Dismiss => (cancelled(), "a dismissal".to_owned()),
        Given::Reply { text: Some(text), .. } if !text.trim().is_empty() => {
            return Err(Refusal::Invalid(
                "this agent takes no words with an answer: answer without them, and send them as a message".to_owned(),
            ));
        }
        Given::Reply { choices, .. } => chosen(prompt, choices)?,
    };
    let (id, request) = (prompt.id.clone(), prompt.request.id.clone());
    respond(shared, &request, &outcome);
    shared.close(&id, &how);
    Ok(true)
}

/// Declines what nobody answered in time; the agent takes no words.
pub(in super::super) fn expire(shared: &mut Shared, id: &str, _words: &str) {
    let Some(prompt) = shared.prompts.iter().find(|prompt| prompt.id == id) else {
        return;
    };
    let refusal = prompt
        .choices
        .iter()
        .position(|choice| choice.effect == Effect::Declines);
    let option = refusal.and_then(|place| prompt.request.choices.get(place));
    let outcome = option.map_or_else(cancelled, |option| selected(option));
    let request = prompt.request.id.clone();
    respond(shared, &request, &outcome);
    shared.close(id, "a refusal, since nobody answered in time");
}

/// Cancels all that is open: the work that needed it has ended, or shall.
pub(super) fn cancel_all(shared: &mut Shared) {
    let open: Vec<(String, String)> = shared
        .prompts
        .iter()
        .map(|prompt| (prompt.id.clone(), prompt.request.id.clone()))
        .collect();
    for (id, request) in open {
        respond(shared, &request, &cancelled());
        shared.close(&id, "the end of the work for which it was asked");
    }
}

/// Cancels a request that no person sees.
pub(super) fn cancel(shared: &mut Shared, id: &Value) {
    respond(shared, &id.to_string(), &cancelled());
}

fn chosen(prompt: &Prompt, choices: &[String]) -> Result<(Value, String), Refusal> {
    let keys = || -> String {
        let keys: Vec<String> = prompt
            .choices
            .iter()
            .map(|choice| format!("{} ({})", choice.key, choice.label))
            .collect();
        keys.join(", ")
    };
    let [key] = choices else {
        return Err(Refusal::Invalid(format!("it takes one of {}", keys())));
    };
    let (place, choice) = prompt
        .choice(key)
        .ok_or_else(|| Refusal::Invalid(format!("{key:?} is not one of {}", keys())))?;
    if prompt.cut && choice.effect != Effect::Declines {
        return Err(Refusal::Invalid(
            "not all of it could be shown, so it can only be declined or dismissed".to_owned(),
        ));
    }
    match prompt.request.choices.get(place) {
        Some(option) => Ok((selected(option), format!("{:?}", choice.label))),
        // What is cut has lost its options.
        None => Ok((cancelled(), format!("{:?}", choice.label))),
    }
}

/// The title in one line, and the whole of it where that is more: some agents name a command only there.
fn named(call: &Value) -> (String, Option<String>) {
    let whole = title(call);
    let short = beginning(&one_line(&whole), LONGEST);
    let is_whole = short == whole.trim();
    (short, (!is_whole).then_some(whole))
}

fn option(number: usize, one: &Value) -> Option<(&str, Choice)> {
    let id = one["optionId"].as_str()?;
    let effect = match one["kind"].as_str() {
        Some("allow_once") => Effect::Accepts,
        Some("reject_once" | "reject_always") => Effect::Declines,
        // What is not known may allow more than this one request.
        _ => Effect::Widens,
    };
    let label = one["name"].as_str().map_or_else(|| id.to_owned(), one_line);
    Some((id, Choice::new((number + 1).to_string(), label, effect)))
}

fn selected(option: &str) -> Value {
    json!({"outcome": "selected", "optionId": option})
}

fn cancelled() -> Value {
    json!({"outcome": "cancelled"})
}

fn respond(shared: &mut Shared, id: &str, outcome: &Value) {
    let id: Value = serde_json::from_str(id).unwrap_or_default();
    shared.reply(&json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}}));
}

/// Our id of a request: the agent's, in the form that ids have.
fn own(id: &Value) -> String {
    super::super::asked::own(&match id {
        Value::String(text) => format!("s{text}"),
        other => format!("n{other}"),
    })
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect::<String>()
        .trim()
        .to_owned()
}
