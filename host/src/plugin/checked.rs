//! What a plugin answers, held against forms and bounds before anything is made of it.
//!
//! Text that stands in a line comes out of here as one clean line. What is too much is cut where a cut shows, left out
//! and named, or refused: never dropped in silence.

use std::collections::HashMap;

use super::exports::Interface;
use super::words::in_words;
use crate::session::{
    ChangePage, Choice, Content, Creation, Delivery, Description, Error, LogPage, OptionState, Project, Prompt,
    Session, State, Timestamp, ToolOutput, TurnPage, Verbs,
};
use crate::text;

/// Entries of one list: sessions, projects, choices, facts and the like.
const LIST: usize = 1_000;
/// Pages by which one list of sessions is asked for.
const PAGES: usize = 64;
/// Bytes of all texts of one list.
const BYTES: usize = 2 << 20;
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
/// Bytes of the data of an own tool's answer.
const STRUCTURED: usize = 256 << 10;
/// Bytes of pictures and the like in it.
const MEDIA: usize = 2 << 20;
/// Own tools of one plugin.
const TOOLS: usize = 128;
/// Characters of an error.
const ERROR: usize = 2_000;
/// Milliseconds past which no time is told: some languages have only doubles.
const LATEST: Timestamp = 1 << 53;
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

    /// What its backend says could not be looked at.
    pub(super) fn add_problems(&mut self, problems: Vec<(String, Error)>) {
        for (what, why) in problems {
            let (what, why) = (text::short_line(&what, LINE), in_words(why));
            self.fault(format!("{what}: {why}"));
        }
    }

    fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS {
            self.faults.push(fault);
        } else if self.faults.len() == FAULTS {
            self.faults.push("there is more that is not told".into());
        }
    }
}

/// The pages of one list of sessions, as they come.
#[derive(Default)]
pub(super) struct Pages {
    sessions: Vec<Session>,
    problems: Vec<(String, Error)>,
    next: Option<String>,
    pages: usize,
    /// Why not all was listed.
    ended: Option<String>,
}

impl Pages {
    /// How many sessions there is room for.
    pub(super) fn room(&self) -> u32 {
        u32::try_from(LIST - self.sessions.len().min(LIST)).unwrap_or(0)
    }

    /// Where the next page begins; none: at the beginning.
    pub(super) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    /// No page came yet.
    pub(super) fn are_none(&self) -> bool {
        self.pages == 0
    }

    /// The next page could not be had.
    pub(super) fn end(&mut self, why: &Error) {
        let why = in_words(why.clone());
        self.ended = Some(format!("only part of its sessions is known: {why}"));
    }

    /// Adds a page; whether a further one is to be asked for.
    pub(super) fn add(&mut self, sessions: Vec<Session>, problems: Vec<(String, Error)>, next: Option<String>) -> bool {
        self.pages += 1;
        self.sessions.extend(sessions);
        self.problems.extend(problems);
        let Some(next) = next else { return false };
        if self.sessions.len() >= LIST {
            self.ended = Some(format!(
                "it has more than {LIST} sessions; only the first {LIST} are shown"
            ));
        } else if self.pages >= PAGES {
            self.ended = Some(format!(
                "its plugin lists its sessions in more than {PAGES} pages; the rest is left out"
            ));
        } else if !is_cursor(&next) || self.next.as_ref() == Some(&next) {
            self.ended = Some("its plugin's list of sessions goes on where it was; the rest is left out".into());
        }
        self.next = Some(next);
        self.ended.is_none()
    }

    /// All of it, and the faults of the plugin among what is wrong with it.
    pub(super) fn into_list(self, possible: Verbs) -> (Listed<Session>, Vec<String>) {
        let mut listed = sessions(self.sessions, possible);
        let faults = listed.faults.clone();
        self.ended.into_iter().for_each(|why| listed.fault(why));
        listed.add_problems(self.problems);
        (listed, faults)
    }
}

/// Sessions whose ids can be told apart, with what is `possible` at all. One that has another fault stays, without what
/// is wrong.
fn sessions(mut given: Vec<Session>, possible: Verbs) -> Listed<Session> {
    let mut listed = Listed::first(&mut given, LIST, "sessions");
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
        match session(one, possible) {
            Err(fault) => listed.fault(format!("its plugin {fault}; that session is left out")),
            Ok((session, faults)) => {
                bytes += size(&session);
                if bytes > BYTES {
                    listed.fault(format!(
                        "its plugin lists more than {BYTES} bytes; the rest is left out"
                    ));
                    break;
                }
                faults.into_iter().for_each(|fault| listed.fault(fault));
                listed.items.push(session);
            }
        }
    }
    listed
}

/// The session that was asked for as `id`, or any for none, and the plugin's faults in it.
pub(super) fn one_session(given: Session, id: Option<&str>, possible: Verbs) -> Result<(Session, Vec<String>), Error> {
    if let Some(id) = id.filter(|id| *id != given.id) {
        return Err(Error::Failed(format!(
            "the plugin was asked for session `{}` and answered with `{}`",
            named(id),
            named(&given.id)
        )));
    }
    session(given, possible).map_err(|fault| Error::Failed(format!("the plugin {fault}")))
}

/// One session, and the faults that it stays in spite of. An error says why its id cannot be used.
fn session(mut given: Session, possible: Verbs) -> Result<(Session, Vec<String>), String> {
    check_id("session", &given.id)?;
    let mut faults = Vec::new();
    let mut cut = Cut::default();
    cut.line("name", &mut given.name, LINE);
    cut.line("agent", &mut given.agent, LINE);
    cut.optional("directory", &mut given.directory, PATH);
    cut.optional("project", &mut given.project, LINE);
    cut.optional("summary", &mut given.summary, LINE);
    cut.text("task", &mut given.task);
    cut.text("last-output", &mut given.last_output);
    if given.url.as_ref().is_some_and(|url| url.len() > ADDRESS) {
        given.url = None;
        cut.0.push("url");
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
        let mut text = Some(std::mem::take(&mut message.text));
        cut.text("queue", &mut text);
        message.text = text.unwrap_or_default();
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
    if !cut.0.is_empty() {
        faults.push(format!("gives what is too long, and is cut: {}", cut.0.join(", ")));
    }
    let id = &given.id;
    let faults = faults
        .into_iter()
        .map(|fault| format!("session `{id}`: its plugin {fault}"));
    let faults = faults.collect();
    Ok((given, faults))
}

/// The prompts that can be answered, and a state that goes with them: `waiting` with prompts, and only then.
fn prompts(given: &mut Session, cut: &mut Cut, faults: &mut Vec<String>) {
    let asked = std::mem::take(&mut given.prompts);
    let ids: Vec<String> = asked.iter().map(|prompt| prompt.id.clone()).collect();
    let (was_asking, mut hidden) = (!asked.is_empty(), None);
    if asked.len() > CHOICES {
        cut.0.push("prompts");
    }
    for one in asked.into_iter().take(CHOICES) {
        let times = ids.iter().filter(|id| **id == one.id).count();
        let checked = match times {
            1 => prompt(one),
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

/// A prompt of which too much is cut: then it can only be declined. An error says what makes it impossible to answer.
fn prompt(mut given: Prompt) -> Result<Prompt, String> {
    check_id("prompt", &given.id)?;
    if let Some(group) = &given.group {
        check_id("group", group)?;
    }
    let mut cut = Cut::default();
    let mut question = Some(std::mem::take(&mut given.question));
    cut.text("question", &mut question);
    given.question = question.unwrap_or_default();
    cut.text("detail", &mut given.detail);
    cut.list("choices", &mut given.choices, CHOICES);
    cut.facts(&mut given.facts);
    for time in [&mut given.asked_at, &mut given.expires_at] {
        *time = time.filter(|time| *time < LATEST);
    }
    if given.text_schema.as_ref().is_some_and(|schema| schema.len() > TEXT) {
        return Err("gives a prompt a schema that is too long".into());
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
        cut.text("description", &mut choice.description);
    }
    given.cut |= !cut.0.is_empty();
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

/// Projects that a session can start in.
pub(super) fn projects(mut given: Vec<Project>) -> Listed<Project> {
    let mut listed = Listed::first(&mut given, LIST, "projects");
    let mut bytes = 0;
    for mut project in given {
        let mut cut = Cut::default();
        let directory = project.directory.clone();
        cut.line("name", &mut project.name, LINE);
        cut.line("directory", &mut project.directory, PATH);
        cut.optional("branch", &mut project.branch, LINE);
        cut.list("agents", &mut project.agents, CHOICES);
        project
            .agents
            .iter_mut()
            .for_each(|agent| cut.line("agents", agent, LINE));
        cut.facts(&mut project.facts);
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
        if bytes > BYTES {
            listed.fault(format!(
                "its plugin lists more than {BYTES} bytes; the rest is left out"
            ));
            break;
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
    let mut cut = Cut::default();
    cut.list("turns", &mut page.turns, LIST);
    page.more |= !cut.0.is_empty();
    for turn in &mut page.turns {
        check_id("turn", &turn.id).map_err(|fault| Error::Failed(format!("its plugin {fault}")))?;
        let mut text = Some(std::mem::take(&mut turn.text));
        cut.text("text", &mut text);
        turn.text = text.unwrap_or_default();
        cut.optional("tool", &mut turn.tool, LINE);
        cut.facts(&mut turn.facts);
    }
    Ok(page)
}

/// A page of changes; a cursor that cannot be given again is none, and the page then says that it is cut.
pub(super) fn changes(mut page: ChangePage) -> Result<ChangePage, Error> {
    if page.text.len() > PAGE {
        return Err(Error::Failed(format!(
            "its plugin answered with {} bytes of changes, and {PAGE} are taken",
            page.text.len()
        )));
    }
    let mut cut = Cut::default();
    cut.list("files", &mut page.files, LIST);
    page.files
        .iter_mut()
        .for_each(|file| cut.line("path", &mut file.path, PATH));
    cut.optional("base", &mut page.base, LINE);
    cut.optional("head", &mut page.head, LINE);
    if page.next.as_ref().is_some_and(|next| !is_cursor(next)) {
        page.next = None;
        cut.0.push("next");
    }
    page.cut |= !cut.0.is_empty();
    Ok(page)
}

/// The options of a session.
pub(super) fn options(mut given: Vec<OptionState>) -> Vec<OptionState> {
    let mut cut = Cut::default();
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

/// Whether `name` is one, and not among the `known` ones, to which it is then added.
fn is_new(known: &mut Vec<String>, name: &str) -> bool {
    let is_new = !name.is_empty() && !known.iter().any(|known| known == name);
    if is_new {
        known.push(name.to_owned());
    }
    is_new
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
    if given.content.len() > LIST {
        return Err(Error::Failed(format!(
            "its plugin answered in {} parts, and {LIST} are taken",
            given.content.len()
        )));
    }
    if let Some(id) = &given.session {
        check_id("session", id).map_err(|fault| Error::Failed(format!("its plugin {fault}")))?;
    }
    let media = |content: &Content| match content {
        Content::Media { bytes, .. } => bytes.len(),
        Content::Text(_) | Content::Link { .. } => 0,
    };
    let media: usize = given.content.iter().map(media).sum();
    let structured = given.structured.as_ref().map_or(0, String::len);
    for (bytes, most, what) in [
        (structured, STRUCTURED, "data"),
        (media, MEDIA, "pictures and other files"),
    ] {
        if bytes > most {
            return Err(Error::Failed(format!(
                "its plugin answered with {bytes} bytes of {what}, and {most} are taken: ask for less at once"
            )));
        }
    }
    Ok(given)
}

/// What a plugin says of itself, which has what `exports` says: it promises nothing that it does not have.
pub(super) fn description(mut given: Description, exports: impl Fn(Interface) -> bool) -> Result<Description, Error> {
    if given.tools.len() > TOOLS {
        return Err(Error::Failed(format!(
            "the plugin describes {} tools, and {TOOLS} are taken",
            given.tools.len()
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
    let mut cut = Cut::default();
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
        .retain(|view| text::one_line(view) == *view && is_new(&mut views, view));
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

/// The names of what was cut.
#[derive(Default)]
struct Cut(Vec<&'static str>);

impl Cut {
    /// Makes one line of `field`, of at most `most` characters.
    fn line(&mut self, name: &'static str, field: &mut String, most: usize) {
        let line = text::one_line(field);
        *field = text::shortened(&line, most).into_owned();
        self.note(name, *field != line);
    }

    fn optional(&mut self, name: &'static str, field: &mut Option<String>, most: usize) {
        if let Some(field) = field {
            self.line(name, field, most);
        }
    }

    /// Cleans a text of several lines and bounds it.
    fn text(&mut self, name: &'static str, field: &mut Option<String>) {
        let Some(text) = field else { return };
        *text = text::clean(text);
        let end = text.floor_char_boundary(TEXT);
        self.note(name, end < text.len());
        if end < text.len() {
            text.truncate(end);
            text.push('…');
        }
    }

    /// A time that nobody can tell is none.
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
        if is_cut && !self.0.contains(&name) {
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

/// Bytes of all texts of a session.
fn size(session: &Session) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let pairs = |facts: &[(String, String)]| facts.iter().map(|(name, fact)| name.len() + fact.len()).sum::<usize>();
    let choice = |choice: &Choice| choice.key.len() + choice.label.len() + optional(&choice.description);
    let prompt = |prompt: &Prompt| {
        let choices = prompt.choices.iter().map(choice).sum::<usize>();
        let texts = [&prompt.detail, &prompt.text_schema, &prompt.group].map(optional);
        prompt.id.len() + prompt.question.len() + texts.iter().sum::<usize>() + choices + pairs(&prompt.facts)
    };
    let attention = session.attention.as_ref();
    let queued = session
        .queue
        .iter()
        .map(|message| message.id.len() + message.text.len());
    let texts = [
        &session.directory,
        &session.project,
        &session.parent,
        &session.summary,
        &session.task,
        &session.last_output,
        &session.url,
    ];
    session.id.len()
        + session.name.len()
        + session.agent.len()
        + texts.map(optional).iter().sum::<usize>()
        + attention.map_or(0, |attention| attention.kind.len() + attention.reason.len())
        + queued.sum::<usize>()
        + session.prompts.iter().map(prompt).sum::<usize>()
        + pairs(&session.facts)
}

#[cfg(test)]
mod tests;
