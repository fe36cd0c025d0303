//! What the session of a task asks, in forms that count once each and as long as what they ask is open.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::desk::asking::Asking;
use crate::desk::form::Form;
use crate::desk::forms::Out;
use crate::desk::respond::{self, Given};
use crate::desk::{Caller, Filled, Generation, Member, ToolError};
use crate::session::Session;
use crate::store;
use crate::store::audit::Outcome;
use crate::store::tasks::KEPT;

const METHOD: &str = "tasks/update";
/// How often one question is put to a person by one task: again only where an answer was not taken.
const TRIES: u32 = 3;

/// A question that is put to a person.
pub(super) struct Question {
    /// The prompt.
    prompt: String,
    /// The digest of what the form shows of it.
    shown: String,
    /// The name under which the answer comes back.
    key: String,
    /// The form itself.
    pub(super) form: Form,
}

/// What of the prompts of `session` is put to a person by `task`: all that can be answered in a form and was not answered
/// or closed before.
pub(super) async fn questions(
    generation: &Generation,
    caller: &Caller,
    member: &Member,
    session: &Session,
    task: &store::tasks::Task,
) -> Result<Vec<Question>, ToolError> {
    let session_id = format!("{}/{}", member.name(), session.id);
    let asking = Asking::new(generation, caller, member, &session_id, METHOD);
    let showing = &generation.lasting.showing;
    let mut questions = Vec::new();
    for prompt in &session.prompts {
        // What is answered in part of a group is kept for the rest.
        let is_given = showing.groups.given(caller, &session_id, prompt).is_some();
        let Some(shown) = asking.shown(prompt).filter(|_| !is_given) else {
            continue;
        };
        let digest = shown.digest();
        let Some(key) = asking.forms()?.unspent(keys(task, &prompt.id, &digest)).await? else {
            continue;
        };
        let record = showing.session(member.name(), session.clone());
        questions.push(Question {
            prompt: prompt.id.clone(),
            shown: digest,
            form: shown.form(&record, "", key.clone()),
            key,
        });
    }
    Ok(questions)
}

/// Gives the session of `task` what a person filled in.
pub(super) async fn answer(
    generation: &Generation,
    caller: &Caller,
    task: &store::tasks::Task,
    mut answers: BTreeMap<String, Option<Filled>>,
) -> Result<(), ToolError> {
    if task.ended.is_some() {
        // It asks nothing any more, and what it was called with is forgotten.
        return Ok(());
    }
    let catalog = generation.catalog_for(caller, &task.tool, &super::given(task)).await;
    super::meant(&catalog, caller, task)?;
    let member = generation.reach(caller).member(Some(&task.backend)).await?;
    let session = caller.while_there(member.session(&task.session)).await??;
    let session_id = format!("{}/{}", task.backend, task.session);
    let asking = Asking::new(generation, caller, &member, &session_id, METHOD);
    for question in questions(generation, caller, &member, &session, task).await? {
        let Some(answer) = answers.remove(&question.key) else {
            continue;
        };
        let out = |key| Out::of_task(question.prompt.clone(), question.shown.clone(), key, until(task));
        match answer {
            Some(filled) => {
                let given = Given::Filled {
                    form: out(question.key.clone()),
                    filled,
                };
                let answered = respond::answer(&asking, &task.session, given, None, None).await?;
                if answered.outcome != Outcome::Done {
                    return Err(ToolError::refused(answered.text.unwrap_or_default()));
                }
            }
            // A form that is closed answers nothing, and is not shown again.
            None => {
                for key in keys(task, &question.prompt, &question.shown) {
                    // One that was spent before stays so.
                    let _ = asking.spend(&out(key)).await;
                }
            }
        }
    }
    Ok(())
}

/// The names under which an answer to this question comes back, one for each time that it is put.
fn keys(task: &store::tasks::Task, prompt: &str, shown: &str) -> Vec<String> {
    let key = |time: u32| {
        let mut digest = Sha256::new();
        for part in [&task.id, prompt, shown, &time.to_string()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hex::encode(&digest.finalize()[..16])
    };
    (0..TRIES).map(key).collect()
}

/// Until when it is remembered which of its forms were answered.
fn until(task: &store::tasks::Task) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(task.created) + KEPT
}
