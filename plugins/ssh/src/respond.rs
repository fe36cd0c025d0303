//! Answering what remote control asks before it begins.

use std::thread;
use std::time::{Duration, Instant};

use berth_panes::tmux;
use berth_plugin::{Answer, Answered, Delivery, Error, Result, ssh};

use crate::id::{self, Id};
use crate::question::{NO, YES};
use crate::{hosts, question};

/// How long the question may take to go.
const TAKEN: Duration = Duration::from_secs(5);
const EVERY: Duration = Duration::from_millis(300);

/// Types the answer, if the question is the one that is open.
pub(crate) fn respond(id: &str, answers: &[Answered]) -> Result<Delivery> {
    let id = Id::parse(id)?;
    let [answered] = answers else {
        return Err(Error::Invalid("one question is open: answer that one".to_owned()));
    };
    let seen = hosts::look_at(&id)?.ok_or_else(id::unknown)?;
    if question::find(&seen).is_none_or(|open| open.id != answered.prompt) {
        return Err(Error::Conflict(
            "this question is not open any more, so nothing was typed".to_owned(),
        ));
    }
    let key = key(&answered.answer)?;
    let target = id.target();
    let typed = ssh::on(&id.host, || {
        tmux::order(&[
            &["send-keys", "-t", &target, "--", key],
            &["send-keys", "-t", &target, "--", "Enter"],
        ])
    });
    match typed {
        Ok(_) => Ok(came_of(&id, &answered.prompt)),
        // It may have been typed.
        Err(Error::TimedOut(_) | Error::Failed(_) | Error::Unavailable(_)) => Ok(Delivery::unconfirmed()),
        Err(error) => Err(error),
    }
}

fn key(answer: &Answer) -> Result<&'static str> {
    let wrong = || Error::Invalid(format!("answer with one choice, `{YES}` or `{NO}`"));
    let Answer::Reply(reply) = answer else {
        return Err(wrong());
    };
    match (reply.choices.as_slice(), &reply.text) {
        ([choice], None) if choice == YES => Ok(YES),
        ([choice], None) if choice == NO => Ok(NO),
        _ => Err(wrong()),
    }
}

fn came_of(id: &Id, prompt: &str) -> Delivery {
    let until = Instant::now() + TAKEN;
    while Instant::now() < until {
        match hosts::look_at(id) {
            Ok(Some(seen)) if question::find(&seen).is_some_and(|open| open.id == prompt) => thread::sleep(EVERY),
            Ok(_) => return Delivery::confirmed(),
            Err(_) => break,
        }
    }
    Delivery::unconfirmed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Backend as _, Control as _, Receipt, Reply, State};

    use super::*;
    use crate::Plugin;
    use crate::fake::{ENABLE, Fake, TRUST, URL};

    fn answer(prompt: &str, choice: &str) -> Vec<Answered> {
        vec![Answered {
            prompt: prompt.to_owned(),
            answer: Answer::Reply(Reply {
                choices: vec![choice.to_owned()],
                text: None,
            }),
        }]
    }

    #[test]
    fn an_answer_is_typed_once_and_only_to_its_own_question() {
        let fake = Fake::new();
        fake.on("mac").has("a-1", TRUST);
        let trust = Plugin::get_session("mac:a-1").unwrap().prompts.remove(0);
        fake.on("mac").shows("a-1", ENABLE);
        assert!(matches!(
            Plugin::respond("mac:a-1", answer(&trust.id, "y")),
            Err(Error::Conflict(_))
        ));
        let enable = Plugin::get_session("mac:a-1").unwrap().prompts.remove(0);
        assert!(matches!(
            Plugin::respond("mac:a-1", answer(&enable.id, "always")),
            Err(Error::Invalid(_))
        ));
        assert_eq!(fake.on("mac").pressed("a-1"), [""; 0], "nothing was typed");
        let delivery = Plugin::respond("mac:a-1", answer(&enable.id, "y")).unwrap();
        assert_eq!(delivery.receipt, Receipt::Confirmed);
        assert_eq!(fake.on("mac").pressed("a-1"), ["y", "Enter"]);
        assert_eq!(Plugin::get_session("mac:a-1").unwrap().url.as_deref(), Some(URL));
    }

    #[test]
    fn a_no_ends_it() {
        let fake = Fake::new();
        fake.on("mac").has("a-1", ENABLE);
        let prompt = Plugin::get_session("mac:a-1").unwrap().prompts.remove(0);
        let delivery = Plugin::respond("mac:a-1", answer(&prompt.id, "n")).unwrap();
        assert_eq!(delivery.receipt, Receipt::Confirmed);
        assert_eq!(Plugin::get_session("mac:a-1").unwrap().state, State::Done);
    }
}
