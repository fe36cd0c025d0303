//! The page with all sessions, those that wait for a person first.

use askama::Template;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::json;

use super::shown::{Listed, NotKnown, Session};
use super::{Sessions, ask_to_log_in, base, owner};
use crate::http::host_origin::Base;
use crate::http::owner::pages::{self, STYLE};
use crate::http::parameters::Parameters;
use crate::page;
use crate::text::short_line;

/// Sessions on one page.
const SHOWN: u32 = 200;
/// Characters of the last line of a session's output.
const LINE: usize = 160;

#[derive(Template)]
#[template(path = "sessions.html")]
struct ListPage<'a> {
    host: &'a str,
    errors: &'a [NotKnown],
    rows: Vec<Row<'a>>,
    /// Where the next page begins.
    next: Option<String>,
}

/// One session.
struct Row<'a> {
    session: &'a Session,
    path: String,
    age: Option<String>,
    last: Option<String>,
}

/// Shows it to the owner, who logs in first.
pub(super) async fn show(sessions: &Sessions, parts: &Parts) -> Response {
    let base = base(parts);
    let Some((owner, place)) = owner(parts) else {
        return ask_to_log_in(sessions, parts, &base).await;
    };
    let query = Parameters::parse(parts.uri.query().unwrap_or_default());
    let after = query.ok().and_then(|query| query.get("after").map(str::to_owned));
    let wanted = json!({"limit": SHOWN, "after": after});
    match sessions
        .tools
        .call(&owner.principal, place, "list_sessions", wanted)
        .await
    {
        Ok(listed) => page(&base, listed),
        Err(why) => pages::trouble(&base, StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

fn page(base: &Base, mut listed: Listed) -> Response {
    // A stable sort: within both kinds the order stays.
    listed.sessions.sort_by_key(|session| !session.waits());
    let next = listed.next.map(|next| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("after", &next)
            .finish();
        format!("/?{query}")
    });
    let page = ListPage {
        host: pages::host(base),
        errors: &listed.errors,
        rows: listed.sessions.iter().map(Row::of).collect(),
        next,
    };
    pages::refreshed(pages::page(StatusCode::OK, &page, None))
}

impl<'a> Row<'a> {
    fn of(session: &'a Session) -> Self {
        Self {
            path: page::path(&session.session_id),
            age: session.age(),
            last: last_line(session),
            session,
        }
    }
}

/// What there is to say of a session in one line: what it asks, why a person should look, or what it printed last.
fn last_line(session: &Session) -> Option<String> {
    let asked = session.prompts.first().map(|prompt| prompt.question.as_str());
    let reason = session.attention.as_ref().map(|attention| attention.reason.as_str());
    let said = session
        .last_output
        .as_deref()
        .and_then(|said| said.lines().rev().find(|line| !line.trim().is_empty()));
    let line = asked.or(reason).or(said).or(session.summary.as_deref())?;
    Some(short_line(line, LINE)).filter(|line| !line.is_empty())
}
