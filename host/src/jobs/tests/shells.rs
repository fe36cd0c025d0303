//! Jobs on hosts where a login has other shells, with values as anyone may write them.

use super::ssh::link;
use super::*;
use crate::machine::sshd::{Sshd, login_shell, on_path};

/// Texts that one shell or another takes for more than they are.
const HOSTILE: [&str; 28] = [
    "",
    " ",
    "'",
    "\"",
    "\\",
    "\\'",
    "$(touch ~/pwned)",
    "`touch ~/pwned`",
    "; touch ~/pwned #",
    "a\nb\n",
    "\r\n",
    "\t",
    "-n",
    "--",
    "!!",
    "!1",
    "^a^b",
    "*",
    "~",
    "$HOME",
    "%s\\0%d",
    "{a,b}",
    "é𝄞",
    "\u{1b}[2J",
    "\u{85}\u{7f}",
    "EOF",
    "&|<>()",
    "end",
];

/// What it has, each with NUL after it; then its input, and then nothing until it is ended.
const TELLS: &str =
    r#"printf '%s\0' "$(pwd; echo .)" "$V0" "$V1" "$V2" "$@"; cat; echo over; echo $$ >~/pid; sleep 1000; sleep 1000"#;

struct Hostile {
    below: String,
}

impl Hostile {
    fn values() -> [String; 3] {
        let all = HOSTILE.concat();
        [all.clone(), all.replace('\'', "''\"'"), HOSTILE.join("\n")]
    }
}

impl Prepare for Hostile {
    fn prepare<'a>(
        &'a self,
        command: String,
        _: &'a str,
        _: Option<&'a Path>,
    ) -> BoxFuture<'a, Result<Prepared, Unprepared>> {
        let words = ["/bin/sh", "-c", &command, "sh"].into_iter().chain(HOSTILE);
        let values = Self::values().into_iter().enumerate();
        let prepared = Prepared {
            argv: words.map(str::to_owned).collect(),
            directory: Some(Directory::Within(job::sh::Within {
                root: "~/work".into(),
                below: self.below.clone(),
            })),
            environment: values.map(|(at, value)| (format!("V{at}"), value)).collect(),
            takes_entry: false,
            deadline: Duration::from_mins(5),
            output: 1 << 20,
        };
        async move { Ok(prepared) }.boxed()
    }
}

/// All bytes: not all of them are text.
fn input() -> Vec<u8> {
    (0..=255_u8).cycle().take(3000).collect()
}

async fn until_bytes(scene: &Scene, id: &str, expected: &[u8]) {
    let latest = Instant::now() + LATEST;
    loop {
        let read = scene.jobs.read(id, Channel::Output, 0, 1 << 20).await.unwrap();
        if read.bytes == expected {
            return;
        }
        let is_begun = expected.starts_with(&read.bytes);
        assert!(
            is_begun && Instant::now() < latest,
            "it prints {:?}, and not {:?}",
            String::from_utf8_lossy(&read.bytes),
            String::from_utf8_lossy(expected)
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn a_job_goes_through(shell: &str) {
    let sshd = Sshd::with(&login_shell(&on_path(shell)));
    let (place, home) = (tempfile::tempdir().unwrap(), sshd.path("home"));
    let way = Arc::new(link(&place, &sshd));
    let scene = Scene::new(way.clone(), &home);
    let below = HOSTILE.concat().replace('/', ":");
    let directory = home.join("work").join(&below);
    fs::create_dir(&directory).unwrap();
    let berth = attend_with(&scene.jobs, Arc::new(Hostile { below }), TERMS);

    let id = scene.jobs.submit(interactive(TELLS, &input())).await.unwrap();
    let at = format!("{}\n.", directory.canonicalize().unwrap().display());
    let values = Hostile::values();
    let told = std::iter::once(&*at)
        .chain(values.iter().map(String::as_str))
        .chain(HOSTILE);
    let mut expected: Vec<u8> = told.flat_map(|text| [text, "\0"]).collect::<String>().into();
    expected.extend(input());
    until_bytes(&scene, &id, &expected).await;
    for text in HOSTILE {
        scene.jobs.write(&id, text.into(), None).await.unwrap();
        expected.extend(text.bytes());
    }
    scene.jobs.close(&id).await.unwrap();
    expected.extend(b"over\n");
    until_bytes(&scene, &id, &expected).await;
    scene.until(&id, |job| job.output == expected.len() as u64).await;

    let latest = Instant::now() + LATEST;
    let pid = loop {
        match fs::read_to_string(home.join("pid")) {
            Ok(pid) if pid.ends_with('\n') => break pid,
            _ => assert!(Instant::now() < latest, "it does not wait"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    scene.jobs.cancel(&id).await.unwrap();
    assert_eq!(scene.ended(&id).await.phase, Phase::Cancelled);
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    assert!(
        state.map_or(true, |state| state.rsplit(')').next().unwrap().starts_with(" Z")),
        "it runs"
    );
    until_bytes(&scene, &id, &expected).await;
    assert!(!home.join("pwned").exists() && !directory.join("pwned").exists());
    berth.end().await;
    way.close().await;
}

#[tokio::test]
async fn a_job_is_begun_followed_and_cancelled_through_bash() {
    a_job_goes_through("bash").await;
}

#[tokio::test]
async fn a_job_is_begun_followed_and_cancelled_through_dash() {
    a_job_goes_through("dash").await;
}

#[tokio::test]
async fn a_job_is_begun_followed_and_cancelled_through_fish() {
    a_job_goes_through("fish").await;
}

#[tokio::test]
async fn a_job_is_begun_followed_and_cancelled_through_tcsh() {
    a_job_goes_through("tcsh").await;
}
