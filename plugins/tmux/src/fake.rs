//! A tmux for native tests: sessions of the demo agent whose screens follow the keys.
//!
//! It runs only what the plugin's manifest asks for, and in calls that may only read, only what is granted to those.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};

use berth_plugin::testing::{Host, RawOutput};
use berth_plugin::{Command, Error, Result, time};
use serde_json::{Value, json};

use crate::setup::Setup;
use berth_panes::panes::PROCESSES;
use berth_panes::testing;
pub(crate) use berth_panes::testing::{everything, request};

/// What a permission prompt of the demo agent shows below its rule.
pub(crate) const MENU: &str = " Run command\n\n   touch x\n\n Do you want to proceed?\n > 1. Yes\n   \
                               2. Yes, and do not ask again for touch\n   3. No\n\n Esc to cancel";
/// What is added to a pane's number for that of its process.
const PROCESS: usize = 4000;
/// The most line breaks of a paste that is shown as it is.
const BREAKS: usize = 2;
/// The rows of a screen.
const ROWS: usize = 24;

/// A host with two agents, of which one is installed, and without programs.
pub(crate) fn host() -> Host {
    host_with(&Value::Null)
}

/// The same, with `signs` of the installed one.
fn host_with(signs: &Value) -> Host {
    let host = Host::new();
    host.agents(json!([
        {"name": "claude", "command": ["env", "claude"], "installed": false, "profile": null, "signs": null,
         "options": {"resume": ["--resume", "<uuid>"], "model": ["--model=<model>"], "fast": ["--fast"]}},
        {"name": "toy", "command": ["env", "berth", "demo-agent"], "installed": true, "profile": "demo",
         "signs": signs},
    ]));
    host
}

/// The setup of that host.
pub(crate) fn two_agents() -> Setup {
    let _host = host();
    Setup::of_host().unwrap()
}

/// A tmux with the session `app`, whose agent is at rest.
pub(crate) struct Fake {
    pub(crate) host: Host,
    server: Arc<Mutex<Server>>,
}

#[derive(Default)]
struct Server {
    panes: Vec<Pane>,
    buffers: BTreeMap<String, String>,
    /// The commands that were carried out.
    ran: Vec<Vec<String>>,
    trouble: Option<Trouble>,
}

struct Pane {
    number: usize,
    name: String,
    created: u64,
    directory: String,
    doing: Doing,
    /// The program in front.
    process: String,
    /// What the agent printed.
    printed: Vec<String>,
    composer: String,
    messages: Vec<String>,
    pressed: Vec<String>,
    ignores_keys: bool,
    asks_again: bool,
    gives_back: Option<String>,
    /// How much of each text that is pasted is lost, and what comes before the rest.
    changes: (usize, String),
    /// The rows that the composer shows, and whether it says that there are more.
    scrolls: Option<(usize, bool)>,
    commands: Vec<String>,
    list_closed: bool,
    longest_paste: usize,
    /// The bytes of the longest text that came at once, with its brackets.
    longest_portion: usize,
    /// What happens when a text was pasted, once.
    then: Option<Then>,
    /// Nothing that is pasted shows any more.
    reads_no_more: bool,
    /// The file in which its agent keeps what it is told, and what of each message is lost there.
    kept: Option<(String, usize)>,
    /// Pastes that are shown as marks.
    pasted: Vec<String>,
}

#[derive(Clone, PartialEq)]
enum Doing {
    Rests,
    Works,
    Asks(String),
    Shows(String),
    Ended,
}

/// What happens after a text was pasted.
enum Then {
    Types(String),
    Asks(String),
    ReadsNoMore,
}

/// What goes wrong with commands that have a certain word among their arguments.
#[derive(Clone)]
enum Trouble {
    Fails(String),
    Breaks(String, String),
    Denies(String),
    TimesOutAfter(String),
    HangsAfter(String),
    Hangs,
}

impl Fake {
    pub(crate) fn new() -> Self {
        Self::with_signs(Value::Null)
    }

    /// The same, with other signs of its agent.
    pub(crate) fn with_signs(signs: Value) -> Self {
        let host = host_with(&signs);
        let server = Arc::new(Mutex::new(Server::default()));
        server.lock().unwrap().start("app", 1_700_000_000, "/p/app");
        let tmux = Arc::clone(&server);
        host.program("tmux", move |command| tmux.lock().unwrap().run(command));
        Self { host, server }
    }

    /// A tmux whose agent keeps its conversation, `lines` so far, and says so in the record of its process.
    pub(crate) fn conversing(lines: &str) -> Self {
        let fake = Self::with_signs(json!({"conversations": {"processes": "sessions", "kept": "projects"}}));
        fake.host.folder("agent/sessions", "*.json");
        fake.host.folder("agent/projects", "*.jsonl");
        fake.converses_in("11111111-aaaa", 1_700_000_000_500);
        fake.keeps("11111111-aaaa", lines);
        fake
    }

    /// The record of the process says that it began then and has this conversation.
    pub(crate) fn converses_in(&self, conversation: &str, began: u64) {
        let record = json!({"pid": PROCESS + 1, "sessionId": conversation, "cwd": "/p/app", "startedAt": began});
        self.host
            .file(&format!("agent/sessions/{}.json", PROCESS + 1), record.to_string());
    }

    /// The agent keeps these lines, and from now on what it is told too.
    pub(crate) fn keeps(&self, conversation: &str, lines: &str) {
        let path = self
            .host
            .file(&format!("agent/projects/-p-app/{conversation}.jsonl"), lines);
        self.app().kept = Some((path, 0));
    }

    /// Of each message that the agent keeps, this many characters are lost.
    pub(crate) fn keeps_without(&self, lost: usize) {
        if let Some((_, kept)) = &mut self.app().kept {
            *kept = lost;
        }
    }

    /// A session is made by hand.
    pub(crate) fn starts(&self, name: &str) {
        self.server.lock().unwrap().start(name, 1_700_000_000, "/p/app");
    }

    /// A session is made by hand in this directory, whose agent keeps a conversation: `lines` so far.
    pub(crate) fn converses_beside(&self, name: &str, directory: &str, lines: &str) {
        let mut server = self.server.lock().unwrap();
        server.start(name, 1_700_000_000, directory);
        let process = PROCESS + server.panes.len();
        let conversation = format!("{process:08}-aaaa");
        let record =
            json!({"pid": process, "sessionId": conversation, "cwd": directory, "startedAt": 1_700_000_000_500_u64});
        let folder = directory.replace('/', "-");
        self.host
            .file(&format!("agent/sessions/{process}.json"), record.to_string());
        self.host
            .file(&format!("agent/projects/{folder}/{conversation}.jsonl"), lines);
    }

    /// A session is ended by hand.
    pub(crate) fn is_rid_of(&self, name: &str) {
        self.server.lock().unwrap().panes.retain(|pane| pane.name != name);
    }

    pub(crate) fn rests(&self) {
        self.app().doing = Doing::Rests;
    }

    pub(crate) fn works(&self) {
        self.app().doing = Doing::Works;
    }

    pub(crate) fn asks(&self, menu: &str) {
        self.app().doing = Doing::Asks(menu.to_owned());
    }

    pub(crate) fn shows(&self, screen: &str) {
        self.app().doing = Doing::Shows(screen.to_owned());
    }

    pub(crate) fn ends(&self) {
        self.app().doing = Doing::Ended;
    }

    /// Another program is in front.
    pub(crate) fn runs(&self, program: &str) {
        program.clone_into(&mut self.app().process);
    }

    /// The agent prints a line.
    pub(crate) fn says(&self, line: &str) {
        self.app().printed.push(line.to_owned());
    }

    /// A text is in the composer.
    pub(crate) fn drafts(&self, text: &str) {
        text.clone_into(&mut self.app().composer);
    }

    pub(crate) fn ignores_keys(&self) {
        self.app().ignores_keys = true;
    }

    /// The agent puts this message into the composer when it is interrupted.
    pub(crate) fn gives_back(&self, message: &str) {
        self.app().gives_back = Some(message.to_owned());
    }

    /// Of each text that is pasted the first `lost` characters are lost, and `before` comes before the rest.
    pub(crate) fn changes_pastes(&self, lost: usize, before: &str) {
        self.app().changes = (lost, before.to_owned());
    }

    /// The composer shows only its last `rows`, and says so.
    pub(crate) fn scrolls_composer(&self, rows: usize) {
        self.app().scrolls = Some((rows, true));
    }

    pub(crate) fn hides_that_it_scrolls(&self) {
        if let Some((_, says)) = &mut self.app().scrolls {
            *says = false;
        }
    }

    /// The agent lists these commands, and knows no other.
    pub(crate) fn lists(&self, commands: &[&str]) {
        self.app().commands = commands.iter().map(|command| (*command).to_owned()).collect();
    }

    /// The session was made then, in seconds since the Unix epoch.
    pub(crate) fn was_made(&self, at: u64) {
        self.app().created = at;
    }

    /// The characters of the longest paste.
    pub(crate) fn longest_paste(&self) -> usize {
        self.app().longest_paste
    }

    /// The bytes of the longest text that came at once, with its brackets.
    pub(crate) fn longest_portion(&self) -> usize {
        self.app().longest_portion
    }

    /// When a text was pasted, a person types this.
    pub(crate) fn is_typed_into_after_a_paste(&self, text: &str) {
        self.app().then = Some(Then::Types(text.to_owned()));
    }

    /// When a text was pasted, the agent asks.
    pub(crate) fn asks_after_a_paste(&self, menu: &str) {
        self.app().then = Some(Then::Asks(menu.to_owned()));
    }

    /// When a text was pasted, the agent shows nothing of what is pasted later.
    pub(crate) fn reads_no_more_after_a_paste(&self) {
        self.app().then = Some(Then::ReadsNoMore);
    }

    pub(crate) fn asks_again_after_an_answer(&self) {
        self.app().asks_again = true;
    }

    /// All commands fail, and nothing is done.
    pub(crate) fn fails(&self, stderr: &str) {
        self.trouble(Trouble::Fails(stderr.to_owned()));
    }

    /// Commands with this word fail, and nothing is done.
    pub(crate) fn breaks(&self, word: &str, stderr: &str) {
        self.trouble(Trouble::Breaks(word.to_owned(), stderr.to_owned()));
    }

    /// Commands with this word are not granted.
    pub(crate) fn denies(&self, word: &str) {
        self.trouble(Trouble::Denies(word.to_owned()));
    }

    /// Commands with this word are carried out, and their time is up.
    pub(crate) fn times_out_after(&self, word: &str) {
        self.trouble(Trouble::TimesOutAfter(word.to_owned()));
    }

    /// The same, and no later command is carried out.
    pub(crate) fn hangs_after(&self, word: &str) {
        self.trouble(Trouble::HangsAfter(word.to_owned()));
    }

    pub(crate) fn works_again(&self) {
        self.server.lock().unwrap().trouble = None;
    }

    /// The keys that were pressed in `app`, without texts.
    pub(crate) fn pressed(&self) -> Vec<String> {
        self.app().pressed.clone()
    }

    /// The messages that the agent of `app` took.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.app().messages.clone()
    }

    pub(crate) fn composer(&self) -> String {
        self.app().composer.clone()
    }

    pub(crate) fn buffers(&self) -> usize {
        self.server.lock().unwrap().buffers.len()
    }

    /// How often this command was carried out.
    pub(crate) fn count(&self, command: &str) -> usize {
        let server = self.server.lock().unwrap();
        server.ran.iter().filter(|ran| ran[0] == command).count()
    }

    fn trouble(&self, trouble: Trouble) {
        self.server.lock().unwrap().trouble = Some(trouble);
    }

    fn app(&self) -> App<'_> {
        App(self.server.lock().unwrap())
    }
}

/// The pane of `app`.
struct App<'a>(MutexGuard<'a, Server>);

impl std::ops::Deref for App<'_> {
    type Target = Pane;
    fn deref(&self) -> &Pane {
        &self.0.panes[0]
    }
}

impl std::ops::DerefMut for App<'_> {
    fn deref_mut(&mut self) -> &mut Pane {
        &mut self.0.panes[0]
    }
}

impl Server {
    fn start(&mut self, name: &str, created: u64, directory: &str) {
        self.panes.push(Pane {
            number: self.panes.len() + 1,
            name: name.to_owned(),
            created,
            directory: directory.to_owned(),
            doing: Doing::Rests,
            printed: Vec::new(),
            composer: String::new(),
            messages: Vec::new(),
            pressed: Vec::new(),
            ignores_keys: false,
            asks_again: false,
            gives_back: None,
            changes: (0, String::new()),
            scrolls: None,
            commands: Vec::new(),
            list_closed: false,
            longest_paste: 0,
            longest_portion: 0,
            then: None,
            reads_no_more: false,
            kept: None,
            pasted: Vec::new(),
            process: "berth".to_owned(),
        });
    }

    fn run(&mut self, command: &Command) -> Result<RawOutput> {
        let has = |word: &String| command.args.contains(word);
        match self.trouble.clone() {
            Some(Trouble::Fails(stderr)) => return Ok(Host::failed(1, stderr)),
            Some(Trouble::Breaks(word, stderr)) if has(&word) => return Ok(Host::failed(1, stderr)),
            Some(Trouble::Denies(word)) if has(&word) => return Err(Error::Denied(format!("{word} is not granted"))),
            Some(Trouble::Hangs) => return Err(Error::TimedOut("after 10 s".to_owned())),
            _ => {}
        }
        let output = self.carry_out(command);
        match self.trouble.clone() {
            Some(Trouble::TimesOutAfter(word)) if has(&word) => Err(Error::TimedOut("after 10 s".to_owned())),
            Some(Trouble::HangsAfter(word)) if has(&word) => {
                self.trouble = Some(Trouble::Hangs);
                Err(Error::TimedOut("after 10 s".to_owned()))
            }
            _ => Ok(output),
        }
    }

    fn carry_out(&mut self, command: &Command) -> RawOutput {
        testing::carried_out(command, |args| {
            self.ran.push(args.to_vec());
            self.one(args, command)
        })
    }

    fn one(&mut self, args: &[String], command: &Command) -> std::result::Result<String, String> {
        let after = |flag: &str| testing::after(args, flag);
        match args[0].as_str() {
            "list-panes" if args.last().is_some_and(|format| format == PROCESSES) => {
                let row = |pane: &Pane| format!("%{0}:{1}:\n", pane.number, PROCESS + pane.number);
                return Ok(self.panes.iter().map(row).collect());
            }
            "list-panes" => return Ok(self.panes.iter().map(Pane::row).collect()),
            "new-session" => {
                let directory = command.directory.clone().unwrap_or_default();
                self.start(&after("-s").unwrap(), time::now() / 1000, &directory);
                return Ok(String::new());
            }
            "load-buffer" => {
                let text = String::from_utf8(command.stdin.clone()).unwrap();
                self.buffers.insert(after("-b").unwrap(), text);
                return Ok(String::new());
            }
            "delete-buffer" => {
                self.buffers.remove(&after("-b").unwrap());
                return Ok(String::new());
            }
            _ => {}
        }
        let target = after("-t").unwrap();
        let number: usize = target[1..].parse().unwrap();
        if args[0] == "kill-session" {
            self.panes.retain(|pane| pane.number != number);
            return Ok(String::new());
        }
        let buffer = after("-b").and_then(|name| self.buffers.remove(&name));
        let found = self.panes.iter_mut().find(|pane| pane.number == number);
        let pane = found.ok_or_else(|| format!("can't find pane: {target}"))?;
        match args[0].as_str() {
            "display-message" => {
                let format = args.last().unwrap();
                return Ok(testing::header(format, &pane.lines(), ROWS, &pane.process));
            }
            "capture-pane" => return Ok(testing::captured(args, &pane.lines(), ROWS)),
            "paste-buffer" => {
                let text = buffer.ok_or("no buffer")?;
                pane.longest_portion = pane.longest_portion.max(text.len());
                // Without `-p` the buffer has its brackets already.
                let parts = text.split("\u{1b}[201~").filter(|part| !part.is_empty());
                parts.for_each(|part| pane.paste(part.trim_start_matches("\u{1b}[200~")));
                pane.was_pasted_into();
            }
            "send-keys" if args[1] == "-l" => pane.write(args.last().unwrap()),
            "send-keys" if args[1] != "-X" => pane.press(args.last().unwrap()),
            _ => {}
        }
        Ok(String::new())
    }
}

impl Pane {
    fn row(&self) -> String {
        let Self {
            number,
            name,
            created,
            directory,
            ..
        } = self;
        let (end, process) = match self.doing {
            Doing::Ended => ("1:0:", ""),
            _ => ("0::", self.process.as_str()),
        };
        format!(
            "%{number}:${number}:{created}:{created}:{end}:0:0:120:{ROWS}:1:{}:3:{}:{}:{name}toy{process}{directory}\n",
            name.len(),
            process.len(),
            directory.len()
        )
    }

    /// All lines, those of the screen last.
    fn lines(&self) -> Vec<String> {
        let rule = "─".repeat(80);
        let (composer, above) = self.shown_composer();
        let block = match &self.doing {
            Doing::Rests => {
                let list: String = self
                    .listed()
                    .iter()
                    .map(|command| format!("   {command}  Does it\n"))
                    .collect();
                format!("{rule}{above}\n> {composer}\n{rule}\n{list}  demo agent · idle · /help for commands")
            }
            Doing::Works => format!(
                "* Working… (3s · esc to interrupt)\n{rule}\n> {composer}\n{rule}\n  demo agent · esc to interrupt"
            ),
            Doing::Asks(menu) => format!("{rule}\n{menu}"),
            Doing::Shows(screen) => screen.clone(),
            Doing::Ended => String::new(),
        };
        let mut lines = self.printed.clone();
        lines.extend(block.lines().map(str::to_owned));
        testing::filled(lines, ROWS)
    }

    /// The composer's text with marks for long pastes, and what its upper rule says of it.
    fn shown_composer(&self) -> (String, String) {
        let marked = self.pasted.iter().fold(self.composer.clone(), |text, paste| {
            let lines = paste.split('\n').count();
            text.replacen(paste, &format!("[Pasted text: {lines} lines]"), 1)
        });
        let lines: Vec<_> = marked.split('\n').collect();
        let (rows, says) = self.scrolls.unwrap_or((lines.len(), false));
        let hidden = lines.len().saturating_sub(rows);
        let above = if says && hidden > 0 {
            format!(" ↑ {hidden} more")
        } else {
            String::new()
        };
        (lines[hidden..].join("\n  "), above)
    }

    /// The commands that the list shows for what is in the composer: all with its letters.
    fn listed(&self) -> Vec<&String> {
        let word = self
            .composer
            .strip_prefix('/')
            .filter(|rest| !rest.contains(char::is_whitespace));
        let (Some(word), false) = (word, self.list_closed) else {
            return Vec::new();
        };
        self.commands.iter().filter(|command| command.contains(word)).collect()
    }

    fn knows(&self, command: &str) -> bool {
        let hidden = command == "/hidden";
        hidden
            || self
                .commands
                .iter()
                .flat_map(|names| names.split([' ', '(', ')']))
                .any(|name| name.trim_start_matches('/') == &command[1..])
    }

    fn was_pasted_into(&mut self) {
        match self.then.take() {
            Some(Then::Types(text)) => self.composer.push_str(&text),
            Some(Then::Asks(menu)) => self.doing = Doing::Asks(menu),
            Some(Then::ReadsNoMore) => self.reads_no_more = true,
            None => {}
        }
    }

    fn paste(&mut self, text: &str) {
        if self.reads_no_more {
            return;
        }
        let (lost, before) = &self.changes;
        let text = before.chars().chain(text.chars().skip(*lost)).collect::<String>();
        self.longest_paste = self.longest_paste.max(text.chars().count());
        if text.matches('\n').count() > BREAKS {
            self.pasted.push(text.clone());
        }
        self.list_closed = false;
        self.composer.push_str(&text);
    }

    fn keep(&self, message: &str) {
        let Some((path, lost)) = &self.kept else { return };
        let content: String = message.chars().skip(*lost).collect();
        let mut file = OpenOptions::new().append(true).open(path).unwrap();
        let line = json!({"type": "user", "message": {"content": content}});
        writeln!(file, "{line}").unwrap();
    }

    fn write(&mut self, text: &str) {
        let text = match text.strip_suffix("\\;") {
            Some(rest) => format!("{rest};"),
            None => text.to_owned(),
        };
        self.composer.push_str(&text);
    }

    fn press(&mut self, key: &str) {
        if self.ignores_keys {
            self.pressed.push(key.to_owned());
            return;
        }
        match (&self.doing, key) {
            (Doing::Rests, "Escape") if !self.listed().is_empty() => self.list_closed = true,
            (Doing::Rests, "Enter") => {
                let first = self.listed().first().map(|command| (*command).clone());
                self.pasted.clear();
                let typed = std::mem::take(&mut self.composer);
                let message = first.unwrap_or(typed);
                let command = message.split_whitespace().next().unwrap_or_default();
                if message.starts_with("/unknown") && !self.knows(command) {
                    self.printed.push(format!("● Unknown command: {command}"));
                    return;
                }
                let said = format!("● You said: {}", message.replace('\n', "\n  "));
                self.printed.extend(said.split('\n').map(str::to_owned));
                self.keep(&message);
                self.messages.push(message);
                return;
            }
            (Doing::Rests, "C-c") => {
                self.pasted.clear();
                self.composer.clear();
                return;
            }
            (Doing::Asks(_), _) if self.asks_again => self.printed.push("● Ran it".to_owned()),
            (Doing::Works | Doing::Asks(_) | Doing::Shows(_), _) => {
                self.doing = Doing::Rests;
                self.composer.push_str(&self.gives_back.take().unwrap_or_default());
            }
            _ => {}
        }
        self.pressed.push(key.to_owned());
    }
}
