//! The jobs of one installation on a host, asked over a [way](Way) to its shell.
//!
//! Nothing is lost with an answer: whatever is asked can be asked again. A job that a supervisor has never starts again,
//! input is only added where it is expected, and the rest is the same when it is done twice.

mod others;
mod watch;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::others::Found;
pub use self::watch::Reach;
use super::about::About;
use super::begin::Begun;
use super::ended::Ended;
use super::input::Appended;
use super::outcome::{Lengths, Removed, Trouble};
use super::output::{Channel, Chunk};
use super::place::Stage;
use super::sh::{self, Answer, Item, Request, Standing, Status, Unfit, Within};
use super::spec::Spec;
use crate::machine::sh::{Fault, Way, ask};
use crate::machine::{for_clients, is_busy};
use crate::text;

/// What starts a supervisor there.
const SHELL: &str = "/bin/sh";
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The slowest connection that is waited for, in bytes a second.
const SLOWEST: u64 = 32 << 10;
/// Bytes of an answer, beside output that was asked for.
const ANSWER: u64 = 16 << 20;
/// How often input is added again whose place was taken by other input.
const TRIES: usize = 5;
/// Characters of why a job ended.
const REASON: usize = 500;

/// Why a request has no answer.
enum Unanswered {
    /// What it asks for is not done.
    Refused(Trouble),
    /// The host cannot be asked.
    Away(Arc<str>),
    /// This one took too long. Another one need not.
    Slow(Arc<str>),
    /// All sessions were in use.
    Busy(Arc<str>),
}

/// The jobs of one installation on one host. Clones are the same.
#[derive(Clone)]
pub struct There(Arc<Inner>);

struct Inner {
    label: String,
    way: Arc<dyn Way>,
    installation: String,
    keep: Vec<String>,
    paths: Vec<String>,
    known: watch::Known,
}

/// Which host, and whose jobs there.
pub(crate) struct On {
    /// The host, by its name in `[hosts]`.
    pub(crate) label: String,
    /// How it is reached.
    pub(crate) way: Arc<dyn Way>,
    /// Whose jobs: this installation, by the name that its data directory keeps.
    pub(crate) installation: String,
    /// What jobs get of the variables of a login, by patterns like `LC_*`.
    pub(crate) keep: Vec<String>,
    /// Directories of programs, before those of the login: absolute, or beginning with `~/`.
    pub(crate) paths: Vec<String>,
}

/// The start of a job there.
#[derive(Debug)]
pub struct Starting<'a> {
    /// What it runs.
    pub spec: &'a Spec,
    /// What it is, for another installation that takes it over.
    pub about: &'a About,
    /// The beginning of its input.
    pub input: &'a [u8],
    /// Nothing is added to that, nor ever was.
    pub whole: bool,
    /// Where the program starts; none: in the root directory.
    pub directory: Option<&'a Within>,
    /// The values of the variables that `spec` names, in its order.
    pub values: &'a [String],
}

/// What the host has of a job's input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Input {
    /// So many bytes.
    pub bytes: u64,
    /// Nothing is added to them any more.
    pub is_closed: bool,
}

impl There {
    /// They are asked for when something is done with them, and not before.
    pub(crate) fn new(on: On) -> Self {
        Self(Arc::new(Inner {
            paths: on.paths,
            label: on.label,
            way: on.way,
            installation: on.installation,
            keep: on.keep,
            known: watch::Known::default(),
        }))
    }

    /// The host, by its name in `[hosts]`.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Makes a job and starts its supervisor, if none has it: then that is answered, with the input that it has.
    ///
    /// # Errors
    /// The host cannot be asked, or cannot do it now. Whether a supervisor has the job is not known, except where the disk
    /// there is full: then none has it.
    pub async fn begin(&self, start: &Starting<'_>) -> Result<(Begun, Input), Trouble> {
        let begin = sh::Begin {
            spec: start.spec,
            about: start.about,
            input: start.input,
            whole: start.whole,
            directory: start.directory,
            keep: &self.0.keep,
            paths: &self.0.paths,
            values: start.values,
        };
        let id = &start.spec.id;
        let bytes = start.input.len() as u64;
        let begun = |request: &mut Request| {
            request.start(&begin)?;
            request.status(id)
        };
        let mut items = self.call(bytes, begun).await?.into_iter();
        let mut answer = items.next().map(|item| item.answer);
        if answer == Some(Answer::Wanted) {
            let installed = |request: &mut Request| {
                request.install();
                begun(request)
            };
            items = self.call(bytes, installed).await?.into_iter();
            answer = items.next().map(|item| item.answer);
            if answer == Some(Answer::Installed) {
                answer = items.next().map(|item| item.answer);
            }
        }
        self.0.known.stir();
        match answer {
            Some(Answer::Claimed) => {
                let status = self.status_of(items.next().as_ref())?;
                Ok((Begun::Claimed, Input::of(&status)))
            }
            Some(Answer::Refused(why)) => {
                let why = format!("the host {} says: \"{why}\"", self.0.label);
                Ok((Begun::Refused(why), Input::default()))
            }
            Some(Answer::Full(why)) => {
                let why = format!("the host {} says: \"{why}\"", self.0.label);
                Err(io::Error::new(io::ErrorKind::StorageFull, why).into())
            }
            other => Err(self.not(other.as_ref())),
        }
    }

    /// What the host has of a job's input.
    ///
    /// # Errors
    /// There is no such job, or the host cannot be asked.
    pub async fn input(&self, id: &str) -> Result<Input, Trouble> {
        Ok(Input::of(&self.status(id).await?))
    }

    pub(super) async fn cancel(&self, id: &str, may_still_come: bool) -> Result<(), Trouble> {
        let cancel = |request: &mut Request| match may_still_come {
            true => request.forestall(id),
            false => request.cancel(id),
        };
        // It is tried whatever is known, and alone, so that nothing that a job has holds it up.
        let (items, _) = self.ask(0, cancel).await?;
        self.0.known.stir();
        let answer = items.into_iter().next().map(|item| item.answer);
        if let Some(Answer::Cancelled) = answer {
            return Ok(());
        }
        let (items, _) = self.ask(0, |request| request.status(id)).await?;
        match items.first().map(|item| &item.answer) {
            // Also where nothing is of any job: whoever cancels it does not wait for that to come back.
            Some(Answer::Status(Status { stage: None, .. })) => Err(self.no_job()),
            _ => Err(self.not(answer.as_ref())),
        }
    }

    pub(super) async fn append(&self, id: &str, bytes: &[u8], expect: Option<u64>) -> Result<Appended, Trouble> {
        for _ in 0..TRIES {
            // Without a place, bytes whose answer was lost would be added twice.
            let place = match expect {
                Some(expect) => expect,
                None => self.status(id).await?.input,
            };
            let append = |request: &mut Request| request.append(id, bytes, Some(place));
            let (answer, is_repeated) = self.deed(id, bytes.len() as u64, append).await?;
            return match answer {
                // Nobody else adds to it.
                Answer::Appended(Appended::Conflict(found)) if is_repeated && found == place + bytes.len() as u64 => {
                    Ok(Appended::Now(found))
                }
                Answer::Appended(Appended::Conflict(_)) if expect.is_none() => continue,
                Answer::Appended(appended) => Ok(appended),
                other => Err(self.not(Some(&other))),
            };
        }
        let why = "others add to its input all the time; try again";
        Err(io::Error::new(io::ErrorKind::ResourceBusy, why).into())
    }

    pub(super) async fn close(&self, id: &str) -> Result<(), Trouble> {
        match self.deed(id, 0, |request| request.close(id)).await? {
            (Answer::Closed(_), _) => Ok(()),
            (other, _) => Err(self.not(Some(&other))),
        }
    }

    pub(super) async fn output(&self, id: &str, channel: Channel, start: u64, most: u64) -> Result<Chunk, Trouble> {
        let both = |request: &mut Request| {
            request.output(id, channel, start, most)?;
            request.status(id)
        };
        let items = self.call(most, both).await?;
        // Nothing is not what a job printed that is not there.
        let status = self.status_of(items.get(1))?;
        if let (true, Some(Stage::Ended(ended))) = (status.is_taken, status.stage) {
            let why = format!(
                "what it printed is not here any more: {}",
                ended.reason.unwrap_or_default()
            );
            return Err(io::Error::other(why).into());
        }
        match items.into_iter().next().map(|item| item.answer) {
            // Otherwise who reads on would read without an end.
            Some(Answer::Output(chunk, _)) if chunk.bytes.len() as u64 > most => Err(self.not(None)),
            Some(Answer::Output(chunk, _)) if chunk.start < start && !chunk.bytes.is_empty() => Err(self.not(None)),
            Some(Answer::Output(chunk, _)) => Ok(chunk),
            other => Err(self.not(other.as_ref())),
        }
    }

    pub(super) async fn lengths(&self, id: &str) -> Result<Lengths, Trouble> {
        if let Some(why) = self.0.known.away_while_attended() {
            return Err(Trouble::Away(why));
        }
        match self.0.known.last(id) {
            Some(status) => Ok(Lengths::of(&*self.there_is(status)?)),
            None => Ok(Lengths::of(&self.status(id).await?)),
        }
    }

    /// Those of a job that has ended, as the host told them then.
    pub(super) fn last_lengths(&self, id: &str) -> Lengths {
        let last = self.0.known.last(id).filter(|status| status.stage.is_some());
        last.map(|status| Lengths::of(&status)).unwrap_or_default()
    }

    pub(super) async fn settle(&self, id: &str) -> Result<Option<Ended>, Trouble> {
        if let Some(ended) = self.0.known.last(id).and_then(|status| ended(&status)) {
            return Ok(Some(self.named(ended)));
        }
        let items = self.call(0, |request| request.settle(id)).await?;
        let status = self.status_of(items.first())?;
        match status.stage {
            Some(Stage::Unclaimed) => Err(io::Error::new(io::ErrorKind::InvalidData, "nobody has claimed it").into()),
            _ => Ok(ended(&status).map(|ended| self.named(ended))),
        }
    }

    /// How a job ended, with the host in the words about that.
    fn named(&self, ended: Ended) -> Ended {
        let said = |why: String| format!("on the host {}: {}", self.0.label, text::short_line(&why, REASON));
        let reason = ended.reason.map(said);
        Ended { reason, ..ended }
    }

    /// Ends what bears the mark of a job that nobody can look at there. Answers how it ended, if somebody can after all.
    pub(super) async fn end_marked(&self, id: &str) -> Result<Option<Ended>, Trouble> {
        let items = self.call(0, |request| request.settle(id)).await?;
        match items.into_iter().next().map(|item| item.answer) {
            Some(Answer::Status(status)) => Ok(ended(&status).map(|ended| self.named(ended))),
            other => Err(self.not(other.as_ref())),
        }
    }

    pub(super) async fn remove(&self, ids: &[String]) -> Result<Vec<Removed>, Trouble> {
        let all = |request: &mut Request| {
            ids.iter().try_for_each(|id| request.remove(id))?;
            ids.first().map_or(Ok(()), |id| request.status(id))
        };
        let items = self.call(0, all).await?;
        // What is not there because nothing is may come back.
        if let Some(Answer::Status(Status { is_place: false, .. })) = items.last().map(|item| &item.answer) {
            return Err(self.no_place());
        }
        let removed = ids.iter().zip(items).map(|(id, item)| match item.answer {
            Answer::Removed => Ok(Removed::Gone(id.clone())),
            Answer::Running => Ok(Removed::Runs(id.clone())),
            Answer::Failed(why) => Ok(Removed::Stays(id.clone(), format!("the host says: \"{why}\""))),
            other => Err(self.not(Some(&other))),
        });
        removed.collect()
    }

    async fn status(&self, id: &str) -> Result<Status, Trouble> {
        let items = self.call(0, |request| request.status(id)).await?;
        self.status_of(items.first())
    }

    /// Asks for something, and how the job stands then. Answers also whether it was asked twice.
    async fn deed(
        &self,
        id: &str,
        bytes: u64,
        deed: impl Fn(&mut Request) -> Result<(), Unfit>,
    ) -> Result<(Answer, bool), Trouble> {
        self.reachable()?;
        let both = |request: &mut Request| {
            deed(request)?;
            request.status(id)
        };
        let (items, is_repeated) = self.ask(bytes, both).await?;
        self.0.known.stir();
        self.status_of(items.get(1))?;
        match items.into_iter().next() {
            Some(item) => Ok((item.answer, is_repeated)),
            None => Err(self.not(None)),
        }
    }

    /// A request that somebody waits for: if the host is known to be away, it is not tried.
    async fn call(&self, bytes: u64, write: impl Fn(&mut Request) -> Result<(), Unfit>) -> Result<Vec<Item>, Trouble> {
        self.reachable()?;
        Ok(self.ask(bytes, write).await?.0)
    }

    fn reachable(&self) -> Result<(), Trouble> {
        match self.0.known.away_while_attended() {
            None => Ok(()),
            Some(why) => {
                self.0.known.stir();
                Err(Trouble::Away(why))
            }
        }
    }

    /// Sends what `write` writes, with `bytes` to send or to get beside it, and once more if the answer is lost.
    async fn ask(
        &self,
        bytes: u64,
        write: impl Fn(&mut Request) -> Result<(), Unfit>,
    ) -> Result<(Vec<Item>, bool), Trouble> {
        let asked = Instant::now();
        let answered = self.try_ask(bytes, write).await;
        answered.map_err(|why| self.trouble(asked, why))
    }

    /// What becomes of a request that has no answer.
    fn trouble(&self, asked: Instant, why: Unanswered) -> Trouble {
        match why {
            Unanswered::Refused(trouble) => trouble,
            Unanswered::Away(why) => {
                self.0.known.set_away(asked, why.clone());
                Trouble::Away(why)
            }
            // Whoever attends finds out whether the host answers at all.
            Unanswered::Slow(why) | Unanswered::Busy(why) => {
                self.0.known.stir();
                Trouble::Away(why)
            }
        }
    }

    /// The same, and nothing becomes of it where there is no answer.
    async fn try_ask(
        &self,
        bytes: u64,
        write: impl Fn(&mut Request) -> Result<(), Unfit>,
    ) -> Result<(Vec<Item>, bool), Unanswered> {
        let refused = |why| Unanswered::Refused(unfit(why));
        let mut is_repeated = false;
        loop {
            let asked = Instant::now();
            // Another one each time: the first may still be at work there, and its draft is its own.
            let mut request = Request::new(SHELL, &self.0.installation).map_err(refused)?;
            write(&mut request).map_err(refused)?;
            let until = asked + PATIENCE + Duration::from_secs(bytes / SLOWEST);
            let output = ask(&self.0.way, until, &request.script(), ANSWER + bytes).await;
            let why = match output {
                Ok(output) => match request.answers(&output) {
                    Ok(items) => {
                        self.0.known.tell(asked, &items);
                        return Ok((items, is_repeated));
                    }
                    Err(sh::Fault::Refused(words)) => {
                        let why = format!("the host {} says: \"{words}\"", self.0.label);
                        return Err(Unanswered::Refused(io::Error::other(why).into()));
                    }
                    Err(sh::Fault::CutOff) if !is_repeated => None,
                    Err(fault) => Some(self.unknown(&fault)),
                },
                Err(Fault::Lost | Fault::Silent { .. }) if !is_repeated => None,
                Err(fault @ Fault::TimedOut(_)) => return Err(Unanswered::Slow(self.unknown(&fault).into())),
                Err(fault) if is_busy(&fault) => {
                    let why = match fault {
                        Fault::Unopened(_) => for_clients(&fault),
                        fault => format!("the host {}: {fault}", self.0.label),
                    };
                    return Err(Unanswered::Busy(why.into()));
                }
                // It names the host itself.
                Err(fault @ Fault::Unopened(_)) => Some(for_clients(&fault)),
                Err(fault @ (Fault::Silent { .. } | Fault::Hung { .. } | Fault::TooMuch(_))) => {
                    Some(self.unknown(&fault))
                }
                Err(fault) => Some(format!("the host {}: {fault}", self.0.label)),
            };
            match why {
                None => is_repeated = true,
                Some(why) => return Err(Unanswered::Away(why.into())),
            }
        }
    }

    fn unknown(&self, fault: &dyn std::error::Error) -> String {
        format!(
            "the host {}: {fault}, so whether it was done is not known",
            self.0.label
        )
    }

    fn status_of(&self, item: Option<&Item>) -> Result<Status, Trouble> {
        match item.map(|item| &item.answer) {
            Some(Answer::Status(status)) => self.there_is(status.clone()),
            other => Err(self.not(other)),
        }
    }

    fn there_is<S: std::borrow::Borrow<Status>>(&self, status: S) -> Result<S, Trouble> {
        match status.borrow().stage {
            None if !status.borrow().is_place => Err(self.no_place()),
            None => Err(self.no_job()),
            Some(_) => match self.elsewhere(status.borrow()) {
                Some(why) => Err(Trouble::Away(why)),
                None => Ok(status),
            },
        }
    }

    /// Why nobody can tell how a job stands that is there.
    fn elsewhere(&self, status: &Status) -> Option<Arc<str>> {
        let node = status
            .node
            .as_ref()
            .filter(|_| status.standing == Standing::Elsewhere)?;
        let why = format!(
            "the host {} is another machine now than \"{node}\", on which the job runs, and both have the same files: \
             give the host the name of that machine, or cancel the job",
            self.0.label
        );
        Some(why.into())
    }

    /// It was installed again, or its home directory is not mounted yet.
    fn no_place(&self) -> Trouble {
        let label = &self.0.label;
        let why = format!("the host {label} has nothing of this installation: is it another machine by that name?");
        Trouble::Away(why.into())
    }

    fn no_job(&self) -> Trouble {
        let why = format!("the host {} has no such job", self.0.label);
        io::Error::new(io::ErrorKind::NotFound, why).into()
    }

    /// An answer that is none to what was asked.
    fn not(&self, answer: Option<&Answer>) -> Trouble {
        let why = match answer {
            Some(Answer::Failed(words)) => format!("the host {} says: \"{words}\"", self.0.label),
            _ => format!("the host {} answers something else than was asked", self.0.label),
        };
        io::Error::other(why).into()
    }
}

impl Lengths {
    fn of(status: &Status) -> Self {
        let kept = |kept: sh::Kept| kept.end.saturating_sub(kept.start);
        Self {
            input: Some(status.input),
            output: status.output.end,
            errors: status.errors.end,
            kept: match status.is_taken {
                true => 0,
                false => status.input + kept(status.output) + kept(status.errors),
            },
        }
    }
}

impl Input {
    fn of(status: &Status) -> Self {
        Self {
            bytes: status.input,
            is_closed: status.is_closed,
        }
    }
}

impl fmt::Debug for There {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "There({} on {})", self.0.installation, self.0.label)
    }
}

impl fmt::Display for There {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            label, installation, ..
        } = &*self.0;
        write!(
            formatter,
            "~/.local/state/berth/{installation}/jobs on the host {label}"
        )
    }
}

fn ended(status: &Status) -> Option<Ended> {
    match &status.stage {
        Some(Stage::Ended(ended)) => Some(ended.clone()),
        _ => None,
    }
}

/// Nothing was sent.
fn unfit(why: Unfit) -> Trouble {
    io::Error::new(io::ErrorKind::InvalidInput, why).into()
}
