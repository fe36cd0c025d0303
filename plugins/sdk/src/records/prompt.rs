//! A prompt and its choices.

use crate::{Choice, Effect, Prompt, PromptKind, Timestamp};

impl Prompt {
    /// A prompt that takes no answer yet: add its choices, or let it take text. `question` is one sentence. The id must
    /// change when the question changes, and after each answer.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: PromptKind, question: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            kind,
            question: question.into(),
            detail: None,
            choices: Vec::new(),
            multiple: false,
            accepts_text: false,
            text_schema: None,
            dismissible: false,
            cut: false,
            on_terminal_only: false,
            group: None,
            required: true,
            asked_at: None,
            expires_at: None,
            facts: Vec::new(),
        }
    }

    /// Adds a choice.
    #[must_use]
    pub fn choice(mut self, choice: Choice) -> Self {
        self.choices.push(choice);
        self
    }

    /// Makes it one of the prompts that are answered in one call of `respond`. If one that is not `required` has no
    /// answer, the others are given without it.
    #[must_use]
    pub fn of_group(mut self, group: impl Into<String>, required: bool) -> Self {
        self.group = Some(group.into());
        self.required = required;
        self
    }
}

setters!(Prompt {
    /// The whole of what is asked about: the command, the diff, the plan.
    detail: (some text),
    /// More than one choice may be taken.
    multiple: (yes),
    /// It takes text, alone or with a choice.
    accepts_text: (yes),
    /// JSON Schema of a primitive type that the text must match.
    text_schema: (some text),
    /// It can be closed without an answer.
    dismissible: (yes),
    /// Part of it could not be read, so it can only be declined or dismissed.
    cut: (yes),
    /// Only the operator's own terminal may accept it.
    on_terminal_only: (yes),
    /// When it was asked.
    asked_at: (some Timestamp),
    /// When it declines by itself.
    expires_at: (some Timestamp),
});
facts!(Prompt);

impl Choice {
    /// A choice that is named by its key. If the effect is not certain, use [`Effect::Widens`] if that is possible, and
    /// never [`Effect::Declines`].
    #[must_use]
    pub fn new(key: impl Into<String>, label: impl Into<String>, effect: Effect) -> Self {
        Self {
            key: key.into(),
            label: label.into(),
            description: None,
            effect,
            ticked: false,
        }
    }
}

setters!(Choice {
    /// What it means, in more words than its label.
    description: (some text),
    /// It is ticked already.
    ticked: (yes),
});
