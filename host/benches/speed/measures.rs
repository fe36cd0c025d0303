//! The measures: each gives one row of the table.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use berth::assemble::start_each;
use berth::capability::Access;
use berth::principal::Lineage;
use berth::session::ToolCall;
use berth::store::audit::{Entry, Event, Outcome};
use berth::store::{DataDirectory, Recorder};
use serde_json::{Value, json};

use crate::bare::{self, Bare};
use crate::client::{Connection, Server};
use crate::served::{GUEST, NOOP, Place, Served};
use crate::sessions::Sessions;
use crate::table::{Bound, Row};

/// Connections that call at once.
const CONNECTIONS: usize = 16;
/// How often throughput is measured on each side, and for how long each time.
const ROUNDS: usize = 21;
const ROUND: Duration = Duration::from_millis(700);
/// Sessions in tmux, and how often they are listed on each side.
const SESSIONS: usize = 100;
const LISTINGS: usize = 30;
/// How long the sessions may take to be up.
const SETTLING: Duration = Duration::from_secs(60);
/// How often a start is measured.
const STARTS: usize = 10;
/// Calls into a plugin, one after the other.
const PLUGIN_CALLS: usize = 20_000;

/// Calls of tools that do nothing, a second: through berth into a plugin, and beside it a bare server's native one. What
/// reads is recorded once, what acts twice.
pub(crate) async fn calls(place: &Place) -> anyhow::Result<[Row; 2]> {
    let served = place.serve()?;
    let berth = server(place, &served)?;
    let started = Bare::start()?;
    let bare = Server {
        address: started.address,
        token: None,
    };
    let native = bare.call(bare::TOOL, json!({}));
    let reading = berth.call("list_sessions", json!({"backend": GUEST}));
    let acting = berth.call(NOOP, json!({}));
    let (mut reads, mut acts, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        reads.push(berth.throughput(&reading, CONNECTIONS, ROUND).await?);
        theirs.push(bare.throughput(&native, CONNECTIONS, ROUND).await?);
        acts.push(berth.throughput(&acting, CONNECTIONS, ROUND).await?);
    }
    let row = |what, ours, theirs, bound| -> anyhow::Result<Row> {
        let (ours, theirs, ratio) = compared(ours, theirs)?;
        Ok(Row {
            what,
            berth: format!("{ours:.0} calls/s, in a plugin"),
            p99: String::new(),
            beside: format!("{theirs:.0} calls/s, native in a bare rmcp server"),
            value: ratio,
            shown: format!("{ratio:.2}"),
            bound,
        })
    };
    Ok([
        row(
            "`tools/call` of a tool that reads and finds nothing",
            reads,
            theirs.clone(),
            Bound::AtLeast(0.6),
        )?,
        row(
            "`tools/call` of a tool that may act and does nothing",
            acts,
            theirs,
            Bound::None,
        )?,
    ])
}

/// The same calls with a token that the owner made, and beside them without any, on an open door.
pub(crate) async fn bearer(place: &Place) -> anyhow::Result<Row> {
    let served = place.serve()?;
    let address = served.address;
    let token = Some(place.personal_token()?);
    let (with, without) = (Server { address, token }, Server { address, token: None });
    let (tokens, none) = (with.call(NOOP, json!({})), without.call(NOOP, json!({})));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(with.throughput(&tokens, CONNECTIONS, ROUND).await?);
        theirs.push(without.throughput(&none, CONNECTIONS, ROUND).await?);
    }
    let (ours, theirs, ratio) = compared(ours, theirs)?;
    Ok(Row {
        what: "the same, with a bearer token to check",
        berth: format!("{ours:.0} calls/s, with a personal token"),
        p99: String::new(),
        beside: format!("{theirs:.0} calls/s, without on an open door"),
        value: ratio,
        shown: format!("{ratio:.2}"),
        bound: Bound::AtLeast(0.97),
    })
}

/// How long the record keeps the machine busy for one call, and beside it how long a whole call does, its record
/// included: both with as many at once.
pub(crate) async fn record(place: &Place) -> anyhow::Result<Row> {
    let calls = {
        let served = place.serve()?;
        let berth = server(place, &served)?;
        berth
            .throughput(&berth.call(NOOP, json!({})), CONNECTIONS, ROUND)
            .await?
    };
    let setup = place.setup()?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let recorder = Recorder::start(data.audit(false)?, false)?;
    let entries = recorded(&recorder).await?;
    Ok(Row {
        what: "the record's share of a call",
        berth: format!("{entries:.0} entries/s"),
        p99: String::new(),
        beside: format!("{calls:.0} calls/s"),
        value: calls / entries,
        shown: format!("{:.0} %", 100.0 * calls / entries),
        bound: Bound::AtMost(0.2, ""),
    })
}

/// How many entries are written in a second, for as many callers at once as call.
async fn recorded(recorder: &Recorder) -> anyhow::Result<f64> {
    let end = Instant::now() + ROUND;
    let callers = (0..CONNECTIONS).map(|_| {
        let recorder = recorder.clone();
        tokio::spawn(async move {
            let mut written = 0_u32;
            while Instant::now() < end {
                let arguments = recorder.arguments(&serde_json::Map::new());
                recorder.record(entry(arguments)).await?;
                written += 1;
            }
            anyhow::Ok(written)
        })
    });
    let mut written = 0;
    for caller in callers.collect::<Vec<_>>() {
        written += caller.await??;
    }
    Ok(f64::from(written) / ROUND.as_secs_f64())
}

/// What is recorded of such a call.
fn entry((digest, text): ([u8; 32], String)) -> Entry {
    Entry {
        at: std::time::SystemTime::now(),
        event: Event::Call,
        principal: "token:bench#1".to_owned(),
        tool: NOOP.to_owned(),
        backend: GUEST.to_owned(),
        session: String::new(),
        arguments: Some(digest),
        outcome: Outcome::Done,
        duration: Some(Duration::from_micros(30)),
        cost: None,
        text,
        grants: None,
    }
}

/// `list_sessions` of many sessions, and beside it the two tmux commands that it needs.
pub(crate) async fn listing(place: &Place) -> anyhow::Result<Row> {
    let served = place.serve()?;
    let berth = server(place, &served)?;
    let sessions = Sessions::start(place, SESSIONS)?;
    let request = berth.call("list_sessions", json!({"backend": "local", "limit": SESSIONS}));
    let mut connection = berth.connect().await?;
    until_all_are_idle(&mut connection, &request).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..LISTINGS {
        let began = Instant::now();
        let listed = connection.result(&request).await?;
        ours.push(milliseconds(began));
        ensure!(
            idle(&listed) == SESSIONS,
            "not all sessions were listed as idle: {listed}"
        );
        let began = Instant::now();
        sessions.list_directly()?;
        theirs.push(milliseconds(began));
    }
    let p99 = Times(ours.clone()).p99()?;
    let (ours, theirs, ratio) = compared(ours, theirs)?;
    Ok(Row {
        what: "`list_sessions` over 100 tmux sessions",
        berth: format!("{ours:.1} ms"),
        p99: format!("{p99:.1} ms"),
        beside: format!("{theirs:.1} ms, its two tmux commands"),
        value: ratio,
        shown: format!("{ratio:.2}"),
        bound: Bound::AtMost(1.4, ""),
    })
}

/// Waits for the agents to be up, so that both sides read the same full screens.
async fn until_all_are_idle(connection: &mut Connection, request: &[u8]) -> anyhow::Result<()> {
    let end = Instant::now() + SETTLING;
    while idle(&connection.result(request).await?) < SESSIONS {
        ensure!(Instant::now() < end, "not all sessions were idle within {SETTLING:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// How many sessions of a list are idle.
fn idle(listed: &Value) -> usize {
    let sessions = listed["structuredContent"]["sessions"].as_array();
    sessions
        .into_iter()
        .flatten()
        .filter(|session| session["state"] == "idle")
        .count()
}

/// From the start of the process to the first list of tools, with plugins in the compile cache.
pub(crate) async fn start(place: &Place) -> anyhow::Result<Row> {
    let token = place.token()?;
    let mut times = Times::default();
    for _ in 0..STARTS {
        let began = Instant::now();
        let served = place.serve()?;
        let berth = Server {
            address: served.address,
            token: Some(token.clone()),
        };
        berth
            .connect()
            .await?
            .result(&berth.request("tools/list", &json!({})))
            .await?;
        times.add(milliseconds(began));
    }
    let time = times.median()?;
    Ok(Row {
        what: "start to first answer, warm cache",
        berth: format!("{time:.0} ms"),
        p99: format!("{:.0} ms", times.p99()?),
        beside: String::new(),
        value: time,
        shown: format!("{time:.0} ms"),
        bound: Bound::AtMost(50.0, " ms"),
    })
}

/// One call into a plugin: a store, an instance and the call, with no protocol around it.
pub(crate) async fn plugin_call(place: &Place) -> anyhow::Result<Row> {
    let setup = place.setup()?;
    let data = DataDirectory::open(&setup.server.data, &setup.server.cache)?;
    let started = start_each(&setup, &data).await?;
    let guest = started
        .iter()
        .flatten()
        .find(|backend| backend.name == GUEST)
        .context("the test plugin did not start")?;
    let call = ToolCall {
        id: "call".into(),
        name: NOOP.into(),
        arguments: "{}".into(),
    };
    let mut times = Times::default();
    for _ in 0..PLUGIN_CALLS {
        let began = Instant::now();
        let output = guest.call_tool(&call, Access::Read, None, Lineage::default()).await;
        times.add(began.elapsed().as_secs_f64() * 1e6);
        ensure!(output.is_ok(), "the test plugin answered {output:?}");
    }
    let time = times.median()?;
    Ok(Row {
        what: "one call into a plugin: store, instance, call",
        berth: format!("{time:.1} µs"),
        p99: format!("{:.1} µs", times.p99()?),
        beside: String::new(),
        value: time,
        shown: format!("{time:.1} µs"),
        bound: Bound::None,
    })
}

/// Berth as its operator calls it.
pub(crate) fn server(place: &Place, served: &Served) -> anyhow::Result<Server> {
    Ok(Server {
        address: served.address,
        token: Some(place.token()?),
    })
}

pub(crate) fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// The middle of each side, and the middle of how they compared round by round: what slows the machine for some seconds
/// slows both sides of a round.
pub(crate) fn compared(ours: Vec<f64>, theirs: Vec<f64>) -> anyhow::Result<(f64, f64, f64)> {
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    Ok((median(ours)?, median(theirs)?, median(ratios)?))
}

fn median(values: Vec<f64>) -> anyhow::Result<f64> {
    Times(values).median()
}

/// How long the same took each time, in one unit.
#[derive(Default)]
pub(crate) struct Times(Vec<f64>);

impl Times {
    /// Adds one.
    pub(crate) fn add(&mut self, time: f64) {
        self.0.push(time);
    }

    /// All of them, in their order.
    pub(crate) fn each(&self) -> Vec<f64> {
        self.0.clone()
    }

    /// The middle one.
    pub(crate) fn median(&self) -> anyhow::Result<f64> {
        self.at(self.0.len() / 2)
    }

    /// The one that 99 of 100 are no longer than; of few times the longest.
    pub(crate) fn p99(&self) -> anyhow::Result<f64> {
        self.at((self.0.len() * 99).div_ceil(100).saturating_sub(1))
    }

    fn at(&self, place: usize) -> anyhow::Result<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(place).copied().context("nothing was measured")
    }
}
