//! How it is with each host, in words: what `berth hosts` lists and `berth doctor` tells.

use std::time::Duration;

use berth::assemble::{Host, Links, Setup, Survey, Version, survey};
use berth::machine::Trouble;
use berth::store::DataDirectory;
use futures::future::join_all;

use crate::cli::print;

/// How it is with one host.
pub(in crate::cli) struct State<'a> {
    pub(in crate::cli) host: &'a Host,
    /// It in a word or two.
    pub(in crate::cli) word: &'static str,
    /// The same in words, after "the host" and its name.
    pub(in crate::cli) what: String,
    /// What to do about it. None where it answers, and where `what` ends with the fix.
    pub(in crate::cli) fix: Option<String>,
    /// What was found there, if it lets us in.
    pub(in crate::cli) survey: Option<Survey>,
}

impl State<'_> {
    /// Of all hosts of `setup`, which are looked at together: one that does not answer holds up no other.
    pub(in crate::cli) async fn of_all<'a>(setup: &'a Setup, data: &DataDirectory) -> Vec<State<'a>> {
        let links = Links::new(data);
        let look = async |host: &'a Host| State::told(host, survey(setup, host, &links).await);
        join_all(setup.hosts.values().map(look)).await
    }

    fn told(host: &Host, looked: anyhow::Result<Survey>) -> State<'_> {
        let (word, what, fix, survey) = match looked {
            Ok(survey) => ("answers", "answers".to_owned(), None, Some(survey)),
            Err(error) => match error.downcast_ref::<Trouble>() {
                Some(trouble) => (trouble.state(), trouble.what.to_string(), Some(trouble.fix()), None),
                None => ("not usable", print::causes(&error), None, None),
            },
        };
        State {
            host,
            word,
            what,
            fix,
            survey,
        }
    }

    /// Everything that is wrong, one line each.
    pub(super) fn lines(&self) -> Vec<String> {
        match (&self.survey, &self.fix) {
            (Some(survey), _) => survey.faults.iter().chain(&survey.warnings).cloned().collect(),
            (None, Some(fix)) => vec![format!("{}; {fix}", self.what)],
            (None, None) => vec![self.what.clone()],
        }
    }
}

/// A round trip as it is shown.
pub(in crate::cli) fn milliseconds(lasted: Duration) -> String {
    let milliseconds = lasted.as_secs_f64() * 1000.0;
    match milliseconds < 10.0 {
        true => format!("{milliseconds:.1} ms"),
        false => format!("{milliseconds:.0} ms"),
    }
}

/// Programs or agents with their versions, as `tmux 3.5a, claude`.
pub(in crate::cli) fn versions(versions: &[Version]) -> String {
    let shown = versions.iter().map(|found| match &found.version {
        Some(version) => format!("{} {version}", found.name),
        None => found.name.clone(),
    });
    shown.collect::<Vec<_>>().join(", ")
}
