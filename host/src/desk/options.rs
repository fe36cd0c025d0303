//! Options of sessions: seen, and set.

use super::deeds::{self, effect, soon};
use super::deliver::turn_of;
use super::receipt::Receipt;
use super::{Caller, Generation, Member, ToolAnswer, ToolError, answer};
use crate::catalog::answers::{OptionNow, Options};
use crate::catalog::arguments::SetSession;
use crate::session::{Effect, Error, OptionState};

pub(super) async fn set_session(
    generation: &Generation,
    caller: &Caller,
    wanted: SetSession,
) -> Result<ToolAnswer, ToolError> {
    let (member, id) = generation.reach(caller).whole_id(&wanted.session_id).await?;
    let mut receipt = None;
    let mut notes = Vec::new();
    {
        let _turn = turn_of(&generation.lasting, caller, &wanted.session_id).await?;
        if !wanted.options.is_empty() && !generation.rules.may(caller, Effect::Widens) {
            let agent = member.session(id).await?.agent;
            generation.rules.options(caller, &agent, &wanted.options)?;
        }
        for (name, value) in &wanted.options {
            let set = member.watched.backend.set_option(id, name, value).await;
            match effect(member.name(), set) {
                Ok(deeds::Effect::Done(())) => receipt = receipt.or(Some(Receipt::Confirmed)),
                Ok(deeds::Effect::Perhaps(why)) => {
                    receipt = Some(Receipt::Unconfirmed);
                    notes.push(format!("`{name}` was not seen to take effect: {why}."));
                }
                Err(error) if receipt.is_none() => return Err(error),
                // Those before it are set.
                Err(error) => notes.push(format!("`{name}` was not set: {error}.")),
            }
        }
    }
    let options = match receipt {
        None => listed(&member, id)
            .await
            .map_err(|error| ToolError::of(member.name(), error))?,
        Some(_) => match soon(caller, listed(&member, id)).await {
            Some(Ok(options)) => options,
            Some(Err(error)) => {
                let why = answer::describe(member.name(), error);
                notes.push(format!("Their present values could not be seen: {why}."));
                Vec::new()
            }
            None => {
                notes.push("Their present values could not be seen in time.".into());
                Vec::new()
            }
        },
    };
    let options = Options {
        session_id: wanted.session_id,
        receipt: receipt.map(Receipt::name),
        options: options.into_iter().map(now).collect(),
        note: (!notes.is_empty()).then(|| notes.join(" ")),
    };
    Ok(ToolAnswer::of(options.text(), &options))
}

async fn listed(member: &Member, id: &str) -> Result<Vec<OptionState>, Error> {
    member.watched.backend.list_options(id).await
}

fn now(option: OptionState) -> OptionNow {
    OptionNow {
        name: option.name,
        about: option.about,
        values: option.values,
        value: option.value,
    }
}
