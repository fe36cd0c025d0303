//! How an answer becomes keys.

use crate::Refusal;
use crate::dialog::Effect;
use crate::profile::Agent;
use crate::prompt::{Choice, Field, Keyed, Prompt};
use crate::submission::clean;

/// The longest text that answers a question, in bytes: it is typed, not pasted.
const TEXT_MAX: usize = 4000;
/// How much of a label an error repeats, in characters.
const LABEL_MAX: usize = 60;

/// What a person answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The keys of choices, and words, of which at least one is given.
    Reply {
        /// Each as the prompt names it.
        choices: Vec<String>,
        /// If the prompt takes them.
        words: Option<String>,
    },
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
    /// Press each of these keys, which change ticks, and then leave the menu.
    Toggle {
        /// The digits of the choices to change.
        keys: Vec<String>,
        /// What leaves the menu.
        done: String,
    },
    /// The same with words: they are written at a place after the ticks were changed, and handed in at another.
    ToggleAndWrite {
        /// The digits of the choices to change.
        keys: Vec<String>,
        /// What is written where.
        words: Written,
        /// The place of the entry that hands in.
        submit: usize,
    },
    /// Move to this place, write, and when the words are seen there, press Enter.
    Write {
        /// What is written where.
        words: Written,
        /// The key that makes a field of the choice first.
        opens: Option<String>,
    },
}

/// Words of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The place of the entry that takes them.
    pub place: usize,
    /// One line.
    pub text: String,
}

impl Agent {
    /// Plans the keys for an answer.
    ///
    /// # Errors
    /// The prompt has no such choice, takes no words, or is cut and the answer would grant something; or the key that
    /// closes menus would do something else.
    pub fn plan(&self, prompt: &Prompt, answer: &Answer) -> Result<Plan, Refusal> {
        match answer {
            Answer::Reply { choices, words: None } if prompt.multiple => self.several(prompt, choices),
            Answer::Reply { choices, words: None } => one(prompt, choices),
            Answer::Reply {
                choices,
                words: Some(words),
            } => self.words(prompt, choices, words),
            Answer::Dismiss => match &self.profile.dismiss {
                Some(key) if prompt.dismissible => Ok(Plan::Press(key.clone())),
                _ => Err(Refusal(format!(
                    "this prompt cannot be dismissed, because the key for that would do something else here: {}",
                    offered(prompt)
                ))),
            },
        }
    }

    fn several(&self, prompt: &Prompt, keys: &[String]) -> Result<Plan, Refusal> {
        // A choice without a box is not one of several: it leaves the menu by itself.
        if let [key] = keys
            && pick(prompt, key)?.ticked.is_none()
        {
            return one(prompt, keys);
        }
        if keys.is_empty() {
            return Err(not_possible(prompt));
        }
        Ok(Plan::Toggle {
            keys: ticks(prompt, keys)?,
            done: self.profile.multiple_done.clone(),
        })
    }

    fn words(&self, prompt: &Prompt, choices: &[String], words: &str) -> Result<Plan, Refusal> {
        let Some(field) = prompt.field else {
            return Err(Refusal(format!("this prompt takes no words: {}", offered(prompt))));
        };
        let text = one_line(words)?;
        match (field, choices) {
            (Field::Entry(place), choices) if prompt.multiple => {
                let submit = prompt.submit_place.ok_or_else(|| not_possible(prompt))?;
                Ok(Plan::ToggleAndWrite {
                    keys: ticks(prompt, choices)?,
                    words: Written { place, text },
                    submit,
                })
            }
            (Field::Entry(place), []) if !prompt.cut => Ok(Plan::Write {
                words: Written { place, text },
                opens: None,
            }),
            (Field::WithChoice, choices) => {
                let place = with_choice(prompt, choices)?.place;
                Ok(Plan::Write {
                    words: Written { place, text },
                    opens: self.profile.amend.clone(),
                })
            }
            (Field::Entry(_), _) => Err(not_possible(prompt)),
        }
    }
}

/// The digits that make the ticks those that are wanted.
fn ticks(prompt: &Prompt, keys: &[String]) -> Result<Vec<String>, Refusal> {
    let picked = keys.iter().map(|key| pick(prompt, key));
    let wanted = picked.collect::<Result<Vec<_>, _>>()?;
    if prompt.cut || wanted.iter().any(|choice| choice.ticked.is_none()) {
        return Err(not_possible(prompt));
    }
    let differs = |choice: &&Choice| choice.ticked.is_some_and(|ticked| ticked != wanted.contains(choice));
    prompt.choices.iter().filter(differs).map(digit).collect()
}

/// The choice that words go with: the one that is named, or the one that declines. What allows more than this one
/// request takes none.
fn with_choice<'a>(prompt: &'a Prompt, keys: &[String]) -> Result<&'a Choice, Refusal> {
    let choice = match keys {
        [] => {
            let mut declining = prompt.choices.iter().filter(|choice| choice.effect == Effect::Declines);
            let only = declining.next().filter(|_| declining.next().is_none());
            only.ok_or_else(|| not_possible(prompt))?
        }
        [key] => pick(prompt, key)?,
        _ => return Err(not_possible(prompt)),
    };
    match choice.effect {
        Effect::Declines => Ok(choice),
        Effect::Accepts if !prompt.cut => Ok(choice),
        _ => Err(not_possible(prompt)),
    }
}

fn one_line(words: &str) -> Result<String, Refusal> {
    let text = clean(words).replace(['\n', '\t'], " ").trim().to_owned();
    if text.is_empty() || text.len() > TEXT_MAX {
        return Err(Refusal(format!("the answer must be one line of 1 to {TEXT_MAX} bytes")));
    }
    Ok(text)
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
            "part of this question is not on the screen, or it is not known, so it can only be declined or dismissed from here"
                .to_owned(),
        );
    }
    Refusal(format!("this answer cannot be given to it: {}", offered(prompt)))
}

fn offered(prompt: &Prompt) -> String {
    let shown = |choice: &Choice| {
        let label: String = choice.label.chars().take(LABEL_MAX).collect();
        format!("{} ({label})", choice.key)
    };
    let choices: Vec<_> = prompt.choices.iter().map(shown).collect();
    match choices.is_empty() {
        true => "it has no choices".to_owned(),
        false => format!("the choices are {}", choices.join(", ")),
    }
}
