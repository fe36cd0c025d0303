//! The beginning of a build: what is asked for becomes a plan, and the clone a job.

use berth_plugin::git::{self, Branch, Commit};
use berth_plugin::jobs::Spec;
use berth_plugin::{Error, Result, log, ssh, store};
use serde::{Deserialize, Serialize};

use super::clone;
use super::words;
use crate::kept::built::Plan;
use crate::kept::conversation::Conversation;
use crate::kept::note::{self, Kind, Note};
use crate::run::repeated;
use crate::run::submit::{Submitted, timeout};
use crate::setup::Setup;
use crate::setup::projects::{self, Place};
use crate::start::request;
use crate::start::submit as job;

/// What a caller gives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    project: String,
    spec: String,
    branch: String,
    #[serde(default)]
    base_branch: Option<String>,
    #[serde(default)]
    run_tests: Option<bool>,
    #[serde(default)]
    timeout_ms: Option<u64>,
}

/// What the agent is told, kept until it is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) prompt: String,
}

/// The key of that in the store.
pub(crate) fn key(call: &str) -> String {
    format!("task/{call}")
}

/// Submits a build. `call` is the id of the call, a UUID: repeated, it answers the same run.
pub(crate) fn submit(setup: &Setup, call: &str, asked: &Asked) -> Result<Submitted> {
    if asked.spec.trim().is_empty() {
        return Err(Error::Invalid("`spec` is empty: say what is to be built".to_owned()));
    }
    let place = projects::find(setup, &asked.project)?;
    let agent = setup.agent(None)?;
    let timeout = timeout(&setup.settings, setup.settings.build_timeout, asked.timeout_ms)?;
    let branch = Branch::checked(&asked.branch).map_err(|error| in_argument("branch", error))?;
    may_be_read(&place)?;
    let base = base(&place, asked.base_branch.as_deref(), &branch)?;
    let prompt = words::request(&asked.spec, &branch, &base, asked.run_tests.unwrap_or(false));
    // As long as one of a run may be.
    request::check("spec", &prompt)?;
    let plan = Plan {
        call: call.to_owned(),
        project: place.directory.clone(),
        folder: clone::folder(setup)?,
        branch,
        base,
        run: None,
    };
    let note = Note {
        kind: Kind::Build,
        host: ssh::current(),
        project: place.name.clone(),
        directory: plan.directory(),
        agent: agent.name.clone(),
        task: note::task(&asked.spec),
        trusted: place.trusted,
        left_out: Vec::new(),
        timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        conversation: call.to_owned(),
        asks: request::asks(setup, agent).then(|| call.to_owned()),
        build: Some(plan.clone()),
    };
    store::put(&key(call), &Task { prompt })?;
    let spec = Spec::new(
        repeated::key(call),
        note.queue(),
        git::clone_job(&plan.project, &plan.directory()),
    )
    .note(note.text()?);
    let id = job::submit(note.host.as_deref(), spec)?;
    if let Err(error) = Conversation::begin(&note, &id) {
        log::warn(format_args!(
            "build {id} is not kept with its conversation yet: {error}"
        ));
    }
    Ok(Submitted { id, note })
}

/// Git finds nothing in the project that leads out of the granted directories.
fn may_be_read(place: &Place) -> Result<()> {
    git::confined(&place.directory).map_err(|error| unreadable(place, error))
}

fn unreadable(place: &Place, error: Error) -> Error {
    match error {
        error @ (Error::Failed(_) | Error::NotFound(_)) => Error::Refused(format!(
            "project {:?} cannot be built from: it is not a git repository that can be read ({error})",
            place.name
        )),
        Error::Refused(why) => Error::Refused(format!("project {:?} cannot be built from: {why}", place.name)),
        error => error,
    }
}

/// The commit from which the branch begins: that of `baseBranch`; otherwise where the branch is already, or else where the
/// project is.
fn base(place: &Place, asked: Option<&str>, branch: &Branch) -> Result<Commit> {
    let find = |revision: &str| git::commit(&place.directory, revision).map_err(|error| unreadable(place, error));
    if let Some(asked) = asked {
        let base = Branch::checked(asked).map_err(|error| in_argument("baseBranch", error))?;
        let found = match find(&base.reference())? {
            Some(found) => Some(found),
            None => find(base.name())?,
        };
        return found.ok_or_else(|| {
            Error::Invalid(format!(
                "`baseBranch` {asked:?} names no commit of project {:?}",
                place.name
            ))
        });
    }
    if let Some(found) = find(&branch.reference())? {
        return Ok(found);
    }
    find("HEAD")?.ok_or_else(|| {
        Error::Refused(format!(
            "project {:?} has no commit yet, so there is nothing to begin with: make the first one",
            place.name
        ))
    })
}

fn in_argument(name: &str, error: Error) -> Error {
    match error {
        Error::Invalid(why) => Error::Invalid(format!("`{name}`: {why}")),
        error => error,
    }
}
