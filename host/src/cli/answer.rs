//! `berth answer`: the answer to what a session asks.

use std::io::{IsTerminal as _, stdin, stdout};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use berth::assemble::Setup;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::named::{self, By};
use super::{answered, print};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The session's id or name
    name: String,
    /// yes, no, dismiss, a choice's number or label, several parted by commas, or words where it takes words
    response: Option<String>,
    /// Instead of the response: the key of a choice to take, once for each
    #[arg(long, value_name = "KEY", conflicts_with = "response")]
    choice: Vec<String>,
    /// Words, with --choice or alone
    #[arg(long, conflicts_with = "response")]
    text: Option<String>,
    /// The prompt_id of the question that this answers; the one that was last shown to you, if left out
    #[arg(long, value_name = "PROMPT_ID")]
    prompt: Option<String>,
    /// Wait up to so many seconds, at most 50, for the result
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u32>,
    /// Print the structured answer
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(setup: &Setup, mut options: Options, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let look = async |connection: &Connection| named::session_id(connection, &options.name, By::Whole).await;
    let session_id = Connection::with(setup, &shutdown, look).await?;
    // Whoever answers at a terminal sees what is answered, and no other process waits meanwhile.
    if options.prompt.is_none() && !options.json && stdin().is_terminal() && stdout().is_terminal() {
        let is_open = options.response.is_none() && options.choice.is_empty() && options.text.is_none();
        let status = json!({"session_id": session_id});
        let look = async |connection: &Connection| connection.ask("get_session_status", status).await;
        let seen = Connection::with(setup, &shutdown, look).await?;
        answered::show(&seen, false)?;
        let questions = questions(&seen.structured.clone().unwrap_or_default());
        if is_open && questions.len() > 1 {
            return each(setup, &session_id, questions, options.wait, &shutdown).await;
        }
        let asking = tokio::task::spawn_blocking(move || ask(&seen.structured.unwrap_or_default(), options));
        let asked = shutdown.run_until_cancelled(asking).await;
        options = asked.context("nothing was answered")???;
    }
    let arguments = json!({
        "session_id": session_id,
        "response": options.response,
        "choices": Some(&options.choice).filter(|keys| !keys.is_empty()),
        "text": options.text,
        "prompt_id": options.prompt,
        "wait_seconds": options.wait,
    });
    let respond = async |connection: &Connection| connection.ask("respond_to_prompt", arguments).await;
    let told = Connection::of_person(setup, &shutdown, respond).await?;
    answered::show_with_hint(&told, options.json)
}

/// The questions of the session in `seen`: the id of each, and what it asks in a line.
fn questions(seen: &Value) -> Vec<(String, String)> {
    let prompts = seen["session"]["prompts"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |prompt: &Value, key: &str| prompt[key].as_str().map(str::to_owned);
    let question = |prompt: &Value| Some((text(prompt, "prompt_id")?, text(prompt, "question")?));
    prompts.iter().filter_map(question).collect()
}

/// Asks the person, who sees them, for an answer to each question, and gives each at once; those of one group reach the session
/// when the last one that is needed was given.
async fn each(
    setup: &Setup,
    session_id: &str,
    questions: Vec<(String, String)>,
    wait: Option<u32>,
    shutdown: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let mut given = 0;
    for (prompt, question) in questions {
        let text = format!("{}\nYour answer, or Enter to leave it: ", print::safe(&question));
        let asking = tokio::task::spawn_blocking(move || print::question(&text));
        let response = shutdown.run_until_cancelled(asking).await;
        let response = response.context("nothing more was answered")???;
        if response.is_empty() {
            continue;
        }
        let arguments = json!({
            "session_id": session_id, "response": response, "prompt_id": prompt, "wait_seconds": wait,
        });
        let respond = async |connection: &Connection| connection.ask("respond_to_prompt", arguments).await;
        answered::show(&Connection::of_person(setup, shutdown, respond).await?, false)?;
        given += 1;
    }
    ensure!(given > 0, "nothing was answered");
    Ok(ExitCode::SUCCESS)
}

/// Asks the person, who sees it, how to answer the first question of the session in `seen`, or whether the answer that
/// was given is meant for it.
fn ask(seen: &Value, mut options: Options) -> anyhow::Result<Options> {
    let prompts = seen["session"]["prompts"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(prompt) = prompts.first().and_then(|prompt| prompt["prompt_id"].as_str()) else {
        bail!("it does not ask anything now, so nothing was answered");
    };
    if prompts.len() > 1 {
        print::line("It asks several questions. This answers the first one.");
    }
    if options.response.is_none() && options.choice.is_empty() && options.text.is_none() {
        let response = print::question("Your answer, or Enter to leave it: ")?;
        ensure!(!response.is_empty(), "nothing was answered");
        options.response = Some(response);
    } else if !print::agrees("Give it that answer?")? {
        bail!("nothing was answered");
    }
    options.prompt = Some(prompt.to_owned());
    Ok(options)
}
