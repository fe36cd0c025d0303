//! What is known of a process whatever protocol it speaks.

use serde::{Deserialize, Serialize};

use super::asked::{ABOUT, ABOUT_ALL, OPEN, Prompt};
use super::given::Messages;
use super::refused::Refusal;
use crate::headless::failure::Failure;
use crate::shorter::{beginning, end};

/// Answers that are remembered.
const ANSWERED: usize = 100;
/// Characters of an answer that are remembered, and of what was said and done last.
const WORDS: usize = 200;
const SAID: usize = 2_000;
/// Characters of why a message failed: an agent's own words about it may be megabytes.
const WHY: usize = 400;
/// Bytes of what is to be written beyond which requests of the agent's are not answered.
const REPLIES: usize = 256 << 10;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Shared {
    /// It takes messages.
    pub(super) is_ready: bool,
    /// It says that it works.
    pub(super) is_running: bool,
    pub(super) is_ended: bool,
    pub(super) messages: Messages,
    /// Those that are open, the oldest first.
    pub(super) prompts: Vec<Prompt>,
    /// Questions that are answered, and in which words, while others of the same request are open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) parts: Vec<(Prompt, String)>,
    /// Ids of prompts that were answered, withdrawn or declined, and how.
    pub(super) answered: Vec<(String, String)>,
    /// What is to be written.
    pub(super) lines: String,
    pub(super) conversation: Option<String>,
    pub(super) cost: Option<f64>,
    pub(super) turns: Option<u64>,
    pub(super) limited_until: Option<u64>,
    pub(super) waits_for: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) said: Option<String>,
    pub(super) since: Option<u64>,
    pub(super) not_set: Option<String>,
    /// Why the last message failed, if it did, until the agent begins with another one.
    pub(super) failed: Option<Failure>,
}

impl Shared {
    /// Puts a line into what is to be written.
    pub(super) fn write(&mut self, line: &serde_json::Value) {
        self.lines.push_str(&line.to_string());
        self.lines.push('\n');
    }

    /// Puts an answer to a request of the agent's there. One that asks without end gets no further answers.
    pub(super) fn reply(&mut self, line: &serde_json::Value) {
        if self.lines.len() < REPLIES {
            self.write(line);
        }
    }

    /// Opens the prompts of one request. What is too long is cut; where no more may be open, answers false.
    pub(super) fn open(&mut self, mut prompts: Vec<Prompt>) -> bool {
        let known = || self.parts.iter().map(|(prompt, _)| prompt).chain(&self.prompts);
        if known().count() + prompts.len() > OPEN {
            return false;
        }
        let open: usize = known().map(length).sum();
        let new: usize = prompts.iter().map(length).sum();
        if new > ABOUT || open + new > ABOUT_ALL {
            let left = (ABOUT / 4 / prompts.len().max(1)).max(200);
            for prompt in &mut prompts {
                prompt.detail = prompt.detail.as_ref().map(|detail| beginning(detail, left / 4));
                prompt.question = beginning(&prompt.question, 300);
                prompt.request.input.clear();
                for choice in &mut prompt.choices {
                    choice.label = beginning(&choice.label, 100);
                    choice.description = None;
                }
                prompt.choices.truncate(20);
                prompt.request.choices.clear();
                prompt.cut = true;
            }
        }
        self.prompts.extend(prompts);
        true
    }

    /// The open prompts that these answers are for, each once and in the order of the answers.
    ///
    /// # Errors
    /// One of them is not open.
    pub(super) fn asked<T>(&self, answers: &[(String, T)]) -> Result<Vec<&Prompt>, Refusal> {
        if answers.is_empty() {
            return Err(Refusal::Invalid("no prompt is named".to_owned()));
        }
        let found = answers.iter().map(|(id, _)| {
            let open = self.prompts.iter().find(|prompt| prompt.id == *id);
            open.ok_or_else(|| self.closed(id))
        });
        let found = found.collect::<Result<Vec<_>, _>>()?;
        for (number, prompt) in found.iter().enumerate() {
            if found[..number].iter().any(|earlier| earlier.id == prompt.id) {
                return Err(Refusal::Invalid(format!("prompt {} is answered twice", prompt.id)));
            }
        }
        Ok(found)
    }

    fn closed(&self, id: &str) -> Refusal {
        let known = self.answered.iter().rev().find(|(known, _)| known == id);
        known.map_or(Refusal::Unknown, |(_, how)| Refusal::Answered(how.clone()))
    }

    /// Closes a prompt, and remembers how.
    pub(super) fn close(&mut self, id: &str, how: &str) {
        self.prompts.retain(|prompt| prompt.id != id);
        self.answered.push((id.to_owned(), beginning(how, WORDS)));
        let surplus = self.answered.len().saturating_sub(ANSWERED);
        self.answered.drain(..surplus);
    }

    /// The last message failed, or did not.
    pub(super) fn fails(&mut self, failure: Option<Failure>) {
        self.failed = failure.map(|failure| Failure::new(failure.about, beginning(&failure.why, WHY)));
    }

    /// The questions of a request, with the words of those that are answered already.
    pub(super) fn questions(&self, request: &str) -> impl Iterator<Item = (&Prompt, Option<&str>)> {
        let answered = self.parts.iter().map(|(prompt, words)| (prompt, Some(words.as_str())));
        let all = answered.chain(self.prompts.iter().map(|prompt| (prompt, None)));
        all.filter(move |(prompt, _)| prompt.request.id == request)
    }

    /// Keeps what was answered to one of several questions of a request.
    pub(super) fn keep_part(&mut self, id: &str, words: &str) {
        let Some(place) = self.prompts.iter().position(|prompt| prompt.id == id) else {
            return;
        };
        let prompt = self.prompts[place].clone();
        self.close(id, &format!("{words:?}"));
        self.parts.push((prompt, words.to_owned()));
    }

    /// The agent begins with a message.
    pub(super) fn begins(&mut self, message: &str) {
        self.failed = None;
        self.messages.start(message);
    }

    pub(super) fn says(&mut self, text: &str) {
        self.said = Some(end(text.trim(), SAID));
    }

    pub(super) fn uses(&mut self, tool: &str, with: &str) {
        let used = match with {
            "" => tool.to_owned(),
            with => format!("{tool}: {with}"),
        };
        self.tool = Some(beginning(&used, SAID));
    }

    pub(super) fn end(&mut self, why: Option<&str>) {
        if self.is_ended {
            return;
        }
        self.is_ended = true;
        (self.is_running, self.waits_for) = (false, None);
        self.parts.clear();
        self.lines.clear();
        let open: Vec<String> = self.prompts.iter().map(|prompt| prompt.id.clone()).collect();
        for id in open {
            self.close(&id, why.unwrap_or("the end of its process"));
        }
        self.messages.lose();
    }
}

fn length(prompt: &Prompt) -> usize {
    let choices: usize = prompt
        .choices
        .iter()
        .map(|choice| choice.label.len() + choice.description.as_ref().map_or(0, String::len) + 64)
        .sum();
    let request = &prompt.request;
    prompt.question.len()
        + prompt.detail.as_ref().map_or(0, String::len)
        + choices
        + request.input.len()
        + request.id.len()
        + prompt.tool.as_ref().map_or(0, String::len)
        + request.choices.iter().map(String::len).sum::<usize>()
}
