//! What a plugin answers, held against forms and bounds before anything is made of it.
//!
//! Text that stands in a line comes out of here as one clean line. What is too much is cut where a cut shows, left out
//! and named, or refused: never dropped in silence.

use std::collections::HashMap;

use crate::contract::{Choice, Delivery, Description, Error, LogPage, Project, Prompt, Session, ToolOutput};
use crate::text;

/// Sessions of one list.
const SESSIONS: usize = 1_000;
/// Projects of one list.
const PROJECTS: usize = 2_000;
/// Bytes of all texts of one list.
const LIST: usize = 2 << 20;
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
/// Bytes of the data of an own tool's answer.
const STRUCTURED: usize = 256 << 10;
/// Own tools of one plugin.
const TOOLS: usize = 128;
/// Characters of an error.
const ERROR: usize = 2_000;
/// Faults of one list that are named one by one.
const FAULTS: usize = 8;

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
    for session in &given {
        *times.entry(session.id.clone()).or_insert(0_usize) += 1;
    }
    let mut bytes = 0;
    for one in given {
        // Of several with one id nobody can say which is meant.
        match times.get_mut(&one.id).map(std::mem::take) {
            Some(1) => {}
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
            Ok((session, faults)) => {
                bytes += size(&session);
                if bytes > LIST {
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
        Ok((session, _)) => Ok(session),
        Err(fault) => Err(Error::Failed(format!("the plugin {fault}"))),
    }
}

/// One session, and the faults that it stays in spite of. An error says why its id cannot be used.
fn session(mut given: Session) -> Result<(Session, Vec<String>), String> {
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
        cut.0.push("address");
    }
    if given.facts.len() > FACTS {
        given.facts.truncate(FACTS);
        cut.0.push("facts");
    }
    for (name, fact) in &mut given.facts {
        cut.line("facts", name, NAME);
        cut.line("facts", fact, LINE);
    }
    if let Some(asked) = given.prompt.take() {
        match prompt(asked) {
            Ok(asked) => given.prompt = Some(asked),
            Err(fault) => {
                given.summary = Some(format!("It asks something that cannot be shown: its plugin {fault}"));
                faults.push(format!(
                    "session `{}`: its plugin {fault}; its question cannot be shown",
                    given.id
                ));
            }
        }
    }
    if !cut.0.is_empty() {
        let cut = cut.0.join(", ");
        faults.push(format!("session `{}`: too long, and cut: {cut}", given.id));
    }
    Ok((given, faults))
}

/// A prompt of which too much is cut: then it can only be declined. An error says what makes it impossible to answer.
fn prompt(mut given: Prompt) -> Result<Prompt, String> {
    check_id("prompt", &given.id)?;
    let mut cut = Cut::default();
    let question = text::clean(&given.question);
    given.question = text::shortened(&question, QUESTION).into_owned();
    if given.question != question || given.choices.len() > CHOICES {
        cut.0.push("question");
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
    given.cut |= !cut.0.is_empty();
    Ok(given)
}

/// Projects that a session can start in.
pub(super) fn projects(mut given: Vec<Project>) -> Listed<Project> {
    let mut listed = Listed::first(&mut given, PROJECTS, "projects");
    let mut bytes = 0;
    for mut project in given {
        let mut cut = Cut::default();
        let directory = project.directory.clone();
        cut.line("name", &mut project.name, NAME);
        cut.line("directory", &mut project.directory, PATH);
        if let Some(branch) = &mut project.branch {
            cut.line("branch", branch, NAME);
        }
        // A path that had to be changed leads elsewhere.
        if project.directory != directory {
            let name = &project.name;
            listed.fault(format!(
                "project `{name}` is left out: its directory is too long or holds what cannot be shown"
            ));
            continue;
        }
        if !cut.0.is_empty() {
            listed.fault(format!(
                "project `{}`: too long, and cut: {}",
                project.name,
                cut.0.join(", ")
            ));
        }
        bytes += project.name.len() + project.directory.len() + project.branch.as_ref().map_or(0, String::len);
        if bytes > LIST {
            listed.fault(format!("its plugin lists more than {LIST} bytes; the rest is left out"));
            break;
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

/// What an own tool answered, with no more data than its caller can take.
pub(super) fn output(given: ToolOutput) -> Result<ToolOutput, Error> {
    match given.structured.as_ref().map_or(0, String::len) {
        bytes if bytes > STRUCTURED => Err(Error::Failed(format!(
            "its plugin answered with {bytes} bytes of data, and {STRUCTURED} are taken: ask for less at once"
        ))),
        _ => Ok(given),
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

/// The names of what was cut.
#[derive(Default)]
struct Cut(Vec<&'static str>);

impl Cut {
    /// Makes one line of `field`, of at most `most` characters.
    fn line(&mut self, name: &'static str, field: &mut String, most: usize) {
        let line = text::one_line(field);
        *field = text::shortened(&line, most).into_owned();
        if *field != line && !self.0.contains(&name) {
            self.0.push(name);
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
    text::shortened(id, ID).escape_debug().to_string()
}

fn is_cursor(cursor: &str) -> bool {
    cursor.len() <= ADDRESS && text::one_line(cursor) == cursor
}

fn size(session: &Session) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let facts: usize = session.facts.iter().map(|(name, fact)| name.len() + fact.len()).sum();
    let prompt = session.prompt.as_ref().map_or(0, |prompt| {
        let choice = |choice: &Choice| choice.key.len() + choice.label.len() + optional(&choice.description);
        prompt.id.len() + prompt.question.len() + prompt.choices.iter().map(choice).sum::<usize>()
    });
    let lines = [&session.id, &session.name, &session.agent, &session.directory];
    lines.into_iter().map(String::len).sum::<usize>()
        + optional(&session.summary)
        + optional(&session.url)
        + facts
        + prompt
}

#[cfg(test)]
mod tests;
