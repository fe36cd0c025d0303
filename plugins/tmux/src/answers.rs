//! What is remembered of each session between calls: how many questions were answered, and which.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use berth_plugin::types::Error;
use serde::{Deserialize, Serialize};

use crate::drafts;

/// How many answered prompts are remembered by their ids.
const REMEMBERED: usize = 16;
/// The most bytes that a record may have.
const RECORD_MAX: u64 = 64 << 10;
const PREFIX: &str = "answers-";

/// The files of answers, one a session.
pub(crate) struct Answers {
    directory: PathBuf,
}

/// The answers given to one session.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    pub(crate) fn of(&self, session: &str) -> Result<Given, Damage> {
        self.read(session).map_err(|why| Damage {
            file: name(session),
            why: why.to_string(),
        })
    }

    fn read(&self, session: &str) -> io::Result<Given> {
        let path = self.path(session);
        match fs::symlink_metadata(&path) {
            // Opening a FIFO would wait for a writer.
            Ok(found) if !found.is_file() => return Err(io::Error::other("it is not a file")),
            Ok(found) if found.len() > RECORD_MAX => {
                return Err(io::Error::other(format!("it has more than {RECORD_MAX} bytes")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Given::default()),
            Err(error) => return Err(error),
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(RECORD_MAX).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Remembers an answer, before its keys are pressed: a call that is cut off must not be repeated.
    pub(crate) fn record(&self, session: &str, prompt: &str) -> Result<(), Error> {
        let mut given = self.of(session).map_err(|damage| Error::Refused(damage.to_string()))?;
        given.count = given.count.wrapping_add(1);
        given.last.push(prompt.to_owned());
        let surplus = given.last.len().saturating_sub(REMEMBERED);
        given.last.drain(..surplus);
        self.write(session, &given).map_err(|error| {
            Error::Failed(format!(
                "the answer to {session} could not be remembered, so nothing was pressed: {error}"
            ))
        })
    }

    fn write(&self, session: &str, given: &Given) -> io::Result<()> {
        drafts::put(
            &self.directory,
            &format!("{PREFIX}{session}"),
            &serde_json::to_vec(given)?,
            true,
        )
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
        self.directory.join(name(session))
    }
}

fn name(session: &str) -> String {
    format!("{PREFIX}{session}")
}

/// A record of answers that cannot be read: what was answered is then not known.
#[derive(Debug)]
pub(crate) struct Damage {
    file: String,
    why: String,
}

impl Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, why } = self;
        write!(
            formatter,
            "The record of answers to this session is damaged, so it takes no answer from here: {why}. Answer on the \
             terminal (berth attach), then remove {file} from the state directory of this backend."
        )
    }
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
    fn a_damaged_record_is_said_and_not_a_clean_slate() {
        let answers = fresh("damaged");
        let huge = format!(r#"{{"count":1,"last":["{}"]}}"#, "x".repeat(100_000));
        for text in [
            "",
            "{",
            "null",
            "[]",
            "7",
            r#"{"count":1,"la"#,
            r#"{"count":-1,"last":[]}"#,
            r#"{"count":"1","last":[]}"#,
            r#"{"count":1,"last":[7]}"#,
            r#"{"version":2,"count":1,"last":[]}"#,
            "\u{0}\u{0}\u{0}",
            &huge,
        ] {
            fs::write(answers.path("a"), text).unwrap();
            let damage = answers.of("a").unwrap_err().to_string();
            assert!(damage.contains("remove answers-a from the state directory"), "{damage}");
            assert!(matches!(answers.record("a", "p"), Err(Error::Refused(_))));
            assert_eq!(
                fs::read_to_string(answers.path("a")).unwrap(),
                text,
                "it is left as it is"
            );
            assert_eq!(answers.of("b").unwrap(), Given::default());
        }
        fs::remove_dir_all(answers.directory).unwrap();
    }

    #[test]
    fn what_is_not_a_file_is_damage_too() {
        let answers = fresh("not-a-file");
        fs::create_dir(answers.path("a")).unwrap();
        std::os::unix::fs::symlink("nowhere", answers.path("b")).unwrap();
        for session in ["a", "b"] {
            let damage = answers.of(session).unwrap_err().to_string();
            assert!(damage.contains("it is not a file"), "{damage}");
        }
        fs::remove_dir_all(answers.directory).unwrap();
    }
}
