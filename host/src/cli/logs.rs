//! `berth logs`: what a session printed, and what it prints.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use berth::assemble::Setup;
use berth::mcp::Called;
use berth::session::State;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::named::{self, By};
use super::{answered, print};

/// The pause before a session that has just printed something is read again. Each one after silence is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Lines of a page that follows another.
const PAGE: u32 = 1000;

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
    /// Go on with what it prints, until it ends or Ctrl-C
    #[arg(long, short, conflicts_with_all = ["view", "json"])]
    follow: bool,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    if options.follow {
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
        let page = read(connection, &id, lines, place.after.as_deref()).await?;
        if page.failed {
            if place.after.is_some() && is_gone(connection, &id).await? {
                print::note(&format!("{id} has ended"));
                return Ok(());
            }
            bail!("{}", page.text);
        }
        let answer = page.structured.unwrap_or_default();
        let printed = show(&answer);
        let Some(next) = answer["next"].as_str() else {
            bail!("the log of {id} has no cursor, so it cannot be followed; read it again with berth logs");
        };
        place.after = Some(next.to_owned());
        if answer["more"] == true {
            continue;
        }
        if !printed
            && let Some(state) = state(connection, &id).await?
            && state.is_end()
        {
            print::note(&format!("{id} has ended: {}", state.name()));
            return Ok(());
        }
        pause = if printed {
            FIRST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        tokio::time::sleep(pause).await;
    }
}

async fn read(connection: &Connection, id: &str, lines: u32, after: Option<&str>) -> anyhow::Result<Called> {
    let arguments = json!({"session_id": id, "lines": lines, "after": after, "mobile_format": false});
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

/// What the session is doing. What it asks does not count as shown by this.
async fn state(connection: &Connection, id: &str) -> anyhow::Result<Option<State>> {
    let seen = connection.ask("fetch", json!({"id": id})).await?;
    let state = seen.structured.unwrap_or_default()["metadata"]["state"].take();
    Ok(serde_json::from_value(state).ok())
}

/// Whether the session is known not to be there.
async fn is_gone(connection: &Connection, id: &str) -> anyhow::Result<bool> {
    let found = connection.ask("search", json!({"query": id})).await?;
    let hits = found.structured.unwrap_or_default();
    let is_there = |hits: &Vec<Value>| hits.iter().any(|hit| hit["id"] == id);
    Ok(!found.failed && hits["errors"].is_null() && !hits["results"].as_array().is_some_and(is_there))
}
