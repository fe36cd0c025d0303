//! Jobs: what one costs, how many of them are found, and what its supervisor takes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use berth::jobs::{Jobs, Prepare, Prepared, Reach, Terms, Unprepared};
use berth::machine::job::{Begun, Channel, Job, Spec, Start};
use berth::store::DataDirectory;
use berth::store::jobs::{Filter, NewJob, Origin, Phase, Room};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::client::Connection;
use crate::measures::{Times, milliseconds, server};
use crate::served::{BERTH, Place};
use crate::table::{Bound, Row};

/// Jobs that do nothing, and how many of them run at once.
const RUNS: usize = 1_000;
const AT_ONCE: usize = 2;
/// Jobs that have ended, and how often they are listed.
const ENDED: usize = 100_000;
const LISTINGS: usize = 50;
/// Jobs of a page.
const PAGE: u32 = 50;
/// Bytes of a long log, and of its end that is read.
const LOG: u64 = 100_000_000;
const END: u64 = 64 << 10;
/// Supervisors that are started.
const SUPERVISORS: usize = 20;
/// How long all jobs of a row may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// All rows.
pub(crate) async fn each() -> anyhow::Result<Vec<Row>> {
    let [start, memory] = supervisors().await?;
    let [index, guest] = listings().await?;
    let [runs, sessions] = headless().await?;
    let running = running().await?;
    Ok(vec![running, start, memory, index, guest, runs, sessions, log().await?])
}

/// Many jobs one after the other, on the disk, and beside it the same programs without anything around them.
async fn running() -> anyhow::Result<Row> {
    let queue = Queue::new()?;
    let began = Instant::now();
    for number in 0..RUNS {
        queue.submit(&number.to_string(), "true").await?;
    }
    let mut attended = queue.attend();
    for number in 0..RUNS {
        attended.ended(&queue, &number.to_string()).await?;
    }
    let ours = milliseconds(began) / RUNS as f64;
    attended.over.cancel();
    let began = Instant::now();
    let workers = (0..AT_ONCE).map(|_| plain(RUNS / AT_ONCE));
    futures::future::try_join_all(workers).await?;
    let theirs = milliseconds(began) / RUNS as f64;
    Ok(Row {
        what: "a job of `true` from its submission to its end, of 1,000 with two at once",
        berth: format!("{ours:.1} ms a job"),
        p99: String::new(),
        beside: format!("{theirs:.1} ms, `true` alone"),
        value: ours - theirs,
        shown: format!("{:.1} ms on top", ours - theirs),
        bound: Bound::AtMost(12.0, " ms"),
    })
}

#[allow(clippy::disallowed_methods, reason = "a benchmark starts what it measures with")]
async fn plain(times: usize) -> anyhow::Result<()> {
    for _ in 0..times {
        let mut command = tokio::process::Command::new("/bin/sh");
        command.args(["-c", "true"]).env_clear().stdin(Stdio::null());
        ensure!(command.output().await?.status.success(), "`true` failed");
    }
    Ok(())
}

/// How long a supervisor takes until it has its job, and how much memory it has that no other process shares.
async fn supervisors() -> anyhow::Result<[Row; 2]> {
    let folder = TempDir::new()?;
    let (mut times, mut sizes, mut jobs) = (Times::default(), Times::default(), Vec::new());
    for number in 0..SUPERVISORS {
        let spec = Spec {
            id: number.to_string(),
            argv: ["/bin/sh", "-c", "exec sleep 600"].map(str::to_owned).to_vec(),
            directory: None,
            variables: Vec::new(),
            deadline: PATIENCE,
            output: 1 << 20,
        };
        let job = Job::make(&folder.path().join(&spec.id), &spec, b"", true)?;
        let start = Start {
            berth: BERTH.as_ref(),
            scope: None,
            job: &job,
            spec: &spec,
            directory: None,
            backend: "bench",
            values: &[],
        };
        let began = Instant::now();
        ensure!(start.begin().await? == Begun::Claimed, "a supervisor did not start");
        times.add(milliseconds(began));
        jobs.push(job);
    }
    for job in &jobs {
        if let Some(size) = private(job).await? {
            sizes.add(size);
        }
    }
    for job in &jobs {
        job.cancel()?;
    }
    let (median, most) = (times.median()?, sizes.p99().unwrap_or(f64::NAN));
    let start = Row {
        what: "a supervisor of a job, until it has it",
        berth: format!("{median:.1} ms"),
        p99: format!("{:.1} ms", times.p99()?),
        beside: String::new(),
        value: median,
        shown: format!("{median:.1} ms"),
        bound: Bound::AtMost(20.0, " ms"),
    };
    let memory = Row {
        what: "memory of a supervisor that no other process shares, the most of 20",
        berth: format!("{most:.2} MB"),
        p99: String::new(),
        beside: String::new(),
        value: most,
        shown: format!("{most:.2} MB"),
        // Only Linux tells it.
        bound: match cfg!(target_os = "linux") {
            true => Bound::AtMost(2.0, " MB"),
            false => Bound::None,
        },
    };
    Ok([start, memory])
}

/// Megabytes of private memory of a job's supervisor while its program runs, where the system tells it.
async fn private(job: &Job) -> anyhow::Result<Option<f64>> {
    let began = Instant::now();
    let facts = loop {
        let facts = fs::read_to_string(job.path().join("pid")).unwrap_or_default();
        if facts.contains("\ngroup ") {
            break facts;
        }
        ensure!(began.elapsed() < PATIENCE, "the program of a job does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let pid = facts.lines().find_map(|line| line.strip_prefix("pid "));
    let pid = pid.context("a job has no supervisor")?;
    let Ok(told) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
        return Ok(None);
    };
    let kib: f64 = told
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
        .sum();
    Ok(Some(kib * 1024.0 / 1e6))
}

/// A page of many jobs that have ended, and of those that failed: by the index, and by a plugin that a client asks.
async fn listings() -> anyhow::Result<[Row; 2]> {
    let place = Place::new()?;
    let plugin = berth_guests::MISBEHAVING;
    place.add("jobs", toml::toml! { plugin = plugin settings.tools = ["job_list"] })?;
    let setup = place.setup()?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let index = data.job_index("jobs")?;
    fill(&data)?;
    let failed = Filter {
        labels: vec!["failed".to_owned()],
        limit: PAGE,
        ..Filter::default()
    };
    let newest = Filter {
        labels: Vec::new(),
        ..failed.clone()
    };
    let mut times = Times::default();
    for filter in [&newest, &failed].into_iter().cycle().take(LISTINGS * 2) {
        let began = Instant::now();
        let found = index.recent(filter)?.len();
        times.add(milliseconds(began));
        ensure!(found == PAGE as usize, "{found} jobs were listed");
    }
    let index = row(
        "the newest 50 of 100,000 jobs that have ended, and of those the failed ones, in the index",
        times,
    )?;
    let served = place.serve()?;
    let berth = server(&place, &served)?;
    let mut connection = berth.connect().await?;
    let began = Instant::now();
    // The plugin is compiled first.
    while let Err(error) = connection.result(&berth.call("job_list", json!({}))).await {
        ensure!(began.elapsed() < PATIENCE, "the plugin does not come up: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut times = Times::default();
    let requests = [json!({"limit": PAGE}), json!({"limit": PAGE, "label": "failed"})];
    let requests = requests.map(|arguments| berth.call("job_list", arguments));
    for request in requests.iter().cycle().take(LISTINGS * 2) {
        let began = Instant::now();
        let listed = connection.result(request).await?;
        times.add(milliseconds(began));
        let text = listed["content"][0]["text"].as_str().unwrap_or_default();
        ensure!(
            text.split_whitespace().filter(|word| word.starts_with('j')).count() >= PAGE as usize,
            "{listed}"
        );
    }
    let guest = row("the same by `tools/call`, through a plugin", times)?;
    Ok([index, guest])
}

/// What callers of the shipped backend ask for among as many runs that have ended: a page of all and of those that failed,
/// and the sessions.
async fn headless() -> anyhow::Result<[Row; 2]> {
    let place = Place::new()?;
    let setup = place.setup()?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    data.job_index("jobs")?;
    data.kept("jobs")?;
    fill_with_runs(&data, place.projects())?;
    let served = place.serve()?;
    let berth = server(&place, &served)?;
    let mut connection = berth.connect().await?;
    let requests = [json!({}), json!({"state": "failed"})].map(|asked| berth.call("claude_list_jobs", asked));
    let began = Instant::now();
    // The plugin is compiled first.
    while let Err(error) = connection.result(&requests[0]).await {
        ensure!(began.elapsed() < PATIENCE, "the plugin does not come up: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let runs = asked(&mut connection, &requests, "jobs").await?;
    let requests = [json!({}), json!({"state": "failed"})];
    let requests = requests.map(|mut asked| {
        asked["backend"] = "jobs".into();
        berth.call("list_sessions", asked)
    });
    let sessions = asked(&mut connection, &requests, "sessions").await?;
    let sessions = row(
        "`list_sessions` over 100,000 runs that have ended, and over those that failed",
        sessions,
    )?;
    Ok([
        row(
            "`claude_list_jobs` of 100,000 runs that have ended, and of those that failed",
            runs,
        )?,
        Row {
            bound: Bound::AtMost(50.0, " ms"),
            ..sessions
        },
    ])
}

/// How long each of `requests` takes, in turns. Each answers a page of what is called `list`, and nothing is wrong with it.
async fn asked(connection: &mut Connection, requests: &[Vec<u8>], list: &str) -> anyhow::Result<Times> {
    let mut times = Times::default();
    for request in requests.iter().cycle().take(LISTINGS * requests.len()) {
        let began = Instant::now();
        let answer = connection.result(request).await?;
        times.add(milliseconds(began));
        let listed = answer["structuredContent"][list].as_array().map_or(0, Vec::len);
        let is_whole = answer["structuredContent"]["errors"]
            .as_array()
            .is_none_or(Vec::is_empty);
        ensure!(
            listed == PAGE as usize && is_whole,
            "{listed} {list} were listed: {answer}"
        );
    }
    Ok(times)
}

/// Fills the index of the shipped backend, and what it keeps, with as many runs of the last weeks, each with a conversation
/// of its own.
fn fill_with_runs(data: &DataDirectory, projects: PathBuf) -> anyhow::Result<()> {
    let app = projects.join("app").display().to_string();
    let note = json!({
        "kind": "run", "project": "app", "directory": app, "agent": "claude", "conversation": "CONVERSATION",
        "task": "Find out why the tests of the parser fail on the slow machine, and fix them. ".repeat(4),
    });
    let connection = rusqlite::Connection::open(data.jobs_path("jobs")?.join("index.db"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as u64;
    connection.execute(
        &format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ENDED}),
                 run (n, id, at) AS (SELECT n, printf('%08x-0000-4000-8000-000000000000', n), ?1 - ({ENDED} - n) * 20000 FROM n)
             INSERT INTO job (id, key, content, queue, note, label, interactive, watch, phase, status, input, queued_at,
                              started_at, finished_at)
             SELECT id, 'run/' || id, zeroblob(32), 'app', replace(?2, 'CONVERSATION', id),
                    iif(n % 100 = 7, 'failed', 'done'), 0, 0, 'exited', 0, 0, at, at, at
             FROM run"
        ),
        rusqlite::params![now.cast_signed(), note.to_string()],
    )?;
    let verdict =
        json!({"state": "STATE", "said": "It was the clock. ".repeat(10), "turns": 7, "cost": 0.5, "has_begun": true});
    let kept = json!({
        "project": "app", "directory": app, "agent": "claude", "turns": 7, "cost": 0.5,
        "runs": [{"id": "CONVERSATION", "kind": "run", "verdict": verdict}],
    });
    let connection = rusqlite::Connection::open(data.path().join("stores/jobs.db"))?;
    connection.execute(
        &format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ENDED}),
                 run (n, id) AS (SELECT n, printf('%08x-0000-4000-8000-000000000000', n) FROM n)
             INSERT INTO entry (key, value, version)
             SELECT 'conversation/' || id,
                    CAST(replace(replace(?1, 'CONVERSATION', id), 'STATE', iif(n % 100 = 7, 'failed', 'done')) AS BLOB), n
             FROM run"
        ),
        [kept.to_string()],
    )?;
    Ok(())
}

/// Fills the index of a backend with jobs that have ended, of which each hundredth failed.
fn fill(data: &DataDirectory) -> anyhow::Result<()> {
    let connection = rusqlite::Connection::open(data.jobs_path("jobs")?.join("index.db"))?;
    connection.execute_batch(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ENDED})
         INSERT INTO job (id, key, content, queue, note, label, interactive, watch, phase, input, queued_at,
                          started_at, finished_at)
         SELECT 'j' || n, 'k' || n, zeroblob(32), 'q' || (n % 20), printf('%.500c', 'n'),
                iif(n % 100 = 7, 'failed', 'done'), 0, 0, 'exited', 0, n, n, n
         FROM n"
    ))?;
    Ok(())
}

/// The end of a long log.
async fn log() -> anyhow::Result<Row> {
    let queue = Queue::new()?;
    queue.submit("log", &format!("head -c {LOG} /dev/zero")).await?;
    let mut attended = queue.attend();
    attended.ended(&queue, "log").await?;
    let mut times = Times::default();
    for _ in 0..LISTINGS {
        let began = Instant::now();
        let job = queue.jobs.get("log").await?;
        let end = queue.jobs.read("log", Channel::Output, job.output - END, END).await?;
        times.add(milliseconds(began));
        ensure!(job.output == LOG && end.bytes.len() as u64 == END, "the log has no end");
    }
    attended.over.cancel();
    row("the status of a job and the last 64 KiB of its 100 MB", times)
}

fn row(what: &'static str, times: Times) -> anyhow::Result<Row> {
    let median = times.median()?;
    Ok(Row {
        what,
        berth: format!("{median:.1} ms"),
        p99: format!("{:.1} ms", times.p99()?),
        beside: String::new(),
        value: median,
        shown: format!("{median:.1} ms"),
        bound: Bound::AtMost(20.0, " ms"),
    })
}

/// Jobs in a folder that goes away.
struct Queue {
    jobs: Jobs,
    _folder: TempDir,
}

/// Who attends to them.
struct Attended {
    over: CancellationToken,
    happened: UnboundedReceiver<berth::jobs::Happened>,
}

/// Runs what was submitted in a shell.
struct Shell;

impl Prepare for Shell {
    fn prepare<'a>(
        &'a self,
        command: String,
        _host: &'a str,
        _entry: Option<&'a Path>,
    ) -> BoxFuture<'a, Result<Prepared, Unprepared>> {
        async move {
            Ok(Prepared {
                takes_entry: false,
                argv: vec!["/bin/sh".into(), "-c".into(), command],
                directory: None,
                environment: BTreeMap::from([("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())]),
                deadline: PATIENCE,
                output: 2 * LOG,
            })
        }
        .boxed()
    }
}

impl Queue {
    fn new() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        for name in ["data", "cache"] {
            fs::DirBuilder::new().mode(0o700).create(folder.path().join(name))?;
        }
        let data = DataDirectory::open(&folder.path().join("data"), &folder.path().join("cache"))?;
        let jobs = Jobs::open(&data, "bench", BERTH.into(), Reach::Http("http://127.0.0.1:9".into()))?;
        Ok(Self { jobs, _folder: folder })
    }

    async fn submit(&self, id: &str, script: &str) -> anyhow::Result<()> {
        let job = NewJob {
            origin: Origin::default(),
            is_step: false,
            id: id.to_owned(),
            key: id.to_owned(),
            queue: id.to_owned(),
            host: String::new(),
            note: String::new(),
            interactive: false,
            watch: false,
            command: script.to_owned(),
            input: Vec::new(),
        };
        Ok(self.jobs.submit(job).await.map(drop)?)
    }

    fn attend(&self) -> Attended {
        let terms = Terms {
            depth: 1,
            room: Room {
                runs: AT_ONCE as u32,
                interactive: 1,
            },
            keep: Duration::from_hours(24),
            size: u64::MAX >> 2,
        };
        let (tell, happened) = unbounded_channel();
        let (jobs, over) = (self.jobs.clone(), CancellationToken::new());
        let ending = over.clone();
        tokio::spawn(async move { jobs.attend(Arc::new(Shell), None, terms, tell, &ending).await });
        Attended { over, happened }
    }
}

impl Attended {
    /// Waits until the job `id` has ended, without asking again and again.
    async fn ended(&mut self, queue: &Queue, id: &str) -> anyhow::Result<()> {
        loop {
            let job = queue.jobs.get(id).await?;
            match job.phase {
                Phase::Exited => return Ok(()),
                Phase::Queued | Phase::Running => {}
                _ => anyhow::bail!("a job did not end by itself: {job:?}"),
            }
            let told = tokio::time::timeout(PATIENCE, self.happened.recv()).await;
            ensure!(
                told.context("a job does not end")?.is_some(),
                "nobody attends to the jobs"
            );
        }
    }
}
