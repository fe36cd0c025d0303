//! Prompts: which one a caller has seen, and what a response means to it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Caller;
use crate::contract::{Answer, Choice, Prompt, PromptKind};

/// Sessions of which it is remembered what one caller did last. Past this all of that is forgotten, and the caller must
/// look again: nobody can make that happen to another.
const REMEMBERED: usize = 1_024;
/// Callers of whom anything is remembered; each was approved by the owner.
const CALLERS: usize = 1_024;

/// What each caller did last about the prompts of each session, so that a bare "yes" answers what was read.
#[derive(Default)]
pub(super) struct Shown(Mutex<HashMap<String, HashMap<String, Last>>>);

/// What a caller did last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Last {
    /// It was shown the prompt with this id.
    Shown(String),
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

/// What `response` means to `prompt`, or why it may not be given.
pub(super) fn read(prompt: &Prompt, response: &str, remote_trust: bool) -> Result<Answer, String> {
    if prompt.kind == PromptKind::Trust && !remote_trust {
        return Err(
            "a question of trust is answered on the operator's terminal (berth attach), unless the backend has \
                    `remote_trust = true`"
                .into(),
        );
    }
    let answer = meaning(prompt, response.trim())?;
    if prompt.cut && !declines(prompt, &answer) {
        return Err(
            "part of the question is off the screen, so it can only be declined from here; berth attach shows all"
                .into(),
        );
    }
    Ok(answer)
}

/// Whether an answer is meant for `prompt`: it names it, or it names none and this is the one that was `last` shown.
pub(super) fn is_meant(prompt: &Prompt, named: Option<&str>, last: Option<&Last>) -> Result<(), &'static str> {
    match (named, last) {
        (Some(named), _) if named == prompt.id => Ok(()),
        (Some(_), _) => Err("the prompt that it is meant for is gone, and this is another"),
        (None, Some(Last::Shown(last))) if *last == prompt.id => Ok(()),
        (None, Some(Last::Answered)) => {
            Err("you have answered one since you last looked; to answer this one, give its prompt_id")
        }
        (None, _) => Err("you were not shown this prompt before"),
    }
}

fn meaning(prompt: &Prompt, response: &str) -> Result<Answer, String> {
    if response.eq_ignore_ascii_case("dismiss") {
        return Ok(Answer::Dismiss);
    }
    if let Some(choice) = choice(prompt, response)? {
        return Ok(Answer::Choices(vec![choice.key.clone()]));
    }
    if prompt.multiple
        && let Some(keys) = several(prompt, response)?
    {
        return Ok(Answer::Choices(keys));
    }
    match response {
        "" => Err("the response is empty".into()),
        text if prompt.accepts_text => Ok(Answer::Text(text.to_owned())),
        _ => Err("that is none of the choices".into()),
    }
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
        _ => return Err(format!("`{}` fits several choices", response.escape_debug())),
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
        _ => Err(format!("`{}` fits several choices", response.escape_debug())),
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

fn declines(prompt: &Prompt, answer: &Answer) -> bool {
    match answer {
        Answer::Dismiss => true,
        Answer::Text(_) => false,
        Answer::Choices(keys) => {
            !keys.is_empty()
                && keys.iter().all(|key| {
                    prompt
                        .choices
                        .iter()
                        .any(|choice| choice.key == *key && choice.declines)
                })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn choice(key: &str, label: &str, declines: bool) -> Choice {
        Choice {
            key: key.into(),
            label: label.into(),
            description: None,
            declines,
        }
    }

    fn permission() -> Prompt {
        Prompt {
            id: "p1".into(),
            kind: PromptKind::Permission,
            question: "Do you want to proceed?".into(),
            choices: vec![
                choice("1", "Yes", false),
                choice("2", "Yes, and switch to auto mode", false),
                choice("3", "Yes, and always allow this", false),
                choice("4", "No, and say what to do instead", true),
            ],
            multiple: false,
            accepts_text: false,
            cut: false,
            asked_at: None,
        }
    }

    fn keys(keys: &[&str]) -> Answer {
        Answer::Choices(keys.iter().map(ToString::to_string).collect())
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
        let shown = |id: &str| Last::Shown(id.to_owned());
        for (named, last, meant) in [
            (Some("p1"), None, true),
            (Some("p1"), Some(Last::Answered), true),
            (Some("p0"), Some(shown("p1")), false),
            (None, Some(shown("p1")), true),
            (None, Some(shown("p0")), false),
            (None, Some(Last::Answered), false),
            (None, None, false),
        ] {
            assert_eq!(
                is_meant(&permission(), named, last.as_ref()).is_ok(),
                meant,
                "{named:?} {last:?}"
            );
        }
    }

    #[test]
    fn prose_is_refused_where_the_prompt_takes_none() {
        assert!(
            read(&permission(), "go ahead", false)
                .unwrap_err()
                .contains("none of the choices")
        );
        assert!(read(&permission(), "", false).is_err());
        assert!(read(&permission(), "5", false).is_err());
        let mut prompt = permission();
        prompt.accepts_text = true;
        assert_eq!(
            read(&prompt, "go ahead", false).unwrap(),
            Answer::Text("go ahead".into())
        );
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
    fn trust_is_answered_on_the_terminal_unless_the_operator_allows_it_from_afar() {
        let mut prompt = permission();
        prompt.kind = PromptKind::Trust;
        assert!(read(&prompt, "no", false).unwrap_err().contains("berth attach"));
        assert_eq!(read(&prompt, "no", true).unwrap(), keys(&["4"]));
    }
}
