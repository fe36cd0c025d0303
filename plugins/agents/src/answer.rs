//! How an answer becomes keys.

use crate::Refusal;
use crate::menu::{Choice, Effect, Keyed, Prompt};
use crate::profile::Agent;
use crate::submission::clean;

/// The longest text that answers a question, in bytes: it is typed, not pasted.
const TEXT_MAX: usize = 4000;
/// How much of a label an error repeats, in characters.
const LABEL_MAX: usize = 60;

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The keys of choices.
    Choices(Vec<String>),
    /// Text, if the prompt takes it.
    Text(String),
    /// Close it without an answer.
    Dismiss,
}

/// The keys that give an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// One key that closes the menu.
    Press(String),
    /// Move the highlight to this place by arrows; when it is seen there, press Enter.
    MoveAndEnter(usize),
    /// Press each of these keys, then the last one.
    Toggle {
        /// The digits of the choices to change.
        keys: Vec<String>,
        /// What leaves the menu.
        done: String,
    },
    /// Move to this place, type the text, and when it is seen there, press Enter.
    Write {
        /// The place of the choice that takes text.
        place: usize,
        /// One line.
        text: String,
    },
}

impl Agent {
    /// Plans the keys for an answer.
    ///
    /// # Errors
    /// The prompt has no such choice, takes no text, or is cut and the answer would grant something.
    pub fn plan(&self, prompt: &Prompt, answer: &Answer) -> Result<Plan, Refusal> {
        match answer {
            Answer::Choices(keys) if prompt.multiple => self.several(prompt, keys),
            Answer::Choices(keys) => one(prompt, keys),
            Answer::Text(text) => write(prompt, text),
            Answer::Dismiss => match &self.profile.dismiss {
                Some(key) => Ok(Plan::Press(key.clone())),
                None => Err(Refusal(format!("this prompt cannot be dismissed: {}", offered(prompt)))),
            },
        }
    }

    fn several(&self, prompt: &Prompt, keys: &[String]) -> Result<Plan, Refusal> {
        let wanted = keys
            .iter()
            .map(|key| pick(prompt, key))
            .collect::<Result<Vec<_>, _>>()?;
        // A choice without a box is not one of several: it leaves the menu by itself.
        if let [only] = wanted.as_slice()
            && only.ticked.is_none()
        {
            return one(prompt, keys);
        }
        if prompt.cut || wanted.is_empty() || wanted.iter().any(|choice| choice.ticked.is_none()) {
            return Err(not_possible(prompt));
        }
        let differs = |choice: &&Choice| choice.ticked.is_some_and(|ticked| ticked != wanted.contains(choice));
        let keys = prompt
            .choices
            .iter()
            .filter(differs)
            .map(digit)
            .collect::<Result<_, _>>()?;
        Ok(Plan::Toggle {
            keys,
            done: self.profile.multiple_done.clone(),
        })
    }
}

fn one(prompt: &Prompt, keys: &[String]) -> Result<Plan, Refusal> {
    let [key] = keys else {
        return Err(Refusal(format!(
            "this prompt takes exactly one choice: {}",
            offered(prompt)
        )));
    };
    let choice = pick(prompt, key)?;
    if prompt.cut && choice.effect != Effect::Declines {
        return Err(not_possible(prompt));
    }
    match prompt.keyed {
        Keyed::Digits => digit(choice).map(Plan::Press),
        Keyed::Letters => Ok(Plan::Press(choice.key.clone())),
        Keyed::Arrows => Ok(Plan::MoveAndEnter(choice.place)),
    }
}

fn write(prompt: &Prompt, text: &str) -> Result<Plan, Refusal> {
    let Some(place) = prompt.text_place else {
        return Err(Refusal(format!("this prompt takes no text: {}", offered(prompt))));
    };
    if prompt.cut {
        return Err(not_possible(prompt));
    }
    let text = clean(text).replace(['\n', '\t'], " ").trim().to_owned();
    if text.is_empty() || text.len() > TEXT_MAX {
        return Err(Refusal(format!("the answer must be one line of 1 to {TEXT_MAX} bytes")));
    }
    Ok(Plan::Write { place, text })
}

/// Only a single digit is one key.
fn digit(choice: &Choice) -> Result<String, Refusal> {
    match choice.key.len() {
        1 => Ok(choice.key.clone()),
        _ => Err(Refusal(format!(
            "choice {} has no key of its own: answer it on the terminal",
            choice.key
        ))),
    }
}

fn pick<'a>(prompt: &'a Prompt, key: &str) -> Result<&'a Choice, Refusal> {
    let found = prompt.choices.iter().find(|choice| choice.key == key);
    found.ok_or_else(|| Refusal(format!("there is no choice {key:?}: {}", offered(prompt))))
}

fn not_possible(prompt: &Prompt) -> Refusal {
    if prompt.cut {
        return Refusal(
            "part of this question is not on the screen, so it can only be declined or dismissed from here".to_owned(),
        );
    }
    Refusal(format!("these choices cannot be taken together: {}", offered(prompt)))
}

fn offered(prompt: &Prompt) -> String {
    let shown = |choice: &Choice| {
        let label: String = choice.label.chars().take(LABEL_MAX).collect();
        format!("{} ({label})", choice.key)
    };
    let choices: Vec<_> = prompt.choices.iter().map(shown).collect();
    format!("the choices are {}", choices.join(", "))
}
