//! Ten thousand argument lists that the shipped grant of tmux allows, made to do harm, on a real server: nothing runs
//! but the agents, and no session is touched that a list does not name.

use std::collections::BTreeMap;
use std::fs::{self, File};

use berth::assemble::Setup;
use berth::capability::process::grant::{Access, AgentCommand, CONF_MARKER, Grant, SOCKET_MARKER};
use berth::config::Installation;
use futures::stream::{self, StreamExt};
use proptest::collection::vec;
use proptest::sample::{select, subsequence};
use proptest::strategy::{BoxedStrategy, Just, Strategy, Union, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::TestRunner;
use tokio::process::Command;
use tokio::time::timeout;

use crate::berth::{Berth, PATIENCE, Place};
use crate::demo::{self, Demo, Tmux};

/// How many lists are run.
const LISTS: usize = 10_000;
/// How many are run before it is looked whether all is as it was.
const BATCH: usize = 500;
/// Clients of the server at once.
const CLIENTS: usize = 4;
/// The session that no list names; names that lists do use are beginnings of its own.
const BYSTANDER: &str = "work-1-bystander";
/// Sessions that there are for lists to name.
const VICTIMS: [&str; 4] = ["work", "work-1", "a", "demo-1"];

#[tokio::test]
async fn ten_thousand_allowed_argument_lists_start_only_agents_and_touch_no_other_session() {
    let server = Server::start().await;
    let lists = lists(&server.place().read("config.toml").parse().unwrap(), &server.marker());
    let mut runner = TestRunner::default();
    let mut generated = std::iter::repeat_with(|| guarded(&lists.new_tree(&mut runner).unwrap().current()));
    let before = server.all_that_must_stay();
    let mut effective = 0;
    for _ in 0..LISTS / BATCH {
        server.renew_victims();
        let allowed = generated.by_ref().filter(|list| server.allows(list));
        let batch: Vec<_> = allowed.take(BATCH).collect();
        effective += server.run_all(&batch).await;
        if let Some(harm) = server.harm(&before).await {
            panic!("{harm}\nafter one of these:\n{batch:?}");
        }
    }
    assert!(effective > LISTS / 5, "only {effective} lists had an effect");
}

/// A tmux server under the shipped grant, with the demo agent and an agent `claude` that only sleeps.
struct Server {
    demo: Demo,
    grant: Grant,
    agents: Vec<AgentCommand>,
    /// The bystander's name, pane and session, by which it could be named.
    bystander: [String; 3],
}

/// The list with, before each paste, the command by which the plugin has tmux fail where the program has ended: tmux 3.3a
/// itself dies of such a paste.
fn guarded(list: &[String]) -> Vec<String> {
    let commands = list.split(|argument| argument == ";").map(|command| match command {
        [name, .., target] if name == "paste-buffer" => {
            let guard = ["pipe-pane", "-t", target, ";"].map(str::to_owned);
            [&guard[..], command].concat()
        }
        _ => command.to_vec(),
    });
    commands.collect::<Vec<_>>().join(&";".to_owned())
}

impl Server {
    async fn start() -> Self {
        let place = Place::new("");
        place.write("bin/claude", "#!/bin/sh\nexec sleep 600\n", 0o755);
        // Whatever tmux gave to a shell would show.
        let shell = format!("#!/bin/sh\necho \"$@\" >> {}\nexec sh \"$@\"\n", place.name("shell"));
        place.write("bin/shell", shell, 0o755);
        place.write("input", "$(touch marker); #(touch marker)\n", 0o600);
        let mut config = demo::config();
        config["agents"]["claude"]["requires"] = "bin/claude".into();
        config["backends"]["local"]["agents"] = vec!["demo", "claude"].into();
        place.configure(&config.to_string(), "");
        let (grant, agents) = granted(&place);
        let mut command = place.command(&["serve", "--config", &place.name("config.toml")]);
        command.env("SHELL", place.path("bin/shell"));
        let demo = Demo {
            berth: Berth::start(&place, command).await,
            tmux: Tmux::of(&place),
            place,
            host: None,
        };
        let id = demo.create(BYSTANDER).await;
        // It stands at a question, which a stray key would answer.
        demo.send(&id, "twice touch x").await.done();
        let ask = |format| {
            let printed = demo
                .tmux
                .order(&["display-message", "-p", "-t", &demo::target(&id), format]);
            printed.trim_end().to_owned()
        };
        let bystander = [ask("#{session_name}"), ask("#{pane_id}"), ask("#{session_id}")];
        Self {
            demo,
            grant,
            agents,
            bystander,
        }
    }

    fn place(&self) -> &Place {
        &self.demo.place
    }

    /// A file that lists would make, if anything in them ran.
    fn marker(&self) -> String {
        self.place().name("marker")
    }

    /// Whether the grant allows a list, which is not about the bystander.
    fn allows(&self, list: &[String]) -> bool {
        let [name, pane, session] = &self.bystander;
        let names_it = |argument: &String| {
            let id = |known: &str| {
                let number = |text: &str| text.get(1..).and_then(|digits| digits.parse::<u64>().ok());
                argument.get(..1) == known.get(..1) && number(argument) == number(known)
            };
            argument.trim_start_matches('=').trim_end_matches(':') == name || id(pane) || id(session)
        };
        // A client of tmux that reads its input twice waits for ever; the host would end it at its deadline.
        let reads = list.iter().filter(|argument| *argument == "load-buffer").count();
        reads < 2 && !list.iter().any(names_it) && self.grant.allows(Access::Control, list, &self.agents).is_ok()
    }

    /// Makes again the sessions that lists name, and ends all others but the bystander.
    fn renew_victims(&self) {
        let tmux = &self.demo.tmux;
        let sessions = tmux.order(&["list-sessions", "-F", "#{session_id}"]);
        for session in sessions.lines().filter(|session| *session != self.bystander[2]) {
            tmux.order(&["kill-session", "-t", session]);
        }
        for name in VICTIMS {
            tmux.order(&["new-session", "-d", "-s", name, "-n", "demo", "env", "sleep", "600"]);
        }
    }

    /// Runs lists, several at once, and answers how many tmux took.
    async fn run_all(&self, lists: &[Vec<String>]) -> usize {
        let runs = stream::iter(lists).map(|list| self.run(list));
        let taken = runs
            .buffer_unordered(CLIENTS)
            .filter(|taken| std::future::ready(*taken));
        taken.count().await
    }

    /// Runs one list as the host does.
    async fn run(&self, list: &[String]) -> bool {
        let conf = self.place().name("data/conf/local-tmux");
        let socket = self.place().name("data/sockets/local/tmux");
        let fixed = self.grant.fixed.iter().map(|argument| match argument.as_str() {
            CONF_MARKER => conf.as_str(),
            SOCKET_MARKER => socket.as_str(),
            other => other,
        });
        let mut command = Command::new(&self.grant.path);
        self.place().set_up(&mut command);
        command.args(fixed).args(list);
        command.stdin(File::open(self.place().path("input")).unwrap());
        let output = timeout(PATIENCE, command.output()).await;
        output
            .unwrap_or_else(|_| panic!("tmux hangs: {list:?}"))
            .unwrap()
            .status
            .success()
    }

    /// The bystander, and what holds for all sessions.
    fn all_that_must_stay(&self) -> String {
        let look = |args: &[&str]| self.demo.tmux.order(args);
        let pane = self.bystander[1].as_str();
        let facts = "#{session_name} #{window_name} #{pane_id} #{pane_pid} #{pane_dead} #{pane_in_mode} \
                     #{pane_title} #{window_width} #{window_height} #{history_size} #{session_windows} #{window_panes}";
        [
            look(&["display-message", "-p", "-t", pane, facts]),
            look(&["capture-pane", "-p", "-e", "-S", "-", "-t", pane]),
            self.place().read(&format!("projects/{BYSTANDER}/record")),
            look(&["show-options", "-s"]),
            look(&["show-options", "-g"]),
            look(&["show-options", "-gw"]),
            look(&["show-hooks", "-g"]),
            look(&["show-environment", "-g"]),
            look(&["list-keys"]),
        ]
        .join("\n")
    }

    /// What is not as it should be.
    async fn harm(&self, before: &str) -> Option<String> {
        let now = self.all_that_must_stay();
        if now != before {
            return Some(format!("something changed:\n{before}\nbecame\n{now}"));
        }
        if self.place().path("marker").exists() {
            return Some("something made the marker".to_owned());
        }
        if let Ok(commands) = fs::read_to_string(self.place().path("shell")) {
            return Some(format!("a shell was started: {commands}"));
        }
        let strangers = self.strangers().await;
        (!strangers.is_empty()).then(|| format!("these run below tmux: {strangers:?}"))
    }

    /// What runs below the server and is not an agent.
    async fn strangers(&self) -> Vec<String> {
        let server = self.demo.tmux.order(&["display-message", "-p", "#{pid}"]);
        let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid=,stat=,args="]).output();
        let listed = String::from_utf8_lossy(&listed.await.unwrap().stdout).into_owned();
        let processes: Vec<Process> = listed.lines().filter_map(Process::read).collect();
        let of_server = processes.iter().find(|process| process.id == server.trim_end());
        let own = of_server.expect("the server runs").command;
        let mut below = vec![server.trim_end()];
        let mut strangers = Vec::new();
        while let Some(parent) = below.pop() {
            for child in processes.iter().filter(|process| process.parent == parent) {
                below.push(child.id);
                // A child that has not become its program yet is still called as the server is.
                if child.command != own && !self.is_agent(child.command) {
                    strangers.push(child.command.to_owned());
                }
            }
        }
        strangers
    }

    fn is_agent(&self, command: &str) -> bool {
        let demo = format!("{} demo-agent", env!("CARGO_BIN_EXE_berth"));
        let claude = format!("/bin/sh {}", self.place().name("bin/claude"));
        // Where tmux has a helper that notes terminals for `who`, that runs for a moment too.
        let helper = command.split(' ').next().unwrap_or_default().ends_with("utempter");
        helper || command == "sleep 600" || ["env ", &demo, &claude].iter().any(|start| command.starts_with(start))
    }
}

/// The grant of tmux in the configuration of `place`, and the agents of its backend.
fn granted(place: &Place) -> (Grant, Vec<AgentCommand>) {
    let installation = Installation {
        berth: env!("CARGO_BIN_EXE_berth").as_ref(),
        plugins: &["tmux"],
    };
    let file = place.path("config.toml");
    let setup = Setup::load(Some(&file), &installation).unwrap();
    let local = &setup.backends["local"];
    let agents = setup.agent_commands(local, &local.installed);
    assert_eq!(agents.len(), 2);
    (local.programs["tmux"].clone(), agents)
}

/// A line of `ps`.
struct Process<'a> {
    id: &'a str,
    parent: &'a str,
    command: &'a str,
}

impl<'a> Process<'a> {
    /// None for one that has ended.
    fn read(line: &'a str) -> Option<Self> {
        let (id, rest) = line.trim_start().split_once(' ')?;
        let (parent, rest) = rest.trim_start().split_once(' ')?;
        let (state, command) = rest.trim_start().split_once(' ')?;
        (!state.starts_with('Z')).then_some(Self {
            id,
            parent,
            command: command.trim(),
        })
    }
}

/// Lists of one to three commands in the shapes that the configuration's grant has.
fn lists(config: &toml::Table, marker: &str) -> BoxedStrategy<Vec<String>> {
    let tmux = &config["backends"]["local"]["programs"]["tmux"];
    let words = Words {
        expressions: tmux["words"].clone().try_into().unwrap(),
        hostile: hostile(marker),
    };
    let agents: Vec<_> = ["demo", "claude"]
        .map(|name| agent(&config["agents"][name], &words))
        .into();
    let agent = Union::new(agents).boxed();
    let patterns = ["read", "control"].map(|list| tmux[list].clone().try_into::<Vec<Vec<String>>>().unwrap());
    let command = |pattern: Vec<String>| {
        let arguments = pattern.iter().map(|written| match written.as_str() {
            "@agent" => agent.clone(),
            written => words.argument(written).prop_map(|argument| vec![argument]).boxed(),
        });
        arguments.collect::<Vec<_>>().prop_map(|parts| parts.concat()).boxed()
    };
    let command = Union::new(patterns.concat().into_iter().map(command));
    vec(command, 1..=3)
        .prop_map(|commands| commands.join(&";".to_owned()))
        .boxed()
}

/// An agent's command with some of its options.
fn agent(agent: &toml::Value, words: &Words) -> BoxedStrategy<Vec<String>> {
    let mut command: Vec<String> = agent["command"].clone().try_into().unwrap();
    for word in &mut command {
        if word == "@berth" {
            env!("CARGO_BIN_EXE_berth").clone_into(word);
        }
    }
    let table = |key: &str| agent.get(key).cloned().unwrap_or(toml::Table::new().into());
    let words = Words {
        expressions: table("words").try_into().unwrap(),
        hostile: words.hostile.clone(),
    };
    let options: BTreeMap<String, Vec<String>> = table("options").try_into().unwrap();
    let options: Vec<BoxedStrategy<Vec<String>>> = options
        .values()
        .map(|option| {
            let arguments: Vec<_> = option.iter().map(|written| words.argument(written)).collect();
            arguments.boxed()
        })
        .collect();
    let count = options.len();
    let chosen = (options, subsequence((0..count).collect::<Vec<_>>(), 0..=count));
    chosen
        .prop_map(move |(options, chosen)| {
            let chosen = chosen.iter().flat_map(|index| options[*index].clone());
            command.iter().cloned().chain(chosen).collect()
        })
        .boxed()
}

/// What stands where a pattern leaves something open.
struct Words {
    /// The regular expression of each word.
    expressions: BTreeMap<String, String>,
    hostile: Vec<String>,
}

impl Words {
    fn argument(&self, written: &str) -> BoxedStrategy<String> {
        if written == "@text" {
            return self.text();
        }
        let parts = written.split_once('<').and_then(|(before, rest)| {
            let (word, after) = rest.split_once('>')?;
            Some((before.to_owned(), self.expressions.get(word)?, after.to_owned()))
        });
        let Some((before, expression, after)) = parts else {
            return Just(written.to_owned()).boxed();
        };
        self.value(expression)
            .prop_map(move |value| format!("{before}{value}{after}"))
            .boxed()
    }

    /// Mostly what the expression takes, often of a session that there is, and sometimes what would do harm.
    fn value(&self, expression: &str) -> BoxedStrategy<String> {
        let fitting = string_regex(expression).unwrap();
        let known: Vec<String> = VICTIMS
            .iter()
            .flat_map(|name| {
                [
                    name.to_string(),
                    format!("={name}"),
                    format!("={name}:"),
                    format!("={}", &name[..1]),
                ]
            })
            .collect();
        Union::new_weighted(vec![
            (4, fitting.boxed()),
            (4, select(known).boxed()),
            (1, select(self.hostile.clone()).boxed()),
        ])
        .boxed()
    }

    fn text(&self) -> BoxedStrategy<String> {
        let hostile = select(self.hostile.clone());
        let joined = (hostile.clone(), "\\PC{0,20}", hostile.clone()).prop_map(|(a, b, c)| format!("{a}{b}{c}"));
        Union::new(vec![hostile.boxed(), "[\\PC\\n\\t]{0,60}".boxed(), joined.boxed()]).boxed()
    }
}

/// Texts that would make the marker, or stop being text, wherever something reads them as more than text.
fn hostile(marker: &str) -> Vec<String> {
    let touch = format!("touch {marker}");
    let run = format!("run-shell '{touch}'");
    [
        &format!("#({touch})"),
        &format!("#{{E:#{{a:35}}({touch})}}"),
        &format!("#{{T:#{{a:35}}({touch})}}"),
        &format!("#%p({touch})"),
        &format!("$({touch})"),
        &format!("`{touch}`"),
        &format!("'; {touch}; '"),
        &format!("\"; {touch}; \""),
        &format!("|{touch}"),
        &format!(";{run}"),
        &format!("; {run}"),
        &format!("\\; {run}"),
        &format!("x\n{run}"),
        &format!("{{ {run} }}"),
        &format!("%if 1\n{run}\n%endif"),
        &run,
        &touch,
        ";",
        "\\;",
        "x;",
        "x\\;",
        "x\\\\;",
        "",
        "-",
        "--",
        "-t",
        "-X",
        "-a",
        "-tx",
        "copy-pipe",
        "kill-server",
        "new-window",
        "~",
        "*",
        "=",
        ":",
        "@0",
        "{last}",
        "#{pane_id}",
        "#{SECRET}",
        "#[fg=red]",
        "${HOME}",
        "C-b",
        "Enter",
        "--settings={}",
        "--dangerously-skip-permissions",
    ]
    .map(str::to_owned)
    .into()
}
