//! `berth logs`: what a session printed, and what it prints and asks.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use berth::assemble::Setup;
use berth::mcp::Called;
use berth::session::State;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::asks::Asks;
use super::connection::Connection;
use super::named::{self, By};
use super::{answered, print};

/// The pause before a session that has just printed something is read again. Each one after silence is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Lines of a page that follows another, and turns of a transcript.
const PAGE: u32 = 1000;
/// The view that is turns, not lines.
const TRANSCRIPT: &str = "transcript";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id, or a name or beginning of one that only it has
    name: String,
    /// How many lines, or turns of a transcript
    #[arg(long, short = 'n', default_value_t = 50)]
    lines: u32,
    /// What to read, such as transcript or screen; the backend's usual view, if left out
    #[arg(long)]
    view: Option<String>,
    /// Go on with what it prints and asks, until it ends or Ctrl-C: the usual view, or transcript
    #[arg(long, short, conflicts_with = "json")]
    follow: bool,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    if options.follow {
        let can_follow = options.view.as_deref().is_none_or(|view| view == TRANSCRIPT);
        ensure!(
            can_follow,
            "only the usual view and transcript can be followed: leave --view out"
        );
        return follow(setup, &options, &shutdown).await;
    }
    let arguments = json!({
        "session_id": options.name, "lines": options.lines, "view": options.view, "mobile_format": false,
    });
    let read = async |connection: &Connection| connection.ask("get_logs", arguments).await;
    answered::show(&Connection::with(setup, &shutdown, read).await?, options.json)
}

/// Prints page after page until the session has ended.
async fn follow(setup: &Setup, options: &Options, shutdown: &CancellationToken) -> anyhow::Result<ExitCode> {
    let mut place = Place::default();
    let mut is_taken_over = false;
    loop {
        let connection = Connection::open_lasting(setup, is_taken_over, shutdown).await?;
        let followed = shutdown
            .run_until_cancelled(pages(&connection, options, &mut place))
            .await;
        is_taken_over = connection.was_taken_over();
        connection.close().await;
        match followed {
            // It goes on with whoever has taken over.
            Some(Err(_)) if is_taken_over => {}
            // Ctrl-C may come in the middle of a look.
            Some(Err(_)) if shutdown.is_cancelled() => return Ok(ExitCode::SUCCESS),
            Some(Err(error)) => return Err(error),
            Some(Ok(())) | None => return Ok(ExitCode::SUCCESS),
        }
    }
}

/// What is followed, and how far it was printed.
#[derive(Default)]
struct Place {
    id: Option<String>,
    after: Option<String>,
    /// What it asked when it was looked at last.
    asks: Asks,
}

/// Prints what comes after `place`, until the session has ended.
async fn pages(connection: &Connection, options: &Options, place: &mut Place) -> anyhow::Result<()> {
    let id = match &place.id {
        Some(id) => id.clone(),
        None => named::session_id(connection, &options.name, By::Beginning).await?,
    };
    place.id = Some(id.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        let lines = if place.after.is_some() { PAGE } else { options.lines };
        let page = read(connection, options, &id, lines, place.after.as_deref()).await?;
        if page.failed {
            if place.after.is_some() && is_gone(connection, &id).await? {
                print::note(&format!("{id} has ended"));
                return Ok(());
            }
            bail!("{}", page.text);
        }
        let answer = page.structured.unwrap_or_default();
        let printed = show(&answer);
        match answer["next"].as_str() {
            Some(next) => place.after = Some(next.to_owned()),
            // A conversation without turns has no place yet.
            None if !printed && options.view.is_some() => {}
            None => bail!("the log of {id} has no cursor, so it cannot be followed; read it again with berth logs"),
        }
        if answer["more"] == true {
            continue;
        }
        if let Some(session) = session(connection, &id).await? {
            place.asks.see(&session).iter().for_each(|line| print::note(line));
            let state: Option<State> = serde_json::from_value(session["state"].clone()).ok();
            if let Some(state) = state.filter(|state| !printed && state.is_end()) {
                print::note(&format!("{id} has ended: {}", state.name()));
                return Ok(());
            }
        }
        pause = if printed {
            FIRST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        tokio::time::sleep(pause).await;
    }
}

async fn read(
    connection: &Connection,
    options: &Options,
    id: &str,
    lines: u32,
    after: Option<&str>,
) -> anyhow::Result<Called> {
    let arguments = json!({
        "session_id": id, "lines": lines, "view": options.view, "after": after, "mobile_format": false,
    });
    connection.ask("get_logs", arguments).await
}

/// Prints a page; answers whether there was something to print.
fn show(page: &Value) -> bool {
    if page["gap"] == true {
        print::note("[What it printed in between is gone.]");
    }
    if let Some(note) = page["note"].as_str() {
        print::note(&print::safe(note));
    }
    let text = page["text"].as_str().unwrap_or_default().trim_end_matches('\n');
    if !text.is_empty() {
        print::line(text);
    }
    !text.is_empty()
}

/// The session as it is, if it can be looked at. What it asks is shown by this.
async fn session(connection: &Connection, id: &str) -> anyhow::Result<Option<Value>> {
    let seen = connection.ask("get_session_status", json!({"session_id": id})).await?;
    let session = seen.structured.unwrap_or_default()["session"].take();
    Ok(Some(session).filter(Value::is_object))
}

/// Whether the session is known not to be there.
async fn is_gone(connection: &Connection, id: &str) -> anyhow::Result<bool> {
    let found = connection.ask("search", json!({"query": id})).await?;
    let hits = found.structured.unwrap_or_default();
    let is_there = |hits: &Vec<Value>| hits.iter().any(|hit| hit["id"] == id);
    Ok(!found.failed && hits["errors"].is_null() && !hits["results"].as_array().is_some_and(is_there))
}
