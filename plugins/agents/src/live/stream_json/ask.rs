//! Requests of the agent's that a person answers: to use a tool, to choose, to carry out a plan.

mod shown;

use serde_json::{Map, Value, json};

use super::super::asked::{Choice, Effect, Given, Kind, Prompt, Request, own};
use super::super::refused::Refusal;
use super::super::shared::Shared;
use crate::shorter::beginning;
use shown::{detail, question, suggestion};

/// Bytes of the agent's id of a request or of a use of a tool, and characters of a tool's name.
const LONGEST: usize = 200;
/// What the agent is told where a person says no more.
const DENIED: &str = "The person does not want this. Stop, and wait for what they say next.";
const CLOSED: &str = "The person closed the question without an answer.";
const TOO_MANY: &str = "More questions are open than a person can be shown. Ask later, and fewer at once.";
/// What a person is told where the agent lets no rule decide.
const PERSON: &str =
    "The agent leaves this one to a person, and lets no rule allow it. Its own dialog may say more of it.";
const UNSEEN: &str = "The question could not be shown to a person. Ask it again.";

/// Opens what a request asks. One with a known id changes nothing.
pub(super) fn open(shared: &mut Shared, id: &str, request: &Value, plan: Option<&str>, now: u64) {
    let ours = own(id);
    if id.len() > LONGEST {
        return deny(shared, id, UNSEEN, false);
    }
    if shared.questions(id).next().is_some() || is_answered(shared, &ours) {
        return;
    }
    let prompts = match request["tool_name"].as_str().unwrap_or_default() {
        "AskUserQuestion" => questions(id, request, now).unwrap_or_else(|| vec![permission(id, request, plan, now)]),
        _ => vec![permission(id, request, plan, now)],
    };
    if !shared.open(prompts) {
        deny(shared, id, TOO_MANY, false);
        remember(shared, &ours, "a refusal, since too many were open");
    }
}

/// The agent withdraws a request.
pub(super) fn withdrawn(shared: &mut Shared, id: &str) {
    close(shared, id, "its withdrawal by the agent");
}

/// What the agent says is still open: what we take for open and it does not is closed, and what we could not read is
/// declined.
pub(super) fn pending(shared: &mut Shared, pending: &[Value]) {
    let is_pending = |id: &str| pending.iter().any(|one| one["request_id"].as_str() == Some(id));
    let gone: Vec<String> = shared
        .prompts
        .iter()
        .map(|prompt| prompt.request.id.clone())
        .filter(|id| !is_pending(id))
        .collect();
    for id in gone {
        close(shared, &id, "its withdrawal by the agent");
    }
    for one in pending {
        let Some(id) = one["request_id"].as_str() else { continue };
        let is_as_shown = shared.questions(id).any(|(prompt, _)| {
            let input = &prompt.request.input;
            prompt.cut || serde_json::from_str::<Value>(input).is_ok_and(|shown| shown == one["request"]["input"])
        });
        if !is_as_shown && !is_answered(shared, &own(id)) {
            deny(shared, id, UNSEEN, false);
            close(shared, id, "a refusal, since it could not be shown");
            remember(shared, &own(id), "a refusal, since it could not be shown");
        }
    }
}

/// Answers prompts of one request. What is answered of several questions is kept until the last one is; answers whether
/// the agent is told now.
pub(in super::super) fn answer(shared: &mut Shared, answers: &[(String, Given)]) -> Result<bool, Refusal> {
    let asked = shared.asked(answers)?;
    let first = asked[0];
    let id = first.request.id.clone();
    if asked.iter().any(|prompt| prompt.request.id != id) {
        return Err(Refusal::Invalid(
            "answer prompts of different requests one by one".to_owned(),
        ));
    }
    if answers.iter().any(|(_, given)| matches!(given, Given::Dismiss)) {
        deny(shared, &id, CLOSED, true);
        close(shared, &id, "a dismissal");
        return Ok(true);
    }
    if first.kind != Kind::Question {
        let (response, how) = allowed(first, &answers[0].1)?;
        respond(shared, &id, &response);
        close(shared, &id, &how);
        return Ok(true);
    }
    let given: Vec<(String, String)> = asked
        .iter()
        .zip(answers)
        .map(|(prompt, (_, given))| Ok((prompt.id.clone(), words(prompt, given)?)))
        .collect::<Result<_, Refusal>>()?;
    let input = whole(shared, &id)?;
    for (prompt, words) in &given {
        shared.keep_part(prompt, words);
    }
    if shared.prompts.iter().any(|prompt| prompt.request.id == id) {
        return Ok(false);
    }
    let (response, how) = chosen(shared, &id, input);
    respond(shared, &id, &response);
    close(shared, &id, &how);
    Ok(true)
}

/// Declines what nobody answered in time.
pub(in super::super) fn expire(shared: &mut Shared, prompt: &str, words: &str) {
    let Some(open) = shared.prompts.iter().find(|open| open.id == prompt) else {
        return;
    };
    let id = open.request.id.clone();
    deny(shared, &id, words, false);
    close(shared, &id, "a refusal, since nobody answered in time");
}

/// A request to use a tool, or to carry out a plan.
fn permission(id: &str, request: &Value, plan: Option<&str>, now: u64) -> Prompt {
    let tool = beginning(request["tool_name"].as_str().unwrap_or("a tool"), LONGEST);
    let tool = tool.as_str();
    let kind = match tool {
        "ExitPlanMode" => Kind::Plan,
        _ => Kind::Permission,
    };
    let mut detail = detail(tool, request, plan);
    if is_for_person(request, kind) && tool != "AskUserQuestion" {
        let about = detail.map_or_else(String::new, |detail| detail + "\n\n");
        detail = Some(about + PERSON);
    }
    let (choices, known) = choices(request, is_for_person(request, kind));
    Prompt {
        id: own(id),
        kind,
        question: question(tool, request),
        // Nobody can approve a plan, or answer a question, that is not here.
        cut: tool == "AskUserQuestion" || (kind == Kind::Plan && detail.is_none()),
        detail,
        choices,
        multiple: false,
        accepts_text: true,
        dismissible: true,
        group: None,
        at: now,
        tool: Some(tool.to_owned()),
        request: Request {
            id: id.to_owned(),
            input: request["input"].to_string(),
            choices: known,
        },
    }
}

/// Whether only a person may allow it, each time. Of plans and questions that is always so.
fn is_for_person(request: &Value, kind: Kind) -> bool {
    kind == Kind::Permission && request["requires_user_interaction"] == true
}

/// What can be chosen, and for each what the agent needs to know of it.
fn choices(request: &Value, is_for_person: bool) -> (Vec<Choice>, Vec<String>) {
    let keeps_no_rule = request["suppress_always_allow_rule"] == true;
    let is_rule = |one: &Value| one["type"] == "addRules" || one["type"] == "replaceRules";
    let suggestions = request["permission_suggestions"].as_array().into_iter().flatten();
    let wider = suggestions
        .take(8)
        .enumerate()
        .filter(|(_, one)| !(is_for_person || keeps_no_rule && is_rule(one)))
        .map(|(number, one)| {
            let key = format!("always-{}", number + 1);
            (Choice::new(key, suggestion(one), Effect::Widens), one.to_string())
        });
    let of = |key: &str, label: &str, effect| (Choice::new(key, label, effect), String::new());
    let (yes, no) = (of("yes", "Yes", Effect::Accepts), of("no", "No", Effect::Declines));
    let allowing = std::iter::once(yes).chain(wider);
    match request["default_to_no"] == true {
        // What stands first is what a person takes by mistake.
        true => std::iter::once(no).chain(allowing).unzip(),
        false => allowing.chain([no]).unzip(),
    }
}

/// The questions of a request; none if they are not as they should be.
fn questions(id: &str, request: &Value, now: u64) -> Option<Vec<Prompt>> {
    let asked = request["input"]["questions"]
        .as_array()
        .filter(|asked| !asked.is_empty())?;
    let prompt = |(number, asked): (usize, &Value)| {
        let options = asked["options"].as_array().into_iter().flatten().enumerate();
        let choice = |(number, option): (usize, &Value)| {
            let label = option["label"].as_str()?.to_owned();
            let mut choice = Choice::new((number + 1).to_string(), label, Effect::Neutral);
            choice.description = option["description"].as_str().map(str::to_owned);
            Some(choice)
        };
        let choices: Vec<Choice> = options.map(choice).collect::<Option<_>>()?;
        let is_alone = request["input"]["questions"]
            .as_array()
            .is_some_and(|all| all.len() == 1);
        Some(Prompt {
            id: match is_alone {
                true => own(id),
                false => format!("{}.{}", own(id), number + 1),
            },
            kind: Kind::Question,
            question: asked["question"].as_str()?.to_owned(),
            detail: shown::previews(asked),
            choices,
            multiple: asked["multiSelect"] == true,
            accepts_text: true,
            dismissible: true,
            cut: false,
            group: (!is_alone).then(|| own(id)),
            at: now,
            tool: None,
            request: Request {
                id: id.to_owned(),
                input: if number == 0 {
                    request["input"].to_string()
                } else {
                    String::new()
                },
                choices: Vec::new(),
            },
        })
    };
    let prompts: Vec<Prompt> = asked.iter().enumerate().map(prompt).collect::<Option<_>>()?;
    // Answers go by the words of their questions.
    let is_twice = |number: usize| {
        prompts[..number]
            .iter()
            .any(|earlier| earlier.question == prompts[number].question)
    };
    (!(0..prompts.len()).any(is_twice)).then_some(prompts)
}

/// The response to a request to use a tool, and how it is remembered.
fn allowed(prompt: &Prompt, given: &Given) -> Result<(Value, String), Refusal> {
    let Given::Reply { choices, text } = given else {
        return Err(Refusal::Invalid("it takes an answer".to_owned()));
    };
    let words = text.as_deref().map(str::trim).filter(|words| !words.is_empty());
    let denied = |words: Option<&str>| {
        let how = words.map_or_else(|| "\"no\"".to_owned(), |words| format!("\"no\": {words}"));
        (json!({"behavior": "deny", "message": words.unwrap_or(DENIED)}), how)
    };
    let key = match (choices.as_slice(), words) {
        ([], Some(words)) => return Ok(denied(Some(words))),
        ([key], _) => key,
        _ => return Err(Refusal::Invalid(format!("it takes one of {}", keys(prompt)))),
    };
    let (number, choice) = prompt
        .choice(key)
        .ok_or_else(|| Refusal::Invalid(format!("{key:?} is not one of {}", keys(prompt))))?;
    if choice.effect == Effect::Declines {
        return Ok(denied(words));
    }
    if words.is_some() {
        return Err(Refusal::Invalid(
            "words go only with a refusal: say yes without them, and send them as a message".to_owned(),
        ));
    }
    let input: Value = match prompt.cut {
        true => Err(Refusal::Invalid(
            "not all of it could be shown, so it can only be declined".to_owned(),
        )),
        false => serde_json::from_str(&prompt.request.input).map_err(|_| Refusal::Unknown),
    }?;
    let mut response = json!({"behavior": "allow", "updatedInput": input});
    if choice.effect == Effect::Widens
        && let Some(wider) = prompt.request.choices.get(number)
        && let Ok(wider) = serde_json::from_str::<Value>(wider)
    {
        response["updatedPermissions"] = json!([wider]);
    }
    Ok((response, format!("{:?}", choice.label)))
}

/// What a request that asks questions came with.
fn whole(shared: &Shared, request: &str) -> Result<Value, Refusal> {
    let mut inputs = shared.questions(request).map(|(prompt, _)| &prompt.request.input);
    let input = inputs.find(|input| !input.is_empty());
    input
        .and_then(|input| serde_json::from_str(input).ok())
        .ok_or(Refusal::Unknown)
}

/// The response to questions that are all answered, and how it is remembered.
fn chosen(shared: &Shared, request: &str, mut input: Value) -> (Value, String) {
    let answered = || {
        shared
            .questions(request)
            .filter_map(|(prompt, words)| Some((prompt, words?)))
    };
    let answers: Map<String, Value> = answered()
        .map(|(prompt, words)| (prompt.question.clone(), json!(words)))
        .collect();
    let how: Vec<String> = answered().map(|(_, words)| format!("{words:?}")).collect();
    input["answers"] = Value::Object(answers);
    (json!({"behavior": "allow", "updatedInput": input}), how.join(", "))
}

/// What a person chose of one question, in words.
fn words(prompt: &Prompt, given: &Given) -> Result<String, Refusal> {
    if prompt.cut {
        return Err(Refusal::Invalid(
            "not all of it could be shown, so it can only be dismissed".to_owned(),
        ));
    }
    let Given::Reply { choices, text } = given else {
        return Err(Refusal::Invalid("it takes an answer".to_owned()));
    };
    let mut words = Vec::new();
    for key in choices {
        let (_, choice) = prompt
            .choice(key)
            .ok_or_else(|| Refusal::Invalid(format!("{key:?} is not one of {}", keys(prompt))))?;
        words.push(choice.label.clone());
    }
    words.extend(
        text.as_deref()
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned),
    );
    match (words.len(), prompt.multiple) {
        (0, _) => Err(Refusal::Invalid(format!("it takes one of {}, or words", keys(prompt)))),
        (1, _) | (_, true) => Ok(words.join(", ")),
        _ => Err(Refusal::Invalid("only one answer may be given".to_owned())),
    }
}

fn keys(prompt: &Prompt) -> String {
    let keys: Vec<&str> = prompt.choices.iter().map(|choice| choice.key.as_str()).collect();
    keys.join(", ")
}

fn deny(shared: &mut Shared, id: &str, words: &str, interrupt: bool) {
    let mut response = json!({"behavior": "deny", "message": words});
    if interrupt {
        response["interrupt"] = json!(true);
    }
    respond(shared, id, &response);
}

fn respond(shared: &mut Shared, id: &str, response: &Value) {
    shared.reply(&json!({"type": "control_response", "response": {
        "subtype": "success", "request_id": id, "response": response,
    }}));
}

/// Closes all prompts of a request.
fn close(shared: &mut Shared, request: &str, how: &str) {
    let open = shared.prompts.iter().filter(|prompt| prompt.request.id == request);
    let ids: Vec<String> = open.map(|prompt| prompt.id.clone()).collect();
    for id in ids {
        shared.close(&id, how);
    }
    shared.parts.retain(|(prompt, _)| prompt.request.id != request);
    remember(shared, &own(request), how);
}

/// Remembers that a request needs no answer any more.
fn remember(shared: &mut Shared, id: &str, how: &str) {
    if !is_answered(shared, id) {
        shared.close(id, how);
    }
}

fn is_answered(shared: &Shared, id: &str) -> bool {
    shared.answered.iter().any(|(known, _)| known == id)
}
