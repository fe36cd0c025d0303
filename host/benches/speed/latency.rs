//! What a person waits for: a message that is taken, a question that is seen, a session that is ready; and a call of
//! the operator's while others hold what they can.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{Connection, Server};
use crate::measures::{Times, milliseconds, server};
use crate::served::{NOOP, Place, Served};
use crate::sessions::Sessions;
use crate::table::{Bound, Row};

/// How often each is measured with a real session.
const TIMES: usize = 40;
/// Calls of the operator's, alone and in the crowd.
const CALLS: usize = 400;
/// How long any of those may take before the measure is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// What others hold: sockets of strangers that say nothing; requests of one reading token whose body does not come, and
/// as many that wait for a session.
const STRANGERS: usize = 600;
const SLOW: usize = 64;
const WAITING: usize = 64;
/// How long the crowd has to gather.
const GATHERING: Duration = Duration::from_secs(2);

/// From the call to its answer that says that the agent took the message, without a wait for what comes of it.
pub(crate) async fn sending(place: &Place) -> anyhow::Result<Row> {
    let mut one = Session::start(place).await?;
    let mut times = Times::default();
    for _ in 0..TIMES {
        one.rest().await?;
        let began = Instant::now();
        let sent = one.call("send_message", json!({"message": "hello"})).await?;
        times.add(milliseconds(began));
        ensure!(
            sent["structuredContent"]["receipt"] == "submitted",
            "a message was not taken: {sent}"
        );
    }
    one.end().await?;
    row("`send_message` until the agent has taken it", times)
}

/// From a question on the screen to the answer of the call that waits for the session.
pub(crate) async fn seeing(place: &Place) -> anyhow::Result<Row> {
    let mut one = Session::start(place).await?;
    let mut times = Times::default();
    for _ in 0..TIMES {
        one.rest().await?;
        let watched = one.watch("Do you want to proceed?");
        let asked = one
            .call("send_message", json!({"message": "run touch x", "wait_seconds": 20}))
            .await?;
        let answered = Instant::now();
        let prompt = &asked["structuredContent"]["session"]["prompts"][0]["prompt_id"];
        ensure!(prompt.is_string(), "the question was not seen: {asked}");
        // A screen that is seen first by the call itself was there at once.
        let shown = watched.shown().await?.unwrap_or(answered);
        times.add(answered.saturating_duration_since(shown).as_secs_f64() * 1e3);
        let no = json!({"prompt_id": prompt, "response": "no", "wait_seconds": 20});
        one.call("respond_to_prompt", no).await?;
    }
    one.end().await?;
    row("a question on the screen until a waiting call tells it", times)
}

/// From the call to its answer that says that the new session takes messages.
pub(crate) async fn creating(place: &Place) -> anyhow::Result<Row> {
    let mut times = Times::default();
    let mut first = Session::start(place).await?;
    for _ in 0..TIMES {
        let began = Instant::now();
        let created = create(place, &mut first.connection, &first.server).await?;
        times.add(milliseconds(began));
        let id = json!({"session_id": created});
        let end = first.server.call("terminate_session", id);
        first.connection.result(&end).await?;
    }
    first.end().await?;
    row("`create_session` until it takes messages", times)
}

/// A call of the operator's while strangers and a reading token hold all that they can, and beside it alone.
pub(crate) async fn crowded(place: &Place) -> anyhow::Result<Row> {
    let mut busy = Session::start(place).await?;
    let alone = calls(&busy.server).await?;
    busy.rest().await?;
    busy.call("send_message", json!({"message": "work 600"})).await?;
    let reader = Server {
        address: busy.server.address,
        token: Some(place.reading_token()?),
    };
    let crowd = Crowd::gather(&reader, &busy.id).await?;
    let among = calls(&busy.server).await?;
    drop(crowd);
    busy.end().await?;
    let ratio = among.p99()? / alone.p99()?;
    Ok(Row {
        what: "a call while 600 idle sockets of strangers, 64 slow bodies and 64 waits of one reading token are held",
        berth: format!("{:.2} ms", among.median()?),
        p99: format!("{:.2} ms", among.p99()?),
        beside: format!("{:.2} ms alone, p99 {:.2} ms", alone.median()?, alone.p99()?),
        value: ratio,
        shown: format!("p99 {ratio:.1} times as long"),
        bound: Bound::None,
    })
}

fn row(what: &'static str, times: Times) -> anyhow::Result<Row> {
    let median = times.median()?;
    Ok(Row {
        what,
        berth: format!("{median:.0} ms"),
        p99: format!("{:.0} ms", times.p99()?),
        beside: String::new(),
        value: median,
        shown: format!("{median:.0} ms"),
        bound: Bound::None,
    })
}

/// How long calls of a tool that does nothing take, one after the other on a new connection.
async fn calls(server: &Server) -> anyhow::Result<Times> {
    let request = server.call(NOOP, json!({}));
    let measured = async {
        let mut connection = server.connect().await?;
        let mut times = Times::default();
        for _ in 0..CALLS {
            let began = Instant::now();
            connection.result(&request).await?;
            times.add(milliseconds(began));
        }
        anyhow::Ok(times)
    };
    timeout(PATIENCE, measured).await.context("the operator's calls hang")?
}

/// A session of the demo agent in a berth of its own.
struct Session {
    id: String,
    server: Server,
    connection: Connection,
    /// Ends its tmux when the berth has ended.
    tmux: Arc<Sessions>,
    _served: Served,
}

impl Session {
    async fn start(place: &Place) -> anyhow::Result<Self> {
        let served = place.serve()?;
        let server = server(place, &served)?;
        let mut connection = server.connect().await?;
        let tmux = Arc::new(Sessions::start(place, 0)?);
        let id = create(place, &mut connection, &server).await?;
        Ok(Self {
            id,
            server,
            connection,
            tmux,
            _served: served,
        })
    }

    /// Calls a tool about this session.
    async fn call(&mut self, tool: &str, mut arguments: Value) -> anyhow::Result<Value> {
        arguments["session_id"] = self.id.clone().into();
        let request = self.server.call(tool, arguments);
        self.connection.result(&request).await
    }

    /// Waits until it takes a message.
    async fn rest(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.call("get_session_status", json!({"wait_seconds": 20})).await?;
            if found["structuredContent"]["session"]["state"] == "idle" {
                return Ok(());
            }
            ensure!(Instant::now() < end, "the session does not come to rest: {found}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Looks for `text` on its screen from now on.
    fn watch(&self, text: &'static str) -> Watched {
        let (tmux, over) = (self.tmux.clone(), Arc::new(AtomicBool::new(false)));
        let name = self.id.split_once('/').map_or(&*self.id, |(_, name)| name).to_owned();
        let ended = over.clone();
        let found = tokio::task::spawn_blocking(move || {
            while !ended.load(Ordering::Relaxed) {
                if tmux.screen(&name)?.contains(text) {
                    return Ok(Some(Instant::now()));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(None)
        });
        Watched { found, over }
    }

    async fn end(mut self) -> anyhow::Result<()> {
        self.call("terminate_session", json!({})).await.map(drop)
    }
}

/// A look at a screen that goes on.
struct Watched {
    found: tokio::task::JoinHandle<anyhow::Result<Option<Instant>>>,
    over: Arc<AtomicBool>,
}

impl Watched {
    /// When the text was first seen, if it was by now.
    async fn shown(self) -> anyhow::Result<Option<Instant>> {
        self.over.store(true, Ordering::Relaxed);
        self.found.await?
    }
}

/// Makes a session, waits until it takes messages, and answers its id.
async fn create(place: &Place, connection: &mut Connection, server: &Server) -> anyhow::Result<String> {
    let directory = place.projects().canonicalize()?;
    let request = server.call(
        "create_session",
        json!({"backend": "local", "agent": "demo", "working_dir": directory, "wait_seconds": 20}),
    );
    let created = connection.result(&request).await?;
    let session = &created["structuredContent"]["session"];
    ensure!(session["state"] == "idle", "a new session is not ready: {created}");
    let id = session["session_id"].as_str().context("the answer names no session")?;
    Ok(id.to_owned())
}

/// What others hold, for as long as this lives.
struct Crowd {
    _strangers: Vec<TcpStream>,
    _slow: Vec<TcpStream>,
    _waiting: JoinSet<()>,
}

impl Crowd {
    /// Lets strangers connect, and `reader` send what does not end and wait for the session `id`. What is refused is not
    /// there: that is what is measured.
    async fn gather(reader: &Server, id: &str) -> anyhow::Result<Self> {
        let mut waiting = JoinSet::new();
        for _ in 0..WAITING {
            let (server, wait) = (reader.clone(), json!({"session_id": id, "wait_seconds": 50}));
            waiting.spawn(async move {
                let request = server.call("get_session_status", wait);
                if let Ok(mut connection) = server.connect().await {
                    let _ = connection.result(&request).await;
                }
            });
        }
        let whole = reader.call(NOOP, json!({}));
        let (begun, _) = whole.split_at(whole.len() - 1);
        let mut slow = Vec::new();
        for _ in 0..SLOW {
            let mut stream = TcpStream::connect(reader.address).await?;
            stream.write_all(begun).await?;
            slow.push(stream);
        }
        let mut strangers = Vec::new();
        for _ in 0..STRANGERS {
            strangers.push(TcpStream::connect(reader.address).await?);
        }
        tokio::time::sleep(GATHERING).await;
        Ok(Self {
            _strangers: strangers,
            _slow: slow,
            _waiting: waiting,
        })
    }
}
