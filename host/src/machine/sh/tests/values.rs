//! Values as anyone may write them, which must arrive on a host byte for byte.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;

use super::{Around, Fault, Run, Way, Within, run};
use crate::machine::child::Ended;

/// One command of the test of all values: several of each kind, so that there need not be as many commands.
#[derive(Debug, Clone)]
struct Asked {
    lists: Vec<Vec<String>>,
    values: Vec<String>,
    /// The first is where it starts, and it is told of the others.
    directories: Vec<String>,
}

/// Lists, values and directories of one command.
const EACH: usize = 5;

/// Prints where it is, its variables and its arguments, each with NUL after it.
const TELLS: &str = r#"printf '%s\0' "$(pwd; echo .)" "$A0" "$A1" "$A2" "$A3" "$A4" "$@""#;

fn any_text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        "'", "\"", "\\", "$(id)", "`id`", "\n", "\r\n", "\t", "-", "--", "!", "*", "~", "%s", "\\0", "é", "\u{1b}[",
        "EOF", "\u{85}", "\u{fffd}", "𝄞", ";", "&", "|", "#", " ", "}", ")", "\u{7f}",
    ]);
    prop_oneof![
        vec(special, 0..6).prop_map(|parts| parts.concat()),
        "[^\0]{0,20}",
        "[ -~]{0,30}",
    ]
}

fn asked() -> impl Strategy<Value = Asked> {
    let directory = any_text().prop_map(|name| match name.replace('/', ":").trim_matches('.') {
        "" => "d".to_owned(),
        name => name.chars().take(40).collect(),
    });
    let lists = vec(vec(any_text(), 0..8), EACH);
    (lists, vec(any_text(), EACH), vec(directory, EACH)).prop_map(|(lists, values, directories)| Asked {
        lists,
        values,
        directories,
    })
}

impl Asked {
    fn run(&self, root: &Path) -> Run {
        let mut args = vec!["-c".to_owned(), TELLS.to_owned(), "sh".to_owned()];
        args.extend(self.lists.concat());
        let values = self.values.iter().enumerate();
        let (first, others) = self.directories.split_first().unwrap();
        let within = |root: &Path, below: &str| Within {
            root: root.to_str().unwrap().to_owned(),
            below: below.to_owned(),
        };
        Run {
            program: "sh".to_owned(),
            args,
            env: values.map(|(at, value)| (format!("A{at}"), value.clone())).collect(),
            directory: Some(within(root, first)),
            // One that arrives as another would be missing, which the granted directory itself may not be.
            held: others.iter().map(|name| within(&root.join(name), "")).collect(),
            stdin: Vec::new(),
            deadline: LONG,
            output: 1 << 20,
            lingers: false,
            socket: None,
        }
    }

    fn expected(&self, root: &Path) -> String {
        let at = format!("{}/{}\n.", root.display(), self.directories[0]);
        let told = std::iter::once(&at)
            .chain(&self.values)
            .chain(self.lists.iter().flatten());
        told.flat_map(|text| [text, "\0"]).collect()
    }
}

/// No test takes as long.
const LONG: Duration = Duration::from_secs(100);

/// Commands of one request.
const COMMANDS: usize = 200;

/// Sends `lists` generated argument lists, as many values and as many directories, and compares what programs there have of
/// them. The answer is in how many requests. The host must be this machine.
pub(in crate::machine) async fn all_arrive(way: &Arc<dyn Way>, lists: usize) -> usize {
    let folder = TempDir::new().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let around = Around {
        environment: vec!["PATH".into()],
        ..Around::default()
    };
    let mut runner = TestRunner::deterministic();
    let cases = vec(asked(), lists / EACH).new_tree(&mut runner).unwrap().current();
    for some in cases.chunks(COMMANDS) {
        for name in some.iter().flat_map(|asked| &asked.directories) {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let runs = some.iter().map(|asked| asked.run(&root)).collect();
        let outcomes = run(way, &around, Instant::now() + LONG, runs).await;
        for (asked, outcome) in some.iter().zip(outcomes) {
            assert_eq!(told(outcome), asked.expected(&root), "{asked:?}");
        }
    }
    cases.len().div_ceil(COMMANDS)
}

#[track_caller]
fn told(outcome: Result<Ended, Fault>) -> String {
    match outcome {
        Ok(Ended::Finished(output)) if output.status == Some(0) => String::from_utf8(output.stdout).unwrap(),
        Ok(Ended::Finished(output)) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Ok(Ended::TimedOut(after)) => panic!("it did not end within {after:?}"),
        Err(fault) => panic!("{fault}"),
    }
}
