//! One thing that the doctor looked at, and how it is shown.

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::cli::print;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Mark {
    Ok,
    /// It works, but not for long, or not as it appears.
    Warn,
    /// Something would fail.
    Fail,
}

/// What was looked at, how it is, and what to do about it.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Finding {
    pub(in crate::cli) mark: Mark,
    /// What was looked at, in a word or two.
    about: String,
    what: String,
    /// A command or a line of the configuration. Empty if nothing is wrong, or if `what` ends with the fix.
    fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(about: &str, what: impl Into<String>) -> Self {
        Self {
            mark: Mark::Ok,
            about: about.to_owned(),
            what: what.into(),
            fix: None,
        }
    }

    pub(in crate::cli) fn warn(about: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            mark: Mark::Warn,
            fix: Some(fix.into()),
            ..Self::ok(about, what)
        }
    }

    pub(super) fn fail(about: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            mark: Mark::Fail,
            ..Self::warn(about, what, fix)
        }
    }

    /// An error of berth's own, which names its fix.
    pub(in crate::cli) fn error(about: &str, error: &anyhow::Error) -> Self {
        Self {
            mark: Mark::Fail,
            ..Self::ok(about, print::causes(error))
        }
    }

    /// A warning whose words end with the fix.
    pub(super) fn told(about: &str, what: impl Into<String>) -> Self {
        Self {
            mark: Mark::Warn,
            ..Self::ok(about, what)
        }
    }

    /// What was found.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Prints it in one line.
    pub(in crate::cli) fn show(&self) {
        let (word, colour) = match self.mark {
            Mark::Ok => ("ok", AnsiColor::Green),
            Mark::Warn => ("warn", AnsiColor::Yellow),
            Mark::Fail => ("fail", AnsiColor::Red),
        };
        let style = Style::new().fg_color(Some(colour.into())).bold();
        let fix = self.fix.as_ref().map_or(String::new(), |fix| format!("; {fix}"));
        let text = print::safe(&format!("{}: {}{fix}", self.about, self.what));
        print::line(&format!("{style}{word:<4}{style:#}  {text}"));
    }
}
