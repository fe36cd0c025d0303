//! What follows the jobs of a build: after the clone its files and the agent, after the agent the facts and the branch.

use super::submit::{Task, key};
use crate::built::{First, Made, Plan};
use crate::command::{Start, Way};
use crate::conversation::Conversation;
use crate::judge::{Verdict, judge};
use crate::limits;
use crate::note::Note;
use crate::output::{self, ERRORS};
use crate::run;
use crate::setup::Setup;
use crate::state::{RunState, STAGE, has_ended};
use berth_plugin::git;
use berth_plugin::jobs::{self, Channel, Job, Phase};
use berth_plugin::{Error, Result, store};

/// Takes a build further after one of its jobs ended. The label of that job comes last, so that what is cut off here is
/// done again.
pub(crate) fn ended(setup: &Setup, job: &Job, note: &Note, plan: &Plan) -> Result<()> {
    match &plan.run {
        None => cloned(setup, job, note, plan),
        Some(first) => worked(job, note, plan, &first.id),
    }
}

/// Ends the clone of a project that was exchanged for one that leads elsewhere while the job waited.
pub(crate) fn begun(job: &Job, note: &Note, plan: &Plan) -> Result<()> {
    let Err(Error::Refused(why)) = git::confined(&plan.project) else {
        return Ok(());
    };
    // What is kept first counts when the job has ended.
    Conversation::end(note, &job.id, &Verdict::before_it_began(RunState::Failed, why))?;
    jobs::cancel(&job.id)
}

/// What is known of a build by the job that makes its clone: how it ended, if it goes no further.
pub(crate) fn step(job: &Job) -> Option<Verdict> {
    if !has_ended(job.phase) || job.label == STAGE {
        return None;
    }
    let because = |words: &str| job.reason.clone().unwrap_or_else(|| words.to_owned());
    let (state, why) = match job.phase {
        Phase::Exited if job.status == Some(0) => return None,
        Phase::Cancelled => (RunState::Cancelled, because("it was cancelled")),
        Phase::Interrupted => (
            RunState::Interrupted,
            because("what ran it was ended, such as by a restart of the system"),
        ),
        Phase::TimedOut => (RunState::Failed, "to clone the project took too long".to_owned()),
        _ => (
            RunState::Failed,
            format!("the project could not be cloned: {}", said(job)),
        ),
    };
    Some(Verdict::before_it_began(state, why))
}

/// The end of what git said, or why it did not run.
fn said(job: &Job) -> String {
    let errors = output::end(job, Channel::Errors, ERRORS)
        .map(|chunk| chunk.bytes)
        .unwrap_or_default();
    let errors = String::from_utf8_lossy(&errors);
    let last: Vec<_> = errors
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .rev()
        .take(3)
        .collect();
    match (last.is_empty(), &job.reason) {
        (_, Some(reason)) => reason.clone(),
        (true, None) => "git says nothing".to_owned(),
        (false, None) => last.into_iter().rev().collect::<Vec<_>>().join(" / "),
    }
}

fn cloned(setup: &Setup, job: &Job, note: &Note, plan: &Plan) -> Result<()> {
    let kept = Conversation::find(&note.conversation)?.unwrap_or_default();
    let verdict = match kept.verdict(&job.id).cloned().or_else(|| step(job)) {
        Some(verdict) => verdict,
        None if kept.is_cancelled(&job.id) => {
            Verdict::before_it_began(RunState::Cancelled, "it was cancelled".to_owned())
        }
        None => match start(setup, job, note, plan) {
            Ok(agent) => {
                // A cancel that came meanwhile sees this job, or is seen here.
                if Conversation::goes_on(note, &job.id, &agent)? {
                    jobs::cancel(&agent)?;
                }
                jobs::set_label(&job.id, STAGE)?;
                return store::remove(&key(&plan.call));
            }
            Err(error) => Verdict::before_it_began(
                RunState::Failed,
                format!("the agent could not be started in the clone: {error}"),
            ),
        },
    };
    // Nobody has worked in it.
    let made = Made {
        is_spent: true,
        ..Made::default()
    };
    Conversation::end_build(note, &job.id, &verdict, &made)?;
    made.tidy(plan);
    jobs::set_label(&job.id, verdict.state.name())?;
    store::remove(&key(&plan.call))
}

/// Writes the clone's files, and submits the job of the agent.
fn start(setup: &Setup, job: &Job, note: &Note, plan: &Plan) -> Result<String> {
    let task: Option<Task> = store::get(&key(&plan.call))?;
    let task = task.ok_or_else(|| Error::Failed("what it is to do is not kept any more".to_owned()))?;
    let clone = plan.directory();
    // What was cloned is the project's own only if it was that all the time.
    git::confined(&plan.project)?;
    git::check_out(&clone, &plan.branch, &plan.base)?;
    let start = Start {
        agent: setup.agent(Some(&note.agent))?,
        way: Way::New(&note.conversation),
        left: limits::left(&setup.settings, &note.conversation, &Conversation::default())?,
        tools: &setup.settings.build_tools,
        trusted: note.trusted,
    };
    let note = Note {
        build: Some(Plan {
            run: Some(First {
                id: job.id.clone(),
                queued_at: job.queued_at,
                started_at: job.started_at,
            }),
            ..plan.clone()
        }),
        ..note.clone()
    };
    run::submit(start.spec(format!("run/{}/agent", plan.call), &note, &task.prompt)?)
}

fn worked(job: &Job, note: &Note, plan: &Plan, run: &str) -> Result<()> {
    let kept = Conversation::find(&note.conversation)?.unwrap_or_default();
    let made = match kept.made(run) {
        Some(made) => made.clone(),
        None => {
            let (mut verdict, answer) = judge(job, note)?;
            let made = Made::look(plan, run, &answer);
            if let (RunState::Done, Some(why)) = (verdict.state, made.failure()) {
                verdict = verdict.failed(&why);
            }
            Conversation::end_build(note, run, &verdict, &made)?;
            made
        }
    };
    made.tidy(plan);
    let kept = Conversation::find(&note.conversation)?.unwrap_or_default();
    let state = kept.verdict(run).map_or(RunState::Failed, |verdict| verdict.state);
    jobs::set_label(&job.id, state.name())
}
