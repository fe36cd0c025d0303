//! Finding jobs among many: each question is answered by an index, whatever it combines.

use rusqlite::{OptionalExtension as _, ToSql, params_from_iter};

use super::record::{COLUMNS, JobRecord, Phase};
use super::{JobError, JobIndex};

/// Labels, or phases, of one question.
const CHOICES: usize = 16;

/// Which jobs are asked for. Empty lists mean all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of one queue.
    pub queue: Option<String>,
    /// Those in one of these phases.
    pub phases: Vec<Phase>,
    /// Those with one of these labels.
    pub labels: Vec<String>,
    /// Those submitted before the job of this id.
    pub after: Option<String>,
    /// Only this job, by its id and its name to its descendants, and those.
    pub within: Option<(String, String)>,
    /// At most so many.
    pub limit: u32,
}

impl JobIndex {
    /// The jobs that `filter` asks for, the newest first.
    ///
    /// # Errors
    /// The job that it names is not there, it names too many, or the file cannot be read.
    pub fn recent(&self, filter: &Filter) -> Result<Vec<JobRecord>, JobError> {
        if filter.labels.len().max(filter.phases.len()) > CHOICES {
            return Err(JobError::Full("a listing has at most 16 labels and 16 phases"));
        }
        let before = match &filter.after {
            Some(after) => self.number(after)?,
            None => i64::MAX,
        };
        let (text, parameters) = question(before, filter);
        let read = || {
            let connection = self.connection();
            let mut statement = connection.prepare_cached(&text)?;
            let rows = statement.query_map(params_from_iter(parameters), JobRecord::of)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(self.broken())
    }

    fn number(&self, id: &str) -> Result<i64, JobError> {
        let connection = self.connection();
        let found = connection
            .prepare_cached("SELECT number FROM job WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional());
        found
            .map_err(self.broken())?
            .ok_or_else(|| JobError::Unknown(id.to_owned()))
    }
}

/// The text of the question for jobs with a number below `before`, and its parameters.
pub(super) fn question(before: i64, filter: &Filter) -> (String, Vec<Box<dyn ToSql + '_>>) {
    let mut question = Question {
        before,
        filter,
        parts: Vec::new(),
        parameters: Vec::new(),
    };
    for label in choices(&filter.labels) {
        for phase in choices(&filter.phases) {
            question.add(label.map(String::as_str), phase.map(|phase| phase.name()));
        }
    }
    question.finish()
}

/// Each of the list, once; none of them if it is empty.
fn choices<T: PartialEq>(list: &[T]) -> Vec<Option<&T>> {
    if list.is_empty() {
        return vec![None];
    }
    let mut once: Vec<Option<&T>> = Vec::new();
    for choice in list {
        if !once.contains(&Some(choice)) {
            once.push(Some(choice));
        }
    }
    once
}

/// One part for each combination of what must be equal, each in the order of an index; SQLite merges them.
struct Question<'f> {
    before: i64,
    filter: &'f Filter,
    parts: Vec<String>,
    parameters: Vec<Box<dyn ToSql + 'f>>,
}

impl<'f> Question<'f> {
    fn add(&mut self, label: Option<&'f str>, phase: Option<&'static str>) {
        let equal = [
            ("queue", self.filter.queue.as_deref()),
            ("label", label),
            ("phase", phase),
        ];
        let mut part = "SELECT number FROM job WHERE number < ?".to_owned();
        self.parameters.push(Box::new(self.before));
        for (column, value) in equal {
            if let Some(value) = value {
                part.push_str(&format!(" AND {column} = ?"));
                self.parameters.push(Box::new(value));
            }
        }
        if let Some((id, name)) = &self.filter.within {
            part.push_str(" AND (id = ? OR instr(ancestors, ? || ' ') > 0)");
            self.parameters.push(Box::new(id));
            self.parameters.push(Box::new(name));
        }
        part.push_str(" ORDER BY number DESC LIMIT ?");
        self.parameters.push(Box::new(self.filter.limit));
        self.parts.push(format!("SELECT * FROM ({part})"));
    }

    fn finish(mut self) -> (String, Vec<Box<dyn ToSql + 'f>>) {
        self.parameters.push(Box::new(self.filter.limit));
        let numbers = self.parts.join(" UNION ALL ");
        let text = format!("SELECT {COLUMNS} FROM job WHERE number IN ({numbers}) ORDER BY number DESC LIMIT ?");
        (text, self.parameters)
    }
}
