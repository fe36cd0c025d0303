//! Checks the form and the bounds of what a plugin answers, before it is used.
//!
//! Text for a line leaves this file as one clean line. What is too much is cut where the cut is visible, left out and
//! named, or refused: it is never dropped silently.

mod output;
mod pages;
mod structured;
mod weight;

pub(super) use self::output::output;
pub use self::output::{Output, Promise};
pub use self::pages::Enough;
pub(super) use self::pages::{Page, Pages, part};
pub(super) use self::weight::Weighed;
use super::exports::Interface;
use super::words::in_words;
use crate::schema::WordsSchema;
use crate::session::{
    ChangePage, Choice, Creation, Delivery, Description, Error, LogPage, OptionState, Project, Prompt, Session, State,
    Timestamp, TurnPage, Verbs,
};
use crate::text::{self, Short};

/// Entries of one list: sessions, projects, choices, facts and the like.
const LIST: usize = 1_000;
/// Bytes of all texts of one list.
const BYTES: usize = 2 << 20;
/// Bytes of them that are looked at: twice as many as may stay.
const LOOKED_AT: usize = 2 * BYTES;
/// Bytes of an id of a session or prompt, or of a key of a choice.
const ID: usize = 128;
/// Characters of a line.
const LINE: usize = 500;
/// Characters of a path.
const PATH: usize = 4_096;
/// Bytes of an address, and of a log's cursor.
const ADDRESS: usize = 2_048;
/// Bytes of a text that may have several lines.
const TEXT: usize = 64 << 10;
/// Facts of one record.
const FACTS: usize = 32;
/// Choices of one prompt, prompts of one session, and messages that it keeps.
const CHOICES: usize = 64;
/// Bytes of one page of a log, and of a diff.
const PAGE: usize = 4 << 20;
/// Own tools of one plugin.
const TOOLS: usize = 128;
/// Characters of an error.
const ERROR: usize = 2_000;
/// Milliseconds after which a time is not used: some languages have only doubles.
const LATEST: Timestamp = 1 << 53;
/// Faults of one list that are named one by one.
const FAULTS: usize = 8;

/// Bytes that are checked at once; more is checked on a thread that may block.
const AT_ONCE: usize = 32 << 10;

/// What `check` makes from the answer of a plugin. However large that is, the threads that run tasks stay free.
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

/// The usable part of a list, and what is wrong with the rest.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// What can be used.
    pub items: Vec<T>,
    /// The plugin's faults, each a line that says what is left out or cut, and why.
    pub faults: Vec<String>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            faults: Vec::new(),
        }
    }
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

    fn too_large(&mut self) {
        self.fault(format!(
            "its plugin lists more than {BYTES} bytes; the rest is left out"
        ));
    }

    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS {
            self.faults.push(fault);
        } else if self.faults.len() == FAULTS {
            self.faults.push("there are more errors that are not shown".into());
        }
    }
}

/// What a backend says could not be looked at, one line for each.
fn told(problems: Vec<(String, Error)>) -> impl Iterator<Item = String> {
    // Further ones are not reported.
    problems.into_iter().take(FAULTS + 1).map(|(what, why)| {
        let (what, why) = (text::short_line(&what, LINE), in_words(error(why)));
        format!("{what}: {why}")
    })
}

/// The session that was asked for as `id`, or any session if there is no `id`, and the plugin's faults in it.
pub(super) fn one_session(given: Session, id: Option<&str>, possible: Verbs) -> Result<(Session, Vec<String>), Error> {
    if let Some(id) = id.filter(|id| *id != given.id) {
        return Err(Error::Failed(format!(
            "the plugin was asked for session `{}` and answered with `{}`",
            named(id),
            named(&given.id)
        )));
    }
    match session(given, possible, LOOKED_AT) {
        Ok((session, faults, _)) => Ok((session, faults)),
        Err(fault) => Err(Error::Failed(format!("the plugin {fault}"))),
    }
}

/// One session, its faults that do not exclude it, and how many bytes of it were looked at, at most `most`. An error
/// says why its id cannot be used.
fn session(mut given: Session, possible: Verbs, most: usize) -> Result<(Session, Vec<String>, usize), String> {
    check_id("session", &given.id)?;
    let mut faults = Vec::new();
    let mut cut = Cut::of_at_most(most);
    cut.line("name", &mut given.name, LINE);
    cut.line("agent", &mut given.agent, LINE);
    cut.optional("directory", &mut given.directory, PATH);
    cut.optional("project", &mut given.project, LINE);
    cut.optional("summary", &mut given.summary, LINE);
    cut.optional_text("task", &mut given.task);
    cut.optional_text("last-output", &mut given.last_output);
    if given.url.as_ref().is_some_and(|url| url.len() > ADDRESS) {
        given.url = None;
        cut.note("url", true);
    }
    for time in [&mut given.since, &mut given.created_at, &mut given.active_at] {
        cut.time(time);
    }
    if let Some(attention) = &mut given.attention {
        cut.time(&mut attention.since);
        cut.time(&mut attention.until);
        cut.line("attention", &mut attention.kind, LINE);
        cut.line("attention", &mut attention.reason, LINE);
    }
    cut.facts(&mut given.facts);
    cut.list("queue", &mut given.queue, CHOICES);
    let mut queued: Vec<String> = Vec::new();
    given.queue.retain_mut(|message| {
        cut.text("queue", &mut message.text);
        message.at = message.at.min(LATEST);
        match check_id("queued message", &message.id) {
            Err(fault) => faults.push(fault),
            Ok(()) if queued.contains(&message.id) => {
                faults.push(format!("gives several queued messages the id `{}`", message.id));
            }
            Ok(()) => {
                queued.push(message.id.clone());
                return true;
            }
        }
        false
    });
    if given
        .parent
        .as_ref()
        .is_some_and(|parent| check_id("parent", parent).is_err())
    {
        given.parent = None;
        faults.push("gives a parent an id that cannot be one".into());
    }
    given.can = both(given.can, possible);
    prompts(&mut given, &mut cut, &mut faults);
    if cut.is_any() {
        faults.push(format!("gives what is too long, and is cut: {}", cut.names.join(", ")));
    }
    let id = &given.id;
    let faults = faults
        .into_iter()
        .map(|fault| format!("session `{id}`: its plugin {fault}"));
    let faults = faults.collect();
    Ok((given, faults, most - cut.left))
}

/// The prompts that can be answered, and a state that matches: `waiting` if and only if there are prompts.
fn prompts(given: &mut Session, cut: &mut Cut, faults: &mut Vec<String>) {
    let asked = std::mem::take(&mut given.prompts);
    let ids: Vec<String> = asked.iter().map(|prompt| prompt.id.clone()).collect();
    let (was_asking, mut hidden) = (!asked.is_empty(), None);
    cut.note("prompts", asked.len() > CHOICES);
    for one in asked.into_iter().take(CHOICES) {
        let times = ids.iter().filter(|id| **id == one.id).count();
        let checked = match times {
            1 => prompt(one, &mut cut.left),
            _ => Err(format!("gives several prompts the id `{}`", named(&one.id))),
        };
        match checked {
            Ok(prompt) => given.prompts.push(prompt),
            Err(fault) => hidden = Some(fault),
        }
    }
    if let Some(fault) = hidden {
        if given.prompts.is_empty() && !given.state.is_end() {
            given.summary = Some(format!("It asks something that cannot be shown: its plugin {fault}"));
        }
        faults.push(format!("{fault}; its question cannot be shown"));
    }
    match given.state {
        State::Waiting if !was_asking => {
            faults.push("says that it waits for an answer, and gives no prompt; its state is not known".into());
            given.state = State::Unknown;
        }
        State::Waiting => {}
        state if state.is_end() && was_asking => {
            faults.push("gives a session that has ended prompts; they are left out".into());
            given.prompts.clear();
        }
        _ if was_asking => {
            faults.push("gives prompts and does not say that it waits for an answer; it counts as waiting".into());
            given.state = State::Waiting;
        }
        _ => {}
    }
}

/// A prompt. If too much of it is cut, it can only be declined. At most `left` of its bytes are looked at, and `left`
/// is reduced by that. An error says what makes it impossible to answer.
fn prompt(mut given: Prompt, left: &mut usize) -> Result<Prompt, String> {
    check_id("prompt", &given.id)?;
    if let Some(group) = &given.group {
        check_id("group", group)?;
    }
    let mut cut = Cut::of_at_most(*left);
    cut.text("question", &mut given.question);
    cut.optional_text("detail", &mut given.detail);
    cut.list("choices", &mut given.choices, CHOICES);
    cut.facts(&mut given.facts);
    for time in [&mut given.asked_at, &mut given.expires_at] {
        *time = time.filter(|time| *time < LATEST);
    }
    if let Some(schema) = &given.text_schema {
        WordsSchema::read(schema).map_err(|fault| format!("gives a prompt that {fault}"))?;
    }
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
        cut.optional_text("description", &mut choice.description);
    }
    given.cut |= cut.is_any();
    *left = cut.left;
    Ok(given)
}

fn both(one: Verbs, other: Verbs) -> Verbs {
    Verbs {
        send: one.send && other.send,
        attach: one.attach && other.attach,
        cancel_message: one.cancel_message && other.cancel_message,
        respond: one.respond && other.respond,
        interrupt: one.interrupt && other.interrupt,
        terminate: one.terminate && other.terminate,
        set_option: one.set_option && other.set_option,
    }
}

/// Projects that a session can start in, and the faults of the plugin among what is wrong with them.
pub(super) fn projects(given: Page<Project>) -> (Listed<Project>, Vec<String>) {
    let mut listed = listed_projects(given.items);
    let faults = listed.faults.clone();
    told(given.problems).for_each(|problem| listed.fault(problem));
    (listed, faults)
}

fn listed_projects(mut given: Vec<Project>) -> Listed<Project> {
    let mut listed = Listed::first(&mut given, LIST, "projects");
    let (mut bytes, mut left) = (0, LOOKED_AT);
    for mut project in given {
        let mut cut = Cut::of_at_most(left);
        // A longer one is cut below.
        let directory = (project.directory.len() <= 4 * PATH).then(|| project.directory.clone());
        cut.line("name", &mut project.name, LINE);
        cut.line("directory", &mut project.directory, PATH);
        cut.optional("branch", &mut project.branch, LINE);
        cut.list("agents", &mut project.agents, CHOICES);
        project
            .agents
            .iter_mut()
            .for_each(|agent| cut.line("agents", agent, LINE));
        cut.facts(&mut project.facts);
        bytes += project.weight();
        left = cut.left;
        if bytes > BYTES || left == 0 {
            listed.too_large();
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
        if cut.is_any() {
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
    if page.text.len() > PAGE {
        return Err(Error::Failed(format!(
            "its plugin answered with {} bytes of log, and {PAGE} are taken: ask for fewer lines",
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

/// Turns whose ids can be given again.
pub(super) fn turns(mut page: TurnPage) -> Result<TurnPage, Error> {
    let mut cut = Cut::of_at_most(LOOKED_AT);
    cut.list("turns", &mut page.turns, LIST);
    page.more |= cut.is_any();
    for turn in &mut page.turns {
        check_id("turn", &turn.id).map_err(|fault| Error::Failed(format!("its plugin {fault}")))?;
        cut.text("text", &mut turn.text);
        cut.optional("tool", &mut turn.tool, LINE);
        cut.facts(&mut turn.facts);
    }
    Ok(page)
}

/// A page of changes; a cursor that cannot be given again is removed, and the page then says that it is cut.
pub(super) fn changes(mut page: ChangePage) -> Result<ChangePage, Error> {
    if page.text.len() > PAGE {
        return Err(Error::Failed(format!(
            "its plugin answered with {} bytes of changes, and {PAGE} are taken",
            page.text.len()
        )));
    }
    let mut cut = Cut::of_at_most(LOOKED_AT);
    cut.list("files", &mut page.files, LIST);
    page.files
        .iter_mut()
        .for_each(|file| cut.line("path", &mut file.path, PATH));
    cut.optional("base", &mut page.base, LINE);
    cut.optional("head", &mut page.head, LINE);
    if page.next.as_ref().is_some_and(|next| !is_cursor(next)) {
        page.next = None;
        cut.note("next", true);
    }
    page.cut |= cut.is_any();
    Ok(page)
}

/// The options of a session.
pub(super) fn options(mut given: Vec<OptionState>) -> Vec<OptionState> {
    let mut cut = Cut::of_at_most(LOOKED_AT);
    cut.list("options", &mut given, CHOICES);
    for option in &mut given {
        cut.line("name", &mut option.name, LINE);
        cut.line("about", &mut option.about, LINE);
        cut.list("values", &mut option.values, LIST);
        option
            .values
            .iter_mut()
            .for_each(|value| cut.line("values", value, LINE));
        cut.optional("value", &mut option.value, LINE);
    }
    let mut names = Vec::new();
    given.retain(|option| is_new(&mut names, &option.name));
    given
}

/// Whether `name` is valid and not among the `known` ones. It is then added to them.
fn is_new(known: &mut Vec<String>, name: &str) -> bool {
    let is_new = !name.is_empty() && !known.iter().any(|known| known == name);
    if is_new {
        known.push(name.to_owned());
    }
    is_new
}

/// What became of a message; a cursor that cannot be given again is removed, because the message is delivered.
pub(super) fn delivery(given: Delivery) -> Delivery {
    Delivery {
        after: given.after.filter(|cursor| is_cursor(cursor)),
        ..given
    }
}

/// What a plugin says of itself. It must not promise what is not in `exports`.
pub(super) fn description(mut given: Description, exports: impl Fn(Interface) -> bool) -> Result<Description, Error> {
    if given.tools.len() > TOOLS {
        return Err(Error::Failed(format!(
            "the plugin describes {} tools, and {TOOLS} are taken",
            given.tools.len()
        )));
    }
    if let Some(tool) = given.tools.iter().find(|tool| tool.name.len() > LINE) {
        return Err(Error::Failed(format!(
            "the plugin describes a tool whose name has {} bytes, and {LINE} are taken: it begins with `{}`",
            tool.name.len(),
            named(&tool.name)
        )));
    }
    let promised = [
        (!given.tools.is_empty(), Interface::OwnTools, "tools"),
        (given.creation != Creation::default(), Interface::Control, "`creation`"),
    ];
    for (promises, interface, what) in promised {
        if promises && !exports(interface) {
            return Err(Error::Failed(format!(
                "the plugin describes {what} and does not export `{}`",
                interface.name()
            )));
        }
    }
    let mut cut = Cut::of_at_most(LOOKED_AT);
    cut.line("about", &mut given.about, LINE);
    cut.line("version", &mut given.version, LINE);
    cut.list("options", &mut given.options, LIST);
    for option in &mut given.options {
        cut.line("options", &mut option.name, LINE);
        cut.line("options", &mut option.about, LINE);
        cut.optional("options", &mut option.agent, LINE);
        cut.optional("options", &mut option.initial, LINE);
        cut.list("options", &mut option.values, LIST);
        option
            .values
            .iter_mut()
            .for_each(|value| cut.line("options", value, LINE));
    }
    given.options.retain(|option| !option.name.is_empty());
    cut.list("views", &mut given.views, CHOICES);
    let mut views = Vec::new();
    given
        .views
        .retain(|view| view.len() <= 4 * LINE && text::one_line(view) == *view && is_new(&mut views, view));
    cut.facts(&mut given.facts);
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
        Error::Unavailable(why) => Error::Unavailable(line(why)),
        Error::Unauthenticated(why) => Error::Unauthenticated(line(why)),
        Error::Conflict(why) => Error::Conflict(line(why)),
        Error::Limited { which, until } => Error::Limited {
            which: line(which),
            until,
        },
        Error::TimedOut(why) => Error::TimedOut(line(why)),
        Error::Failed(why) => Error::Failed(line(why)),
        Error::Other { kind, what } => Error::Other {
            kind: text::short_line(&kind, LINE),
            what: line(what),
        },
        Error::Unsupported | Error::Busy => given,
    }
}

/// What was cut from several fields, of which a bounded part is looked at.
struct Cut {
    /// The names of the fields that were cut.
    names: Vec<&'static str>,
    /// Bytes that may still be looked at.
    left: usize,
}

impl Cut {
    fn of_at_most(left: usize) -> Self {
        Self {
            names: Vec::new(),
            left,
        }
    }

    fn is_any(&self) -> bool {
        !self.names.is_empty()
    }

    /// Makes one line of `field`, of at most `most` characters.
    fn line(&mut self, name: &'static str, field: &mut String, most: usize) {
        self.field(name, field, most, text::one_line);
    }

    fn optional(&mut self, name: &'static str, field: &mut Option<String>, most: usize) {
        if let Some(field) = field {
            self.line(name, field, most);
        }
    }

    /// Cleans a text of several lines and bounds it.
    fn text(&mut self, name: &'static str, field: &mut String) {
        self.field(name, field, TEXT, text::clean);
        let end = field.floor_char_boundary(TEXT);
        self.note(name, end < field.len());
        if end < field.len() {
            field.truncate(end);
            field.push('…');
        }
    }

    fn optional_text(&mut self, name: &'static str, field: &mut Option<String>) {
        if let Some(field) = field {
            self.text(name, field);
        }
    }

    fn field(&mut self, name: &'static str, field: &mut String, most: usize, cleaned: fn(&str) -> String) {
        let within = &field[..field.floor_char_boundary(self.left)];
        let ends_early = within.len() < field.len();
        let Short {
            mut text,
            is_cut,
            looked_at,
        } = text::short(within, most, cleaned);
        if ends_early && !is_cut {
            text.push('…');
        }
        *field = text;
        self.left -= looked_at;
        self.note(name, is_cut || ends_early);
    }

    /// A time out of range is removed.
    fn time(&mut self, time: &mut Option<Timestamp>) {
        self.note("times", time.is_some_and(|time| time >= LATEST));
        *time = time.filter(|time| *time < LATEST);
    }

    fn list<T>(&mut self, name: &'static str, list: &mut Vec<T>, most: usize) {
        self.note(name, list.len() > most);
        list.truncate(most);
    }

    fn facts(&mut self, facts: &mut Vec<(String, String)>) {
        self.list("facts", facts, FACTS);
        for (name, fact) in facts {
            self.line("facts", name, LINE);
            self.line("facts", fact, LINE);
        }
    }

    fn note(&mut self, name: &'static str, is_cut: bool) {
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

/// A foreign id in the form for an error.
fn named(id: &str) -> String {
    text::escaped(id, ID)
}

fn is_cursor(cursor: &str) -> bool {
    cursor.len() <= ADDRESS && text::one_line(cursor) == cursor
}

#[cfg(test)]
mod tests;
