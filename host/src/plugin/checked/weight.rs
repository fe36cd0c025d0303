//! How much there is to look at in what a plugin answers.

use crate::contract::{Choice, Delivery, LogPage, Project, Session, Timestamp, ToolOutput};

/// What each record counts for beside its texts.
const RECORD: usize = 32;

/// Something that a plugin answers.
pub(in crate::plugin) trait Weighed {
    /// Bytes of all its texts, and some for each record.
    fn weight(&self) -> usize;
}

impl Weighed for () {
    fn weight(&self) -> usize {
        0
    }
}

impl Weighed for Timestamp {
    fn weight(&self) -> usize {
        0
    }
}

impl Weighed for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl<T: Weighed> Weighed for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, T::weight)
    }
}

impl<T: Weighed> Weighed for Vec<T> {
    fn weight(&self) -> usize {
        self.iter().map(|item| RECORD + item.weight()).sum()
    }
}

impl Weighed for Session {
    fn weight(&self) -> usize {
        let lines = [&self.id, &self.name, &self.agent, &self.directory];
        let facts = self.facts.iter().map(|(name, fact)| RECORD + name.len() + fact.len());
        let prompt = self.prompt.as_ref().map_or(0, |prompt| {
            prompt.id.len() + prompt.question.len() + prompt.choices.weight()
        });
        lines.into_iter().map(Weighed::weight).sum::<usize>()
            + self.summary.weight()
            + self.url.weight()
            + facts.sum::<usize>()
            + prompt
    }
}

impl Weighed for Choice {
    fn weight(&self) -> usize {
        self.key.len() + self.label.len() + self.description.weight()
    }
}

impl Weighed for Project {
    fn weight(&self) -> usize {
        self.name.len() + self.directory.len() + self.branch.weight()
    }
}

impl Weighed for LogPage {
    fn weight(&self) -> usize {
        // Its text is only measured here.
        self.next.len()
    }
}

impl Weighed for Delivery {
    fn weight(&self) -> usize {
        self.after.weight()
    }
}

impl Weighed for ToolOutput {
    fn weight(&self) -> usize {
        self.text.len() + self.structured.weight()
    }
}
