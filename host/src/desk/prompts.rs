//! Prompts: which one a caller has seen, and what a response means to it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Caller;
use crate::schema::WordsSchema;
use crate::session::{Answer, Choice, Effect, Prompt, PromptKind, Reply};
use crate::text::{NAMED, escaped};

/// Sessions of which it is remembered what one caller did last. Past this all of that is forgotten, and the caller must
/// look again: nobody can make that happen to another.
const REMEMBERED: usize = 1_024;
/// Callers of whom anything is remembered; each was approved by the owner.
const CALLERS: usize = 1_024;

/// What words that agree begin with.
const AGREEING: [&str; 14] = [
    "yes", "y", "yeah", "yep", "ok", "okay", "sure", "go", "approve", "approved", "allow", "accept", "proceed",
    "continue",
];

/// What each caller did last about the prompts of each session, so that a bare "yes" answers what was read.
#[derive(Default)]
pub(super) struct Shown(Mutex<HashMap<String, HashMap<String, Last>>>);

/// What a caller did last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    /// It was shown the prompts with these ids.
    Shown(Vec<String>),
    /// It answered one. A bare answer then counts for nothing until it has looked again: a client that repeats its
    /// call must not answer the question that follows.
    Answered,
}

impl Shown {
    pub(super) fn note(&self, caller: &Caller, session_id: &str, last: Last) {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = caller.principal.id();
        if callers.len() >= CALLERS && !callers.contains_key(caller) {
            callers.clear();
        }
        let shown = callers.entry(caller.to_owned()).or_default();
        if shown.len() >= REMEMBERED && !shown.contains_key(session_id) {
            shown.clear();
        }
        shown.insert(session_id.to_owned(), last);
    }

    pub(super) fn last(&self, caller: &Caller, session_id: &str) -> Option<Last> {
        let callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        callers.get(caller.principal.id())?.get(session_id).cloned()
    }
}

/// How a caller answers: by `response`, or by `choices` and `text`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) response: Option<String>,
    pub(super) choices: Vec<String>,
    pub(super) text: Option<String>,
}

/// What `response` means to `prompt`, or why it may not be given.
pub(super) fn read(prompt: &Prompt, response: &Response, remote_trust: bool) -> Result<Answer, String> {
    let answer = meaning(prompt, response)?;
    if let Some(fault) = fault_of_words(prompt, &answer) {
        return Err(format!("the text does not fit what is asked for: {fault}"));
    }
    allowed(prompt, &answer, remote_trust)?;
    Ok(answer)
}

/// Whether `answer` may be given to `prompt` from afar, or why not.
pub(super) fn allowed(prompt: &Prompt, answer: &Answer, remote_trust: bool) -> Result<(), String> {
    if prompt.kind == PromptKind::Trust && !remote_trust && !declines(prompt, answer) {
        return Err(
            "trust is given on the operator's terminal (berth attach), unless the backend has `remote_trust = true`; from \
             here it can be declined"
                .into(),
        );
    }
    if prompt.cut && !declines(prompt, answer) {
        return Err(
            "part of the question is off the screen, so it can only be declined from here; berth attach shows all"
                .into(),
        );
    }
    if prompt.on_terminal_only && !declines(prompt, answer) {
        return Err(
            "it can only be accepted on the operator's terminal (berth attach); from here it can be declined or dismissed"
                .into(),
        );
    }
    Ok(())
}

/// The one of `prompts` that an answer is meant for: the one that it names, or where it names none, the one that was
/// `last` shown, if there is no other.
pub(super) fn meant<'a>(
    prompts: &'a [Prompt],
    named: Option<&str>,
    last: Option<&Last>,
) -> Result<&'a Prompt, &'static str> {
    match (named, prompts, last) {
        (Some(named), _, _) => prompts
            .iter()
            .find(|prompt| prompt.id == named)
            .ok_or("the prompt for which it was meant is gone, and this is another one"),
        (None, [only], Some(Last::Shown(last))) if last.contains(&only.id) => Ok(only),
        (None, _, Some(Last::Answered)) => {
            Err("you have answered one since you last looked; to answer this one, give its prompt_id")
        }
        (None, [_, _, ..], _) => Err("it asks several questions; give the prompt_id of the one that this answers"),
        (None, _, _) => Err("you were not shown this prompt before"),
    }
}

/// Why the words of an answer do not fit the prompt's schema. That was read when the prompt came.
fn fault_of_words(prompt: &Prompt, answer: &Answer) -> Option<String> {
    let (Answer::Reply(reply), Some(schema)) = (answer, &prompt.text_schema) else {
        return None;
    };
    let words = reply.text.as_ref().filter(|_| !declines(prompt, answer))?;
    WordsSchema::read(schema).map_or_else(Some, |schema| schema.fault(words))
}

fn meaning(prompt: &Prompt, given: &Response) -> Result<Answer, String> {
    let parts = !given.choices.is_empty() || given.text.is_some();
    match &given.response {
        Some(_) if parts => Err("give either `response`, or `choices` and `text`".into()),
        Some(response) => meaning_of_words(prompt, response.trim()),
        None if parts => meaning_of_parts(prompt, given),
        None => Err("the response is empty".into()),
    }
}

fn meaning_of_words(prompt: &Prompt, response: &str) -> Result<Answer, String> {
    let dismisses = response.eq_ignore_ascii_case("dismiss");
    if dismisses && prompt.dismissible {
        return Ok(Answer::Dismiss);
    }
    if let Some(choice) = choice(prompt, response)? {
        return Ok(chosen(vec![choice.key.clone()]));
    }
    if prompt.multiple
        && let Some(keys) = several(prompt, response)?
    {
        return Ok(chosen(keys));
    }
    match response {
        "" => Err("the response is empty".into()),
        _ if dismisses => Err("it cannot be closed without an answer".into()),
        text if prompt.accepts_text => words(prompt, text),
        _ => Err("that is not one of the choices".into()),
    }
}

/// Words alone. To a request for permission they are a refusal that says what to do instead, so words that agree are
/// none.
fn words(prompt: &Prompt, text: &str) -> Result<Answer, String> {
    let first = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let begins = |words: &[&str]| words.iter().any(|word| first.eq_ignore_ascii_case(word));
    if prompt.kind == PromptKind::Permission && begins(&AGREEING) {
        return Err("that is none of the choices, and other words would refuse the request: name a choice".into());
    }
    let mut declining = prompt.choices.iter().filter(|choice| choice.effect == Effect::Declines);
    let refusal = declining
        .next()
        .filter(|_| declining.next().is_none() && begins(&["no"]));
    Ok(Answer::Reply(Reply {
        choices: refusal.map(|choice| choice.key.clone()).into_iter().collect(),
        text: Some(text.to_owned()),
    }))
}

fn meaning_of_parts(prompt: &Prompt, given: &Response) -> Result<Answer, String> {
    let mut keys: Vec<String> = Vec::new();
    for named in &given.choices {
        match choice(prompt, named.trim())? {
            Some(choice) if !keys.contains(&choice.key) => keys.push(choice.key.clone()),
            Some(_) => {}
            None => return Err(format!("`{}` is not one of the choices", escaped(named, NAMED))),
        }
    }
    if keys.len() > 1 && !prompt.multiple {
        return Err("only one of its choices can be taken".into());
    }
    match &given.text {
        Some(_) if !prompt.accepts_text => Err("it does not take text".into()),
        Some(text) if keys.is_empty() && prompt.kind == PromptKind::Permission => words(prompt, text),
        text => Ok(Answer::Reply(Reply {
            choices: keys,
            text: text.clone(),
        })),
    }
}

fn chosen(choices: Vec<String>) -> Answer {
    Answer::Reply(Reply { choices, text: None })
}

/// The choice that `response` names: by key, by label, or as the one that says yes or no.
fn choice<'a>(prompt: &'a Prompt, response: &str) -> Result<Option<&'a Choice>, String> {
    let same = |text: &str| text.eq_ignore_ascii_case(response);
    // Keys first: labels are the agent's words, and one may look like another choice's key.
    if let Some(choice) = prompt.choices.iter().find(|choice| same(&choice.key)) {
        return Ok(Some(choice));
    }
    let labelled: Vec<&Choice> = prompt.choices.iter().filter(|choice| same(&choice.label)).collect();
    match labelled.as_slice() {
        [] => {}
        [choice] => return Ok(Some(choice)),
        _ => return Err(format!("`{}` matches several choices", escaped(response, NAMED))),
    }
    if !["yes", "no"].iter().any(|word| same(word)) {
        return Ok(None);
    }
    let first_word = |label: &str| label.split(|c: char| !c.is_alphanumeric()).next().is_some_and(same);
    let fitting: Vec<&Choice> = prompt
        .choices
        .iter()
        .filter(|choice| first_word(&choice.label))
        .collect();
    match fitting.as_slice() {
        [] => Ok(None),
        [choice] => Ok(Some(choice)),
        _ => Err(format!("`{}` matches several choices", escaped(response, NAMED))),
    }
}

fn several(prompt: &Prompt, response: &str) -> Result<Option<Vec<String>>, String> {
    let mut keys = Vec::new();
    for part in response.split(',') {
        match choice(prompt, part.trim())? {
            Some(choice) if !keys.contains(&choice.key) => keys.push(choice.key.clone()),
            Some(_) => {}
            None => return Ok(None),
        }
    }
    Ok(Some(keys))
}

/// What an answer does: each of its choices, or its words alone.
pub(super) fn effects(prompt: &Prompt, answer: &Answer) -> Vec<Effect> {
    let effect = |key: &String| {
        let choice = prompt.choices.iter().find(|choice| choice.key == *key);
        choice.map_or(Effect::Widens, |choice| choice.effect)
    };
    match (answer, prompt.kind) {
        (Answer::Dismiss, _) => vec![Effect::Declines],
        (Answer::Reply(reply), _) if !reply.choices.is_empty() => reply.choices.iter().map(effect).collect(),
        (Answer::Reply(_), PromptKind::Permission) => vec![Effect::Declines],
        (Answer::Reply(_), _) => vec![Effect::Neutral],
    }
}

/// Whether an answer grants nothing.
pub(super) fn declines(prompt: &Prompt, answer: &Answer) -> bool {
    let is_no = |key: &String| {
        let mut choices = prompt.choices.iter();
        choices.any(|choice| choice.key == *key && choice.effect == Effect::Declines)
    };
    match answer {
        Answer::Dismiss => true,
        Answer::Reply(reply) => !reply.choices.is_empty() && reply.choices.iter().all(is_no),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn choice(key: &str, label: &str, effect: Effect) -> Choice {
        Choice {
            key: key.into(),
            label: label.into(),
            description: None,
            effect,
            ticked: false,
        }
    }

    fn permission() -> Prompt {
        let choices = vec![
            choice("1", "Yes", Effect::Accepts),
            choice("2", "Yes, and switch to auto mode", Effect::Widens),
            choice("3", "Yes, and always allow this", Effect::Widens),
            choice("4", "No, and say what to do instead", Effect::Declines),
        ];
        Prompt::permission("p1", "Do you want to proceed?", choices)
    }

    fn keys(keys: &[&str]) -> Answer {
        chosen(keys.iter().map(ToString::to_string).collect())
    }

    fn read(prompt: &Prompt, response: &str, remote_trust: bool) -> Result<Answer, String> {
        let response = Response {
            response: Some(response.to_owned()),
            ..Response::default()
        };
        super::read(prompt, &response, remote_trust)
    }

    fn in_parts(prompt: &Prompt, choices: &[&str], text: Option<&str>) -> Result<Answer, String> {
        let response = Response {
            response: None,
            choices: choices.iter().map(ToString::to_string).collect(),
            text: text.map(str::to_owned),
        };
        super::read(prompt, &response, false)
    }

    #[test]
    fn yes_takes_the_plain_yes_and_no_the_one_that_declines_whatever_its_number() {
        assert_eq!(read(&permission(), "yes", false).unwrap(), keys(&["1"]));
        assert_eq!(read(&permission(), "No", false).unwrap(), keys(&["4"]));
        assert_eq!(read(&permission(), "2", false).unwrap(), keys(&["2"]));
        assert_eq!(
            read(&permission(), "yes, and always allow this", false).unwrap(),
            keys(&["3"])
        );
        assert_eq!(read(&permission(), "dismiss", false).unwrap(), Answer::Dismiss);
    }

    #[test]
    fn a_key_counts_before_a_label_that_looks_like_one() {
        let mut prompt = permission();
        prompt.choices[0].label = "4".into();
        assert_eq!(read(&prompt, "4", false).unwrap(), keys(&["4"]));
        prompt.choices[1].label = "Same".into();
        prompt.choices[2].label = "Same".into();
        assert!(read(&prompt, "same", false).unwrap_err().contains("several"));
    }

    #[test]
    fn a_yes_that_fits_several_choices_is_refused() {
        let mut prompt = permission();
        prompt.choices.remove(0);
        assert!(read(&prompt, "yes", false).unwrap_err().contains("several"));
    }

    #[test]
    fn an_answer_without_an_id_is_meant_for_the_prompt_that_was_looked_at_and_for_none_after_an_answer() {
        let shown = |id: &str| Last::Shown(vec![id.to_owned()]);
        let prompts = [permission()];
        for (named, last, is_meant) in [
            (Some("p1"), None, true),
            (Some("p1"), Some(Last::Answered), true),
            (Some("p0"), Some(shown("p1")), false),
            (None, Some(shown("p1")), true),
            (None, Some(shown("p0")), false),
            (None, Some(Last::Answered), false),
            (None, None, false),
        ] {
            let found = meant(&prompts, named, last.as_ref());
            assert_eq!(found.is_ok(), is_meant, "{named:?} {last:?}");
        }
    }

    #[test]
    fn of_several_questions_an_answer_must_name_its_own() {
        let mut other = permission();
        other.id = "p2".into();
        let prompts = [permission(), other];
        let last = Last::Shown(vec!["p1".into(), "p2".into()]);
        assert!(meant(&prompts, None, Some(&last)).unwrap_err().contains("prompt_id"));
        assert_eq!(meant(&prompts, Some("p2"), Some(&last)).unwrap().id, "p2");
    }

    #[test]
    fn choices_and_words_are_given_together_only_where_the_prompt_takes_both() {
        let mut prompt = permission();
        assert_eq!(in_parts(&prompt, &["4"], None).unwrap(), keys(&["4"]));
        assert_eq!(in_parts(&prompt, &["yes"], None).unwrap(), keys(&["1"]));
        for (choices, text) in [
            (&["9"][..], None),
            (&["1", "2"], None),
            (&[], Some("why")),
            (&["4"], Some("why")),
            (&[], None),
        ] {
            assert!(in_parts(&prompt, choices, text).is_err(), "{choices:?} {text:?}");
        }
        prompt.accepts_text = true;
        let both = in_parts(&prompt, &["4"], Some("why")).unwrap();
        let reply = Reply {
            choices: vec!["4".into()],
            text: Some("why".into()),
        };
        assert_eq!(both, Answer::Reply(reply));
        let twice = Response {
            response: Some("4".into()),
            choices: vec!["4".into()],
            text: None,
        };
        assert!(super::read(&prompt, &twice, false).unwrap_err().contains("either"));
    }

    #[test]
    fn what_cannot_be_closed_is_not_dismissed() {
        let mut prompt = permission();
        prompt.dismissible = false;
        assert!(
            read(&prompt, "dismiss", false)
                .unwrap_err()
                .contains("cannot be closed")
        );
    }

    #[test]
    fn what_only_the_terminal_may_accept_can_be_declined_or_dismissed_remotely() {
        let mut prompt = permission();
        (prompt.on_terminal_only, prompt.accepts_text) = (true, true);
        for accepting in ["yes", "1", "2", "use pnpm"] {
            assert!(
                read(&prompt, accepting, true).unwrap_err().contains("berth attach"),
                "{accepting}"
            );
        }
        assert_eq!(read(&prompt, "no", false).unwrap(), keys(&["4"]));
        assert_eq!(read(&prompt, "dismiss", false).unwrap(), Answer::Dismiss);
    }

    #[test]
    fn prose_is_refused_where_the_prompt_takes_none() {
        assert!(
            read(&permission(), "go ahead", false)
                .unwrap_err()
                .contains("not one of the choices")
        );
        assert!(read(&permission(), "", false).is_err());
        assert!(read(&permission(), "5", false).is_err());
    }

    #[test]
    fn words_to_a_request_are_a_refusal_and_never_words_that_agree() {
        let mut prompt = permission();
        prompt.accepts_text = true;
        for agreeing in [
            "go ahead",
            "ok do it",
            "Yes please",
            "sure!",
            "y?",
            "continue",
            "allow it, always",
        ] {
            assert!(
                read(&prompt, agreeing, false).unwrap_err().contains("name a choice"),
                "{agreeing}"
            );
        }
        let with_words = |choices: &[&str], text: &str| {
            Answer::Reply(Reply {
                choices: choices.iter().map(ToString::to_string).collect(),
                text: Some(text.into()),
            })
        };
        for cut in [false, true] {
            prompt.cut = cut;
            let refused = read(&prompt, "no, use pnpm", false).unwrap();
            assert_eq!(refused, with_words(&["4"], "no, use pnpm"));
            let in_parts = in_parts(&prompt, &["no"], Some("use pnpm")).unwrap();
            assert_eq!(in_parts, with_words(&["4"], "use pnpm"));
        }
        assert!(in_parts(&prompt, &[], Some("go ahead")).is_err());
        prompt.cut = false;
        assert_eq!(read(&prompt, "use pnpm", false).unwrap(), with_words(&[], "use pnpm"));
        prompt.kind = PromptKind::Question;
        assert_eq!(read(&prompt, "go ahead", false).unwrap(), with_words(&[], "go ahead"));
    }

    #[test]
    fn an_answer_does_what_its_choices_do_and_words_alone_decline_a_request() {
        let mut prompt = permission();
        for (key, effect) in [("1", Effect::Accepts), ("2", Effect::Widens), ("4", Effect::Declines)] {
            assert_eq!(effects(&prompt, &keys(&[key])), [effect]);
        }
        assert_eq!(effects(&prompt, &keys(&["4", "2"])), [Effect::Declines, Effect::Widens]);
        assert_eq!(
            effects(&prompt, &keys(&["9"])),
            [Effect::Widens],
            "nobody knows what it does"
        );
        assert_eq!(effects(&prompt, &Answer::Dismiss), [Effect::Declines]);
        let words = Answer::Reply(Reply {
            choices: Vec::new(),
            text: Some("use pnpm".into()),
        });
        assert_eq!(effects(&prompt, &words), [Effect::Declines]);
        prompt.kind = PromptKind::Question;
        assert_eq!(effects(&prompt, &words), [Effect::Neutral]);
    }

    #[test]
    fn several_choices_only_where_several_may_be_taken() {
        let mut prompt = permission();
        assert!(read(&prompt, "1, 2", false).is_err());
        prompt.multiple = true;
        assert_eq!(read(&prompt, "1, 2,1", false).unwrap(), keys(&["1", "2"]));
    }

    #[test]
    fn a_cut_prompt_can_only_be_declined() {
        let mut prompt = permission();
        prompt.cut = true;
        assert!(read(&prompt, "yes", false).unwrap_err().contains("off the screen"));
        assert_eq!(read(&prompt, "no", false).unwrap(), keys(&["4"]));
        assert_eq!(read(&prompt, "dismiss", false).unwrap(), Answer::Dismiss);
    }

    #[test]
    fn trust_is_answered_on_the_terminal_unless_the_operator_allows_it_remotely() {
        let mut prompt = permission();
        prompt.kind = PromptKind::Trust;
        assert!(read(&prompt, "yes", false).unwrap_err().contains("berth attach"));
        assert_eq!(read(&prompt, "yes", true).unwrap(), keys(&["1"]));
        for remote_trust in [false, true] {
            assert_eq!(
                read(&prompt, "no", remote_trust).unwrap(),
                keys(&["4"]),
                "no trust is needed to decline"
            );
            assert_eq!(read(&prompt, "dismiss", remote_trust).unwrap(), Answer::Dismiss);
        }
    }

    #[test]
    fn words_must_fit_the_schema_of_a_prompt_and_a_refusal_takes_any() {
        let mut prompt = permission();
        prompt.kind = PromptKind::Question;
        prompt.accepts_text = true;
        prompt.text_schema = Some(r#"{"type": "integer", "minimum": 1, "maximum": 9}"#.into());
        assert!(read(&prompt, "7", false).is_ok());
        for (words, fault) in [("seven", "a whole number"), ("12", "greater than")] {
            let why = read(&prompt, words, false).unwrap_err();
            assert!(why.contains("does not fit") && why.contains(fault), "{why}");
        }
        assert!(read(&prompt, "no, not that many", false).is_ok());
    }
}
