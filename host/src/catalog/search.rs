//! `search` and `fetch`, in the shapes that ChatGPT expects to the letter: one text item, which is the JSON itself.

use serde::Serialize;

use super::answers::{self, BackendError};
use super::arguments::{Fetch, Search};
use super::{Answer, Caller, Catalog, ToolError};
use crate::contract::{self, LogQuery, View};
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

impl Catalog {
    pub(crate) async fn search(&self, caller: &Caller, wanted: Search) -> Result<Answer, ToolError> {
        let (sessions, errors) = self.all_sessions(caller, None).await?;
        let words: Vec<String> = wanted.query.split_whitespace().map(str::to_lowercase).collect();
        let results: Vec<Hit> = sessions
            .into_iter()
            .map(|(backend, session)| answers::session(&backend, session, &self.url_hosts))
            .filter(|session| holds_all(session, &words))
            .take(RESULTS)
            .map(|session| Hit {
                title: title(&session),
                url: self.address(&session),
                id: session.session_id,
            })
            .collect();
        if results.is_empty() && !errors.is_empty() {
            let errors = answers::lines(&errors);
            return Err(ToolError::new(format!(
                "{errors}Nothing was found in what could be searched."
            )));
        }
        as_json(&Found { results, errors })
    }

    pub(crate) async fn fetch(&self, caller: &Caller, wanted: Fetch) -> Result<Answer, ToolError> {
        let (member, id) = self.any_id(caller, &wanted.id).await?;
        let backend = &member.watched.backend;
        let session = answers::session(member.name(), self.session(member, &id).await?, &self.url_hosts);
        let query = LogQuery {
            view: View::Scrollback,
            lines: LINES,
            after: None,
        };
        let log = match backend.read_log(&id, &query).await {
            Ok(page) => answers::bounded(answers::for_phone(&page.text)),
            Err(contract::Error::Unsupported) => String::new(),
            Err(error) => return Err(ToolError::of(member.name(), error)),
        };
        as_json(&Fetched {
            title: title(&session),
            text: format!("{}\n\n{}", session.text(), marked(&log, "| ")),
            url: self.address(&session),
            metadata: [
                ("backend", session.backend.clone()),
                ("agent", session.agent.clone()),
                ("state", session.state.to_owned()),
                ("directory", session.directory.clone()),
            ]
            .into(),
            id: session.session_id,
        })
    }

    /// Where a person can open the session: its own address, else its place on this server.
    fn address(&self, session: &answers::Session) -> String {
        match &session.url {
            Some(url) => url.clone(),
            None => format!("{}/sessions/{}", self.base_url, session.session_id),
        }
    }
}

fn title(session: &answers::Session) -> String {
    format!("{} ({}, {})", session.name, session.agent, session.state)
}

fn holds_all(session: &answers::Session, words: &[String]) -> bool {
    let question = session.prompt.as_ref().map(|prompt| prompt.question.as_str());
    let text = [
        &*session.session_id,
        &session.name,
        &session.agent,
        &session.directory,
        session.state,
    ]
    .into_iter()
    .chain(session.summary.as_deref())
    .chain(question)
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
        outcome: Outcome::Done,
    })
}
