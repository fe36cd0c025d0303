//! Jobs while berth and their supervisors are killed at any moment: none is lost, none runs twice, and nothing is left.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::asked::until;
use crate::berth::{Berth, PATIENCE, Place};

const JOBS: usize = 200;
const EARLY: usize = 40;
const QUEUES: usize = 20;
const MOMENTS: usize = 100;

/// What each job runs: it says that it ran, leaves something behind that has left its group, and says its end.
const STAND_IN: &str = "#!/bin/sh
echo run >> runs/$1
setsid sleep 600 > /dev/null 2>&1 &
sleep 0.$2
echo end >> runs/$1
echo done
";

fn place() -> Place {
    let place = Place::new(
        "[backends.local]\nplugin = \"./misbehaving.wasm\"\ndirectories = [\"./projects\"]\nenv = [\"PATH\"]\n\
         read_tools = [\"job_get\"]\n[backends.local.limits]\njobs = 8\n\
         [backends.local.programs.sh]\njob = [[\"-c\", \"@text\"]]\n",
    );
    fs::create_dir(place.path("projects/runs")).unwrap();
    place.write("projects/agent", STAND_IN, 0o700);
    place
}

/// Small random numbers that a failure can repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// The processes of which `is_so` says so, by their arguments and their environment, each with a NUL after it.
fn processes(is_so: impl Fn(&str, &str) -> bool) -> Vec<i32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let text = |pid: i32, file: &str| {
        let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    pids.filter(|pid| is_so(&text(*pid, "cmdline"), &text(*pid, "environ")))
        .collect()
}

/// Supervisors, each with the id of its job: also one that has not taken it yet.
fn supervisors(place: &Place) -> Vec<(i32, String)> {
    let folder = format!("\0job\0{}/", place.name("data/jobs/local"));
    let id = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        Some(line.split_once(&folder)?.1.trim_end_matches('\0').to_owned())
    };
    let found = processes(|line, _| line.contains(&folder));
    found.into_iter().filter_map(|pid| Some((pid, id(&pid)?))).collect()
}

async fn submit(berth: &Berth, place: &Place, number: usize, tenths: u64) -> String {
    let script = format!("./agent {number} {tenths}");
    let queue = format!("q{}", number % QUEUES);
    let directory = place.name("projects");
    let spec = json!({"key": number.to_string(), "queue": queue, "script": script, "directory": directory});
    berth.call("job_submit", spec).await.done().text.trim().to_owned()
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn no_job_is_lost_or_runs_twice_whenever_berth_and_supervisors_are_killed() {
    let place = place();
    let mut berth = Berth::serve(&place).await;
    let mut dice = Dice(11);
    let mut ids = Vec::new();
    let (mut killed, mut berths) = (BTreeSet::new(), 0);
    for moment in 1..=MOMENTS {
        // All the while some wait.
        while ids.len() < (EARLY + moment * 2).min(JOBS) {
            let id = submit(&berth, &place, ids.len(), dice.roll(7)).await;
            ids.push(id);
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(100))).await;
        let what = dice.roll(4);
        if what != 0 {
            for (pid, id) in supervisors(&place) {
                if dice.roll(6) == 0 {
                    // It may have ended.
                    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
                    killed.insert(id);
                }
            }
        }
        if what < 2 {
            berth.kill().await;
            berth = Berth::serve(&place).await;
            berths += 1;
        }
    }
    assert!(killed.len() > 10 && berths > 20, "{} and {berths}", killed.len());
    let mut done = 0;
    for (number, id) in ids.iter().enumerate() {
        let job = until(&berth, id, |job| job["phase"] != "Queued" && job["phase"] != "Running").await;
        let said = lines(&place.path(&format!("projects/runs/{number}")));
        match job["phase"].as_str().unwrap() {
            // Its program has the supervisor's name until it is there.
            "Exited" if job["status"].is_null() => {
                assert!(killed.contains(id) && said.is_empty(), "nobody killed it: {job}");
            }
            "Exited" => {
                assert_eq!(
                    (&job["status"], &job["printed"]),
                    (&json!(0), &json!("done\n")),
                    "{job}"
                );
                assert_eq!(said, ["run", "end"], "{job}");
                done += 1;
            }
            "Interrupted" => {
                assert!(killed.contains(id), "nobody killed its supervisor: {job}");
                let runs = said.iter().filter(|line| *line == "run").count();
                assert!(runs <= 1, "it ran {runs} times: {job}");
            }
            _ => panic!("{job}"),
        }
    }
    assert!(done > 20, "{done} were done");
    berth.terminate().await;
    let began = Instant::now();
    loop {
        let of_job = |environment: &str| {
            let mut marks = environment
                .split('\0')
                .filter_map(|variable| variable.strip_prefix("BERTH_JOB="));
            marks.any(|mark| ids.iter().any(|id| id == mark))
        };
        let left = processes(|line, environment| line.contains(&place.name("")) || of_job(environment));
        if left.is_empty() {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "something is left: {left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
