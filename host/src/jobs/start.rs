//! Starting the job whose turn it is.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Error, Jobs, entry, of_job};
use crate::machine::job::sh::Within;
use crate::machine::job::{self, About, Begun, Folder, Input, Job, Scope, Spec, Starting, There, Trouble};
use crate::peer;
use crate::store::jobs::{JobRecord, Outcome, Phase, Room};

/// Bytes of input that a host is sent at a time.
const PART: usize = 4 << 20;

/// Makes what was submitted into what can be started, by what is granted now.
pub trait Prepare: Send + Sync {
    /// What `command`, as it was submitted, is to run on `host`, or on this machine if that is empty; or why it may not. If it
    /// takes an entry for this server, that will be the file `entry`. Where there is none, because nothing there reaches this
    /// server, it takes none.
    fn prepare<'a>(
        &'a self,
        command: String,
        host: &'a str,
        entry: Option<&'a Path>,
    ) -> BoxFuture<'a, Result<Prepared, Unprepared>>;
}

/// Why something cannot be started.
#[derive(Debug)]
pub enum Unprepared {
    /// It may not be, or never can.
    Refused(String),
    /// Its host cannot be asked now.
    Away(String),
}

/// What can be started.
#[derive(Debug)]
pub struct Prepared {
    /// The program, by an absolute path, and its arguments.
    pub argv: Vec<String>,
    /// Where it starts; none: in the root directory.
    pub directory: Option<Directory>,
    /// Its variables. On a host it gets some of the login's before these.
    pub environment: BTreeMap<String, String>,
    /// Whether it names the file with an entry for this server.
    pub takes_entry: bool,
    /// How long it may take.
    pub deadline: Duration,
    /// Bytes that are kept of each of its outputs.
    pub output: u64,
}

/// Where a program starts.
#[derive(Debug)]
pub enum Directory {
    /// On this machine: an open directory, and its path for people.
    Opened(OwnedFd, String),
    /// On a host, in a directory that was granted.
    Within(Within),
}

impl Jobs {
    /// Takes the job that is next, if there is room for one: from now on it counts as one that runs. If its backend is not
    /// any more where it is to run, it has failed.
    pub(super) async fn take_next(&self, room: Room) -> Result<Option<JobRecord>, Error> {
        let _turn = self.0.turn.lock().await;
        let (folders, failed) = (self.folders(), self.ended(Phase::Failed, None));
        let mut reached = folders.reached();
        if reached.open.is_empty() {
            return Ok(None);
        }
        self.index(move |index| {
            while let Some((next, host)) = index.next(room, &reached)? {
                match folders.for_waiting(&host) {
                    // It may be away by now.
                    Some(folder) if !folder.is_ready() => {
                        folder.stir();
                        reached.away.push(host);
                        continue;
                    }
                    Some(folder) => index.set_running(&next, folder.host(), failed.finished_at)?,
                    None => {
                        let reason = Some(folders.no_place(&host));
                        index.set_ended(&next, &Outcome { reason, ..failed })?
                    }
                };
                return index.get(&next).map(Some);
            }
            Ok(None)
        })
        .await
    }

    /// Starts a job that was taken; a supervisor has it then, or it has ended. It may be tried again by who finds it like
    /// this: of two supervisors only one claims a job.
    pub(super) async fn start(
        &self,
        prepare: &dyn Prepare,
        scope: Option<&Scope>,
        record: &JobRecord,
    ) -> Result<(), Error> {
        let (id, folder) = (&*record.id, self.folder_of(record)?);
        let asked = id.to_owned();
        let Some(command) = self.index(move |index| index.command(&asked)).await? else {
            return self.fail(id, "nobody knows any more what it is to run").await;
        };
        let entry = match &folder {
            Folder::Here(path) => Some(path.join(id).join(entry::FILE)),
            _ => None,
        };
        let prepared = match prepare.prepare(command, &record.host, entry.as_deref()).await {
            Ok(prepared) => prepared,
            Err(Unprepared::Refused(why)) => return self.fail(id, &why).await,
            Err(Unprepared::Away(why)) => {
                return Err(Error::Away {
                    id: id.to_owned(),
                    why: why.into(),
                });
            }
        };
        let mut environment = prepared.environment;
        environment.insert(peer::MARK.to_owned(), self.0.backend.clone());
        environment.insert(job::MARK.to_owned(), id.to_owned());
        let (variables, values): (Vec<_>, Vec<_>) = environment.into_iter().unzip();
        let spec = Spec {
            id: id.to_owned(),
            argv: prepared.argv,
            directory: prepared.directory.as_ref().map(Directory::path),
            variables,
            deadline: prepared.deadline,
            output: prepared.output,
        };
        match (folder, prepared.directory) {
            (Folder::Here(path), None) => {
                self.start_here(&path, scope, spec, None, prepared.takes_entry, &values)
                    .await
            }
            (Folder::Here(path), Some(Directory::Opened(directory, _))) => {
                self.start_here(&path, scope, spec, Some(directory), prepared.takes_entry, &values)
                    .await
            }
            (Folder::There(there), None) => self.start_there(&there, record, spec, None, &values).await,
            (Folder::There(there), Some(Directory::Within(within))) => {
                self.start_there(&there, record, spec, Some(&within), &values).await
            }
            _ => {
                self.fail(id, "its directory is on another machine than its backend")
                    .await
            }
        }
    }

    async fn start_here(
        &self,
        folder: &Path,
        scope: Option<&Scope>,
        spec: Spec,
        directory: Option<OwnedFd>,
        takes_entry: bool,
        values: &[String],
    ) -> Result<(), Error> {
        let id = &*spec.id;
        // It keeps its turn.
        let later = |cause| Error::Start {
            id: id.to_owned(),
            cause,
        };
        let job = match self.make(folder, spec.clone()).await? {
            Ok(job) => job,
            Err(cause) if job::will_pass(&cause) => return Err(later(cause)),
            Err(why) => return self.fail(id, &format!("its directory cannot be made: {why}")).await,
        };
        if takes_entry {
            match self.write_entry(id, &job).await {
                Err(Error::Directory { cause, .. }) if job::will_pass(&cause) => return Err(later(cause)),
                Err(why) => {
                    return self
                        .fail(id, &format!("its entry for this server cannot be written: {why}"))
                        .await;
                }
                Ok(()) => {}
            }
        }
        let start = job::Start {
            berth: &self.0.berth,
            scope,
            job: &job,
            spec: &spec,
            directory,
            backend: &self.0.backend,
            values,
        };
        match start.begin().await {
            Ok(Begun::Claimed) => {
                let asked = id.to_owned();
                self.index(move |index| index.set_claimed(&asked)).await
            }
            Ok(Begun::Refused(why)) => self.fail(id, &format!("its supervisor did not take it: {why}")).await,
            Err(cause) if job::will_pass(&cause) => Err(later(cause)),
            Err(error) => {
                self.fail(id, &format!("its supervisor cannot be started: {error}"))
                    .await
            }
        }
    }

    /// Makes its directory, with the input that it has until then. What can be added to is made only once.
    async fn make(&self, folder: &Path, spec: Spec) -> Result<io::Result<Job>, Error> {
        let _turn = self.0.turn.lock().await;
        let (asked, path) = (spec.id.clone(), folder.join(&spec.id));
        self.index(move |index| {
            let Some((input, whole)) = index.input(&asked)? else {
                return Ok(Job::open(&path).and_then(|job| job.specify(&spec).map(|()| job)));
            };
            let made = Job::make(&path, &spec, &input, whole);
            if made.is_ok() && !whole {
                index.set_made(&asked)?;
            }
            Ok(made)
        })
        .await
    }

    /// Starts it on a host. It may be there from before.
    async fn start_there(
        &self,
        there: &There,
        record: &JobRecord,
        spec: Spec,
        directory: Option<&Within>,
        values: &[String],
    ) -> Result<(), Error> {
        let id = &record.id;
        let asked = id.clone();
        let input = self.index(move |index| index.input(&asked)).await?;
        let input = input.map(|(input, _)| input).unwrap_or_default();
        // Of what can be added to, less may be there from before, and the rest follows in any case.
        let length = if record.interactive {
            input.len().min(PART)
        } else {
            input.len()
        };
        let about = About {
            backend: self.0.backend.clone(),
            key: record.key.clone(),
            queue: record.queue.clone(),
            note: record.note.clone(),
            interactive: record.interactive,
            watch: record.watch,
            queued_at: record.queued_at,
        };
        let start = Starting {
            input: &input[..length],
            whole: !record.interactive,
            spec: &spec,
            about: &about,
            directory,
            values,
        };
        match there.begin(&start).await {
            Ok((Begun::Claimed, input)) => self.hand_over(there, record, input).await,
            Ok((Begun::Refused(why), _)) => self.fail(id, &format!("its supervisor did not take it: {why}")).await,
            Err(Trouble::Directory(cause)) if cause.kind() == io::ErrorKind::InvalidInput => {
                self.fail(id, &format!("it cannot be sent to its host: {cause}")).await
            }
            Err(Trouble::Directory(cause)) if job::will_pass(&cause) => Err(Error::Start { id: id.clone(), cause }),
            Err(trouble) => Err(of_job(id)(trouble)),
        }
    }

    /// A host has the job, with `there_is` of its input.
    pub(super) async fn hand_over(&self, there: &There, record: &JobRecord, mut there_is: Input) -> Result<(), Error> {
        let id = &record.id;
        if record.interactive {
            while let Some(rest) = self.rest_of_input(id, there_is).await? {
                let folder = Folder::There(there.clone());
                let (bytes, is_end) = match &rest {
                    Rest::End => (there_is.bytes, true),
                    Rest::Bytes(more) => (there_is.bytes + more.len() as u64, there_is.is_closed),
                };
                let added = match rest {
                    Rest::End => folder.close(id).await,
                    Rest::Bytes(more) => folder.append(id, more, Some(there_is.bytes)).await.map(drop),
                };
                added.map_err(of_job(id))?;
                there_is = there.input(id).await.map_err(of_job(id))?;
                // It gets more each time, so this ends whatever a host says.
                if there_is.bytes < bytes || (is_end && !there_is.is_closed) {
                    return Err(Error::Directory {
                        id: id.clone(),
                        cause: io::Error::other("the host took its input, and says that it does not have that"),
                    });
                }
            }
        }
        let asked = id.clone();
        self.index(move |index| index.set_claimed(&asked)).await
    }

    /// What the index has more of a job's input than a host has. Where there is nothing more, all input goes to the host from
    /// then on.
    async fn rest_of_input(&self, id: &str, there_is: Input) -> Result<Option<Rest>, Error> {
        let _turn = self.0.turn.lock().await;
        let asked = id.to_owned();
        self.index(move |index| {
            let Some((input, whole)) = index.input(&asked)? else {
                return Ok(None);
            };
            let more = usize::try_from(there_is.bytes)
                .ok()
                .and_then(|bytes| input.get(bytes..));
            Ok(match more.unwrap_or_default() {
                [] if whole && !there_is.is_closed => Some(Rest::End),
                [] => {
                    index.set_made(&asked)?;
                    None
                }
                more => Some(Rest::Bytes(Arc::new(more[..more.len().min(PART)].to_vec()))),
            })
        })
        .await
    }

    async fn fail(&self, id: &str, why: &str) -> Result<(), Error> {
        let (asked, outcome) = (id.to_owned(), self.ended(Phase::Failed, Some(why.to_owned())));
        self.index(move |index| index.set_ended(&asked, &outcome))
            .await
            .map(drop)
    }
}

/// What a host lacks of a job's input.
enum Rest {
    Bytes(Arc<Vec<u8>>),
    End,
}

impl Directory {
    /// For people.
    fn path(&self) -> String {
        match self {
            Self::Opened(_, path) => path.clone(),
            Self::Within(Within { root, below }) if below.is_empty() => root.clone(),
            Self::Within(Within { root, below }) => format!("{}/{below}", root.trim_end_matches('/')),
        }
    }
}
