//! `search` and `fetch`, in the shapes that ChatGPT expects to the letter: one text item, which is the JSON itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::members::Reach;
use super::{Caller, Generation, Member, ToolAnswer, ToolError, find, transcript, words};
use crate::catalog::answers::{BackendError, Session};
use crate::catalog::arguments::{Fetch, Search};
use crate::session::{self, Error, LogQuery};
use crate::store::audit::Outcome;
use crate::text::marked;

/// Results of one search.
const RESULTS: usize = 50;
/// Lines of output of one fetch.
const LINES: u32 = 400;
/// Bytes and different words of one query: each word is looked for in all that is searched.
const QUERY: usize = 1 << 10;
const WORDS: usize = 32;
/// Turns of a conversation.
const TURNS: u32 = 50;
/// Sessions whose output one search reads, the newest of them, and how many lines of each.
const SEARCHED: usize = 50;
const SEARCHED_LINES: u32 = 200;
/// How many of them at once, so that a search leaves room for other calls, and how long each may take.
const AT_ONCE: usize = 4;
const READING: Duration = Duration::from_secs(5);
/// What a word counts in what is said of a session, where one in its output counts 1.
const ABOUT: usize = 4;

#[derive(Serialize)]
struct Found {
    results: Vec<Hit>,
    /// Beyond that shape, and only where not every backend could be searched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BackendError>,
}

#[derive(Serialize)]
struct Hit {
    id: String,
    title: String,
    url: String,
}

#[derive(Serialize)]
struct Fetched {
    id: String,
    title: String,
    text: String,
    url: String,
    metadata: BTreeMap<&'static str, String>,
}

pub(super) async fn search(generation: &Generation, caller: &Caller, wanted: Search) -> Result<ToolAnswer, ToolError> {
    let reach = generation.reach(caller);
    let (mut sessions, mut errors) = find::recent_sessions(reach, None).await?;
    sessions.sort_by_key(|(_, session)| Reverse(session.active_at.max(session.created_at)));
    let words = words_of(&wanted.query)?;
    let outputs = match words.is_empty() {
        true => Vec::new(),
        false => outputs(reach, &sessions, &mut errors).await,
    };
    let sessions: Vec<Session> = sessions
        .into_iter()
        .map(|(backend, session)| generation.lasting.showing.session(&backend, session))
        .collect();
    // It may be much text.
    let found = tokio::task::spawn_blocking(move || best_first(sessions, outputs, &words)).await;
    let found = found.map_err(|fault| ToolError::new(fault.to_string()))?;
    let results: Vec<Hit> = found
        .into_iter()
        .take(RESULTS)
        .map(|session| Hit {
            title: title(&session),
            url: generation.lasting.showing.address(&session),
            id: session.session_id,
        })
        .collect();
    if results.is_empty() && !errors.is_empty() {
        let errors = words::lines(&errors);
        return Err(ToolError::new(format!(
            "{errors}Nothing was found in what could be searched."
        )));
    }
    as_json(&Found { results, errors })
}

/// What the first of `sessions` printed or said last, in their order. What could not be read is told in `errors`, unless
/// there is nothing to read.
async fn outputs(
    reach: Reach<'_>,
    sessions: &[(String, session::Session)],
    errors: &mut Vec<BackendError>,
) -> Vec<String> {
    let places = Semaphore::new(AT_ONCE);
    let read = sessions.iter().take(SEARCHED).map(async |(backend, session)| {
        let _place = places.acquire().await;
        let member = reach.member(Some(backend)).await?;
        match timeout(READING, output(&member, &session.id, SEARCHED_LINES)).await {
            Ok(output) => output,
            Err(_) => Err(ToolError::new(format!("no answer within {} s", READING.as_secs()))),
        }
    });
    let read: Vec<Result<String, ToolError>> = join_all(read).await;
    let mut unread = |backend: &str, error: String| {
        errors.push(BackendError {
            backend: backend.to_owned(),
            error,
            in_part: true,
        });
    };
    if let Some((backend, _)) = sessions.get(SEARCHED) {
        unread(
            backend,
            format!("only the output of the {SEARCHED} newest sessions was searched"),
        );
    }
    let texts = read.into_iter().zip(sessions).map(|(read, (backend, session))| {
        read.unwrap_or_else(|error| {
            unread(
                backend,
                format!("the output of {backend}/{} was not searched: {error}", session.id),
            );
            String::new()
        })
    });
    texts.collect()
}

/// The last `lines` of a session: of its conversation, otherwise of its log; nothing where it has none.
async fn output(member: &Member, id: &str, lines: u32) -> Result<String, ToolError> {
    let backend = &member.watched.backend;
    if transcript::is_kept(member)
        && let Ok(turns) = transcript::last(member, id, TURNS).await
    {
        return Ok(turns);
    }
    let query = LogQuery {
        view: None,
        lines,
        after: None,
    };
    match backend.read_log(id, &query).await {
        Ok(page) => Ok(words::of_log(page.text, true).await),
        Err(Error::Unsupported | Error::NotFound(_)) => Ok(String::new()),
        Err(error) => Err(ToolError::of(member.name(), error)),
    }
}

/// The words that are looked for: those of less than three characters only where there are no others.
///
/// # Errors
/// There are too many.
fn words_of(query: &str) -> Result<Vec<String>, ToolError> {
    if query.len() > QUERY {
        return Err(too_long());
    }
    let all: BTreeSet<String> = query
        .split(|c: char| !(c.is_alphanumeric() || "-_./@".contains(c)))
        .map(|word| word.trim_matches(['.', '/', '-']).to_lowercase())
        .filter(|word| !word.is_empty())
        .collect();
    let long: Vec<String> = all.iter().filter(|word| word.chars().count() >= 3).cloned().collect();
    let words = match long.is_empty() {
        true => all.into_iter().collect(),
        false => long,
    };
    if words.len() > WORDS {
        return Err(too_long());
    }
    Ok(words)
}

fn too_long() -> ToolError {
    ToolError::refused(format!(
        "query may have at most {WORDS} different words and {QUERY} bytes: leave out what says little"
    ))
}

/// Those of `sessions` that have one of `words`, the best first, and of equal ones the newest; all, if there are no words.
/// The first of them have `outputs`.
fn best_first(sessions: Vec<Session>, outputs: Vec<String>, words: &[String]) -> Vec<Session> {
    let mut found: Vec<(usize, Session)> = sessions
        .into_iter()
        .zip(outputs.into_iter().chain(iter::repeat_with(String::new)))
        .map(|(session, output)| (score(&session, &output, words), session))
        .filter(|(score, _)| words.is_empty() || *score > 0)
        .collect();
    found.sort_by_key(|(score, _)| Reverse(*score));
    found.into_iter().map(|(_, session)| session).collect()
}

/// How well a session fits: what is said of it counts more than what it printed.
fn score(session: &Session, output: &str, words: &[String]) -> usize {
    let (about, output) = (about(session), output.to_lowercase());
    let of_word = |word: &String| match (about.contains(word), output.contains(word)) {
        (true, _) => ABOUT,
        (false, true) => 1,
        (false, false) => 0,
    };
    words.iter().map(of_word).sum()
}

pub(super) async fn fetch(generation: &Generation, caller: &Caller, wanted: Fetch) -> Result<ToolAnswer, ToolError> {
    let (member, id) = find::any_id(generation.reach(caller), &wanted.id).await?;
    let session = generation
        .lasting
        .showing
        .session(member.name(), member.session(&id).await?);
    let log = output(&member, &id, LINES).await?;
    as_json(&Fetched {
        title: title(&session),
        text: format!("{}\n\n{}", session.text(), marked(&log, "| ")),
        url: generation.lasting.showing.address(&session),
        metadata: metadata(&session),
        id: session.session_id,
    })
}

fn metadata(session: &Session) -> BTreeMap<&'static str, String> {
    let mut metadata = BTreeMap::from([
        ("backend", session.backend.clone()),
        ("agent", session.agent.clone()),
        ("state", session.state.name().to_owned()),
        ("directory", session.directory.clone().unwrap_or_default()),
    ]);
    let further = [
        ("project", session.project.as_ref()),
        ("branch", session.facts.get("branch")),
        ("host", session.facts.get("host")),
        ("conversation", session.facts.get("conversation")),
        ("active", session.active_ago.as_ref()),
    ];
    metadata.extend(
        further
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?.clone()))),
    );
    metadata
}

fn title(session: &Session) -> String {
    format!("{} ({}, {})", session.name, session.agent, session.state.name())
}

/// All that is said of a session, in small letters.
fn about(session: &Session) -> String {
    let questions = session.prompts.iter().map(|prompt| prompt.question.as_str());
    let facts = session.facts.values().map(String::as_str);
    let known = [
        &session.directory,
        &session.project,
        &session.summary,
        &session.task,
        &session.last_output,
    ];
    [
        &*session.session_id,
        &session.name,
        &session.agent,
        session.state.name(),
    ]
    .into_iter()
    .chain(known.into_iter().flatten().map(String::as_str))
    .chain(session.attention.iter().map(|attention| attention.reason.as_str()))
    .chain(questions)
    .chain(facts)
    .collect::<Vec<_>>()
    .join("\n")
    .to_lowercase()
}

fn as_json(record: &impl Serialize) -> Result<ToolAnswer, ToolError> {
    let structured = serde_json::to_value(record).map_err(|error| ToolError::new(error.to_string()))?;
    Ok(ToolAnswer {
        text: None,
        structured: Some(structured),
        further: Vec::new(),
        outcome: Outcome::Done,
        goes_on: None,
    })
}
