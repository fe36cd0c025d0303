//! What a person answers, stops and sets in a conversation.

use std::time::Duration;

use berth_agents::live::{self, Activity, Given, MessageState};
use berth_plugin::{Answer, Answered, Delivery, Error, Receipt, Result, time};

use crate::kept::talk::{self, Talk};
use crate::read::index;
use crate::start::command::OPTIONS;
use crate::talk::change::{self, change, write};
use crate::talk::{receipt, refusal};

/// How long a sign is looked for that an answer was taken: an agent that asked several things may wait for all answers.
const SIGN: Duration = Duration::from_secs(1);

/// Answers prompts, all of them or none. What is answered of several questions of one request is kept with the
/// conversation until the last of them is.
pub(crate) fn respond(id: &str, answers: &[Answered]) -> Result<Delivery> {
    let key = match Talk::find(id)? {
        Some(_) => id.to_owned(),
        None => index::speaking(id)?.ok_or_else(|| {
            Error::Conflict("no question is open there any more: look at the session again".to_owned())
        })?,
    };
    let id = &key;
    may_act(id)?;
    let (after, number, is_told) = change(id, |talk| {
        let process = &mut talk.process;
        let given: Result<Vec<(String, Given)>> = answers
            .iter()
            .map(|answer| Ok((own(process.number, &answer.prompt)?, given(&answer.answer))))
            .collect();
        if process.ended.is_some() {
            return Err(Error::Conflict(
                "its process has ended, and the question with it: look at the session again".to_owned(),
            ));
        }
        let is_told = process.live.answer(&given?, time::now()).map_err(refusal::error)?;
        Ok((process.read, process.number, is_told))
    })?;
    if !is_told {
        return Ok(Delivery::confirmed());
    }
    let is_written = write(id).unwrap_or(false);
    // Whatever it prints now, it prints with the answer.
    let seen = receipt::within(SIGN, id, |talk| {
        let process = &talk.process;
        let has_moved = process.number != number || process.read > after || process.ended.is_some();
        (has_moved && process.input.is_written()).then_some(())
    });
    Ok(match (is_written, seen) {
        (true, Some(())) => Delivery::confirmed(),
        _ => Delivery::unconfirmed(),
    })
}

fn may_act(id: &str) -> Result<()> {
    change::may_act(&Talk::find(id)?.ok_or_else(|| talk::unknown(id))?)
}

/// The prompt's id as its process has it: ours begins with the number of the process.
fn own(number: u32, prompt: &str) -> Result<String> {
    match prompt.split_once('.') {
        Some((of, own)) if of == number.to_string() => Ok(own.to_owned()),
        _ => Err(Error::Conflict(
            "the question is gone with the process that asked it: look at the session again".to_owned(),
        )),
    }
}

fn given(answer: &Answer) -> Given {
    match answer {
        Answer::Dismiss => Given::Dismiss,
        Answer::Reply(reply) => Given::Reply {
            choices: reply.choices.clone(),
            text: reply.text.clone(),
        },
    }
}

/// Stops what the agent does. What waits is begun next.
pub(crate) fn interrupt(id: &str) -> Result<Receipt> {
    may_act(id)?;
    let is_at_rest = |talk: &Talk| matches!(talk.process.live.state(), Activity::Idle | Activity::Ended);
    let worked_on = change(id, |talk| {
        if !talk.process.is_open() || is_at_rest(talk) {
            return Ok(None);
        }
        talk.process.live.interrupt().map_err(refusal::error)?;
        let started = talk
            .process
            .live
            .messages()
            .filter(|message| message.state == MessageState::Started);
        Ok(Some(started.map(|message| message.id.clone()).collect::<Vec<_>>()))
    })?;
    let Some(worked_on) = worked_on else {
        return Ok(Receipt::Confirmed);
    };
    let rest = receipt::until(id, |talk| {
        let is_started = |id: &String| {
            let message = talk.process.live.given(id);
            message.is_some_and(|message| message.state == MessageState::Started)
        };
        let has_stopped = !worked_on.is_empty() && !worked_on.iter().any(is_started);
        if has_stopped || is_at_rest(talk) {
            return Some(Ok(Receipt::Confirmed));
        }
        talk.process.live.can_interrupt().err().map(Err)
    });
    rest.unwrap_or(Ok(Receipt::Unconfirmed)).map_err(refusal::error)
}

/// Sets an option: at once, or for the next process.
pub(crate) fn set(id: &str, name: &str, value: &str) -> Result<()> {
    if !OPTIONS.contains(&name) {
        return Err(Error::Invalid(format!(
            "there is no option {name:?} here: {} are known",
            OPTIONS.join(" and ")
        )));
    }
    may_act(id)?;
    let told = change(id, |talk| {
        if talk.process.is_open() {
            talk.process.live.set(name, value).map_err(refusal::error)?;
            return Ok(true);
        }
        talk.options.insert(name.to_owned(), value.to_owned());
        Ok(false)
    })?;
    if !told {
        return Ok(());
    }
    let seen = receipt::until(id, |talk| {
        let live = &talk.process.live;
        let is_set = |option: &live::OptionState| option.name == name && option.value.as_deref() == Some(value);
        match live.not_set() {
            Some(why) => Some(Err(Error::Refused(format!("the agent does not set its {name}: {why}")))),
            None => live.options().iter().any(is_set).then_some(Ok(())),
        }
    });
    if matches!(seen, Some(Ok(()))) {
        change(id, |talk| {
            talk.options.insert(name.to_owned(), value.to_owned());
            Ok(())
        })?;
    }
    seen.unwrap_or_else(|| {
        Err(Error::TimedOut(format!(
            "the agent did not say that its {name} is {value} now: look at the session"
        )))
    })
}
