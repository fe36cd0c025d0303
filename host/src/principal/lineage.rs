//! Runs that start runs: where a caller stands among them.

use std::fmt;

/// Where a caller stands in runs that start runs. The default is a person, or what no run started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lineage {
    /// The jobs in which it runs, each as `backend/id`, the first one first. Empty: it runs in none that is known.
    pub jobs: Vec<String>,
    /// How deep it is: 0 for a person, 1 for what a person started.
    pub depth: u32,
    /// It is known by its variables alone, which anybody can set: so they limit it, and give it nothing.
    pub is_named: bool,
}

impl Lineage {
    /// The backend and the id of the job in which it runs.
    pub fn job(&self) -> Option<(&str, &str)> {
        self.jobs.last()?.split_once('/')
    }

    /// The name of that job, as ancestors are named.
    pub fn name(&self) -> Option<&str> {
        self.jobs.last().map(String::as_str)
    }

    /// Whether it may start a run where runs go to depth `limit`.
    pub fn goes_deeper(&self, limit: u32) -> bool {
        !self.is_named && self.depth < limit
    }

    /// The same, at least so deep.
    #[must_use]
    pub fn raised(self, depth: u32) -> Self {
        Self {
            depth: self.depth.max(depth),
            ..self
        }
    }
}

impl fmt::Display for Lineage {
    /// As people follow it: `a person → jobs/1 → jobs/2`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a person")?;
        // What named only its depth has no jobs that are known.
        let unknown = usize::try_from(self.depth)
            .unwrap_or(usize::MAX)
            .saturating_sub(self.jobs.len());
        if unknown > 0 {
            write!(formatter, " → {unknown} unknown")?;
        }
        self.jobs.iter().try_for_each(|job| write!(formatter, " → {job}"))?;
        match self.is_named {
            true => formatter.write_str(" (by a variable alone, with which nothing is started)"),
            false => Ok(()),
        }
    }
}
