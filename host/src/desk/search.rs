//! `search` and `fetch`, in the shapes that ChatGPT expects to the letter: one text item, which is the JSON itself.

use serde::Serialize;

use super::{Answer, Caller, Generation, ToolError, find, words};
use crate::catalog::answers::{BackendError, Session};
use crate::catalog::arguments::{Fetch, Search};
use crate::session::{Error, LogQuery};
use crate::store::audit::Outcome;
use crate::text::marked;

/// Results of one search.
const RESULTS: usize = 50;
/// Lines of output of one fetch.
const LINES: u32 = 400;

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
    metadata: std::collections::BTreeMap<&'static str, String>,
}

pub(super) async fn search(generation: &Generation, caller: &Caller, wanted: Search) -> Result<Answer, ToolError> {
    let (sessions, errors) = find::all_sessions(generation.reach(caller), None, &[]).await?;
    let words: Vec<String> = wanted.query.split_whitespace().map(str::to_lowercase).collect();
    let results: Vec<Hit> = sessions
        .into_iter()
        .map(|(backend, session)| generation.lasting.showing.session(&backend, session))
        .filter(|session| holds_all(session, &words))
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

pub(super) async fn fetch(generation: &Generation, caller: &Caller, wanted: Fetch) -> Result<Answer, ToolError> {
    let (member, id) = find::any_id(generation.reach(caller), &wanted.id).await?;
    let backend = &member.watched.backend;
    let session = generation
        .lasting
        .showing
        .session(member.name(), member.session(&id).await?);
    let query = LogQuery {
        view: None,
        lines: LINES,
        after: None,
    };
    let log = match backend.read_log(&id, &query).await {
        Ok(page) => words::of_log(page.text, true).await,
        Err(Error::Unsupported) => String::new(),
        Err(error) => return Err(ToolError::of(member.name(), error)),
    };
    as_json(&Fetched {
        title: title(&session),
        text: format!("{}\n\n{}", session.text(), marked(&log, "| ")),
        url: generation.lasting.showing.address(&session),
        metadata: [
            ("backend", session.backend.clone()),
            ("agent", session.agent.clone()),
            ("state", session.state.name().to_owned()),
            ("directory", session.directory.clone().unwrap_or_default()),
        ]
        .into(),
        id: session.session_id,
    })
}

fn title(session: &Session) -> String {
    format!("{} ({}, {})", session.name, session.agent, session.state.name())
}

fn holds_all(session: &Session, words: &[String]) -> bool {
    let questions = session.prompts.iter().map(|prompt| prompt.question.as_str());
    let text = [
        &*session.session_id,
        &session.name,
        &session.agent,
        session.state.name(),
    ]
    .into_iter()
    .chain(
        [&session.directory, &session.project, &session.summary, &session.task]
            .into_iter()
            .flatten()
            .map(String::as_str),
    )
    .chain(questions)
    .collect::<Vec<_>>()
    .join("\n")
    .to_lowercase();
    words.iter().all(|word| text.contains(word))
}

fn as_json(record: &impl Serialize) -> Result<Answer, ToolError> {
    let structured = serde_json::to_value(record).map_err(|error| ToolError::new(error.to_string()))?;
    Ok(Answer {
        text: None,
        structured: Some(structured),
        further: Vec::new(),
        outcome: Outcome::Done,
    })
}
