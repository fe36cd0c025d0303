//! A backend on several hosts, by the contract's `ssh`: each is this machine by a real sshd with a home of its own.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::asked;
use crate::berth::{Berth, Called, Place};
use crate::demo::until;
use crate::layers::Terminal;
use crate::sshd::Sshd;

/// A backend on `one` and `two` that may run a shell there.
const FAR: &str = r#"
[backends.far]
plugin = "./misbehaving.wasm"
hosts = ["one", "two"]
directories = ["~/projects"]
files = [{ under = "~/.notes", names = "*.txt" }]
env = ["HOME"]
[backends.far.limits]
deadline = "20s"
[backends.far.programs.sh]
path = "/bin/sh"
read = [["-c", "true"]]
control = [["-c", "@text"]]
job = [["-c", "@text"]]
timeout = "10s"
output = "1 KiB"
"#;

/// Both hosts, which have a project `app`, and where they are configured.
struct Hosts {
    place: Place,
    one: Sshd,
    two: Sshd,
}

impl Hosts {
    fn new() -> Self {
        Self::with("", "")
    }

    /// The same with further lines of the backend's table, and of the whole.
    fn with(of_backend: &str, more: &str) -> Self {
        let place = Place::new("");
        let start = |name: &str| {
            let home = place.path(name);
            fs::create_dir_all(home.join("projects/app")).unwrap();
            fs::create_dir_all(home.join(".notes")).unwrap();
            Sshd::at_home(&home)
        };
        let (one, two) = (start("one"), start("two"));
        let hosts = Self { one, two, place };
        hosts.configure(of_backend, more);
        hosts
    }

    fn configure(&self, of_backend: &str, more: &str) {
        self.place.configure(&self.written(of_backend, more), "");
    }

    fn written(&self, of_backend: &str, more: &str) -> String {
        let backend = FAR.replacen("hosts =", &format!("{of_backend}\nhosts ="), 1);
        let tables = [table("one", &self.one), table("two", &self.two)].concat();
        format!("{backend}{tables}{more}")
    }

    /// Lets the jobs on `host` end that wait for it.
    fn go(&self, host: &str) {
        self.place.write(&format!("{host}/gate"), "", 0o600);
    }

    /// The directories of jobs on `host`.
    fn jobs(&self, host: &str) -> usize {
        let own = fs::read_dir(self.place.path(&format!("{host}/.local/state/berth"))).into_iter();
        let jobs = own
            .flatten()
            .flatten()
            .flat_map(|own| fs::read_dir(own.path().join("jobs")));
        jobs.flatten().count()
    }
}

fn table(name: &str, sshd: &Sshd) -> String {
    format!(
        "[hosts.{name}]\ndestination = \"{}\"\nport = {}\nidentity_file = \"{}\"\nknown_hosts = \"{}\"\n",
        sshd.destination(),
        sshd.port(),
        sshd.path("user_key").display(),
        sshd.path("known_hosts").display()
    )
}

/// What came of `orders`.
async fn outcomes(berth: &Berth, orders: Value) -> Vec<Value> {
    let answer = berth.call("host_run", json!({"orders": orders})).await.done();
    answer.structured["outcomes"].as_array().unwrap().clone()
}

fn script(host: &str, script: &str) -> Value {
    json!({"host": host, "program": "sh", "args": ["-c", script]})
}

/// What came of one script on one host.
async fn outcome(berth: &Berth, host: &str, text: &str) -> Value {
    outcomes(berth, json!([script(host, text)])).await.remove(0)
}

#[track_caller]
fn words<'a>(outcome: &'a Value, case: &str) -> &'a str {
    outcome[case]
        .as_str()
        .unwrap_or_else(|| panic!("not {case}: {outcome}"))
}

/// How often someone was let in.
fn logins(sshd: &Sshd) -> usize {
    let log = fs::read_to_string(sshd.path("log")).unwrap();
    log.lines().filter(|line| line.contains("Accepted publickey")).count()
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn orders_for_several_hosts_are_answered_in_their_order() {
    let hosts = Hosts::new();
    let berth = Berth::serve(&hosts.place).await;
    let labels = berth.call("hosts", json!({})).await.done().structured;
    assert_eq!(labels["hosts"], json!(["one", "two"]));
    assert_eq!(
        (logins(&hosts.one), logins(&hosts.two)),
        (0, 0),
        "no host is connected to before it is asked for something"
    );
    let within = json!({"host": "two", "program": "sh", "args": ["-c", "pwd; cat; exit 3"], "stdin": "in",
        "directory": "~/projects/app"});
    let orders = json!([
        script("two", "echo $HOME"),
        script("one", "echo $HOME"),
        within,
        script("one", "kill -9 $$")
    ]);
    let [two, one, inside, killed] = outcomes(&berth, orders).await.try_into().unwrap();
    let home = |name: &str| format!("{}\n", hosts.place.name(name));
    assert_eq!(
        (words(&one, "stdout"), words(&two, "stdout")),
        (&*home("one"), &*home("two"))
    );
    let printed = format!("{}\nin", hosts.place.name("two/projects/app"));
    assert_eq!((words(&inside, "stdout"), &inside["status"]), (&*printed, &json!(3)));
    assert_eq!((&killed["status"], &killed["signal"]), (&Value::Null, &json!(9)));
    assert_eq!(
        (logins(&hosts.one), logins(&hosts.two)),
        (1, 1),
        "each connection is kept"
    );
}

#[tokio::test]
async fn a_host_that_is_down_fails_no_other_and_is_found_again() {
    let mut hosts = Hosts::new();
    hosts.two.stop();
    let berth = Berth::serve(&hosts.place).await;
    let both = || outcomes(&berth, json!([script("two", "true"), script("one", "true")]));
    let [two, one] = both().await.try_into().unwrap();
    assert_eq!(one["status"], 0, "{one}");
    let why = words(&two, "unavailable");
    assert!(why.contains("the host two cannot be used now: unreachable"), "{why}");
    let port = hosts.two.port().to_string();
    assert!(!why.contains("127.0.0.1") && !why.contains(&port), "{why}");
    let roots = berth.call("host_roots", json!({"hosts": ["two", "one"]})).await.done();
    let roots = roots.structured["roots"].as_array().unwrap().clone();
    assert!(words(&roots[0], "unavailable").contains("the host two"), "{roots:?}");
    assert_eq!(roots[1], json!([hosts.place.name("one/projects")]));
    hosts.two.restart();
    until("both answer", async || {
        let both = both().await;
        both.iter().all(|outcome| outcome["status"] == 0).then_some(())
    })
    .await;
    hosts.one.stop();
    let [two, one] = both().await.try_into().unwrap();
    assert_eq!(two["status"], 0, "{two}");
    assert!(words(&one, "unavailable").contains("the host one"), "{one}");
}

#[tokio::test]
async fn a_host_that_never_answers_leaves_time_to_tell_what_the_others_said() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    let hosts = Hosts::with("", "");
    let config = hosts.place.read("config.toml");
    let config = config.replace(&format!("port = {}", hosts.two.port()), &format!("port = {port}"));
    let config = config.replace("deadline = \"20s\"", "deadline = \"6s\"");
    let config = config.replace("[hosts.two]\n", "[hosts.two]\nconnect_timeout = \"2m\"\n");
    hosts.place.write("config.toml", config, 0o600);
    let berth = Berth::serve(&hosts.place).await;
    let [two, one] = outcomes(&berth, json!([script("two", "true"), script("one", "true")]))
        .await
        .try_into()
        .unwrap();
    assert_eq!(one["status"], 0, "{one}");
    assert!(words(&two, "unavailable").contains("the host two"), "{two}");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_on_each_host_as_here() {
    let hosts = Hosts::new();
    let berth = Berth::serve(&hosts.place).await;
    fs::create_dir(hosts.place.path("one/outside")).unwrap();
    symlink("../outside", hosts.place.path("one/projects/link")).unwrap();
    let at = |directory: &str| json!({"host": "one", "program": "sh", "args": ["-c", "true"], "directory": directory});
    for (order, why) in [
        (
            json!({"host": "one", "program": "rm"}),
            "[backends.far.programs.rm] would grant it",
        ),
        (
            json!({"host": "one", "program": "sh", "args": ["-x"]}),
            "[backends.far.programs.sh]",
        ),
        (
            json!({"host": "one", "program": "sh", "args": ["-c", "true"], "env": [["A", "b"]]}),
            "`guest_env` in [backends.far] would grant it",
        ),
        (at("/"), "outside the granted directories"),
        (at("~"), "outside the granted directories"),
        (at("~/outside"), "outside the granted directories"),
        (at("~/projects/../outside"), "leads out of the granted directory"),
        (at("~/projects/link"), "leads out of the granted directory"),
        (at("~/.notes"), "outside the granted directories"),
    ] {
        let denied = outcomes(&berth, json!([order])).await.remove(0);
        assert!(words(&denied, "denied").contains(why), "{order}: {denied}");
    }
}

#[tokio::test]
async fn a_label_that_is_not_granted_names_no_host_whatever_it_holds() {
    let hosts = Hosts::with("", "[hosts.three]\ndestination = \"127.0.0.1\"\nport = 1\n");
    let berth = Berth::serve(&hosts.place).await;
    let long = "x".repeat(100_000);
    let labels = [
        "",
        "One",
        "one ",
        " one",
        "one\n",
        "one\u{0}",
        "three",
        "127.0.0.1",
        "../one",
        "-oProxyCommand=x",
        "one,two",
        "ｏne",
        "\u{1b}[2J",
        &long,
    ];
    for label in labels {
        let denied = outcome(&berth, label, "true").await;
        let why = words(&denied, "denied");
        assert!(
            why.contains("`hosts` in [backends.far] would grant it") && why.len() < 1_000,
            "{label:?}: {why}"
        );
        assert!(!why.contains(['\u{0}', '\u{1b}', '\n']), "{why:?}");
    }
    let listing = json!([{"host": "three", "directory": "/"}, {"host": "one", "directory": "~/projects"}]);
    let told = berth.call("host_entries", json!({"listings": listing})).await.done();
    let told = told.structured["entries"].clone();
    assert!(words(&told[0], "denied").contains("`three`"), "{told}");
    assert_eq!(told[1], json!(["app"]));
}

#[tokio::test]
async fn a_call_that_only_reads_has_the_read_grants_alone_on_a_host_too() {
    let hosts = Hosts::with("read_tools = [\"host_run\"]", "");
    let berth = Berth::serve(&hosts.place).await;
    assert_eq!(outcome(&berth, "one", "true").await["status"], 0);
    let denied = outcome(&berth, "one", "echo x").await;
    assert!(words(&denied, "denied").contains("may only read"), "{denied}");
}

#[tokio::test]
async fn a_call_has_acted_if_one_of_its_hosts_may_have() {
    let mut hosts = Hosts::new();
    hosts.two.stop();
    let berth = Berth::serve(&hosts.place).await;
    let broken = |orders: Value| berth.call("host_run", json!({"orders": orders, "broken": true}));
    for nothing in [
        json!([script("two", "echo x"), script("two", "echo y")]),
        json!([script("two", "echo x"), script("one", "true"), {"host": "one", "program": "rm"}]),
    ] {
        let told = broken(nothing).await;
        let told = told.error();
        assert!(
            told.contains("answered with"),
            "nothing was done, so it is an error: {told}"
        );
    }
    // Which of the two is over first must not matter.
    for some in [
        json!([script("two", "echo x"), script("one", "echo x")]),
        json!([script("two", "echo x"), script("one", "echo x; sleep 0.5")]),
    ] {
        let told = broken(some).await.done();
        assert_eq!(told.structured["receipt"], "confirmed", "{}", told.text);
    }
    let told = outcomes(&berth, json!([script("two", "echo x"), script("one", "echo x")])).await;
    assert!(told[0]["unavailable"].is_string(), "{told:?}");
    assert_eq!(told[1]["stdout"], "x\n");
}

#[tokio::test]
async fn limits_of_a_call_count_all_hosts_together() {
    let hosts = Hosts::new();
    let berth = Berth::serve(&hosts.place).await;
    let orders = |count: usize| {
        let order = |number: usize| script(["one", "two"][number % 2], "true");
        Value::from((0..count).map(order).collect::<Vec<_>>())
    };
    let most = outcomes(&berth, orders(64)).await;
    assert!(most.iter().all(|outcome| outcome["status"] == 0), "{most:?}");
    let over = outcomes(&berth, orders(65)).await;
    assert_eq!(over.len(), 65);
    assert!(over.iter().all(|outcome| outcome["limited"].is_string()), "{over:?}");
    let printed = outcome(&berth, "one", "yes").await;
    assert_eq!(printed["truncated"], true, "{printed}");
    assert!(words(&printed, "stdout").len() <= 1024);
    let many = |what: Value| vec![what; 65];
    for (tool, arguments, key) in [
        ("host_roots", json!({"hosts": many(json!("one"))}), "roots"),
        (
            "host_entries",
            json!({"listings": many(json!({"host": "one", "directory": "~/projects"}))}),
            "entries",
        ),
    ] {
        let told = berth.call(tool, arguments).await.done().structured;
        let told = told[key].as_array().unwrap().clone();
        assert!(
            told.len() == 65 && told.iter().all(|one| one["invalid"].is_string()),
            "{told:?}"
        );
    }
    let files = vec![json!({"host": "two", "path": "~/projects/x"}); 1_025];
    let told = berth.call("host_read", json!({"files": files})).await.done().structured;
    let told = told["texts"].as_array().unwrap().clone();
    assert!(told.iter().all(|one| one["invalid"].is_string()), "{told:?}");
}

#[tokio::test]
async fn all_directories_of_one_answer_have_a_bound_together() {
    let hosts = Hosts::new();
    for number in 0..9_000 {
        hosts.place.write(&format!("one/projects/app/f{number}"), "", 0o600);
    }
    let berth = Berth::serve(&hosts.place).await;
    let told = async |count: usize| {
        let listings = vec![json!({"host": "one", "directory": "~/projects/app"}); count];
        let arguments = json!({"listings": listings, "count": true});
        let told = berth.call("host_entries", arguments).await.done().structured;
        told["entries"].as_array().unwrap().clone()
    };
    assert_eq!(told(4).await, [9_000, 9_000, 9_000, 9_000]);
    let over = told(6).await;
    let limited = over.iter().filter(|entries| entries["limited"].is_string()).count();
    let whole = over.iter().filter(|entries| **entries == 9_000).count();
    assert_eq!((whole, limited), (4, 2), "{over:?}");
}

#[tokio::test]
async fn a_backend_with_hosts_has_nothing_on_this_machine() {
    let hosts = Hosts::new();
    let berth = Berth::serve(&hosts.place).await;
    let command = json!({"program": "sh", "args": ["-c", "true"]});
    let ran = berth
        .call("run", json!({"commands": [command]}))
        .await
        .done()
        .structured;
    let why = words(&ran["outcomes"][0], "denied");
    assert!(why.contains("`hosts` in [backends.far]"), "{why}");
    let path = hosts.place.name("one/projects");
    for (tool, arguments) in [
        ("list_files", json!({"path": path})),
        ("read_file", json!({"path": path})),
        ("job_submit", json!({"key": "k", "queue": "q", "script": "true"})),
    ] {
        let told = berth.call(tool, arguments).await;
        let told = told.error();
        assert!(told.contains("far"), "{tool}: {told}");
    }
    for (host, why) in [
        (None, "name one of its `hosts` as `host`: one, two"),
        (Some("three"), "`three`"),
    ] {
        let job = json!({"key": "k", "queue": "q", "script": "true", "host": host});
        let told = berth.call("job_submit", job).await.error();
        assert!(told.contains(why) && told.contains("`hosts`"), "{told}");
    }
}

#[tokio::test]
async fn a_backend_on_this_machine_has_no_hosts() {
    let hosts = Hosts::new();
    let config = hosts
        .place
        .read("config.toml")
        .replace("hosts = [\"one\", \"two\"]\n", "");
    let config = config.replace("~/", &format!("{}/", hosts.place.name("one")));
    hosts.place.write("config.toml", config, 0o600);
    let berth = Berth::serve(&hosts.place).await;
    let labels = berth.call("hosts", json!({})).await.done().structured;
    assert_eq!(labels["hosts"], json!([]));
    let denied = outcome(&berth, "one", "true").await;
    assert!(words(&denied, "denied").contains("no host is granted"), "{denied}");
    let job = json!({"key": "k", "queue": "q", "script": "true", "host": "one"});
    let told = berth.call("job_submit", job).await.error();
    assert!(told.contains("leave out `host`"), "{told}");
}

#[tokio::test]
async fn files_of_several_hosts_are_listed_and_read_by_the_paths_as_they_are_written() {
    let hosts = Hosts::new();
    let place = &hosts.place;
    place.write("one/projects/app/a.rs", "in one", 0o600);
    place.write("two/projects/app/b.rs", "in two", 0o600);
    place.write("two/.notes/n.txt", "a note", 0o600);
    place.write("two/.notes/key", "a secret", 0o600);
    place.write("two/secret", "a secret", 0o600);
    symlink("../../secret", place.path("two/projects/app/link")).unwrap();
    let berth = Berth::serve(place).await;
    let whole = place.name("two/projects/app");
    let listings = json!([
        {"host": "one", "directory": "~/projects/app"},
        {"host": "two", "directory": whole},
        {"host": "two", "directory": "~/.notes"},
        {"host": "two", "directory": "~/projects/no"},
        {"host": "one", "directory": "~/projects", "having": ["a.rs"]},
        {"host": "two", "directory": "~/projects", "having": ["a.rs"]},
    ]);
    let told = berth.call("host_entries", json!({"listings": listings})).await.done();
    let told = told.structured["entries"].clone();
    assert_eq!(told[0], json!(["a.rs"]));
    assert_eq!(told[1], json!(["b.rs", "link"]));
    assert_eq!(told[2], json!(["n.txt"]));
    assert!(told[3]["not_found"].is_string(), "{told}");
    assert_eq!((&told[4], &told[5]), (&json!(["app"]), &json!([])));
    let files = json!([
        {"host": "two", "path": "~/.notes/n.txt"},
        {"host": "two", "path": "~/.notes/key"},
        {"host": "one", "path": "~/projects/app/a.rs"},
        {"host": "two", "path": "~/projects/app/link"},
        {"host": "two", "path": "~/secret"},
        {"host": "one", "path": "~/projects/app/b.rs"},
    ]);
    let told = berth.call("host_read", json!({"files": files})).await.done();
    let told = told.structured["texts"].clone();
    assert_eq!((&told[0], &told[2]), (&json!("a note"), &json!("in one")));
    for denied in [1, 3, 4] {
        assert!(told[denied]["denied"].is_string(), "{denied}: {told}");
    }
    assert!(told[5]["not_found"].is_string(), "{told}");
}

#[tokio::test]
async fn what_is_there_is_looked_for_again_once_the_connection_was_lost() {
    let mut hosts = Hosts::new();
    let projects = hosts.place.path("one/projects");
    fs::rename(&projects, hosts.place.path("one/first")).unwrap();
    symlink("first", &projects).unwrap();
    let berth = Berth::serve(&hosts.place).await;
    let roots = async || {
        let told = berth.call("host_roots", json!({"hosts": ["one"]})).await.done();
        told.structured["roots"][0].clone()
    };
    assert_eq!(roots().await, json!([hosts.place.name("one/first")]));
    fs::create_dir(hosts.place.path("one/second")).unwrap();
    fs::remove_file(&projects).unwrap();
    hosts.one.stop();
    until("it is known that the host is away", async || {
        roots().await["unavailable"].is_string().then_some(())
    })
    .await;
    hosts.one.restart();
    let missing = until("what is missing is told", async || {
        let told = roots().await["unavailable"].as_str().unwrap().to_owned();
        told.contains("mkdir -p ~/projects").then_some(told)
    })
    .await;
    assert!(missing.contains("does not exist on the host one"), "{missing}");
    symlink("second", &projects).unwrap();
    assert_eq!(roots().await, json!([hosts.place.name("one/second")]));
}

#[tokio::test]
async fn a_connection_is_shared_with_a_backend_that_is_on_the_host_as_a_whole() {
    let near = "default_backend = \"far\"\n[backends.near]\nplugin = \"./misbehaving.wasm\"\nhost = \"one\"\n\
        directories = [\"~/projects\"]\nsettings.tools = []\n";
    let hosts = Hosts::with("", "");
    let config = hosts.place.read("config.toml");
    hosts.place.write(
        "config.toml",
        config.replacen("[backends.far]", &format!("{near}[backends.far]"), 1),
        0o600,
    );
    let berth = Berth::serve(&hosts.place).await;
    until("the other one is up", async || {
        let told = berth.call("list_sessions", json!({"backend": "near"})).await;
        told.structured["errors"]
            .as_array()
            .is_some_and(Vec::is_empty)
            .then_some(())
    })
    .await;
    assert_eq!(outcome(&berth, "one", "true").await["status"], 0);
    assert_eq!(logins(&hosts.one), 1);
}

#[tokio::test]
async fn a_reload_takes_hosts_away_and_adds_them() {
    let hosts = Hosts::new();
    let berth = Berth::serve(&hosts.place).await;
    assert_eq!(outcome(&berth, "one", "true").await["status"], 0);
    let config = hosts.place.read("config.toml");
    let fewer = config.replace("hosts = [\"one\", \"two\"]", "hosts = [\"two\"]");
    hosts.place.write("config.toml", &fewer, 0o600);
    let reloaded = hosts.place.run(&["reload"]).await;
    assert!(reloaded.success, "{}{}", reloaded.stdout, reloaded.stderr);
    let denied = outcome(&berth, "one", "true").await;
    assert!(
        words(&denied, "denied").contains("`hosts` in [backends.far]"),
        "{denied}"
    );
    assert_eq!(outcome(&berth, "two", "true").await["status"], 0);
    hosts.place.write("config.toml", &config, 0o600);
    assert!(hosts.place.run(&["reload"]).await.success);
    assert_eq!(outcome(&berth, "one", "true").await["status"], 0);
    assert_eq!(logins(&hosts.one), 1, "the connection outlives a reload");
}

/// It says that it is up, and ends with 3 once it may.
const WAITS: &str = "echo x >> ~/count; echo up; until [ -e ~/gate ]; do sleep 0.1; done; pwd; exit 3";

/// Submits a script for `host`, in the queue `queue`.
async fn submitted(berth: &Berth, host: &str, queue: &str, script: &str) -> Called {
    let key = format!("{host} {queue} {script}");
    let job = json!({"key": key, "queue": queue, "script": script, "host": host, "directory": "~/projects/app"});
    berth.call("job_submit", job).await
}

async fn submit(berth: &Berth, host: &str, queue: &str, script: &str) -> String {
    let submitted = submitted(berth, host, queue, script).await.done();
    submitted.text.trim().to_owned()
}

async fn until_up(berth: &Berth, id: &str) {
    asked::until(berth, id, |job| job["printed"] == "up\n").await;
}

/// What `berth jobs` tells of a job.
async fn shown(place: &Place, id: &str) -> Value {
    let ran = place.run(&["jobs", "show", id, "--json"]).await;
    assert!(ran.success, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[tokio::test]
async fn a_job_is_on_the_host_for_which_it_was_submitted_and_those_of_a_host_that_is_down_touch_no_other() {
    let mut hosts = Hosts::new();
    let mut berth = Berth::serve(&hosts.place).await;
    let (one, two) = (
        submit(&berth, "one", "a", WAITS).await,
        submit(&berth, "two", "b", WAITS).await,
    );
    let behind = submit(&berth, "two", "b", "echo behind").await;
    for id in [&one, &two] {
        until_up(&berth, id).await;
    }
    assert_eq!(submit(&berth, "two", "b", WAITS).await, two, "it is the same job");
    assert_eq!((hosts.jobs("one"), hosts.jobs("two")), (1, 1));
    for (id, host, state) in [
        (&one, "one", "running"),
        (&two, "two", "running"),
        (&behind, "two", "queued"),
    ] {
        let job = shown(&hosts.place, id).await;
        assert_eq!((&job["host"], &job["state"]), (&json!(host), &json!(state)), "{job}");
    }

    hosts.two.stop();
    let lost = asked::until(&berth, &two, |job| job["phase"] == "Unreachable").await;
    let why = words(&lost, "reason");
    assert!(why.contains("the host two"), "{why}");
    assert!(!why.contains(&hosts.two.port().to_string()), "{why}");
    let other = submit(&berth, "one", "c", "echo beside").await;
    let other = asked::until(&berth, &other, |job| job["phase"] == "Exited").await;
    assert_eq!(other["printed"], "beside\n");
    let refused = submitted(&berth, "two", "c", "echo never").await.error();
    assert!(refused.contains("the host two cannot be used now"), "{refused}");
    assert_eq!(asked::get(&berth, &behind).await["phase"], "Queued");

    berth.kill().await;
    hosts.go("one");
    let berth = Berth::serve(&hosts.place).await;
    let ended = asked::until(&berth, &one, |job| job["phase"] == "Exited").await;
    let printed = format!("up\n{}\n", hosts.place.name("one/projects/app"));
    assert_eq!((&ended["status"], words(&ended, "printed")), (&json!(3), &*printed));
    asked::until(&berth, &two, |job| job["phase"] == "Unreachable").await;
    let job = shown(&hosts.place, &two).await;
    assert_eq!(
        (&job["state"], &job["phase"], &job["last_known"]),
        (&json!("unreachable"), &json!("unreachable"), &json!("running")),
        "{job}"
    );
    let cancelled = hosts.place.run(&["jobs", "cancel", &behind]).await;
    assert!(cancelled.success, "what waits needs no host: {}", cancelled.stderr);

    hosts.two.restart();
    until_up(&berth, &two).await;
    let cancelled = hosts.place.run(&["jobs", "cancel", &two]).await;
    assert!(cancelled.success, "{}", cancelled.stderr);
    asked::until(&berth, &two, |job| job["phase"] == "Cancelled").await;
    for host in ["one", "two"] {
        assert_eq!(hosts.place.read(&format!("{host}/count")), "x\n", "each ran once");
    }
    let log = hosts.place.run(&["jobs", "show", &one, "--log"]).await;
    assert!(
        log.success && log.stdout.contains(&printed),
        "{}{}",
        log.stdout,
        log.stderr
    );
    let pruned = hosts.place.run(&["jobs", "prune", "--older-than", "0s", "--yes"]).await;
    assert!(
        pruned.stdout.contains("4 jobs are removed"),
        "{}{}",
        pruned.stdout,
        pruned.stderr
    );
    assert_eq!((hosts.jobs("one"), hosts.jobs("two")), (0, 0));
}

/// The lines of `berth jobs` with these options.
async fn listed(place: &Place, options: &[&str]) -> Vec<String> {
    let ran = place.run(&[&["jobs"], options].concat()).await;
    assert!(ran.success, "{}", ran.stderr);
    ran.stdout.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_job_whose_host_is_away_is_never_listed_as_one_that_runs() {
    let mut hosts = Hosts::new();
    let mut berth = Berth::serve(&hosts.place).await;
    let (one, two) = (
        submit(&berth, "one", "a", WAITS).await,
        submit(&berth, "two", "b", WAITS).await,
    );
    for id in [&one, &two] {
        until_up(&berth, id).await;
    }
    let place = &hosts.place;
    let ids = async |state: &str| {
        let lines = listed(place, &["--state", state, "--json"]).await;
        let jobs = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut ids: Vec<String> = jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let mut both = vec![one.clone(), two.clone()];
    both.sort();
    assert_eq!((ids("running").await, ids("unreachable").await), (both.clone(), vec![]));
    hosts.two.stop();
    asked::until(&berth, &two, |job| job["phase"] == "Unreachable").await;
    assert_eq!(
        (ids("running").await, ids("unreachable").await),
        (vec![one.clone()], vec![two.clone()])
    );
    let lines = listed(place, &[]).await;
    let line = |id: &str| lines.iter().find(|line| line.contains(id)).unwrap();
    assert!(line(&one).contains("running"), "{lines:?}");
    let away = line(&two);
    assert!(
        away.contains("unreachable") && away.contains("running when the host two answered last, at 20"),
        "{away}"
    );
    let shown = place.run(&["jobs", "show", &two]).await.stdout;
    assert!(
        shown.contains("unreachable: running when the host two answered last"),
        "{shown}"
    );

    // Without a berth that serves, nobody reaches any host.
    berth.kill().await;
    assert_eq!((ids("running").await, ids("unreachable").await), (vec![], both));
    let shown = place.run(&["jobs", "show", &one]).await.stdout;
    assert!(
        shown.contains("unreachable: running when last known; it is on the host one")
            && shown.contains("`berth serve`"),
        "{shown}"
    );

    hosts.two.restart();
    let berth = Berth::serve(place).await;
    for host in ["one", "two"] {
        hosts.go(host);
    }
    for id in [&one, &two] {
        asked::until(&berth, id, |job| job["phase"] == "Exited").await;
    }
    assert!(ids("unreachable").await.is_empty());
}

#[tokio::test]
async fn a_job_whose_directory_is_not_on_its_host_fails_at_once_and_says_where() {
    let hosts = Hosts::new();
    let mut berth = Berth::serve(&hosts.place).await;
    let first = submit(&berth, "one", "q", WAITS).await;
    let second = submit(&berth, "one", "q", "echo second").await;
    until_up(&berth, &first).await;
    // The granted one is missing when the host is looked at again, and then the one below it when the job begins.
    berth.kill().await;
    let projects = hosts.place.path("one/projects");
    fs::rename(&projects, hosts.place.path("one/moved")).unwrap();
    hosts.go("one");
    let berth = Berth::serve(&hosts.place).await;
    let failed = asked::until(&berth, &second, |job| job["phase"] == "Failed").await;
    let why = words(&failed, "reason");
    assert!(
        why.contains("~/projects") && why.contains("does not exist on the host one"),
        "{why}"
    );

    fs::rename(hosts.place.path("one/moved"), &projects).unwrap();
    let third = submit(&berth, "one", "r", "echo third").await;
    asked::until(&berth, &third, |job| job["phase"] == "Exited").await;
    fs::remove_dir(projects.join("app")).unwrap();
    let fourth = submit(&berth, "one", "r", "echo fourth").await;
    let failed = asked::until(&berth, &fourth, |job| job["phase"] == "Failed").await;
    let why = words(&failed, "reason");
    assert!(why.contains("the host one") && why.contains("projects/app"), "{why}");
}

#[tokio::test]
async fn a_job_waits_where_another_directory_than_its_own_is_not_on_its_host() {
    let hosts = Hosts::new();
    let place = &hosts.place;
    let config = place.read("config.toml");
    let more = config.replace(
        "directories = [\"~/projects\"]",
        "directories = [\"~/other\", \"~/projects\"]",
    );
    place.write("config.toml", more, 0o600);
    let other = place.path("one/other");
    fs::create_dir(&other).unwrap();
    let mut berth = Berth::serve(place).await;
    let first = submit(&berth, "one", "q", WAITS).await;
    let second = submit(&berth, "one", "q", "echo second").await;
    until_up(&berth, &first).await;
    berth.kill().await;
    fs::remove_dir(&other).unwrap();
    hosts.go("one");
    let berth = Berth::serve(place).await;
    until("the host was looked at", async || {
        place.read("log").contains("~/other, of `directories`").then_some(())
    })
    .await;
    fs::create_dir(&other).unwrap();
    let ended = asked::until(&berth, &second, |job| {
        ["Exited", "Failed"].contains(&job["phase"].as_str().unwrap())
    })
    .await;
    assert_eq!(ended["phase"], "Exited", "{ended}");
}

#[tokio::test]
async fn what_waits_for_a_host_begins_when_that_is_back() {
    let mut hosts = Hosts::new();
    let berth = Berth::serve(&hosts.place).await;
    let first = submit(&berth, "two", "q", WAITS).await;
    until_up(&berth, &first).await;
    let second = submit(&berth, "two", "q", "echo second").await;
    hosts.two.stop();
    asked::until(&berth, &first, |job| job["phase"] == "Unreachable").await;
    hosts.go("two");
    hosts.two.restart();
    for (id, status) in [(&first, 3), (&second, 0)] {
        let ended = asked::until(&berth, id, |job| job["phase"] == "Exited").await;
        assert_eq!(ended["status"], status);
    }
}

#[tokio::test]
async fn a_job_is_judged_by_the_grants_of_its_host() {
    let hosts = Hosts::new();
    let berth = Berth::serve(&hosts.place).await;
    let denied = json!({"key": "k", "queue": "q", "host": "one", "args": ["-x"]});
    let denied = berth.call("job_submit", denied).await.error();
    assert!(denied.contains("[backends.far.programs]"), "{denied}");
    for (key, directory) in [("a", "~"), ("b", "/"), ("c", "~/projects/../.notes")] {
        let outside = json!({"key": key, "queue": "q", "script": "echo x", "host": "one", "directory": directory});
        let id = berth.call("job_submit", outside).await.done().text;
        let failed = asked::until(&berth, id.trim(), |job| job["phase"] == "Failed").await;
        assert_eq!(failed["printed"], "", "{failed}");
    }
}

#[tokio::test]
async fn a_reload_that_fails_leaves_the_jobs_of_every_host_followed_and_one_that_counts_takes_hosts_away() {
    let near = "[backends.near]\nplugin = \"./misbehaving.wasm\"\nsettings.tools = []\n";
    let hosts = Hosts::with("", near);
    let config = format!("default_backend = \"far\"\n{}", hosts.place.read("config.toml"));
    hosts.place.write("config.toml", config, 0o600);
    let berth = Berth::serve(&hosts.place).await;
    let (one, two) = (
        submit(&berth, "one", "a", WAITS).await,
        submit(&berth, "two", "b", WAITS).await,
    );
    for id in [&one, &two] {
        until_up(&berth, id).await;
    }
    let whole = hosts.place.read("config.toml");
    let fewer = whole.replace("hosts = [\"one\", \"two\"]", "hosts = [\"one\"]");
    let broken = fewer.replace("settings.tools = []", "settings = { tools = [], describe = \"fail\" }");
    hosts.place.write("config.toml", broken, 0o600);
    let refused = hosts.place.complaint(&["reload"]).await;
    assert!(refused.contains("backend `near` is up and would be down"), "{refused}");
    hosts.go("one");
    asked::until(&berth, &one, |job| job["phase"] == "Exited").await;
    assert_eq!(asked::get(&berth, &two).await["phase"], "Running");

    hosts.place.write("config.toml", &fewer, 0o600);
    assert!(hosts.place.run(&["reload"]).await.success);
    let lost = asked::until(&berth, &two, |job| job["phase"] == "Unreachable").await;
    assert!(
        words(&lost, "reason").contains("give that its former `hosts`"),
        "{lost}"
    );
    hosts.place.write("config.toml", &whole, 0o600);
    assert!(hosts.place.run(&["reload"]).await.success);
    until_up(&berth, &two).await;
    hosts.go("two");
    let ended = asked::until(&berth, &two, |job| job["phase"] == "Exited").await;
    assert_eq!(ended["status"], 3);
}

#[tokio::test]
async fn jobs_on_one_of_several_hosts_are_taken_over_and_those_on_another_stay() {
    let hosts = Hosts::new();
    let first = Berth::serve(&hosts.place).await;
    let (one, two) = (
        submit(&first, "one", "a", WAITS).await,
        submit(&first, "two", "b", WAITS).await,
    );
    for id in [&one, &two] {
        until_up(&first, id).await;
    }
    let place = Place::new("");
    place.configure(&hosts.written("", ""), "");
    let second = Berth::serve(&place).await;
    let theirs = hosts.place.read("data/installation");
    let config = place.name("config.toml");
    let adopt = ["hosts", "adopt", "two", theirs.trim(), "--config", &config];
    let terminal = Terminal::berth(&place, "adopt", &adopt);
    terminal.shows("[y/N]").await;
    terminal.types(&["y", "Enter"]);
    let screen = terminal.shows("ended 0").await;
    assert!(screen.contains("backend far: 1 job is taken over"), "{screen}");
    until_up(&second, &two).await;
    assert_eq!(shown(&place, &two).await["host"], "two");
    asked::until(&first, &two, |job| job["phase"] == "Cancelled").await;
    assert_eq!(asked::get(&first, &one).await["phase"], "Running");
    for host in ["one", "two"] {
        hosts.go(host);
    }
    for (berth, id) in [(&first, &one), (&second, &two)] {
        let ended = asked::until(berth, id, |job| job["phase"] == "Exited").await;
        assert_eq!(ended["status"], 3);
    }
    assert_eq!(hosts.place.read("two/count"), "x\n", "it ran once");
}

#[tokio::test]
async fn check_and_hosts_say_on_which_hosts_a_backend_is() {
    let hosts = Hosts::new();
    let checked = hosts.place.run(&["check"]).await.stdout;
    let destination = hosts.one.destination();
    assert!(
        checked.contains(&format!("on the hosts one ({destination}, port ")),
        "{checked}"
    );
    let listed = hosts.place.run(&["hosts", "--json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let listed: Vec<_> = listed.iter().map(|host| (&host["host"], &host["backends"])).collect();
    let far = json!(["far"]);
    assert_eq!(listed, [(&json!("one"), &far), (&json!("two"), &far)]);
    fs::remove_dir_all(name(&hosts.place.path("two/projects"))).unwrap();
    let listed = hosts.place.run(&["hosts", "--json"]).await;
    let listed: Vec<Value> = serde_json::from_str(&listed.stdout).unwrap();
    let told = listed[1]["faults"].to_string();
    assert!(told.contains("does not exist on the host two"), "{told}");
    assert_eq!(listed[0]["faults"], json!([]));
}
