//! What is remembered of each session between calls: how many questions were answered, and which.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use berth_plugin::types::Error;
use serde::{Deserialize, Serialize};

/// How many answered prompts are remembered by their ids.
const REMEMBERED: usize = 16;
const PREFIX: &str = "answers-";

/// The files of answers, one a session.
pub(crate) struct Answers {
    directory: PathBuf,
}

/// The answers given to one session.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) count: u64,
    last: Vec<String>,
}

impl Given {
    /// Whether this prompt was answered before.
    pub(crate) fn holds(&self, prompt: &str) -> bool {
        self.last.iter().any(|id| id == prompt)
    }
}

impl Answers {
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// What was answered in this session so far.
    pub(crate) fn of(&self, session: &str) -> Result<Given, Error> {
        match fs::read(self.path(session)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed("read", session, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Given::default()),
            Err(error) => Err(failed("read", session, &error)),
        }
    }

    /// Remembers an answer, before its keys are pressed: a call that is cut off must not be repeated.
    pub(crate) fn record(&self, session: &str, prompt: &str) -> Result<(), Error> {
        let mut given = self.of(session)?;
        given.count += 1;
        given.last.push(prompt.to_owned());
        let surplus = given.last.len().saturating_sub(REMEMBERED);
        given.last.drain(..surplus);
        self.write(session, &given)
            .map_err(|error| failed("write", session, &error))
    }

    fn write(&self, session: &str, given: &Given) -> io::Result<()> {
        let fresh = self.directory.join(format!("new-{session}"));
        let mut file = File::create(&fresh)?;
        file.write_all(&serde_json::to_vec(given)?)?;
        file.sync_all()?;
        fs::rename(fresh, self.path(session))
    }

    /// Forgets an ended session.
    pub(crate) fn forget(&self, session: &str) {
        // A file that stays behind is removed by the next upkeep.
        let _ = fs::remove_file(self.path(session));
    }

    /// Forgets every session but these.
    pub(crate) fn keep_only(&self, sessions: &[String]) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(session) = name.strip_prefix(PREFIX)
                && !sessions.iter().any(|kept| kept == session)
            {
                self.forget(session);
            }
        }
        Ok(())
    }

    fn path(&self, session: &str) -> PathBuf {
        self.directory.join(format!("{PREFIX}{session}"))
    }
}

fn failed(verb: &str, session: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Failed(format!("could not {verb} the record of answers to {session}: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn fresh(name: &str) -> Answers {
        let directory = std::env::temp_dir().join(format!("berth-tmux-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Answers::new(directory)
    }

    #[test]
    fn an_answered_prompt_is_remembered() {
        let answers = fresh("remembered");
        assert_eq!(answers.of("a").unwrap(), Given::default());
        answers.record("a", "p1").unwrap();
        answers.record("a", "p2").unwrap();
        let given = answers.of("a").unwrap();
        assert_eq!(given.count, 2);
        assert!(given.holds("p1") && given.holds("p2") && !given.holds("p3"));
        assert_eq!(answers.of("b").unwrap().count, 0);
        fs::remove_dir_all(answers.directory).unwrap();
    }

    #[test]
    fn only_so_many_ids_are_kept_and_the_count_goes_on() {
        let answers = fresh("bounded");
        for number in 0..40 {
            answers.record("a", &format!("p{number}")).unwrap();
        }
        let given = answers.of("a").unwrap();
        assert_eq!((given.count, given.last.len()), (40, REMEMBERED));
        assert!(given.holds("p39") && !given.holds("p0"));
        fs::remove_dir_all(answers.directory).unwrap();
    }

    #[test]
    fn sessions_that_ended_are_forgotten() {
        let answers = fresh("forgotten");
        answers.record("a", "p").unwrap();
        answers.record("b", "p").unwrap();
        answers.keep_only(&["b".to_owned()]).unwrap();
        assert_eq!((answers.of("a").unwrap().count, answers.of("b").unwrap().count), (0, 1));
        fs::remove_dir_all(answers.directory).unwrap();
    }

    #[test]
    fn a_damaged_record_is_an_error_and_not_a_clean_slate() {
        let answers = fresh("damaged");
        fs::write(answers.path("a"), "{").unwrap();
        assert!(answers.of("a").is_err());
        fs::remove_dir_all(answers.directory).unwrap();
    }
}
