//! `[backends.NAME.programs.NAME]`: the grant of one program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::hosts::Machine;
use super::source::At;
use super::surroundings::Surroundings;
use super::{ConfigError, Sought, agents, values};
use crate::capability::process::grant::{CONF_MARKER, Grant, Pattern, SOCKET_MARKER, SocketTerms, Words};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// `[backends.NAME.programs.NAME]`: what a program may be asked to do, wherever it is found.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program.
    pub sought: Sought,
    /// Without a path: nobody gets it before the path is known.
    grant: Grant,
}

impl Program {
    /// The grant of this program, which was found at the absolute `path`.
    pub fn at(&self, path: PathBuf) -> Grant {
        Grant {
            path,
            ..self.grant.clone()
        }
    }
}

/// The table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    path: Option<String>,
    conf: Option<String>,
    #[serde(default)]
    fixed: Vec<String>,
    socket: Option<SocketSection>,
    #[serde(default)]
    words: BTreeMap<String, String>,
    separator: Option<String>,
    #[serde(default)]
    read: Vec<Vec<String>>,
    #[serde(default)]
    control: Vec<Vec<String>>,
    #[serde(default)]
    job: Vec<Vec<String>>,
    job_timeout: Option<String>,
    job_output: Option<String>,
    attach: Option<Vec<String>>,
    timeout: Option<String>,
    output: Option<String>,
    #[serde(default)]
    lingers: bool,
    #[serde(default)]
    doctor: Vec<Vec<String>>,
    least_version: Option<String>,
}

/// `[backends.NAME.programs.NAME.socket]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SocketSection {
    restore: Option<String>,
    former: Option<String>,
    #[serde(default)]
    show: Vec<String>,
}

impl Section {
    /// Checks the table of `program`, which is on `machine`, for `backend` at `at`; relative paths start at `folder`.
    pub(super) fn check(
        self,
        backend: &str,
        program: &str,
        at: &At,
        machine: Machine<'_>,
        (around, folder): (&Surroundings<'_>, &Path),
    ) -> Result<Program, ConfigError> {
        values::name(at, program)?;
        conf_is_named(at, self.conf.as_deref(), &self.fixed)?;
        separator_parts(&at.key("separator"), self.separator.as_deref())?;
        let words = agents::words(&at.key("words"), &self.words)?;
        let grant = Grant {
            backend: backend.to_owned(),
            program: program.to_owned(),
            path: PathBuf::new(),
            read: patterns(&at.key("read"), &self.read, &words)?,
            control: patterns(&at.key("control"), &self.control, &words)?,
            job: patterns(&at.key("job"), &self.job, &words)?,
            job_timeout: values::duration(
                &at.key("job_timeout"),
                self.job_timeout.as_deref(),
                4 * HOUR,
                SECOND..=24 * HOUR,
            )?,
            job_output: values::size(
                &at.key("job_output"),
                self.job_output.as_deref(),
                64 * MIB,
                64 * KIB..=1024 * MIB,
            )?,
            attach: attach(&at.key("attach"), self.attach.as_deref(), &words)?,
            timeout: values::duration(
                &at.key("timeout"),
                self.timeout.as_deref(),
                10 * SECOND,
                SECOND / 10..=600 * SECOND,
            )?,
            output: values::size(&at.key("output"), self.output.as_deref(), 4 * MIB, KIB..=64 * MIB)?,
            lingers: self.lingers,
            least_version: least_version(&at.key("least_version"), self.least_version, &self.doctor)?,
            doctor: self.doctor,
            conf: self.conf,
            socket: socket(&at.key("socket"), self.socket, &self.fixed, around, folder)?,
            fixed: self.fixed,
            words: self.words,
            separator: self.separator,
        };
        let written = self.path.unwrap_or_else(|| program.to_owned());
        Ok(Program {
            sought: machine.program(&at.key("path"), written)?,
            grant,
        })
    }
}

/// A text that no argument names would be written and never read, and the reverse.
fn conf_is_named(at: &At, conf: Option<&str>, fixed: &[String]) -> Result<(), ConfigError> {
    match (conf, fixed.iter().position(|argument| argument == CONF_MARKER)) {
        (Some(_), None) => Err(at
            .key("conf")
            .error("`fixed` does not name it: add \"@conf\" there, where its path belongs")),
        (None, Some(index)) => Err(at
            .key("fixed")
            .item(index)
            .error("\"@conf\" is the file of `conf`, and there is none: add conf")),
        _ => Ok(()),
    }
}

/// What is known about the socket; nothing if `fixed` does not name one.
fn socket(
    at: &At,
    written: Option<SocketSection>,
    fixed: &[String],
    around: &Surroundings<'_>,
    folder: &Path,
) -> Result<Option<SocketTerms>, ConfigError> {
    let is_named = fixed.iter().any(|argument| argument == SOCKET_MARKER);
    if !is_named && written.is_some() {
        return Err(at.error("`fixed` does not name it: add \"@socket\" there, where its path belongs"));
    }
    let written = written.unwrap_or_default();
    if let Some(command) = written.restore.as_ref().filter(|command| !command.contains("<pid>")) {
        return Err(at.key("restore").error(format!(
            "{command:?} names no process: write <pid> where the server's process id belongs"
        )));
    }
    let user = around.user.to_string();
    let former = |written: String| around.resolve(&written.replace("<uid>", &user), folder);
    Ok(is_named.then(|| SocketTerms {
        restore: written.restore,
        former: written.former.map(former),
        show: written.show,
    }))
}

fn least_version(at: &At, written: Option<String>, doctor: &[Vec<String>]) -> Result<Option<String>, ConfigError> {
    let is_version = |text: &str| text.split('.').all(|part| part.parse::<u32>().is_ok());
    match written {
        Some(text) if !is_version(&text) => Err(at.error(format!("{text:?} is not a version: write it like \"3.3\""))),
        Some(_) if doctor.is_empty() => Err(at.error(
            "nothing shows the version of the program: add `doctor` with the arguments that do, like [[\"--version\"]]",
        )),
        written => Ok(written),
    }
}

fn separator_parts(at: &At, separator: Option<&str>) -> Result<(), ConfigError> {
    let usable = |text: &str| !text.is_empty() && !text.chars().any(|c| c == '\\' || c.is_control());
    match separator {
        Some(text) if !usable(text) => Err(at.error(format!(
            "{text:?} cannot part commands: write the program's separator, like \";\""
        ))),
        _ => Ok(()),
    }
}

fn patterns(at: &At, written: &[Vec<String>], words: &Words) -> Result<Vec<Pattern>, ConfigError> {
    let parse =
        |(index, list): (usize, &Vec<String>)| Pattern::parse(list, words).map_err(|error| at.item(index).error(error));
    written.iter().enumerate().map(parse).collect()
}

fn attach(at: &At, written: Option<&[String]>, words: &Words) -> Result<Option<Pattern>, ConfigError> {
    written
        .map(|list| Pattern::parse_fillable(list, words))
        .transpose()
        .map_err(|error| at.error(error))
}
