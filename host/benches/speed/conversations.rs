//! Conversations without a terminal: how soon a message has its receipt and a person sees what is asked, and what a long
//! one costs that is read from its end.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::client::{Connection, Server};
use crate::measures::{Times, milliseconds, server};
use crate::served::{Place, Served};
use crate::table::{Bound, Row};

/// How often each is measured.
const TIMES: usize = 200;
const PROMPTS: usize = 100;
/// Turns of a long conversation: each question of a person's and each answer is one.
const TURNS: usize = 10_000;
/// How long anything may take before the measure is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent that speaks as Claude Code does. It begins with what stands in the file `past` of its project, asks before it
/// does what a message with the word `ask` says, some time after its receipt as a model does, and answers every other one at
/// once.
const AGENT: &str = r#"
say() { printf '%s\n' "$1"; }
state() { say '{"type":"system","subtype":"session_state_changed","state":"'"$1"'"}'; }
receipt() { say '{"type":"command_lifecycle","command_uuid":"'"$uuid"'","state":"'"$1"'"}'; }
field() { found=${line#*'"'"$1"'":"'}; found=${found%%'"'*}; }
finish() {
    say '{"type":"result","subtype":"success","is_error":false,"num_turns":1,"total_cost_usd":0.01,"permission_denials":[],"result":"it is done","terminal_reason":"completed","user_message_uuids":["'"$uuid"'"]}'
    receipt completed
    state idle
}
say '{"type":"system","subtype":"init","model":"stand-in","permissionMode":"default","capabilities":["msg_lifecycle_v1","interrupt_receipt_v1"]}'
[ ! -e past ] || cat past
state idle
while IFS= read -r line; do
    case $line in
    *'"type":"control_request"'*)
        field request_id
        say '{"type":"control_response","response":{"subtype":"success","request_id":"'"$found"'","response":{}}}' ;;
    *'"type":"control_response"'*) finish ;;
    *'"type":"user"'*)
        field uuid
        uuid=$found
        receipt started
        state running
        say '{"type":"user","uuid":"'"$uuid"'","isReplay":true,"message":{"role":"user","content":"a message"}}'
        case $line in
        *'"content":"ask'*)
            sleep 0.3
            say '{"type":"control_request","request_id":"r-'"$uuid"'","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"touch x"},"tool_use_id":"t"}}' ;;
        *)
            say '{"type":"assistant","message":{"id":"m-'"$uuid"'","content":[{"type":"text","text":"it is done"}]}}'
            finish ;;
        esac ;;
    esac
done
"#;

/// All rows.
pub(crate) async fn each() -> anyhow::Result<Vec<Row>> {
    let place = place()?;
    let served = place.serve()?;
    let mut berth = Berth {
        server: server(&place, &served)?,
        connection: server(&place, &served)?.connect().await?,
        place,
        _served: served,
    };
    let rows = vec![berth.receipts().await?, berth.prompts().await?, berth.long().await?];
    Ok(rows)
}

/// A berth whose shipped backend of conversations has that agent alone.
fn place() -> anyhow::Result<Place> {
    let place = Place::new()?;
    fs::write(place.path("agent.sh"), AGENT)?;
    let agent = place.path("agent.sh").display().to_string();
    place.change(|config| {
        let demo = config["agents"]["demo"]
            .as_table_mut()
            .context("there is no demo agent")?;
        demo.insert("headless".into(), vec!["env", "sh", &agent].into());
        let jobs = config["backends"]["jobs"].as_table_mut().context("there are no jobs")?;
        jobs.insert("agents".into(), vec!["demo"].into());
        Ok(())
    })?;
    for project in ["short", "long"] {
        fs::create_dir(place.projects().join(project))?;
    }
    fs::write(place.projects().join("long/past"), past())?;
    Ok(place)
}

/// The lines of a long conversation.
fn past() -> String {
    let turn = |number: usize| {
        let question = json!({
            "type": "user", "uuid": format!("00000000-0000-4000-8000-{number:012}"), "isReplay": true,
            "message": {"role": "user", "content": format!("question {number}: why do the tests of the parser fail?")},
        });
        let answer = json!({
            "type": "assistant",
            "message": {"id": format!("m-{number}"), "content": [{
                "type": "text", "text": format!("answer {number}: {}", "the parser reads one line too far. ".repeat(12)),
            }]},
        });
        format!("{question}\n{answer}\n")
    };
    (1..=TURNS / 2).map(turn).collect()
}

struct Berth {
    place: Place,
    server: Server,
    connection: Connection,
    _served: Served,
}

impl Berth {
    /// A message until the answer that has the agent's receipt, and beside it the agent's own time for that.
    async fn receipts(&mut self) -> anyhow::Result<Row> {
        let session = self.begin("short").await?;
        let mut alone = Alone::start(&self.place)?;
        let (mut ours, mut own) = (Times::default(), Times::default());
        for number in 0..TIMES {
            self.rest(&session).await?;
            let began = Instant::now();
            let sent = self
                .call("send_message", json!({"session_id": session, "message": "hello"}))
                .await?;
            ours.add(milliseconds(began));
            ensure!(sent["receipt"] == "submitted", "a message was not taken: {sent}");
            own.add(alone.receipt(number).await?);
        }
        let more = ours.median()? - own.median()?;
        Ok(Row {
            what: "a message to a conversation until its receipt, beside the agent's own time",
            berth: format!("{:.1} ms", ours.median()?),
            p99: format!("{:.1} ms", ours.p99()?),
            beside: format!("{:.1} ms", own.median()?),
            value: more,
            shown: format!("{more:.1} ms more"),
            bound: Bound::AtMost(30.0, " ms more"),
        })
    }

    /// From the line of a prompt in the log to the answer of the call that waits for it.
    async fn prompts(&mut self) -> anyhow::Result<Row> {
        let session = self.begin("short").await?;
        let mut times = Times::default();
        for _ in 0..PROMPTS {
            self.rest(&session).await?;
            let asked = json!({"session_id": session, "message": "ask", "wait_seconds": 20});
            let seen = self.call("send_message", asked).await?;
            let answered = SystemTime::now();
            let prompt = &seen["session"]["prompts"][0]["prompt_id"];
            ensure!(prompt.is_string(), "what is asked was not seen: {seen}");
            // Nothing follows the prompt until it is answered.
            let since = answered.duration_since(self.printed()?).unwrap_or_default();
            times.add(since.as_secs_f64() * 1e3);
            let no = json!({"session_id": session, "prompt_id": prompt, "response": "no", "wait_seconds": 20});
            self.call("respond_to_prompt", no).await?;
        }
        row(
            "a prompt in the log of a conversation until a waiting call tells it (the p99 is bounded as well)",
            &times,
            times.p99()?,
            100.0,
        )
    }

    /// The last turns of a long conversation.
    async fn long(&mut self) -> anyhow::Result<Row> {
        let session = self.begin("long").await?;
        self.rest(&session).await?;
        let asked = json!({"session_id": session, "view": "transcript", "lines": 20});
        let request = self.server.call("get_logs", asked);
        let last = format!("answer {}: ", TURNS / 2);
        let began = Instant::now();
        while !self.connection.result(&request).await?["content"]
            .to_string()
            .contains(&last)
        {
            ensure!(began.elapsed() < PATIENCE, "the last turn is not shown");
        }
        let mut times = Times::default();
        for _ in 0..TIMES {
            let began = Instant::now();
            self.connection.result(&request).await?;
            times.add(milliseconds(began));
        }
        let median = times.median()?;
        row(
            "the end of a conversation of 10,000 turns by `get_logs`",
            &times,
            median,
            50.0,
        )
    }

    async fn begin(&mut self, project: &str) -> anyhow::Result<String> {
        let asked = json!({"backend": "jobs", "project": project});
        let request = self.server.call("create_session", asked);
        let began = Instant::now();
        // The plugin comes up first.
        let created = loop {
            match self.connection.result(&request).await {
                Ok(created) => break created,
                Err(error) => ensure!(began.elapsed() < PATIENCE, "no conversation begins: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let id = &created["structuredContent"]["session"]["session_id"];
        Ok(id.as_str().context("the conversation has no id")?.to_owned())
    }

    /// Waits until it takes a message.
    async fn rest(&mut self, session: &str) -> anyhow::Result<()> {
        let asked = json!({"session_id": session, "wait_seconds": 20});
        let began = Instant::now();
        while self.call("get_session_status", asked.clone()).await?["session"]["state"] != "idle" {
            ensure!(began.elapsed() < PATIENCE, "the conversation does not come to rest");
        }
        Ok(())
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let request = self.server.call(tool, arguments);
        Ok(self.connection.result(&request).await?["structuredContent"].take())
    }

    /// When an agent printed something for the last time.
    fn printed(&self) -> anyhow::Result<SystemTime> {
        let mut last = None;
        for job in fs::read_dir(self.place.path("data/jobs/jobs"))? {
            let files = fs::read_dir(job?.path()).into_iter().flatten().flatten();
            let outputs = files.filter(|file| file.file_name().to_string_lossy().starts_with("out."));
            let times = outputs.filter_map(|file| file.metadata().ok()?.modified().ok());
            last = last.max(times.max());
        }
        last.context("no agent has printed anything")
    }
}

/// The agent with nothing around it.
struct Alone {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Alone {
    #[allow(clippy::disallowed_methods, reason = "a benchmark starts what it measures")]
    fn start(place: &Place) -> anyhow::Result<Self> {
        let agent: PathBuf = place.path("agent.sh");
        let mut child = Command::new("sh")
            .arg(agent)
            .current_dir(place.projects())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            _child: child,
            input: input.context("the agent has no input")?,
            output: BufReader::new(output.context("the agent has no output")?).lines(),
        })
    }

    /// Milliseconds from a message to its receipt.
    async fn receipt(&mut self, number: usize) -> anyhow::Result<f64> {
        let uuid = format!("00000000-0000-4000-8000-{number:012}");
        let message = json!({"type": "user", "uuid": uuid, "message": {"role": "user", "content": "hello"}});
        let began = Instant::now();
        self.input.write_all(format!("{message}\n").as_bytes()).await?;
        self.until(&format!("\"command_uuid\":\"{uuid}\",\"state\":\"started\""))
            .await?;
        let taken = milliseconds(began);
        self.until("\"state\":\"idle\"").await?;
        Ok(taken)
    }

    async fn until(&mut self, text: &str) -> anyhow::Result<()> {
        while let Some(line) = self.output.next_line().await? {
            if line.contains(text) {
                return Ok(());
            }
        }
        anyhow::bail!("the agent ended without {text}")
    }
}

/// A row of `times` whose `value` is bounded by `most` milliseconds.
fn row(what: &'static str, times: &Times, value: f64, most: f64) -> anyhow::Result<Row> {
    Ok(Row {
        what,
        berth: format!("{:.1} ms", times.median()?),
        p99: format!("{:.1} ms", times.p99()?),
        beside: String::new(),
        value,
        shown: format!("{value:.1} ms"),
        bound: Bound::AtMost(most, " ms"),
    })
}
