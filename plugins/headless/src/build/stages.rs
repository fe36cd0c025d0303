//! What follows the jobs of a build: after the clone its files and the agent, after the agent the facts and the branch.

use super::submit::{Task, key};
use crate::kept::built::{First, Made, Plan};
use crate::kept::conversation::Conversation;
use crate::kept::note::Note;
use crate::kept::state::{RunState, STAGE};
use crate::kept::verdict::Verdict;
use crate::read::clone;
use crate::read::judge::judge;
use crate::setup::Setup;
use crate::start::command::{Start, Way};
use crate::start::limits;
use crate::start::submit::submit;
use berth_plugin::git;
use berth_plugin::jobs::{self, Job};
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

fn cloned(setup: &Setup, job: &Job, note: &Note, plan: &Plan) -> Result<()> {
    let kept = Conversation::find(&note.conversation)?.unwrap_or_default();
    let verdict = match kept.verdict(&job.id).cloned().or_else(|| clone::ended(job)) {
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
        options: &setup.settings.options(),
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
    let spec = start.spec(format!("run/{}/agent", plan.call), &note, &task.prompt)?;
    submit(note.host.as_deref(), spec)
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
