//! The words of each answer, for a small screen: they say the same as its data.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};

use super::receipt::Kind;
use crate::catalog::answers::{
    Acted, Attention, BackendError, Changes, Ended, Logs, Options, Projects, Prompt, Prompts, Session, Sessions,
};
use crate::session::{Effect, PromptKind, State};
use crate::text::{clean_marked, ending, marked, short_line};

/// Bytes of a log that are made fit for an answer at once; more is work for a thread that nobody waits for.
const AT_ONCE: usize = 64 << 10;
/// Characters of what stands in a line of a session, and of what it was asked to do.
const PARAGRAPH: usize = 160;
const TASK: usize = 80;
/// Characters of a session's name there.
const NAME: usize = 60;
/// Sessions that an overview names.
const NAMED: usize = 5;

impl Sessions {
    pub(crate) fn text(&self) -> String {
        let mut text = lines(&self.errors);
        // Of a list that lacks some, nobody can tell how all are.
        if self.errors.is_empty() && self.next.is_none() {
            text.push_str(&overview(&self.sessions));
        }
        for session in &self.sessions {
            let _ = writeln!(text, "{}", session.text());
        }
        if self.sessions.is_empty() {
            text.push_str(&none("No sessions.", "there are sessions", &self.errors));
        }
        if let Some(next) = &self.next {
            let _ = writeln!(text, "There are more; list_sessions with after = {next:?} continues.");
        }
        text
    }
}

/// How several sessions are on the whole, in one line; of those that wait for a person it has the names.
fn overview(sessions: &[Session]) -> String {
    if sessions.len() < 2 {
        return String::new();
    }
    let group = |(one, several): (&str, &str), is_one: &dyn Fn(&Session) -> bool, named: bool| {
        let those: Vec<&Session> = sessions.iter().filter(|session| is_one(session)).collect();
        let names = those.iter().take(NAMED).map(|session| session.title());
        let mut names: Vec<String> = names.collect();
        names.extend((those.len() > NAMED).then(|| "…".to_owned()));
        let names = if named {
            format!(" ({})", names.join(", "))
        } else {
            String::new()
        };
        let what = if those.len() == 1 { one } else { several };
        (!those.is_empty()).then(|| format!("{} {what}{names}", those.len()))
    };
    let waits = |session: &Session| session.state == State::Waiting;
    let works = |session: &Session| matches!(session.state, State::Busy | State::Starting | State::Queued);
    let rests = |session: &Session| session.state == State::Idle;
    let ended = |session: &Session| session.state.is_end();
    let otherwise = |session: &Session| !waits(session) && !works(session) && !rests(session) && !ended(session);
    let needs_a_look = |session: &Session| !waits(session) && session.attention.is_some();
    let works = |session: &Session| works(session) && !needs_a_look(session);
    let rests = |session: &Session| rests(session) && !needs_a_look(session);
    let groups = [
        group(("waits for an answer", "wait for an answer"), &waits, true),
        group(("needs a look", "need a look"), &needs_a_look, true),
        group(("is at work", "are at work"), &works, false),
        group(("is idle", "are idle"), &rests, false),
        group(("has ended", "have ended"), &ended, false),
        group(("is in another state", "are in another state"), &otherwise, true),
    ];
    let groups: Vec<String> = groups.into_iter().flatten().collect();
    format!("{} sessions: {}.\n", sessions.len(), groups.join(", "))
}

impl Session {
    /// What a person calls it.
    fn title(&self) -> String {
        match self.name.is_empty() {
            true => self.session_id.clone(),
            false => short_line(&self.name, NAME),
        }
    }

    /// A few short lines.
    pub(crate) fn text(&self) -> String {
        // Which one was started is not always known.
        if self.session_id.is_empty() {
            return String::new();
        }
        let mut text = self.session_id.clone();
        // An id of its own says the name.
        if !self.name.is_empty() && !self.session_id.ends_with(&self.name) {
            let _ = write!(text, " “{}”", short_line(&self.name, NAME));
        }
        let _ = write!(text, " — {}", self.state.name());
        let ago = self.since_ago.as_ref().or(self.active_ago.as_ref()).map(String::as_str);
        for more in [self.agent.as_str(), ago.unwrap_or_default()] {
            if !more.is_empty() {
                let _ = write!(text, " · {more}");
            }
        }
        let task = self
            .task
            .as_ref()
            .map(|task| format!("task: {}", short_line(task, TASK)));
        let said = self.last_output.as_ref();
        let said = said.map(|said| format!("said: {}", short_line(said, PARAGRAPH)));
        // A prompt says all that its summary would.
        let summary = self.summary.clone().filter(|_| self.prompts.is_empty());
        let state = self.attention.as_ref().map(Attention::text).or(summary);
        for line in [[self.place(), task], [state, said]] {
            let line: Vec<String> = line.into_iter().flatten().collect();
            if !line.is_empty() {
                let _ = write!(text, "\n  {}", line.join(" · "));
            }
        }
        for message in &self.queue {
            let (id, ago) = (&message.message_id, &message.ago);
            let said = short_line(&message.text, PARAGRAPH);
            let waits = message.waits.as_deref().unwrap_or("waits to be sent");
            let _ = write!(
                text,
                "
  message “{said}” {waits} (message_id {id}, {ago})"
            );
        }
        if let Some(url) = &self.url {
            let _ = write!(text, "\n  {url}");
        }
        for prompt in &self.prompts {
            text.push('\n');
            text.push_str(&prompt.text());
        }
        text
    }

    /// The project and its branch, otherwise the directory; with the host, where its backend has several.
    fn place(&self) -> Option<String> {
        let place = self.project.as_ref().or(self.directory.as_ref())?;
        let mut told = place.clone();
        if let Some(branch) = self.facts.get("branch") {
            let _ = write!(told, " on {branch}");
        }
        if let Some(host) = self.facts.get("host") {
            let _ = write!(told, ", host {host}");
        }
        Some(told)
    }
}

impl Prompts {
    pub(crate) fn text(&self) -> String {
        let mut text = lines(&self.errors);
        for prompt in &self.prompts {
            let _ = writeln!(text, "{}\n{}", self.head(&prompt.session_id), prompt.text());
        }
        if self.prompts.is_empty() {
            let nothing = "Nothing waits for an answer.";
            text.push_str(&none(nothing, "anything waits for an answer", &self.errors));
        }
        for session in &self.attention {
            let _ = write!(
                text,
                "\n{}\n  {}",
                self.head(&session.session_id),
                session.attention.text()
            );
        }
        text
    }

    /// A session as its prompts are told: by its id, and its name where that says more.
    fn head(&self, session_id: &str) -> String {
        let name = self
            .names
            .get(session_id)
            .filter(|name| !name.is_empty() && !session_id.ends_with(name.as_str()));
        let name = name
            .map(|name| format!(" “{}”", short_line(name, NAME)))
            .unwrap_or_default();
        format!("{session_id}{name}")
    }
}

impl Attention {
    fn text(&self) -> String {
        format!("look at it ({}): {}", self.kind, self.reason)
    }
}

impl Prompt {
    /// The question and how to answer it.
    pub(crate) fn text(&self) -> String {
        let ago = self
            .asked_ago
            .as_ref()
            .map(|ago| format!(", {ago}"))
            .unwrap_or_default();
        let mut text = format!("  asks ({}, prompt_id {}{ago}):", kind(self.kind), self.prompt_id);
        for foreign in [Some(&self.question), self.detail.as_ref()].into_iter().flatten() {
            if !foreign.is_empty() {
                let _ = write!(text, "\n{}", clean_marked(foreign, "    | "));
            }
        }
        for choice in &self.choices {
            let ticked = if choice.ticked { " (ticked)" } else { "" };
            let widens = match choice.effect {
                Effect::Widens => " (allows more than this one request)",
                _ => "",
            };
            let _ = write!(text, "\n    {} — {}{ticked}{widens}", choice.key, choice.label);
            if let Some(description) = &choice.description {
                let _ = write!(text, "\n{}", clean_marked(description, "      | "));
            }
        }
        if self.accepts_text {
            text.push_str(match self.kind {
                PromptKind::Permission => "\n    or a refusal as text, which says what to do instead",
                _ => "\n    or an answer as text",
            });
        }
        if let Some(until) = &self.expires_at {
            let _ = write!(text, "\n    Unanswered it is declined at {until}.");
        }
        if self.multiple {
            text.push_str("\n    Several may be taken: name all that you want to tick.");
        }
        if self.cut {
            text.push_str("\n    Part of it is not shown here: it can only be declined.");
        }
        if self.on_terminal_only {
            text.push_str("\n    It can only be accepted on the operator's terminal.");
        }
        if let Some(group) = &self.group {
            let needed = if self.required { "" } else { ", and may be left out" };
            let _ = write!(
                text,
                "\n    It is answered together with the others of group {group}{needed}."
            );
        }
        if let Some(given) = &self.given {
            let said = given
                .choices
                .iter()
                .chain(&given.text)
                .map(|part| short_line(part, PARAGRAPH));
            let said: Vec<String> = said.chain(given.dismiss.then(|| "dismiss".into())).collect();
            let _ = write!(text, "\n    Your answer so far: {}", said.join(", "));
        }
        text
    }
}

pub(super) fn kind(kind: PromptKind) -> &'static str {
    match kind {
        PromptKind::Permission => "permission",
        PromptKind::Question => "question",
        PromptKind::Plan => "plan",
        PromptKind::Trust => "trust",
        PromptKind::Other => "other",
    }
}

impl Options {
    pub(crate) fn text(&self) -> String {
        let mut text = self.session_id.clone();
        if let Some(receipt) = self.receipt {
            let _ = write!(text, "\nOptions: {receipt}.");
        }
        if let Some(note) = &self.note {
            let _ = write!(text, "\n{note}");
        }
        for option in &self.options {
            let value = option.value.as_deref().unwrap_or("not known");
            let _ = write!(text, "\n  {} = {value} — {}", option.name, option.about);
            if !option.values.is_empty() {
                let _ = write!(text, " ({})", option.values.join(", "));
            }
        }
        if self.options.is_empty() {
            text.push_str("\n  No options are known.");
        }
        text
    }
}

impl Logs {
    pub(crate) fn text(&self) -> String {
        let gone = if self.gap { "[Earlier output is gone.]\n" } else { "" };
        let note = self.note.as_ref().map(|note| format!("[{note}]\n")).unwrap_or_default();
        format!("{note}{gone}{}", self.text)
    }
}

impl Changes {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for file in &self.files {
            let size = match file.binary {
                true => "not text".to_owned(),
                false => format!("+{} -{}", file.added, file.removed),
            };
            let _ = writeln!(text, "  {} ({size})", file.path);
        }
        if self.files.is_empty() {
            text.push_str("No changes.\n");
        }
        if self.cut {
            text.push_str("The diff of these files is longer than what is shown.\n");
        }
        if let Some(next) = &self.next {
            let _ = writeln!(
                text,
                "There are more files; get_changes with after = {next:?} continues."
            );
        }
        text.push_str(&marked(&self.text, "| "));
        text
    }
}

impl Ended {
    pub(crate) fn text(&self) -> String {
        let note = self.note.as_ref().map(|note| format!(" {note}")).unwrap_or_default();
        match self.ended {
            true => format!("{} has ended.{note}", self.session_id),
            false => format!("{} was told to end.{note}", self.session_id),
        }
    }
}

impl Acted {
    /// What a person reads; `kind` says what was done, where something was.
    pub(crate) fn text(&self, kind: Option<Kind>) -> String {
        let mut text = String::new();
        if let Some(line) = kind.zip(self.receipt).and_then(|(kind, receipt)| kind.line(receipt)) {
            let _ = writeln!(text, "{line}");
        }
        if let Some(note) = &self.note {
            let _ = writeln!(text, "{note}");
        }
        text.push_str(&self.session.text());
        if let Some(output) = self.text.as_deref().filter(|output| !output.trim().is_empty()) {
            let _ = write!(text, "\n\nOutput of the session:\n{}", marked(output, "| "));
        }
        text
    }
}

impl Projects {
    pub(crate) fn text(&self) -> String {
        let mut text = lines(&self.errors);
        for backend in &self.backends {
            let default = if backend.default { " (default)" } else { "" };
            let _ = writeln!(
                text,
                "Backend {}{default}: agents {}",
                backend.name,
                or_none(&backend.agents.join(", "))
            );
        }
        for project in &self.projects {
            let branch = project
                .branch
                .as_deref()
                .map(|branch| format!(" on {branch}"))
                .unwrap_or_default();
            let host = project
                .facts
                .get("host")
                .map(|host| format!(", host {host}"))
                .unwrap_or_default();
            let _ = writeln!(
                text,
                "{}: {}{branch}{host}\n  {}",
                project.backend, project.name, project.directory
            );
        }
        if self.projects.is_empty() {
            text.push_str(&none("No projects.", "there are projects", &self.errors));
        }
        text
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none installed" } else { text }
}

/// Each error as a line, before all that is known.
pub(crate) fn lines(errors: &[BackendError]) -> String {
    errors.iter().map(|error| format!("{error}\n")).collect()
}

impl Display for BackendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, error, .. } = self;
        match self.in_part {
            true => write!(formatter, "Backend {backend}: {error}"),
            false => write!(formatter, "Backend {backend} did not answer: {error}"),
        }
    }
}

/// What to say where nothing was found: `none`, unless some backends may have what is not known here.
fn none(none: &str, whether: &str, errors: &[BackendError]) -> String {
    let unknown: BTreeSet<&str> = errors.iter().map(|error| error.backend.as_str()).collect();
    match unknown.is_empty() {
        true => format!("{none}\n"),
        false => {
            let backends = Vec::from_iter(unknown).join(", ");
            format!("It is not known whether {whether} in {backends}.\n")
        }
    }
}

/// `text` for a small screen: no rules, no trailing blanks, no runs of empty lines.
fn for_phone(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut blank = true;
    for line in text.lines().map(str::trim_end) {
        let rule = !line.is_empty() && line.chars().all(|c| "─━═╌╍┄┈-=_ ".contains(c)) && line.chars().count() > 8;
        if rule || (line.is_empty() && blank) {
            continue;
        }
        blank = line.is_empty();
        folded.push_str(line);
        folded.push('\n');
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// What one answer shows of a log: its end, and `folded` for a small screen.
pub(crate) async fn of_log(text: String, folded: bool) -> String {
    let is_large = text.len() > AT_ONCE;
    let shown = move || ending(if folded { for_phone(&text) } else { text });
    match is_large {
        false => shown(),
        true => match tokio::task::spawn_blocking(shown).await {
            Ok(shown) => shown,
            Err(fault) => format!("[what it printed cannot be shown: {fault}]"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_log_is_shown_alike_whether_it_is_small_or_large() {
        for lines in [10, 10_000] {
            let log = format!("{}last  ", "line\n\n\n----------\n".repeat(lines));
            let shown = of_log(log.clone(), true).await;
            assert!(
                shown.ends_with("line\n\nline\n\nlast") && !shown.contains("---"),
                "{lines}"
            );
            assert!(of_log(log, false).await.ends_with("----------\nlast  "), "{lines}");
        }
    }

    fn named(name: &str, state: State) -> Session {
        let id = format!("local/{}", name.replace(' ', "-"));
        Session {
            name: name.to_owned(),
            state,
            ..Session::unseen("local", id)
        }
    }

    #[test]
    fn a_list_says_first_who_waits_and_how_the_others_are() {
        let sessions = [
            named("fix login", State::Waiting),
            named("checkout", State::Waiting),
            named("post", State::Busy),
            named("notes", State::Idle),
            named("api", State::Idle),
            named("lost", State::Unknown),
        ];
        assert_eq!(
            overview(&sessions),
            "6 sessions: 2 wait for an answer (fix login, checkout), 1 is at work, 2 are idle, 1 is in another state (lost).\n"
        );
        assert_eq!(overview(&sessions[..1]), "");
        let many = ["a"; 7].map(|name| named(name, State::Waiting));
        assert_eq!(
            overview(&many),
            "7 sessions: 7 wait for an answer (a, a, a, a, a, …).\n"
        );
    }
}
