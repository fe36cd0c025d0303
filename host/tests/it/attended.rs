//! Jobs and who attends to them, in a data directory of their own, without a berth around them.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use berth::jobs::{Clock, Happened, Jobs, Prepare, Prepared, Reach, Terms, Unprepared};
use berth::machine::job::Channel;
use berth::store::DataDirectory;
use berth::store::jobs::{JobRecord, NewJob, Origin, Phase, Room};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::process::Pid;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::berth::PATIENCE;

pub(crate) const TERMS: Terms = Terms {
    depth: 1,
    room: Room {
        runs: 2,
        interactive: 2,
    },
    keep: Duration::from_hours(24),
    size: 1 << 30,
};

/// A data directory with jobs of one backend. What is left of one is ended by its id, wherever it runs: those have ids of
/// their own.
pub(crate) struct Scene {
    place: TempDir,
    pub(crate) jobs: Jobs,
}

/// Somebody who attends to the jobs.
pub(crate) struct Host {
    over: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    pub(crate) told: mpsc::UnboundedReceiver<Happened>,
}

/// Runs what was submitted in a shell.
pub(crate) struct Shell {
    /// Bytes that are kept of what it prints.
    pub(crate) output: u64,
    /// Further variables that it gets.
    pub(crate) variables: &'static [&'static str],
}

impl Prepare for Shell {
    fn prepare<'a>(
        &'a self,
        command: String,
        _host: &'a str,
        _entry: Option<&'a Path>,
    ) -> BoxFuture<'a, Result<Prepared, Unprepared>> {
        async move {
            if command == "denied" {
                return Err(Unprepared::Refused("it is not granted any more".into()));
            }
            Ok(Prepared {
                takes_entry: false,
                argv: vec!["/bin/sh".into(), "-c".into(), command],
                directory: None,
                environment: ["PATH"]
                    .iter()
                    .chain(self.variables)
                    .map(|name| ((*name).into(), "/usr/local/bin:/usr/bin:/bin".into()))
                    .collect(),
                deadline: Duration::from_secs(60),
                output: self.output,
            })
        }
        .boxed()
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// One of which something is done with the data directory first.
    pub(crate) fn with(prepare: impl FnOnce(&Path)) -> Self {
        let place = tempfile::Builder::new().prefix("berth-q-").tempdir().unwrap();
        for folder in ["data", "cache"] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(place.path().join(folder))
                .unwrap();
        }
        prepare(&place.path().join("data"));
        let jobs = open_by(SystemTime::now, &place);
        Self { place, jobs }
    }

    /// The jobs as one opens them who has another clock.
    pub(crate) fn by(&self, clock: Clock) -> Jobs {
        open_by(clock, &self.place)
    }

    /// The jobs as another process opens them.
    pub(crate) fn again(&self) -> Jobs {
        open_by(SystemTime::now, &self.place)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn directory(&self, id: &str) -> PathBuf {
        self.path("data/jobs/here").join(id)
    }

    pub(crate) fn host(&self) -> Host {
        attend(&self.jobs, TERMS)
    }

    pub(crate) async fn submit(&self, id: &str, queue: &str, script: &str) {
        self.jobs.submit(new(id, queue, script)).await.unwrap();
    }

    pub(crate) async fn ended(&self, id: &str) -> JobRecord {
        self.until(id, |job| !matches!(job.phase, Phase::Queued | Phase::Running))
            .await
    }

    pub(crate) async fn until(&self, id: &str, is_so: impl Fn(&JobRecord) -> bool) -> JobRecord {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.jobs.get(id).await.unwrap();
            if is_so(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "it stays so: {job:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn output(&self, id: &str) -> String {
        let read = self.jobs.read(id, Channel::Output, 0, 1 << 20).await.unwrap();
        String::from_utf8(read.bytes).unwrap()
    }

    /// A process of a job, by its word in the file `pid`.
    pub(crate) fn process(&self, id: &str, word: &str) -> Option<Pid> {
        let text = fs::read_to_string(self.directory(id).join("pid")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))?;
        Pid::from_raw(line.parse().unwrap())
    }
}

impl Host {
    /// It ends at once, whatever it does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub(crate) async fn end(self) {
        self.over.cancel();
        self.task.await.unwrap();
    }
}

fn open_by(clock: Clock, place: &TempDir) -> Jobs {
    let data = DataDirectory::open(&place.path().join("data"), &place.path().join("cache")).unwrap();
    Jobs::open_by(clock, &data, "here", env!("CARGO_BIN_EXE_berth").into(), nowhere()).unwrap()
}

/// Where nobody listens: no job here asks for an entry.
pub(crate) fn nowhere() -> Reach {
    Reach::Http("http://127.0.0.1:9".into())
}

pub(crate) fn attend(jobs: &Jobs, terms: Terms) -> Host {
    let shell = Shell {
        output: 1 << 20,
        variables: &[],
    };
    attend_with(shell, jobs, terms)
}

pub(crate) fn attend_with(shell: Shell, jobs: &Jobs, terms: Terms) -> Host {
    let (tell, told) = mpsc::unbounded_channel();
    let (jobs, over) = (jobs.clone(), CancellationToken::new());
    let ending = over.clone();
    let task = tokio::spawn(async move { jobs.attend(Arc::new(shell), None, terms, tell, &ending).await });
    Host { over, task, told }
}

pub(crate) fn new(id: &str, queue: &str, script: &str) -> NewJob {
    NewJob {
        origin: Origin::default(),
        is_step: false,
        id: id.to_owned(),
        key: id.to_owned(),
        queue: queue.to_owned(),
        host: String::new(),
        note: String::new(),
        interactive: false,
        watch: false,
        command: script.to_owned(),
        input: Vec::new(),
    }
}
