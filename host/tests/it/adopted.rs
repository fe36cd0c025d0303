//! Jobs of another installation on a host, which a person takes over: two data directories, and a host by a real sshd.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;

use berth::peer::MARK;
use serde_json::{Value, json};
use toml::Table;

use crate::asked;
use crate::berth::{Berth, Place};
use crate::demo::until;
use crate::headless::{self, becomes, told};
use crate::layers::Terminal;
use crate::on_host::on_host;
use crate::sshd::Sshd;

/// A backend of scripts.
const SCRIPTS: &str = "[backends.local]\nplugin = \"./misbehaving.wasm\"\nenv = [\"PATH\"]\n\
                       [backends.local.programs.sh]\njob = [[\"-c\", \"@text\"]]\n";

/// Two operators' machines with one host: that is the first one's home.
struct Both {
    first: Place,
    second: Place,
    sshd: Sshd,
}

impl Both {
    /// The backend `backend` of `config` is there. Paths in the configuration are those of the first.
    fn with(mut config: Table, backend: &str, first: Place, server: &str) -> Self {
        let sshd = on_host(&mut config, &first, &[backend]);
        let second = Place::new("");
        for place in [&first, &second] {
            place.configure(&config.to_string(), server);
        }
        Self { first, second, sshd }
    }

    fn scripts() -> Self {
        Self::with(SCRIPTS.parse().unwrap(), "local", Place::new(""), "")
    }

    /// One with the shipped backend of jobs.
    fn headless() -> Self {
        let first = headless::place(|_| {});
        let mut config: Table = first.read("config.toml").parse().unwrap();
        config.remove("server");
        config.remove("hosts");
        config["backends"]["jobs"].as_table_mut().unwrap().remove("host");
        Self::with(config, "jobs", first, "open_on_loopback = true")
    }

    /// A terminal of the second, in which berth adopts.
    fn adopt(&self, name: &str, args: &[&str]) -> Terminal {
        let config = self.second.name("config.toml");
        Terminal::berth(
            &self.second,
            name,
            &[&["hosts", "adopt"], args, &["--config", &config]].concat(),
        )
    }

    /// What it says to the end where it refuses.
    async fn refusal(&self, name: &str, args: &[&str]) -> String {
        self.adopt(name, args).shows("ended 1").await
    }

    /// Takes over what the first has, and answers the screen.
    async fn take_over(&self, name: &str) -> String {
        let terminal = self.adopt(name, &["there", &installation(&self.first)]);
        terminal.shows("[y/N]").await;
        terminal.types(&["y", "Enter"]);
        terminal.shows("ended 0").await
    }

    /// A script that counts itself, prints, and ends with 3 when somebody says so.
    fn waiting(&self) -> String {
        let (count, gate) = (self.first.name("count"), self.first.name("gate"));
        format!("echo x >> {count}; echo up; until [ -e {gate} ]; do sleep 0.05; done; echo end; exit 3")
    }
}

/// What it is called on hosts.
fn installation(place: &Place) -> String {
    place.read("data/installation").trim().to_owned()
}

/// What `berth jobs` tells of a job.
async fn job(place: &Place, id: &str) -> Value {
    let ran = place.run(&["jobs", "show", id, "--json"]).await;
    assert!(ran.success, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

async fn until_state(place: &Place, id: &str, state: &str) -> Value {
    until(state, async || {
        let job = job(place, id).await;
        (job["state"] == state).then_some(job)
    })
    .await
}

/// Makes sure that the first tells that the second has the job.
fn assert_taken(both: &Both, job: &Value) {
    assert_eq!(job["state"], "cancelled", "{job}");
    let told = format!("the installation {} has taken it over", installation(&both.second));
    assert!(job["reason"].as_str().unwrap().contains(&told), "{job}");
}

#[tokio::test]
async fn a_job_that_another_machine_began_is_taken_over_while_it_runs_and_ends_here() {
    let both = Both::scripts();
    let first = Berth::serve(&both.first).await;
    let done = asked::submit(&first, "a", "echo done; exit 0").await;
    asked::until(&first, &done, |job| job["phase"] == "Exited").await;
    let id = asked::submit(&first, "b", &both.waiting()).await;
    let waits = asked::submit(&first, "c", "echo never").await;
    asked::until(&first, &id, |job| {
        job["printed"]
            == "up
"
    })
    .await;
    let second = Berth::serve(&both.second).await;
    // Its backend is up, and follows what there is.
    second.call("job_list", json!({})).await;

    let terminal = both.adopt("list", &["there"]);
    let screen = terminal.shows("ended 0").await;
    let name = installation(&both.first);
    assert!(
        screen.contains(&name) && screen.contains("berth hosts adopt there INSTALLATION"),
        "{screen}"
    );

    for (terminal, answer) in [("no", "n"), ("nothing", "")] {
        let terminal = both.adopt(terminal, &["there", &name]);
        let screen = terminal.shows("[y/N]").await;
        let row: Vec<&str> = screen
            .lines()
            .find(|line| line.contains("local"))
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(row, ["local", "2", "1"], "{screen}");
        terminal.types(&[answer, "Enter"]);
        let screen = terminal.shows("ended 1").await;
        assert!(screen.contains("nothing was taken over"), "{screen}");
    }
    assert_eq!(job(&both.first, &id).await["state"], "running");

    let screen = both.take_over("yes").await;
    assert!(
        screen.contains("backend local: 2 jobs are taken over, 1 of which has not ended"),
        "{screen}"
    );
    assert_taken(&both, &until_state(&both.first, &id, "cancelled").await);
    assert_eq!(job(&both.first, &done).await["state"], "exited", "its end was known");
    until_state(&both.second, &id, "running").await;
    let ended = job(&both.second, &done).await;
    assert_eq!((&ended["state"], &ended["output_bytes"]), (&json!("exited"), &json!(5)));
    let listed = both.second.run(&["jobs", "--json"]).await.stdout;
    assert!(!listed.contains(&waits), "what waits is not on the host: {listed}");

    // Whatever waits behind it in its queue can begin where it was.
    until_state(&both.first, &waits, "exited").await;
    both.first.write("gate", "", 0o600);
    let ended = until_state(&both.second, &id, "exited").await;
    assert_eq!((&ended["status"], &ended["output_bytes"]), (&json!(3), &json!(7)));
    assert_eq!(both.first.read("count"), "x\n", "it ran once");
    assert_taken(&both, &job(&both.first, &id).await);
    let recorded = both.second.run(&["audit", "--json"]).await.stdout;
    assert!(recorded.contains("\"event\":\"jobs-adopted\""), "{recorded}");

    let screen = both.take_over("again").await;
    assert!(
        screen.contains("1 job is taken over, 0 of which have not ended"),
        "{screen}"
    );
    let screen = both.refusal("all", &["there", &name]).await;
    assert!(screen.contains("nothing of the installation"), "{screen}");
    drop((first, second));
}

#[tokio::test]
async fn without_a_berth_here_the_command_takes_over_and_the_next_one_follows() {
    let both = Both::scripts();
    let mut first = Berth::serve(&both.first).await;
    let id = asked::submit(&first, "a", &both.waiting()).await;
    until_state(&both.first, &id, "running").await;
    until("it counts", async || both.first.path("count").exists().then_some(())).await;
    first.kill().await;
    let screen = both.take_over("one").await;
    assert!(
        screen.contains("1 job is taken over, 1 of which has not ended"),
        "{screen}"
    );
    // Nobody asks the host meanwhile.
    let known = job(&both.second, &id).await;
    assert_eq!(
        (&known["state"], &known["last_known"]),
        (&json!("unreachable"), &json!("running"))
    );
    let screen = both.refusal("two", &["there", &installation(&both.first)]).await;
    assert!(screen.contains("nothing of the installation"), "{screen}");

    let second = Berth::serve(&both.second).await;
    asked::until(&second, &id, |job| {
        job["phase"] == "Running" && job["printed"] == "up\n"
    })
    .await;
    // The one that was away finds that it has it no longer, and starts it not again.
    let first = Berth::serve(&both.first).await;
    assert_taken(&both, &until_state(&both.first, &id, "cancelled").await);
    assert_eq!(both.first.read("count"), "x\n");
    let cancelled = both.second.run(&["jobs", "cancel", &id]).await;
    assert!(cancelled.success, "{}", cancelled.stderr);
    let ended = until_state(&both.second, &id, "cancelled").await;
    assert_eq!(ended["reason"], Value::Null, "{ended}");
    let pruned = both.second.run(&["jobs", "prune", "--older-than", "0s", "--yes"]).await;
    assert!(pruned.success, "{}", pruned.stderr);
    let jobs = both
        .first
        .path("home/.local/state/berth")
        .join(installation(&both.second))
        .join("jobs");
    assert_eq!(fs::read_dir(jobs).unwrap().count(), 0);
    drop((first, second));
}

#[tokio::test]
async fn what_was_interrupted_half_way_is_completed_by_the_same_command() {
    let both = Both::scripts();
    let mut first = Berth::serve(&both.first).await;
    let id = asked::submit(&first, "a", &both.waiting()).await;
    asked::until(&first, &id, |job| job["printed"] == "up\n").await;
    first.kill().await;
    // It was told that it goes, and went; and then nobody noted that it is here.
    let place = |of: &Place| both.first.path("home/.local/state/berth").join(installation(of));
    let second = Berth::serve(&both.second).await;
    second.call("job_list", json!({})).await;
    let (from, to) = (place(&both.first), place(&both.second));
    for folder in [from.join("taken"), to.join("jobs")] {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .unwrap();
    }
    let told = format!("stage claimed\nby {}\n", installation(&both.second));
    fs::write(from.join("taken").join(&id), told).unwrap();
    fs::rename(from.join("jobs").join(&id), to.join("jobs").join(&id)).unwrap();
    let screen = both.take_over("one").await;
    assert!(
        screen.contains("1 job is taken over, 1 of which has not ended"),
        "{screen}"
    );
    until_state(&both.second, &id, "running").await;
    both.first.write("gate", "", 0o600);
    assert_eq!(until_state(&both.second, &id, "exited").await["status"], 3);
    let screen = both.refusal("two", &["there", &installation(&both.first)]).await;
    assert!(screen.contains("nothing of the installation"), "{screen}");
    assert_eq!(both.first.read("count"), "x\n", "it ran once");
    drop((first, second));
}

#[tokio::test]
async fn only_a_person_on_a_terminal_outside_of_sessions_takes_over_and_bad_input_is_told_with_what_there_is() {
    let mut both = Both::scripts();
    let first = Berth::serve(&both.first).await;
    let id = asked::submit(&first, "a", "exit 0").await;
    until_state(&both.first, &id, "exited").await;
    let name = installation(&both.first);

    let told = both.second.complaint(&["hosts", "adopt", "there", &name]).await;
    assert!(told.contains("run berth hosts adopt on a terminal"), "{told}");
    let config = both.second.name("config.toml");
    let mut inside = both
        .second
        .command(&["hosts", "adopt", "there", &name, "--config", &config]);
    let output = inside.env(MARK, "x").output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("runs in a session"), "{told}");

    let second = Berth::serve(&both.second).await;
    let own = installation(&both.second);
    let nobody = "0123456789abcdef";
    for (index, (args, words)) in [
        (vec!["box", &*name], "there is no host `box` (there are: there)"),
        (vec!["there", "../../etc"], "16 of 0-9 and a-f"),
        (vec!["there", "0123456789ABCDEF"], "16 of 0-9 and a-f"),
        (vec!["there", &own], "is this installation"),
        (
            vec!["there", nobody],
            &*format!("there are: {name} (1 jobs, 0 not ended)"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let screen = both.refusal(&format!("bad{index}"), &args).await;
        assert!(screen.contains(words), "{words}: {screen}");
    }
    // A backend of that name is not on the host here.
    let text = both
        .second
        .read("config.toml")
        .replace("backends.local", "backends.other");
    both.second.write("config.toml", text, 0o600);
    let screen = both.refusal("elsewhere", &["there", &name]).await;
    assert!(
        screen.contains("1 of the backend local stay there") && screen.contains("nothing that can be"),
        "{screen}"
    );
    let text = both
        .second
        .read("config.toml")
        .replace("backends.other", "backends.local");
    both.second.write("config.toml", text, 0o600);

    both.sshd.stop();
    let screen = both.refusal("down", &["there", &name]).await;
    assert!(
        screen.contains("the host there") && screen.contains("refuses the connection"),
        "{screen}"
    );
    assert_eq!(job(&both.first, &id).await["state"], "exited");
    drop((first, second));
}

#[tokio::test]
async fn a_run_that_was_taken_over_is_listed_read_and_judged_by_the_backend_here() {
    let both = Both::headless();
    let first = Berth::serve(&both.first).await;
    let run = |prompt: &str| json!({"project": "app", "prompt": prompt});
    let done = told(&first, "claude_run", run("say hello there")).await["jobId"].clone();
    becomes(&first, &done, "done").await;
    let works = told(&first, "claude_run", run("work 600")).await["jobId"].clone();
    becomes(&first, &works, "running").await;
    let ends = json!({"project": "web", "prompt": "work 8"});
    let ends = told(&first, "claude_run", ends).await["jobId"].clone();
    let jobs = both
        .first
        .path("home/.local/state/berth")
        .join(installation(&both.first))
        .join("jobs");
    for id in [&works, &ends] {
        let claim = jobs.join(id.as_str().unwrap()).join("claim");
        until("it is begun", async || claim.exists().then_some(())).await;
    }
    let second = Berth::serve(&both.second).await;
    told(&second, "claude_list_jobs", json!({})).await;
    let screen = both.take_over("yes").await;
    assert!(screen.contains("backend jobs: 3 jobs are taken over"), "{screen}");

    let listed = told(&second, "claude_list_jobs", json!({})).await;
    let ids: Vec<&Value> = listed["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| &job["jobId"])
        .collect();
    assert!(ids.contains(&&done) && ids.contains(&&works), "{listed}");
    let ended = becomes(&second, &done, "done").await;
    assert!(ended["output"].as_str().unwrap().contains("hello there"), "{ended}");
    // It speaks with the one here, which ends its input when it has answered.
    becomes(&second, &ends, "done").await;
    becomes(&second, &works, "running").await;
    let cancelled = told(&second, "claude_cancel_job", json!({"jobId": works})).await;
    assert_eq!(cancelled["state"], "cancelled");
    becomes(&second, &works, "cancelled").await;

    let told = becomes(&first, &works, "cancelled").await;
    assert!(told["error"].as_str().unwrap().contains("has taken it over"), "{told}");
    assert_eq!(headless::becomes(&first, &done, "done").await["state"], "done");
    drop((first, second));
}
