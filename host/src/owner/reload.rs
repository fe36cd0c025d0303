//! Reload without a restart: the configuration is read again and comes up aside; calls that begin after that are done with
//! it. If something is wrong with it, everything stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::request::Request;
use crate::admission::Admission;
use crate::assemble::{self, Granted, Host, Lasting, Setup, Starter};
use crate::desk::{Condition, Desk, Generation, Member};
use crate::store::Recorder;
use crate::store::audit::{Entry, Event, Outcome};

/// How long those backends may take to come up that are new or were down. Then they come up later, as at a start.
const NEW: Duration = Duration::from_secs(10);
/// How long those may take that were up.
const KNOWN: Duration = Duration::from_mins(1);
/// How long the answer to who asks for it may take: longer than a reload, and one before it.
const ANSWERS_WITHIN: Duration = Duration::from_mins(3);
/// Earlier generations that calls may still be done with when a signal comes, and when the operator's command does: what
/// nobody knows the sender of leaves room for that.
const FORMER_AT_SIGNAL: usize = 2;
const FORMER: usize = 4;
/// What counts as soon as it is loaded; the rest is fixed when berth starts.
const RELOADED: [&str; 7] = [
    "agents.",
    "backends.",
    "default_backend",
    "hosts.",
    "prompts.",
    "server.rates.",
    "tools.",
];

/// Who wants a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A command of the operator's, outside of every session.
    Command,
    /// A signal: nobody knows who sent it.
    Signal,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// Whether it was done.
    pub done: bool,
    /// What changed, or what is wrong.
    pub lines: Vec<String>,
}

/// Asks the owner behind `socket` to reload.
///
/// # Errors
/// If no berth owns the data directory, or it does not answer.
pub async fn reload(socket: &Path) -> anyhow::Result<Told> {
    let Ok(asked) = Request::Reload.ask(socket, ANSWERS_WITHIN).await else {
        let data = socket.parent().unwrap_or(socket);
        bail!(
            "no berth runs with the data directory {}, so there is nothing to reload: the next start reads the \
             configuration. If you changed `data` in [server], that counts after a restart",
            data.display()
        );
    };
    let answer = asked.context("the berth at the other end does not answer; its log may say why")?;
    serde_json::from_str(&answer).with_context(|| {
        format!(
            "the berth at the other end cannot reload; restart it. It said: {}",
            answer.trim()
        )
    })
}

/// Reloads, one at a time.
pub struct Reloads {
    desk: Arc<Desk>,
    lasting: Lasting,
    recorder: Recorder,
    admission: Admission,
    /// What goes on between calls.
    tasks: TaskTracker,
    last: Mutex<Last>,
}

/// What counts now.
struct Last {
    /// With what this process was started.
    first: Setup,
    /// What was loaded last.
    setup: Setup,
    /// Generations before the present one.
    former: Vec<Weak<Generation>>,
}

impl Reloads {
    /// For an owner that was started with `setup`.
    pub(super) fn new(
        setup: &Setup,
        desk: Arc<Desk>,
        lasting: Lasting,
        recorder: Recorder,
        admission: Admission,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self {
            desk,
            lasting,
            recorder,
            admission,
            tasks,
            last: Mutex::new(Last {
                first: setup.clone(),
                setup: setup.clone(),
                former: Vec::new(),
            }),
        })
    }

    /// What counts now. This waits for a reload.
    pub(super) async fn setup(&self) -> Setup {
        self.last.lock().await.setup.clone()
    }

    /// Reads the configuration again from where it was read, and replaces the present generation. Answers what changed, in
    /// lines. Calls under way finish as they were begun. It takes about a minute at the longest.
    ///
    /// # Errors
    /// Everything stays as it was, and each line says what is wrong: the configuration, or a backend that was up and would
    /// not be up any more, other than for a host that is away.
    pub async fn reload(&self, by: By) -> Result<Vec<String>, Vec<String>> {
        let mut last = self.last.lock().await;
        let reloaded = self.replace(&mut last, by).await;
        self.lasting.links.keep(&last.setup.hosts);
        match &reloaded {
            Ok(lines) => lines.iter().for_each(|line| tracing::info!("reload: {line}")),
            Err(lines) => lines
                .iter()
                .for_each(|line| tracing::warn!("not reloaded, and everything stays as it was: {line}")),
        }
        let lines = reloaded.as_ref().unwrap_or_else(|faults| faults);
        let entry = Entry {
            outcome: if reloaded.is_ok() {
                Outcome::Done
            } else {
                Outcome::Refused
            },
            ..Entry::at_door(Event::Reloaded, by.name(), lines.join("; "))
        };
        // What is done stays done; the recorder's log says why it could not be recorded.
        let _ = self.recorder.record(entry).await;
        reloaded
    }

    async fn replace(&self, last: &mut Last, by: By) -> Result<Vec<String>, Vec<String>> {
        last.former.retain(|former| former.strong_count() > 0);
        let most = match by {
            By::Command => FORMER,
            By::Signal => FORMER_AT_SIGNAL,
        };
        if last.former.len() >= most {
            let fault =
                format!("calls are still under way with {most} earlier configurations; reload again in a minute");
            return Err(vec![fault]);
        }
        self.recorder.ready().await.map_err(|why| vec![why.to_string()])?;
        let next = again(&last.setup).await.map_err(|why| vec![format!("{why:#}")])?;
        let present = self.desk.present();
        let (pinned, unpinned) = match by {
            By::Command => (next.clone(), BTreeSet::new()),
            By::Signal => {
                let running = plugins(&present);
                next.pinned(|origin| {
                    let known = running.values().find(|plugin| plugin.origin == origin);
                    known.map(|plugin| plugin.digest.as_str())
                })
            }
        };
        // What kept a host away may be what was changed, such as a key that is trusted now.
        let _ = timeout(NEW, self.lasting.links.try_again()).await;
        let away = self.lasting.links.failed();
        let aside = self.bring_up(&last.setup, &pinned).await;
        let aside = aside.map_err(|why| vec![format!("{why:#}")])?;
        let stay_away: BTreeSet<String> = next
            .backends
            .keys()
            .filter(|name| stays_away(name, &last.setup, &next, &away))
            .cloned()
            .collect();
        let faults = self.settle(&present, &aside, &unpinned, &stay_away).await;
        if !faults.is_empty() {
            return Err(faults);
        }
        assemble::write_confs(&next, &self.lasting.data).map_err(|why| vec![format!("{why:#}")])?;
        let told = told(last, &next, &present, &aside);
        self.admission.set_rates(&next.server.rates);
        self.recorder.set_grants(next.grants());
        let former = self.desk.follow(aside);
        last.former.push(Arc::downgrade(&former));
        last.setup = next;
        Ok(told)
    }

    /// Begins to bring up the backends of `next` aside.
    async fn bring_up(&self, before: &Setup, next: &Setup) -> anyhow::Result<Arc<Generation>> {
        // What the others have in the data directory is in use.
        let new = next.new_since(before);
        assemble::write_confs(&new, &self.lasting.data)?;
        assemble::follow_former_sockets(&new, &self.lasting.data).await?;
        assemble::take_over_state(&new, &self.lasting.data).await?;
        let aside = assemble::aside(next, &self.desk)?;
        assemble::bring_up(Starter::new(next, self.lasting.clone())?, &aside, &self.tasks);
        Ok(aside)
    }

    /// Waits for the backends of `aside`. Answers what is wrong with those that are up in `present`; of those called
    /// `unpinned`, only the bytes that run are taken. Nothing is wrong with those that `stay_away` with their host.
    async fn settle(
        &self,
        present: &Generation,
        aside: &Generation,
        unpinned: &BTreeSet<String>,
        stay_away: &BTreeSet<String>,
    ) -> Vec<String> {
        let known = plugins(present);
        aside.settled(NEW).await;
        aside.settled_of(known.keys(), KNOWN).await;
        let fault = |(name, condition): (&str, Condition)| {
            let why = match condition {
                _ if !known.contains_key(name) => return None,
                Condition::Up(_) => return None,
                Condition::ComingUp | Condition::Down { is_away: true, .. } if stay_away.contains(name) => return None,
                Condition::ComingUp => format!("it did not come up within {} s", KNOWN.as_secs()),
                Condition::Down { why, .. } => why.to_string(),
            };
            let hint = match unpinned.contains(name) {
                true => {
                    "; a signal takes only the plugin that runs already, as nobody knows who sent it: run `berth reload`"
                }
                false => "",
            };
            Some(format!("backend `{name}` is up and would be down: {why}{hint}"))
        };
        aside.conditions().filter_map(fault).collect()
    }
}

impl By {
    /// Who did it, in the record.
    fn name(self) -> &'static str {
        match self {
            Self::Command => "local",
            Self::Signal => "signal",
        }
    }
}

async fn again(setup: &Setup) -> anyhow::Result<Setup> {
    let setup = setup.clone();
    Ok(tokio::task::spawn_blocking(move || setup.again()).await??)
}

/// Whether the backend called `name` is of no more use in the configuration `before` than in `next` while its host cannot be
/// reached: it is on the same one, which is reached in the same way, or is among those that are `away` anyway.
fn stays_away(name: &str, before: &Setup, next: &Setup, away: &BTreeSet<String>) -> bool {
    let (Some(former), Some(host)) = (host_of(before, name), host_of(next, name)) else {
        return false;
    };
    let is_same = former.written.name == host.written.name;
    is_same && (former.is_reached_as(host) || away.contains(&host.written.name))
}

fn host_of<'a>(setup: &'a Setup, backend: &str) -> Option<&'a Host> {
    setup.hosts.get(setup.backends.get(backend)?.written.host.as_ref()?)
}

/// The plugins of the backends that are up, by the names of these.
fn plugins(generation: &Generation) -> BTreeMap<String, Plugin> {
    let plugin = |member: Arc<Member>| {
        let plugin = &member.watched.backend.plugin;
        let running = Plugin {
            origin: plugin.origin.clone(),
            digest: plugin.digest.clone(),
        };
        (member.watched.backend.name.clone(), running)
    };
    generation.up().into_iter().map(plugin).collect()
}

/// A plugin that runs.
struct Plugin {
    origin: String,
    digest: String,
}

/// What `next` changes, in lines.
fn told(last: &Last, next: &Setup, present: &Generation, aside: &Generation) -> Vec<String> {
    let is_reloaded = |key: &str| RELOADED.iter().any(|prefix| key.starts_with(prefix));
    let changes = last.setup.changes(next);
    let changed: BTreeSet<String> = changes
        .iter()
        .filter(|change| is_reloaded(&change.key))
        .map(|change| table(&change.key))
        .collect();
    let (before, now) = (plugins(present), plugins(aside));
    let is_other = |name: &str| {
        let both = before.get(name).zip(now.get(name));
        both.is_some_and(|(before, now)| before.digest != now.digest)
    };
    let mut lines = Vec::new();
    for (name, condition) in aside.conditions() {
        let key = format!("backends.{name}");
        let both = last.setup.backends.get(name).zip(next.backends.get(name));
        let meaning = both.map(|(before, now)| other_meaning(before, now)).unwrap_or_default();
        let what = match (last.setup.backends.contains_key(name), &condition) {
            (false, _) => "added",
            (true, _) if changed.contains(&key) || !meaning.is_empty() => "changed",
            (true, _) if is_other(name) => "changed: its plugin has other bytes",
            (true, Condition::Up(_)) => continue,
            (true, _) => "as it was",
        };
        let how = match condition {
            Condition::Up(_) => String::new(),
            Condition::ComingUp => "; it is coming up".to_owned(),
            Condition::Down { why, .. } => format!("; it is down, and is tried again: {why}"),
        };
        lines.push(format!("backend `{name}`: {what}{meaning}{how}"));
    }
    let gone = last
        .setup
        .backends
        .keys()
        .filter(|name| !next.backends.contains_key(*name));
    lines.extend(gone.map(|name| format!("backend `{name}`: removed")));
    let others = changed.iter().filter(|table| !table.starts_with("backends."));
    lines.extend(others.map(|table| format!("{table}: changed")));
    let fixed = last.first.changes(next);
    let fixed: BTreeSet<&str> = fixed
        .iter()
        .map(|change| change.key.as_str())
        .filter(|key| !is_reloaded(key))
        .collect();
    lines.extend(
        fixed
            .into_iter()
            .map(|key| format!("{key}: changed, and counts after a restart")),
    );
    if lines.is_empty() {
        lines.push("nothing changed".to_owned());
    }
    lines
}

/// What the name of a backend does not mean any more as it did, with what follows from that, as the end of a line; nothing
/// if it means the same.
fn other_meaning(before: &Granted, now: &Granted) -> String {
    let ((plugin_before, place_before), (plugin, place)) = (before.meaning_parts(), now.meaning_parts());
    let mut what = String::new();
    if place_before != place {
        what = format!("; it was {place_before}, and is {place} now");
    }
    let mut kept = "";
    if plugin_before != plugin {
        what.push_str("; its name means another plugin");
        kept = ", and what was kept under it, its jobs and its sessions are the other's now";
    }
    match what.is_empty() {
        true => what,
        false => format!("{what}, so what was approved for it counts only when it is approved again{kept}"),
    }
}

/// The table of a key that is reloaded, such as `backends.local`.
fn table(key: &str) -> String {
    key.split('.').take(2).collect::<Vec<_>>().join(".")
}
