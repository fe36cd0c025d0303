//! What came of a request: no single sign says it. An agent can report a success and an error at once, end with status 0
//! after it was interrupted, or say nothing at all.

use super::failure;
use super::line::{Answer, Event, Line, whole};
use super::progress::progress;

/// How an agent starts to say that it does not know a conversation.
const GONE: &str = "No conversation found";
/// Lines of its standard error that an outcome shows.
const LINES: usize = 3;
/// Characters of each of them.
const LINE: usize = 300;

/// How an agent ended by itself.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// Only a result of this one counts.
    pub conversation: &'a str,
    /// The end of what it printed, and with which byte that begins.
    pub output: (u64, &'a [u8]),
    /// The end of what it printed to its standard error.
    pub errors: &'a [u8],
    /// Its status, if it was not ended by a signal.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// What came of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Why it failed, in a sentence. None: it was carried out.
    pub failure: Option<String>,
    /// The agent's answer, or as much as it said.
    pub answer: String,
    /// Turns that this request took, where that is known.
    pub turns: Option<u64>,
    /// What the conversation cost so far, in US dollars, all requests together.
    pub cost: Option<f64>,
    /// The tools that were denied, each with what it was called with.
    pub denied: Vec<String>,
    /// Until when the model's usage limit holds, in milliseconds.
    pub limited_until: Option<u64>,
    /// The agent does not know the conversation.
    pub is_gone: bool,
}

/// Weighs how an agent ended.
#[must_use]
pub fn outcome(ending: &Ending<'_>) -> Outcome {
    let (start, output) = ending.output;
    let (mut answer, mut limit) = (None, None);
    for line in whole(start, output).filter_map(Line::read) {
        match line.event {
            // One without the id may be anybody's.
            Event::Result(result) if line.conversation.as_deref() == Some(ending.conversation) => answer = Some(result),
            Event::Limited(until) => limit = Some(until),
            Event::Said { .. } => limit = None,
            _ => {}
        }
    }
    let outcome = match answer {
        Some(answer) => answered(ending, *answer),
        None => unanswered(ending),
    };
    match limit {
        Some(until) if outcome.failure.is_some() => Outcome {
            failure: Some("the model's usage limit is reached".to_owned()),
            limited_until: until.or(outcome.limited_until),
            ..outcome
        },
        _ => outcome,
    }
}

fn answered(ending: &Ending<'_>, answer: Answer) -> Outcome {
    let (failure, limited_until) = (failure(ending, &answer), limit_in(&answer.text));
    let is_gone = answer.errors.iter().any(|error| error.starts_with(GONE));
    Outcome {
        failure: match (is_gone, limited_until) {
            (true, _) => Some(gone(ending)),
            (_, Some(_)) if failure.is_some() => Some("the model's usage limit is reached".to_owned()),
            _ => failure,
        },
        // With an error it is what went wrong, and not what the agent said.
        answer: match answer.is_error {
            true => progress(ending.conversation, ending.output.0, ending.output.1).said,
            false => answer.text,
        },
        turns: answer.turns,
        cost: answer.cost,
        denied: answer.denied,
        limited_until,
        is_gone,
    }
}

fn failure(ending: &Ending<'_>, answer: &Answer) -> Option<String> {
    if let Some(failure) = failure::reported(answer) {
        return Some(failure.why);
    }
    let said = answer.text.trim();
    let why = match ending.status {
        status if status != Some(0) => format!("it reported a success, but {}", how(ending)),
        _ if said.is_empty() && !answer.denied.is_empty() => {
            "it said nothing after what it wanted to do was denied".to_owned()
        }
        _ if said.is_empty() => "it ended without an answer".to_owned(),
        _ => return None,
    };
    Some(why)
}

/// What is known where the agent did not report the end.
fn unanswered(ending: &Ending<'_>) -> Outcome {
    let (start, output) = ending.output;
    let errors = String::from_utf8_lossy(ending.errors);
    let is_gone = errors.lines().any(|line| line.starts_with(GONE));
    let said = progress(ending.conversation, start, output);
    let told: Vec<String> = last_lines(&errors);
    let failure = match (is_gone, said.has_begun || start > 0, told.as_slice()) {
        (true, ..) => gone(ending),
        (_, true, []) => format!("it reported no end: {}", how(ending)),
        (_, false, []) => format!("it printed nothing: {}", how(ending)),
        (_, _, told) => format!("{}: {}", how(ending), told.join(" / ")),
    };
    Outcome {
        failure: Some(failure),
        answer: said.said,
        turns: said.turns,
        denied: said.denied,
        is_gone,
        ..Outcome::default()
    }
}

fn gone(ending: &Ending<'_>) -> String {
    format!(
        "the agent does not know conversation {} any more: start afresh, in a new conversation",
        ending.conversation
    )
}

/// How its process ended.
fn how(ending: &Ending<'_>) -> String {
    match (ending.status, ending.signal) {
        (Some(0), _) => "its process ended".to_owned(),
        (Some(143), _) | (None, Some(15)) => "its process was told to end (SIGTERM)".to_owned(),
        (Some(129), _) | (None, Some(1)) => "its process was told to end (SIGHUP)".to_owned(),
        (Some(status), _) => format!("its process ended with status {status}"),
        (None, Some(signal)) => format!("its process was ended by signal {signal}"),
        (None, None) => "nobody saw how its process ended".to_owned(),
    }
}

fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    let short = |line: &&str| line.trim().chars().take(LINE).collect();
    last.iter().map(short).collect()
}

/// The time that older versions write behind their words: `…usage limit reached|1795727696`.
fn limit_in(text: &str) -> Option<u64> {
    let (words, time) = text.rsplit_once('|')?;
    let is_time = time.len() == 10 && time.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = time.parse().ok().filter(|_| is_time && words.contains("limit"))?;
    Some(seconds * 1000)
}
