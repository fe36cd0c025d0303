//! `claude_run`: one request to an agent, as a job.

use std::time::Duration;

use berth_plugin::{Error, Result, jobs, log, ssh};
use serde::Deserialize;

use crate::kept::conversation::{Conversation, uuid};
use crate::kept::note::{self, Kind, Note};
use crate::kept::talk::Talk;
use crate::run::{asking, repeated};
use crate::setup::allowed::{Allowed, allowed};
use crate::setup::projects::{self, Place};
use crate::setup::{Settings, Setup};
use crate::start::command::{Start, Way};
use crate::start::submit::submit;
use crate::start::{limits, request};

/// What a caller gives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    pub(crate) project: String,
    pub(crate) prompt: String,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    allowed_tools: Option<Vec<String>>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

impl Asked {
    /// The conversation that it goes on with, if a person leads that.
    pub(crate) fn talk(&self) -> Result<Option<String>> {
        let Some(id) = &self.session_id else {
            return Ok(None);
        };
        let id = uuid(id)?;
        Ok(Talk::find(&id)?.map(|_| id))
    }

    /// Whether it asks for bounds that only a run of its own has.
    pub(crate) fn has_bounds(&self) -> bool {
        self.allowed_tools.is_some() || self.timeout_ms.is_some()
    }
}

/// A run that was submitted.
pub(crate) struct Submitted {
    /// Its id, which is that of its job.
    pub(crate) id: String,
    pub(crate) note: Note,
}

/// A request, whoever makes it: where it is to be carried out, and in which bounds.
pub(crate) struct Request<'a> {
    pub(crate) place: Place,
    pub(crate) prompt: &'a str,
    /// What of that is shown as the task.
    pub(crate) task: &'a str,
    /// The conversation with which it goes on.
    pub(crate) session: Option<&'a str>,
    pub(crate) allowed: Allowed,
    pub(crate) timeout: Duration,
}

/// Submits a run. `call` is the id of the call, a UUID: repeated, it answers the same run.
pub(crate) fn run(setup: &Setup, call: &str, asked: &Asked) -> Result<Submitted> {
    request::check("prompt", &asked.prompt)?;
    let place = projects::find(setup, &asked.project)?;
    let session = asked.session_id.as_deref().map(uuid).transpose()?;
    if let Some(session) = &session {
        stays(session, &place)?;
    }
    let request = Request {
        place,
        prompt: &asked.prompt,
        task: &asked.prompt,
        session: session.as_deref(),
        allowed: allowed(
            asked.allowed_tools.as_deref().unwrap_or_default(),
            &setup.settings.tools,
        )?,
        timeout: timeout(&setup.settings, setup.settings.run_timeout, asked.timeout_ms)?,
    };
    begin(setup, call, request)
}

/// The same for any request, on the host of [`ssh::on`] if there is one.
pub(crate) fn begin(setup: &Setup, call: &str, request: Request<'_>) -> Result<Submitted> {
    let conversation = request.session.unwrap_or(call);
    let kept = match request.session {
        Some(session) => Conversation::find(session)?,
        None => None,
    };
    let agent = setup.agent(kept.as_ref().map(|kept| kept.agent.as_str()))?;
    let Place {
        name,
        directory,
        trusted,
    } = request.place;
    let Allowed { tools, left_out } = request.allowed;
    let start = Start {
        agent,
        // One that is not kept may be known to the agent from elsewhere.
        way: match request.session.is_some() && kept.as_ref().is_none_or(Conversation::has_begun) {
            true => Way::Resumes(conversation),
            false => Way::New(conversation),
        },
        left: limits::left(&setup.settings, conversation, &kept.unwrap_or_default())?,
        tools: &tools,
        trusted,
        options: &setup.settings.options(),
    };
    let note = Note {
        asks: request::asks(setup, agent).then(|| call.to_owned()),
        kind: Kind::Run,
        host: ssh::current(),
        project: name,
        directory,
        agent: agent.name.clone(),
        task: note::task(request.task),
        trusted,
        left_out,
        timeout_ms: u64::try_from(request.timeout.as_millis()).unwrap_or(u64::MAX),
        build: None,
        conversation: conversation.to_owned(),
    };
    let spec = start.spec(repeated::key(call), &note, request.prompt)?;
    let id = submit(note.host.as_deref(), spec)?;
    if let Err(error) = jobs::get(&id).and_then(|job| asking::ensure(&job, &note)) {
        log::warn(format_args!("nobody can be asked by run {id} yet: {error}"));
    }
    if let Err(error) = Conversation::begin(&note, &id) {
        // `upkeep` keeps it when the run ends.
        log::warn(format_args!("run {id} is not kept with its conversation yet: {error}"));
    }
    Ok(Submitted { id, note })
}

/// Whether a conversation, if it is one of ours, can go on in this place.
fn stays(id: &str, place: &Place) -> Result<()> {
    let Some(kept) = Conversation::find(id)? else {
        return Ok(());
    };
    if kept.project != place.name {
        return Err(Error::Invalid(format!(
            "conversation {id} belongs to project {:?}, not to {:?}: name that project, or start afresh without \
             `sessionId`",
            kept.project, place.name
        )));
    }
    match kept.directory == place.directory {
        true => Ok(()),
        false => Err(Error::Refused(format!(
            "conversation {id} began in {}, and project {:?} is in {} now: start afresh, without `sessionId`",
            kept.directory, place.name, place.directory
        ))),
    }
}

/// How long a run may take: what its caller asks for, otherwise `usual`.
pub(crate) fn timeout(settings: &Settings, usual: Duration, asked: Option<u64>) -> Result<Duration> {
    match asked.map(Duration::from_millis) {
        None => Ok(usual),
        Some(asked) if !asked.is_zero() && asked <= settings.most_timeout => Ok(asked),
        Some(_) => Err(Error::Invalid(format!(
            "`timeoutMs` must be from 1 to {} (`most_timeout`)",
            settings.most_timeout.as_millis()
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::jobs::Phase;
    use berth_plugin::testing::Host;
    use serde_json::{Value, json};

    use super::*;
    use crate::fake::{FIRST, call, end, host, result, run, status, upkeep};
    use crate::start::request::REQUEST;

    fn refused(more: Value) -> Error {
        let mut arguments = json!({"project": "app", "prompt": "do it"});
        arguments
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        call(900, "claude_run", arguments).unwrap_err()
    }

    fn args(host: &Host, number: usize) -> Vec<String> {
        host.submitted()[number].command.args.clone()
    }

    #[test]
    fn a_run_is_a_job_in_its_projects_queue_with_the_limits_that_are_left() {
        let host = host();
        let answer = call(1, "claude_run", json!({"project": "app", "prompt": "fix \"it\"\nnow"})).unwrap();
        assert_eq!(
            (&answer["state"], &answer["sessionId"]),
            (&json!("queued"), &json!(FIRST))
        );
        let spec = &host.submitted()[0];
        assert_eq!(
            (spec.key.as_str(), spec.queue.as_str()),
            (format!("run/{FIRST}").as_str(), "app")
        );
        assert_eq!(spec.command.program, "agent");
        assert_eq!(
            spec.command.args,
            [
                "env",
                "claude",
                "-p",
                "--session-id",
                FIRST,
                "--max-turns=300",
                "--max-budget-usd=20.00",
                "--setting-sources=user"
            ]
        );
        assert_eq!(
            spec.command.directory.as_deref(),
            Some(&*host.directory().join("app").display().to_string())
        );
        assert_eq!(spec.timeout_ms, Some(1_800_000));
        let input: Value = serde_json::from_slice(&spec.command.stdin).unwrap();
        assert_eq!(input["message"]["content"], "fix \"it\"\nnow");
        assert_eq!(host.commands(), []);
    }

    #[test]
    fn a_call_that_is_repeated_answers_the_same_run_also_when_less_is_left_since() {
        let host = host();
        let first = run(1, json!({}));
        assert_eq!(run(1, json!({})), first);
        end(&host, &first, &result(FIRST, json!({})), 0);
        upkeep();
        let next = run(2, json!({"sessionId": FIRST}));
        end(&host, &next, &result(FIRST, json!({"total_cost_usd": 2.0})), 0);
        upkeep();
        assert_eq!(run(2, json!({"sessionId": FIRST})), next);
        assert_eq!(host.submitted().len(), 2);
    }

    #[test]
    fn a_further_run_resumes_its_conversation_in_its_place_with_what_is_left() {
        let host = host();
        let first = run(1, json!({}));
        end(
            &host,
            &first,
            &result(FIRST, json!({"num_turns": 7, "total_cost_usd": 1.257})),
            0,
        );
        upkeep();
        let next = run(2, json!({"sessionId": FIRST.to_uppercase()}));
        let args = args(&host, 1);
        assert_eq!(
            args[3..],
            [
                "--resume",
                FIRST,
                "--max-turns=293",
                "--max-budget-usd=18.74",
                "--setting-sources=user"
            ]
        );
        assert_eq!(status(&next)["sessionId"], FIRST);
        assert_eq!(host.submitted()[1].queue, "app");
    }

    #[test]
    fn a_conversation_that_never_began_is_begun_and_one_from_elsewhere_is_resumed() {
        let host = host();
        let first = run(1, json!({}));
        call(2, "claude_cancel_job", json!({"jobId": first})).unwrap();
        upkeep();
        run(3, json!({"sessionId": FIRST}));
        assert_eq!(args(&host, 1)[3], "--session-id");
        run(4, json!({"sessionId": "99999999-0000-4000-8000-000000000001"}));
        assert_eq!(args(&host, 2)[3], "--resume");
    }

    #[test]
    fn what_a_conversation_has_used_up_is_refused_and_a_run_that_begins_after_that_is_cancelled() {
        let host = host();
        let first = run(1, json!({}));
        let second = run(2, json!({"sessionId": FIRST}));
        end(&host, &first, &result(FIRST, json!({"total_cost_usd": 20.5})), 0);
        upkeep();
        let error = refused(json!({"sessionId": FIRST}));
        assert!(
            matches!(&error, Error::Limited((why, None)) if why.contains("20 US dollars")),
            "{error}"
        );
        host.start_job(&second);
        let event = berth_plugin::Event {
            id: "e".into(),
            kind: "job".into(),
            about: second.clone(),
            at: 0,
            body: String::new(),
            reply_by: None,
        };
        let upkept = <crate::Plugin as berth_plugin::Upkeep>::run(vec![event]).unwrap();
        assert_eq!(jobs::get(&second).unwrap().phase, Phase::Cancelled);
        assert_eq!(upkept.changed, [FIRST]);
        let told = status(&second);
        assert_eq!(told["state"], "failed");
        assert!(told["error"].as_str().unwrap().contains("20 US dollars"), "{told}");
        assert_eq!(jobs::get(&second).unwrap().label, "failed");
    }

    #[test]
    fn only_what_the_operator_allows_is_allowed_and_the_rest_is_told() {
        let host = host();
        host.settings(json!({"tools": ["Read", "Bash(git add:*)"]}));
        run(1, json!({}));
        let answer = call(
            2,
            "claude_run",
            json!({"project": "app", "prompt": "x", "allowedTools": ["Bash(git add .)", "Write"]}),
        )
        .unwrap();
        assert!(answer["note"].as_str().unwrap().contains("Write"), "{answer}");
        let tools = |number| {
            args(&host, number)
                .into_iter()
                .filter(|arg| arg.starts_with("--allowedTools="))
                .collect::<Vec<_>>()
        };
        assert_eq!(tools(0), ["--allowedTools=Read,Bash(git add:*)"]);
        assert_eq!(tools(1), ["--allowedTools=Bash(git add .)"]);
        run(3, json!({"allowedTools": ["Write"]}));
        assert_eq!(tools(2), [""; 0]);
    }

    #[test]
    fn a_projects_own_settings_count_only_where_it_is_trusted_and_the_run_says_so() {
        let host = host();
        let path = host.directory().join("app").display().to_string();
        host.settings(json!({"projects": {"app": {"path": path}, "mine": {"path": path, "trusted": true}}}));
        let answer = call(1, "claude_run", json!({"project": "app", "prompt": "x"})).unwrap();
        assert!(answer["note"].as_str().unwrap().contains("trusted"), "{answer}");
        let answer = call(2, "claude_run", json!({"project": "mine", "prompt": "x"})).unwrap();
        assert_eq!(answer.get("note"), None);
        assert_eq!(args(&host, 0).last().unwrap(), "--setting-sources=user");
        assert_eq!(args(&host, 1).last().unwrap(), "--setting-sources=user,project,local");
    }

    #[test]
    fn what_cannot_be_run_is_refused_before_anything_is_submitted() {
        let host = host();
        for (more, words) in [
            (json!({"project": "nope"}), "unknown project \"nope\""),
            (json!({"prompt": " \n"}), "`prompt`"),
            (json!({"prompt": "x".repeat(REQUEST)}), "`prompt`"),
            (json!({"sessionId": ""}), "`sessionId`"),
            (json!({"sessionId": "--resume"}), "`sessionId`"),
            (
                json!({"sessionId": "00000000-0000-4000-8000-00000000000g"}),
                "`sessionId`",
            ),
            (
                json!({"sessionId": "00000000000040008000000000000001----"}),
                "`sessionId`",
            ),
            (json!({"timeoutMs": 0}), "`timeoutMs`"),
            (json!({"timeoutMs": 21_600_001}), "`timeoutMs`"),
            (
                json!({"allowedTools": ["--dangerously-skip-permissions"]}),
                "`allowedTools`",
            ),
        ] {
            let error = refused(more).to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        assert_eq!(host.submitted(), []);
    }

    #[test]
    fn a_conversation_stays_in_its_project() {
        let host = host();
        run(1, json!({}));
        let error = refused(json!({"project": "web", "sessionId": FIRST})).to_string();
        assert!(error.contains("belongs to project \"app\""), "{error}");
        assert_eq!(host.submitted().len(), 1);
    }

    #[test]
    fn an_agent_that_cannot_be_held_to_the_limits_is_not_started() {
        let host = host();
        for missing in ["session", "turns", "budget", "sources"] {
            let mut agents = json!([{
                "name": "other", "headless": ["env", "other"], "installed": true,
                "headless_options": {
                    "session": ["--s", "<x>"], "turns": ["--t=<x>"], "budget": ["--b=<x>"], "sources": ["--c=<x>"],
                },
            }]);
            agents[0]["headless_options"].as_object_mut().unwrap().remove(missing);
            host.agents(agents);
            let error = refused(json!({}));
            assert!(
                matches!(&error, Error::Denied(why) if why.contains(&format!("`{missing}`"))),
                "{error}"
            );
        }
        assert_eq!(host.submitted(), []);
    }
}
