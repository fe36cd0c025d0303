//! The commands for people at a terminal: what they do to sessions, by which names, and what they print.

use std::fs;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::berth::{Berth, END, PATIENCE, Place, Ran};
use crate::demo::{Demo, Tmux, config, until};

/// A place where no berth runs, and its tmux server.
fn alone() -> (Tmux, Place) {
    let place = Place::new("");
    place.configure(&config().to_string(), "");
    fs::create_dir(place.path("projects/app")).unwrap();
    (Tmux::of(&place), place)
}

#[track_caller]
fn done(ran: Ran) -> String {
    assert!(ran.success, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// The id at the beginning of what `berth start` printed.
fn id(printed: &str) -> &str {
    let line = printed.lines().find(|line| line.starts_with("local/"));
    line.unwrap_or_else(|| panic!("no session: {printed}"))
        .split(' ')
        .next()
        .unwrap()
}

/// The prompt that a session is seen to ask.
async fn prompt(place: &Place, id: &str) -> String {
    let seen = done(place.run(&["status", id, "--json"]).await);
    let seen: Value = serde_json::from_str(&seen).unwrap();
    seen["session"]["prompts"][0]["prompt_id"].as_str().unwrap().to_owned()
}

/// From its start to its end, the way a person does it.
async fn a_session_is_followed_to_its_end(place: &Place) {
    let app = place.name("projects/app");
    let started = place
        .run(&[
            "start",
            &app,
            "--name",
            "fix login",
            "-m",
            "run touch x",
            "--wait",
            "20",
        ])
        .await;
    assert!(
        started.success && started.stdout.contains("Do you want to proceed?"),
        "{}{}",
        started.stdout,
        started.stderr
    );
    let id = id(&started.stdout).to_owned();
    assert!(
        started.stderr.contains(&format!("berth attach {id}")) && !started.stderr.contains("INFO"),
        "{}",
        started.stderr
    );

    let listed = done(place.run(&["ls"]).await);
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.len(), 1, "{listed}");
    let row = &rows[0];
    assert_eq!((row[0], row[1], row[3], row[4]), (&*id, "waiting", "demo", "app"));
    assert!(row[2].ends_with(['s', 'm']) && row[5].contains("touch x"), "{listed}");

    // A message would answer the question, and what helps is said.
    let sent = place.run(&["send", "fix", "and then?"]).await;
    assert!(
        !sent.success && sent.stderr.contains("a question is open"),
        "{}",
        sent.stderr
    );
    let seen = place.run(&["status", "fix"]).await;
    let prompt = prompt(place, &id).await;
    let line = format!("berth answer {id} --prompt {prompt} yes");
    assert!(seen.success && seen.stderr.contains(&line), "{}", seen.stderr);
    done(
        place
            .run(&["answer", &id, "--prompt", &prompt, "yes", "--wait", "20"])
            .await,
    );

    let sent = done(place.run(&["send", "fix", "and then?", "--wait", "20"]).await);
    assert!(sent.contains("Message: submitted"), "{sent}");
    let logs = done(place.run(&["logs", "fix", "-n", "20"]).await);
    assert!(logs.contains("Ran touch x") && logs.contains("and then?"), "{logs}");
    let stopped = done(place.run(&["stop", &id]).await);
    assert_eq!(stopped, format!("{id} has ended.\n"));
}

#[tokio::test]
async fn a_session_is_started_talked_to_answered_and_ended_through_the_berth_that_runs() {
    let demo = Demo::start().await;
    demo.project("app");
    a_session_is_followed_to_its_end(&demo.place).await;
    assert_eq!(demo.record("app", "answer"), ["touch x=Yes"]);
}

#[tokio::test]
async fn the_same_is_done_where_no_berth_runs() {
    let (_tmux, place) = alone();
    a_session_is_followed_to_its_end(&place).await;
    let none = done(place.run(&["ls", "--state", "waiting"]).await);
    assert_eq!(none, "No sessions.\n");
}

#[tokio::test]
async fn start_takes_the_directory_in_which_it_is_run() {
    let demo = Demo::start().await;
    demo.project("app");
    let config = demo.place.name("config.toml");
    let mut command = demo.place.command(&["start", "--config", &config, "--json"]);
    let output = command.current_dir(demo.place.path("projects/app")).output();
    let output = timeout(PATIENCE, output).await.unwrap().unwrap();
    let started: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(started["session"]["directory"], demo.place.name("projects/app"));
    let nowhere = demo.place.complaint(&["start", "no/such/place"]).await;
    assert!(nowhere.contains("no/such/place cannot be found"), "{nowhere}");
    let outside = demo.place.complaint(&["start", "/"]).await;
    assert!(outside.contains("directories"), "{outside}");
}

#[tokio::test]
async fn a_beginning_is_enough_to_send_but_not_to_end_or_answer_and_candidates_are_named() {
    let demo = Demo::start().await;
    demo.project("app");
    let app = demo.place.name("projects/app");
    let mut ids = Vec::new();
    for name in ["fix login", "fix logout", "other"] {
        let started = demo.place.run(&["start", &app, "--name", name, "--wait", "20"]).await;
        ids.push(id(&done(started)).to_owned());
    }
    for command in [
        &["send", "fix", "hello"][..],
        &["stop", "fix"],
        &["answer", "fix", "yes"],
    ] {
        let several = demo.place.complaint(command).await;
        assert!(
            several.contains("matches several sessions") && ids[..2].iter().all(|id| several.contains(id)),
            "{command:?}: {several}"
        );
    }
    for command in [&["stop", "oth"][..], &["answer", "oth", "yes"]] {
        let meant = demo.place.complaint(command).await;
        assert!(
            meant.contains(&format!("there is no session `oth`; did you mean {}?", ids[2])),
            "{command:?}: {meant}"
        );
    }
    let unknown = demo.place.complaint(&["stop", "nobody"]).await;
    assert!(
        unknown.contains("there is no session `nobody`") && unknown.contains(&ids[0]),
        "{unknown}"
    );
    done(demo.place.run(&["send", "oth", "hello", "--wait", "20"]).await);
    assert_eq!(demo.record("app", "message"), ["hello"]);
    // The id without its backend is a name as well.
    for id in [&ids[2], &ids[0]] {
        done(demo.place.run(&["stop", id.strip_prefix("local/").unwrap()]).await);
    }
    let left = done(demo.place.run(&["ls"]).await);
    assert!(left.starts_with(&ids[1]) && left.lines().count() == 1, "{left}");
}

#[tokio::test]
async fn a_bare_answer_goes_only_to_the_question_that_was_shown() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let name = id.strip_prefix("local/").unwrap();
    demo.send(&id, "run touch x").await.done();
    // It is shown by that answer. The next question is not, and finding the session by its name is no look at it.
    done(demo.place.run(&["answer", name, "yes", "--wait", "20"]).await);
    demo.until_state(&id, "idle").await;
    demo.tmux.write(&id, "run touch y");
    demo.tmux.press(&id, &["Enter"]);
    until("the question", async || {
        demo.tmux.screen(&id).contains("touch y\n").then_some(())
    })
    .await;
    let refused = demo.place.run(&["answer", name, "yes"]).await;
    assert!(!refused.success, "{}", refused.stdout);
    assert_eq!(demo.record("app", "answer"), ["touch x=Yes"]);
    let prompt = prompt(&demo.place, &id).await;
    done(demo.place.run(&["answer", name, "no", "--prompt", &prompt]).await);
    until("the answer", async || {
        (demo.record("app", "answer").len() == 2).then_some(())
    })
    .await;
    assert_eq!(demo.record("app", "answer")[1], "touch y=No");
}

/// `berth logs -f`, and what it prints.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(place: &Place, id: &str) -> Self {
        let config = place.name("config.toml");
        let mut command = place.command(&["logs", "-f", id, "--config", &config]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn until(&mut self, text: &str) {
        let found = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(text) {
                    return;
                }
            }
            panic!("it ended before {text}");
        };
        timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| panic!("{text}: that never came"));
    }

    async fn ended(self, within: Duration) -> (bool, String) {
        let output = timeout(within, self.child.wait_with_output()).await;
        let output = output.expect("it does not end").unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn logs_follow_a_session_until_it_ends() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.send(&id, "first words").await.done();
    let mut follower = Follower::start(&demo.place, &id);
    follower.until("first words").await;
    demo.send(&id, "second words").await.done();
    follower.until("second words").await;
    demo.call("terminate_session", json!({"session_id": id})).await.done();
    let (well, said) = follower.ended(PATIENCE).await;
    assert!(well && said.contains(&format!("{id} has ended")), "{said}");
}

#[tokio::test]
async fn logs_follow_a_session_until_its_agent_ends_by_itself() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let mut follower = Follower::start(&demo.place, &id);
    demo.send(&id, "words").await.done();
    follower.until("words").await;
    demo.tmux.write(&id, "/exit");
    demo.tmux.press(&id, &["Enter"]);
    let reaped = async {
        loop {
            demo.tmux.reap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        (well, said) = follower.ended(PATIENCE) => {
            assert!(well && said.contains(&format!("{id} has ended")), "{said}");
        }
        () = reaped => {}
    }
}

#[tokio::test]
async fn ctrl_c_ends_following_and_nothing_more() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.send(&id, "some words").await.done();
    let mut follower = Follower::start(&demo.place, &id);
    follower.until("some words").await;
    let pid = Pid::from_raw(follower.child.id().unwrap().cast_signed()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let (well, said) = follower.ended(END).await;
    assert!(well, "{said}");
    assert_eq!(demo.state(&id).await, "idle");
}

#[tokio::test]
async fn logs_that_are_followed_where_no_berth_runs_keep_nobody_out() {
    let (tmux, place) = alone();
    let app = place.name("projects/app");
    let started = done(place.run(&["start", &app, "-m", "first words", "--wait", "20"]).await);
    let id = id(&started).to_owned();
    let mut follower = Follower::start(&place, &id);
    follower.until("first words").await;
    // Others speak through it, and a server takes over from it.
    done(place.run(&["send", &id, "second words", "--wait", "20"]).await);
    follower.until("second words").await;
    let demo = Demo {
        berth: Berth::serve(&place).await,
        tmux,
        place,
        host: None,
    };
    demo.send(&id, "third words").await.done();
    follower.until("third words").await;
    demo.call("terminate_session", json!({"session_id": id})).await.done();
    let (well, said) = follower.ended(PATIENCE).await;
    assert!(well && said.contains("has ended"), "{said}");
}

/// A terminal of a person's own: another tmux server, in which a shell line runs.
pub(crate) struct Person {
    socket: String,
}

impl Person {
    pub(crate) fn run(place: &Place, args: &[&str]) -> Self {
        static PEOPLE: AtomicUsize = AtomicUsize::new(0);
        let number = PEOPLE.fetch_add(1, Ordering::Relaxed);
        let person = Self {
            socket: place.name(&format!("person-{number}")),
        };
        let config = place.name("config.toml");
        let words = [&[env!("CARGO_BIN_EXE_berth")], args, &["--config", &config]].concat();
        let line = berth_line(&words);
        let home = place.name("home");
        person.tmux(&["new-session", "-d", "-x", "100", "-y", "30", "-c", &home, &line]);
        person
    }

    fn tmux(&self, args: &[&str]) -> String {
        let mut command = std::process::Command::new("tmux");
        command.args(["-u", "-S", &self.socket, "-f", "/dev/null"]).args(args);
        let output = command.env_remove("TMUX").stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn until(&self, text: &str) {
        until(text, async || {
            self.tmux(&["capture-pane", "-p"]).contains(text).then_some(())
        })
        .await;
    }

    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// A line that runs berth as a person does, who sees what it printed afterwards.
fn berth_line(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(berth::shell::word).collect();
    format!(
        "env -u TMUX -u TMUX_PANE {}; echo status $?; sleep 600",
        words.join(" ")
    )
}

#[tokio::test]
async fn who_attaches_sees_how_to_leave_and_what_was_left_goes_on() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    let person = Person::run(&demo.place, &["attach", &id]);
    person.until("Ctrl-b d leaves this session").await;
    // The first is this terminal's own key.
    person.press(&["C-b", "d"]);
    person.until("status 0").await;
    assert_eq!(demo.state(&id).await, "idle");
}

#[tokio::test]
async fn start_opens_the_new_session_where_that_is_asked_for() {
    let demo = Demo::start().await;
    demo.project("app");
    let person = Person::run(
        &demo.place,
        &["start", &demo.place.name("projects/app"), "--attach", "--wait", "20"],
    );
    person.until("Ctrl-b d leaves this session").await;
    person.until("demo agent").await;
    let listed = done(demo.place.run(&["ls"]).await);
    assert_eq!(listed.lines().count(), 1, "{listed}");
    // Without a terminal nothing is started.
    let refused = demo
        .place
        .complaint(&["start", &demo.place.name("projects/app"), "--attach"])
        .await;
    assert!(refused.contains("needs a terminal"), "{refused}");
    assert_eq!(done(demo.place.run(&["ls"]).await).lines().count(), 1);
}

#[tokio::test]
async fn trust_opens_the_session_that_asks_for_it_and_starts_one_where_none_does() {
    let demo = Demo::with(|config, _| {
        let command = config["agents"]["demo"]["command"].as_array_mut().unwrap();
        command.push("--ask-trust".into());
    })
    .await;
    demo.project("app");
    let app = demo.place.name("projects/app");
    for _ in 0..2 {
        let person = Person::run(&demo.place, &["trust", &app]);
        person.until("Do you trust this folder?").await;
        let listed = done(demo.place.run(&["ls"]).await);
        assert_eq!(listed.lines().count(), 1, "{listed}");
    }
    let person = Person::run(&demo.place, &["trust", &app]);
    person.until("Do you trust this folder?").await;
    until("its answer", async || {
        // An Enter soon after the start is lost, as in real agents.
        person.press(&["Down", "Enter"]);
        (demo.record("app", "answer").len() == 1).then_some(())
    })
    .await;
    let refused = demo.place.complaint(&["trust", &app]).await;
    assert!(refused.contains("needs a terminal"), "{refused}");
}

#[tokio::test]
async fn who_answers_at_a_terminal_sees_the_question_first() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.send(&id, "run touch x").await.done();
    let person = Person::run(&demo.place, &["answer", &id, "yes"]);
    person.until("touch x").await;
    person.until("Give it that answer? [y/N]").await;
    person.press(&["n", "Enter"]);
    person.until("nothing was answered").await;
    assert_eq!(demo.record("app", "answer"), Vec::<String>::new());
    drop(person);
    let person = Person::run(&demo.place, &["answer", &id]);
    person.until("Your answer, or Enter to leave it:").await;
    person.press(&["yes", "Enter"]);
    person.until("status 0").await;
    assert_eq!(demo.record("app", "answer"), ["touch x=Yes"]);
}

#[tokio::test]
async fn a_list_on_a_terminal_is_a_line_a_session_under_its_heads() {
    let demo = Demo::start().await;
    let id = demo.create("app").await;
    demo.send(&id, "run touch x").await.done();
    let person = Person::run(&demo.place, &["ls"]);
    person.until("status 0").await;
    let screen = person.tmux(&["capture-pane", "-p"]);
    let lines: Vec<&str> = screen.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(lines.len(), 3, "{screen}");
    assert!(lines[0].contains("session") && lines[0].contains("state"), "{screen}");
    assert!(lines[1].contains(&id) && lines[1].contains("waiting"), "{screen}");
}

#[tokio::test]
async fn questions_open_and_close_beside_a_log_that_is_followed_and_are_answered_one_after_the_other() {
    let config = "[backends.one]\nplugin = \"./misbehaving.wasm\"\nsettings = { talk = true, turns = \"\", tools = [\"noop\"] }\n";
    let place = Place::new(config);
    let berth = Berth::serve(&place).await;
    let talk = async |told: Value| berth.call("talk", json!({"text": told.to_string()})).await.done().text;
    let message = json!({"session_id": "one/talk-1", "message": "fix it"});
    berth.call("send_message", message).await.done();
    let follows = Person::run(&place, &["logs", "-f", "one/talk-1"]);
    let turns = Person::run(&place, &["logs", "-f", "one/talk-1", "--view", "transcript"]);
    follows.until("fix it").await;
    turns.until("[person").await;
    talk(json!({"ask": [
        {"id": "p1", "question": "First?", "group": "g", "words": true},
        {"id": "p2", "question": "Second?", "group": "g"},
        {"id": "p3", "question": "Third?"},
    ]}))
    .await;
    follows.until("[It asks (question): First?]").await;
    follows.until("berth answer one/talk-1 --prompt p3 yes").await;
    let answers = Person::run(&place, &["answer", "one/talk-1"]);
    for (question, words) in [("First?", "not this one"), ("Second?", "2"), ("Third?", "")] {
        answers
            .until(&format!("{question}\nYour answer, or Enter to leave it:"))
            .await;
        answers.press(&[words, "Enter"]);
    }
    answers.until("status 0").await;
    follows.until("[It does not ask any more: First?]").await;
    let told = talk(json!({"say": "it is fixed", "ask": []})).await;
    assert!(
        told.contains("not this one") && told.contains("p2") && !told.contains("p3"),
        "{told}"
    );
    follows.until("it is fixed").await;
    turns.until("[agent").await;
}
