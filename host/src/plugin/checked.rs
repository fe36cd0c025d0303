//! What a plugin answers, held against forms and bounds before anything is made of it.
//!
//! Text that stands in a line comes out of here as one clean line. What is too much is cut where a cut shows, left out
//! and named, or refused: never dropped in silence.

mod structured;
mod weight;

use std::collections::HashMap;

use serde_json::Value;

pub use self::structured::Promise;
pub(super) use self::weight::Weighed;
use crate::contract::{Choice, Delivery, Description, Error, LogPage, Project, Prompt, Session, ToolOutput};
use crate::text::{self, Short};

/// Sessions of one list.
const SESSIONS: usize = 1_000;
/// Projects of one list.
const PROJECTS: usize = 2_000;
/// Bytes of all texts of one list.
const LIST: usize = 2 << 20;
/// Bytes of them that are looked at: what they lose is as much as what stays, and no more.
const LOOKED_AT: usize = 2 * LIST;
/// Bytes of an id of a session or prompt, or of a key of a choice.
const ID: usize = 128;
/// Characters of a name, of an agent, a branch or a fact's name too.
const NAME: usize = 256;
/// Characters of a line that says more: a summary, a fact, a label.
const LINE: usize = 1_000;
/// Characters of a path.
const PATH: usize = 4_096;
/// Bytes of an address, and of a log's cursor.
const ADDRESS: usize = 2_048;
/// Facts of one session.
const FACTS: usize = 32;
/// Characters of a question, and of a choice's description.
const QUESTION: usize = 16_000;
const DESCRIPTION: usize = 4_000;
/// Choices of one prompt.
const CHOICES: usize = 64;
/// Bytes of one page of a log.
const LOG: usize = 4 << 20;
/// Own tools of one plugin.
const TOOLS: usize = 128;
/// Characters of an error.
const ERROR: usize = 2_000;
/// Faults of one list that are named one by one.
const FAULTS: usize = 8;

/// Bytes that are checked at once; more is work for a thread that nobody waits for.
const AT_ONCE: usize = 32 << 10;

/// What `check` makes of what a plugin answered. However large that is, the threads that run tasks stay free.
pub(super) async fn apart_if_large<T, U>(
    given: T,
    check: impl FnOnce(T) -> Result<U, Error> + Send + 'static,
) -> Result<U, Error>
where
    T: Weighed + Send + 'static,
    U: Send + 'static,
{
    if given.weight() <= AT_ONCE {
        return check(given);
    }
    let checking = tokio::task::spawn_blocking(move || check(given));
    checking
        .await
        .unwrap_or_else(|fault| Err(Error::Failed(fault.to_string())))
}

/// A list as far as it can be used, and what is wrong with the rest.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// What can be used.
    pub items: Vec<T>,
    /// The plugin's faults, each a line that says what is left out or cut, and why.
    pub faults: Vec<String>,
}

impl<T> Listed<T> {
    /// The first `most` of `given`.
    fn first<U>(given: &mut Vec<U>, most: usize, what: &str) -> Self {
        let mut listed = Self {
            items: Vec::with_capacity(given.len().min(most)),
            faults: Vec::new(),
        };
        if given.len() > most {
            listed.fault(format!(
                "its plugin lists {} {what}; only the first {most} are shown",
                given.len()
            ));
            given.truncate(most);
        }
        listed
    }

    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS {
            self.faults.push(fault);
        } else if self.faults.len() == FAULTS {
            self.faults.push("its plugin has more faults of this kind".into());
        }
    }
}

/// Sessions whose ids can be told apart. One that has another fault stays, without what is wrong.
pub(super) fn sessions(mut given: Vec<Session>) -> Listed<Session> {
    let mut listed = Listed::first(&mut given, SESSIONS, "sessions");
    let mut times = HashMap::new();
    // What is longer is no id, whoever else has it.
    for session in given.iter().filter(|session| session.id.len() <= ID) {
        *times.entry(session.id.clone()).or_insert(0_usize) += 1;
    }
    let (mut bytes, mut looked_at) = (0, 0);
    for one in given {
        // Of several with one id nobody can say which is meant.
        match times.get_mut(&one.id).map(std::mem::take) {
            None | Some(1) => {}
            Some(0) => continue,
            _ => {
                let id = named(&one.id);
                listed.fault(format!(
                    "its plugin gives several sessions the id `{id}`; they are left out"
                ));
                continue;
            }
        }
        match session(one) {
            Err(fault) => listed.fault(format!("its plugin {fault}; that session is left out")),
            Ok((session, faults, cost)) => {
                bytes += session.weight();
                looked_at += cost;
                if bytes > LIST || looked_at > LOOKED_AT {
                    listed.fault(format!("its plugin lists more than {LIST} bytes; the rest is left out"));
                    break;
                }
                faults.into_iter().for_each(|fault| listed.fault(fault));
                listed.items.push(session);
            }
        }
    }
    listed
}

/// The session that was asked for as `id`, or any for none.
pub(super) fn one_session(given: Session, id: Option<&str>) -> Result<Session, Error> {
    if let Some(id) = id.filter(|id| *id != given.id) {
        return Err(Error::Failed(format!(
            "the plugin was asked for session `{}` and answered with `{}`",
            named(id),
            named(&given.id)
        )));
    }
    match session(given) {
        Ok((session, ..)) => Ok(session),
        Err(fault) => Err(Error::Failed(format!("the plugin {fault}"))),
    }
}

/// One session, the faults that it stays in spite of, and how many bytes of it were looked at. An error says why its id
/// cannot be used.
fn session(mut given: Session) -> Result<(Session, Vec<String>, usize), String> {
    check_id("session", &given.id)?;
    let mut faults = Vec::new();
    let mut cut = Cut::default();
    cut.line("name", &mut given.name, NAME);
    cut.line("agent", &mut given.agent, NAME);
    cut.line("directory", &mut given.directory, PATH);
    if let Some(summary) = &mut given.summary {
        cut.line("summary", summary, LINE);
    }
    if given.url.as_ref().is_some_and(|url| url.len() > ADDRESS) {
        given.url = None;
        cut.names.push("address");
    }
    if given.facts.len() > FACTS {
        given.facts.truncate(FACTS);
        cut.names.push("facts");
    }
    for (name, fact) in &mut given.facts {
        cut.line("facts", name, NAME);
        cut.line("facts", fact, LINE);
    }
    if let Some(asked) = given.prompt.take() {
        match prompt(asked) {
            Ok((asked, cost)) => {
                given.prompt = Some(asked);
                cut.looked_at += cost;
            }
            Err(fault) => {
                given.summary = Some(format!("It asks something that cannot be shown: its plugin {fault}"));
                faults.push(format!(
                    "session `{}`: its plugin {fault}; its question cannot be shown",
                    given.id
                ));
            }
        }
    }
    if !cut.names.is_empty() {
        let names = cut.names.join(", ");
        faults.push(format!("session `{}`: too long, and cut: {names}", given.id));
    }
    Ok((given, faults, cut.looked_at))
}

/// A prompt of which too much is cut: then it can only be declined; and how many bytes of it were looked at. An error says
/// what makes it impossible to answer.
fn prompt(mut given: Prompt) -> Result<(Prompt, usize), String> {
    check_id("prompt", &given.id)?;
    let mut cut = Cut::default();
    cut.field("question", &mut given.question, QUESTION, text::clean);
    if given.choices.len() > CHOICES {
        cut.names.push("choices");
    }
    given.choices.truncate(CHOICES);
    let mut keys: Vec<&str> = Vec::with_capacity(given.choices.len());
    for Choice { key, .. } in &given.choices {
        check_id("choice", key)?;
        if keys.contains(&key.as_str()) {
            return Err(format!("gives several choices the key `{key}`"));
        }
        keys.push(key);
    }
    for choice in &mut given.choices {
        cut.line("label", &mut choice.label, LINE);
        if let Some(description) = &mut choice.description {
            cut.line("description", description, DESCRIPTION);
        }
    }
    given.cut |= !cut.names.is_empty();
    Ok((given, cut.looked_at))
}

/// Projects that a session can start in. What has no directory is none: it says what could not be looked at.
pub(super) fn projects(mut given: Vec<Project>) -> Listed<Project> {
    let mut listed = Listed::first(&mut given, PROJECTS, "projects");
    let (mut bytes, mut looked_at) = (0, 0);
    for mut project in given {
        if project.directory.is_empty() {
            listed.fault(text::short_line(&project.name, ERROR));
            continue;
        }
        let mut cut = Cut::default();
        // A longer one is cut below.
        let directory = (project.directory.len() <= 4 * PATH).then(|| project.directory.clone());
        cut.line("name", &mut project.name, NAME);
        cut.line("directory", &mut project.directory, PATH);
        if let Some(branch) = &mut project.branch {
            cut.line("branch", branch, NAME);
        }
        bytes += project.weight();
        looked_at += cut.looked_at;
        if bytes > LIST || looked_at > LOOKED_AT {
            listed.fault(format!("its plugin lists more than {LIST} bytes; the rest is left out"));
            break;
        }
        // A path that had to be changed leads elsewhere.
        if directory.as_ref() != Some(&project.directory) {
            let name = &project.name;
            listed.fault(format!(
                "project `{name}` is left out: its directory is too long or holds what cannot be shown"
            ));
            continue;
        }
        if !cut.names.is_empty() {
            listed.fault(format!(
                "project `{}`: too long, and cut: {}",
                project.name,
                cut.names.join(", ")
            ));
        }
        listed.items.push(project);
    }
    listed
}

/// A page of a log with a cursor that can be given again.
pub(super) fn log(page: LogPage) -> Result<LogPage, Error> {
    if page.text.len() > LOG {
        return Err(Error::Failed(format!(
            "its plugin answered with {} bytes of log, and {LOG} are taken: ask for fewer lines",
            page.text.len()
        )));
    }
    if !is_cursor(&page.next) {
        return Err(Error::Failed(
            "its plugin answered with a log whose cursor is too long or holds what cannot be shown".into(),
        ));
    }
    Ok(page)
}

/// What became of a message; a cursor that cannot be given again is none, for the message is delivered.
pub(super) fn delivery(given: Delivery) -> Delivery {
    Delivery {
        after: given.after.filter(|cursor| is_cursor(cursor)),
        ..given
    }
}

/// What an own tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The end of its text.
    pub text: String,
    /// Its data, or in words what it is instead.
    pub structured: Result<Option<Value>, String>,
    /// It says itself that it failed.
    pub failed: bool,
    /// It had begun to act.
    pub acted: bool,
}

/// What an own tool answered, whose data must be what it promised, if it did.
pub(super) fn output(given: ToolOutput, promise: Option<&Promise>) -> Output {
    let structured = structured::parse(given.structured.as_deref());
    let kept = structured.and_then(|data| match promise {
        Some(promise) if !given.failed => promise.kept_by(data.as_ref()).map(|()| data),
        _ => Ok(data),
    });
    Output {
        text: text::ending(given.text),
        structured: kept,
        failed: given.failed,
        acted: false,
    }
}

/// What a plugin says of itself.
pub(super) fn description(mut given: Description) -> Result<Description, Error> {
    if given.tools.len() > TOOLS {
        return Err(Error::Failed(format!(
            "the plugin describes {} tools, and {TOOLS} are taken",
            given.tools.len()
        )));
    }
    if let Some(tool) = given.tools.iter().find(|tool| tool.name.len() > NAME) {
        return Err(Error::Failed(format!(
            "the plugin describes a tool whose name has {} bytes, and {NAME} are taken: it begins with `{}`",
            tool.name.len(),
            named(&tool.name)
        )));
    }
    given.about = text::short_line(&given.about, LINE);
    given.version = text::short_line(&given.version, NAME);
    Ok(given)
}

/// An error whose words are one line.
pub(super) fn error(given: Error) -> Error {
    let line = |why: String| text::short_line(&why, ERROR);
    match given {
        Error::NotFound(why) => Error::NotFound(line(why)),
        Error::Invalid(why) => Error::Invalid(line(why)),
        Error::Refused(why) => Error::Refused(line(why)),
        Error::Denied(why) => Error::Denied(line(why)),
        Error::TimedOut(why) => Error::TimedOut(line(why)),
        Error::Failed(why) => Error::Failed(line(why)),
        Error::Unsupported | Error::Busy => given,
    }
}

/// What was cut of several fields.
#[derive(Default)]
struct Cut {
    /// The names of those that are not all there.
    names: Vec<&'static str>,
    /// Bytes that were looked at.
    looked_at: usize,
}

impl Cut {
    /// Makes one line of `field`, of at most `most` characters.
    fn line(&mut self, name: &'static str, field: &mut String, most: usize) {
        self.field(name, field, most, text::one_line);
    }

    fn field(&mut self, name: &'static str, field: &mut String, most: usize, cleaned: fn(&str) -> String) {
        let Short {
            text,
            is_cut,
            looked_at,
        } = text::short(field, most, cleaned);
        *field = text;
        self.looked_at += looked_at;
        if is_cut && !self.names.contains(&name) {
            self.names.push(name);
        }
    }
}

fn check_id(what: &str, id: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    match id.len() {
        0 => Err(format!("gives a {what} an empty id")),
        1..=ID if id.bytes().all(plain) => Ok(()),
        _ => Err(format!(
            "gives a {what} the id `{}`, which is not 1 to {ID} of the letters a to z, digits and . _ : -",
            named(id)
        )),
    }
}

/// A foreign id as an error names it.
fn named(id: &str) -> String {
    text::escaped(id, ID)
}

fn is_cursor(cursor: &str) -> bool {
    cursor.len() <= ADDRESS && text::one_line(cursor) == cursor
}

#[cfg(test)]
mod tests;
