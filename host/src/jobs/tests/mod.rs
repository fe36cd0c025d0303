//! Jobs on a host, which is this machine with a home directory of its own: its shell behind pipes, or a real sshd.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod faults;
mod hostile;
mod hosts;
mod killed;
mod runs;
mod shells;
mod ssh;
mod taken;
mod way;

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::way::Local;
use super::*;
use crate::machine::job::{On, There};
use crate::machine::sh::Way;
use crate::store::jobs::Origin;

/// How long what must come may take.
const LATEST: Duration = Duration::from_secs(60);

const TERMS: Terms = Terms {
    depth: 1,
    room: Room {
        runs: 40,
        interactive: 40,
    },
    keep: Duration::from_hours(24),
    size: 1 << 30,
};

/// A data directory, and a host.
struct Scene {
    place: TempDir,
    way: Arc<dyn Way>,
    jobs: Jobs,
}

/// A berth that attends to the jobs.
struct Berth {
    over: CancellationToken,
    task: JoinHandle<()>,
    told: mpsc::UnboundedReceiver<Happened>,
}

/// Runs what was submitted in a shell.
struct Shell {
    deadline: Duration,
}

impl Prepare for Shell {
    fn prepare<'a>(
        &'a self,
        command: String,
        host: &'a str,
        entry: Option<&'a Path>,
    ) -> BoxFuture<'a, Result<Prepared, Unprepared>> {
        assert!(!host.is_empty(), "nothing is here");
        assert_eq!(entry, None, "nothing there reaches this server");
        async move {
            Ok(Prepared {
                argv: vec!["/bin/sh".into(), "-c".into(), command],
                directory: Some(Directory::Within(job::sh::Within {
                    root: "~/work".into(),
                    below: "deep".into(),
                })),
                environment: [("SECRET".to_owned(), "a 'b'\nc".to_owned())].into(),
                takes_entry: false,
                deadline: self.deadline,
                output: 1 << 20,
            })
        }
        .boxed()
    }
}

impl Scene {
    /// One whose host is reached through `way`, with its home directory.
    fn new(way: Arc<dyn Way>, home: &Path) -> Self {
        fs::create_dir_all(home.join("work/deep")).unwrap();
        let place = tempfile::tempdir().unwrap();
        for folder in ["data", "cache"] {
            let mut maker = fs::DirBuilder::new();
            maker.mode(0o700).create(place.path().join(folder)).unwrap();
        }
        let jobs = open(&place, &way, "mac");
        Self { place, way, jobs }
    }

    fn local() -> (Self, Arc<Local>) {
        let local = Arc::new(Local::new());
        (Self::new(local.clone(), local.home()), local)
    }

    /// As another process, or a later one, opens them.
    fn again(&mut self) {
        self.jobs = open(&self.place, &self.way, "mac");
    }

    fn installation(&self) -> String {
        data(&self.place).installation().unwrap()
    }

    /// Somebody attends, who knows nothing of those before.
    fn berth(&mut self) -> Berth {
        self.again();
        attend(&self.jobs, Duration::from_secs(60))
    }

    async fn submit(&self, script: &str) -> String {
        self.jobs.submit(new(script)).await.unwrap()
    }

    async fn until(&self, id: &str, is_so: impl Fn(&JobRecord) -> bool) -> JobRecord {
        let latest = Instant::now() + LATEST;
        loop {
            let job = self.jobs.get(id).await.unwrap();
            if is_so(&job) {
                return job;
            }
            assert!(Instant::now() < latest, "it stays so: {job:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until it is known that the host cannot be asked.
    async fn until_away(&self, host: &str) {
        let latest = Instant::now() + LATEST;
        while !self.jobs.folders().reached().away.iter().any(|away| away == host) {
            assert!(Instant::now() < latest, "it is not known that it is away");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Until the index knows that a supervisor has the job.
    async fn until_begun(&self, id: &str) {
        let latest = Instant::now() + LATEST;
        loop {
            let asked = id.to_owned();
            if self
                .jobs
                .index(move |index| index.command(&asked))
                .await
                .unwrap()
                .is_none()
            {
                return;
            }
            assert!(Instant::now() < latest, "it does not begin");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ended(&self, id: &str) -> JobRecord {
        self.until(id, |job| job.phase.is_end()).await
    }

    async fn printed(&self, id: &str) -> String {
        let read = self.jobs.read(id, Channel::Output, 0, 1 << 20).await.unwrap();
        String::from_utf8(read.bytes).unwrap()
    }

    async fn until_printed(&self, id: &str, text: &str) {
        let latest = Instant::now() + LATEST;
        while self.printed(id).await != text {
            assert!(Instant::now() < latest, "it prints something else");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Berth {
    /// It ends at once, whatever it does.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn end(self) {
        self.over.cancel();
        self.task.await.unwrap();
    }

    /// Waits until it tells this.
    async fn tells(&mut self, kind: &str, id: &str) {
        self.tells_each(kind, &[id]).await;
    }

    /// The same of each of them, in any order.
    async fn tells_each(&mut self, kind: &str, ids: &[&str]) {
        let mut left = ids.to_vec();
        let told = async {
            while !left.is_empty() {
                let told = self.told.recv().await.expect("it attends");
                left.retain(|id| (told.kind, &*told.id) != (kind, *id));
            }
        };
        let told = tokio::time::timeout(LATEST, told).await;
        told.unwrap_or_else(|_| panic!("nobody tells {kind} of some of {ids:?}"));
    }
}

fn data(place: &TempDir) -> DataDirectory {
    DataDirectory::open(&place.path().join("data"), &place.path().join("cache")).unwrap()
}

fn open(place: &TempDir, way: &Arc<dyn Way>, label: &str) -> Jobs {
    let jobs = opened(place);
    jobs.be_in(Folders::One(Folder::There(there(place, way, label))));
    jobs
}

fn opened(place: &TempDir) -> Jobs {
    let reach = Reach::Http("http://127.0.0.1:9".into());
    Jobs::open(&data(place), "there", PathBuf::new(), reach).unwrap()
}

fn there(place: &TempDir, way: &Arc<dyn Way>, label: &str) -> There {
    There::new(On {
        label: label.into(),
        way: way.clone(),
        installation: data(place).installation().unwrap(),
        keep: vec!["HOME".into(), "KEPT".into()],
        paths: vec!["~/bin".into()],
    })
}

fn attend(jobs: &Jobs, deadline: Duration) -> Berth {
    attend_with(jobs, Arc::new(Shell { deadline }), TERMS)
}

fn attend_with(jobs: &Jobs, prepare: Arc<dyn Prepare>, terms: Terms) -> Berth {
    let (tell, told) = mpsc::unbounded_channel();
    let (jobs, over) = (jobs.clone(), CancellationToken::new());
    let ending = over.clone();
    let task = tokio::spawn(async move { jobs.attend(prepare, None, terms, tell, &ending).await });
    Berth { over, task, told }
}

fn new(script: &str) -> NewJob {
    let id = uuid::Uuid::new_v4().to_string();
    NewJob {
        key: id.clone(),
        queue: id.clone(),
        id,
        host: String::new(),
        note: String::new(),
        interactive: false,
        watch: true,
        command: script.to_owned(),
        input: Vec::new(),
        origin: Origin::default(),
        is_step: false,
    }
}

fn interactive(script: &str, input: &[u8]) -> NewJob {
    NewJob {
        interactive: true,
        input: input.to_vec(),
        ..new(script)
    }
}
