//! What prompts were answered with, for who answers one that another has answered before.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::session::{Answer, Answered, Session};
use crate::text::{one_line, short_line};

/// Answers that are remembered; of more, the oldest go.
const REMEMBERED: usize = 1_024;
/// Characters of one, as it is told.
const WORDS: usize = 160;

/// The answers that were given last, of all callers.
#[derive(Default)]
pub(super) struct GivenAnswers(Mutex<VecDeque<Given>>);

struct Given {
    session_id: String,
    prompt: String,
    words: String,
}

impl GivenAnswers {
    /// The prompts of `session` were answered so.
    pub(super) fn note(&self, session_id: &str, session: &Session, answers: &[Answered]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for answered in answers {
            all.push_back(Given {
                session_id: session_id.to_owned(),
                prompt: answered.prompt.clone(),
                words: words(session, answered),
            });
        }
        while all.len() > REMEMBERED {
            all.pop_front();
        }
    }

    /// That a prompt is answered, and with what, if that is known.
    pub(super) fn told(&self, session_id: &str, prompt: &str) -> Option<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut given = all.iter().rev();
        let given = given.find(|given| given.session_id == session_id && given.prompt == prompt)?;
        Some(format!("that prompt is already answered, with {}", given.words))
    }
}

/// An answer by the labels of what was taken, and the words with it.
fn words(session: &Session, answered: &Answered) -> String {
    let Answer::Reply(reply) = &answered.answer else {
        return "nothing: it was dismissed".to_owned();
    };
    let prompt = session.prompts.iter().find(|prompt| prompt.id == answered.prompt);
    let label = |key: &String| {
        let choice = prompt.and_then(|prompt| prompt.choices.iter().find(|choice| choice.key == *key));
        choice.map_or_else(|| key.clone(), |choice| one_line(&choice.label))
    };
    let taken = reply.choices.iter().map(label).chain(reply.text.clone());
    let taken: Vec<String> = taken.map(|taken| format!("“{}”", short_line(&taken, WORDS))).collect();
    taken.join(" and ")
}
