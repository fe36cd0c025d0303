//! Answers to the questions of one group: kept until all that are required have one, and then given together.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use super::Caller;
use crate::session::{Answer, Answered, Prompt};

/// Groups of one caller of which answers are kept. Past this all of them are forgotten, and the caller answers again.
const KEPT: usize = 64;
/// Callers of whom answers are kept.
const CALLERS: usize = 1_024;

/// What each caller has answered so far.
#[derive(Default)]
pub(super) struct Groups(Mutex<HashMap<String, HashMap<Group, Half>>>);

/// A session's id, and a group in it.
type Group = (String, String);

/// A group that is answered in part.
#[derive(Default)]
struct Half {
    /// The questions in it. Once one of them is another, nothing of this counts.
    prompts: Vec<String>,
    answers: BTreeMap<String, Answer>,
}

impl Groups {
    /// Keeps `answer` to `prompt`, one of the questions `of_group`, in place of an earlier one. Answers all that are kept
    /// if none is missing, and otherwise how many required ones are.
    pub(super) fn keep(
        &self,
        caller: &Caller,
        session_id: &str,
        of_group: &[&Prompt],
        prompt: &Prompt,
        answer: Answer,
    ) -> Result<Vec<Answered>, usize> {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = caller.principal.id();
        if callers.len() >= CALLERS && !callers.contains_key(caller) {
            callers.clear();
        }
        let groups = callers.entry(caller.to_owned()).or_default();
        let group = key(session_id, prompt);
        if groups.len() >= KEPT && !groups.contains_key(&group) {
            groups.clear();
        }
        let half = groups.entry(group).or_default();
        let prompts: Vec<String> = of_group.iter().map(|prompt| prompt.id.clone()).collect();
        if half.prompts != prompts {
            *half = Half {
                prompts,
                answers: BTreeMap::new(),
            };
        }
        half.answers.insert(prompt.id.clone(), answer);
        let missing = |prompt: &&&Prompt| prompt.required && !half.answers.contains_key(&prompt.id);
        match of_group.iter().filter(missing).count() {
            0 => {
                let answered = |id: &String| {
                    Some(Answered {
                        prompt: id.clone(),
                        answer: half.answers.get(id)?.clone(),
                    })
                };
                Ok(half.prompts.iter().filter_map(answered).collect())
            }
            missing => Err(missing),
        }
    }

    /// The answers of a group were given.
    pub(super) fn forget(&self, caller: &Caller, session_id: &str, prompt: &Prompt) {
        let mut callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(groups) = callers.get_mut(caller.principal.id()) {
            groups.remove(&key(session_id, prompt));
        }
    }

    /// The answer to `prompt` that is kept.
    pub(super) fn given(&self, caller: &Caller, session_id: &str, prompt: &Prompt) -> Option<Answer> {
        let callers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = callers.get(caller.principal.id())?;
        groups.get(&key(session_id, prompt))?.answers.get(&prompt.id).cloned()
    }
}

/// The questions of `prompts` that are answered together with `prompt`; none but itself where it is in no group.
pub(super) fn of<'a>(prompts: &'a [Prompt], prompt: &Prompt) -> Vec<&'a Prompt> {
    let together = |other: &&Prompt| match prompt.group {
        Some(_) => other.group == prompt.group,
        None => other.id == prompt.id,
    };
    prompts.iter().filter(together).collect()
}

fn key(session_id: &str, prompt: &Prompt) -> Group {
    (session_id.to_owned(), prompt.group.clone().unwrap_or_default())
}
