//! One request over a session: what is sent, what is heard, and the end of all that it started.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, Shell, Stop, Stream};
use super::channel::{Channel, Place, Way};
use super::fault::Fault;
use super::quote::word;
use super::request::{self, KILL, Prelude, Unit};
use crate::machine::child::Ended;

/// How long the end of a group may take.
const KILLING: Duration = Duration::from_secs(10);
/// How long a host that is away is asked for that again and again, and after which pauses.
const AWAY: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// How long a call waits for that where it has no time left.
const GRACE: Duration = Duration::from_secs(1);
/// How long a session is open without a shell until that counts as a login that hangs, where no time is left to wait for it.
const HANGS: Duration = Duration::from_secs(3);
/// How long a shell that nobody waits for may take to say which process it is, so that it can be ended.
const UNHEARD: Duration = Duration::from_secs(60);
/// How long the rest of what is said is read after the end.
const DRAIN: Duration = Duration::from_millis(500);
/// Bytes read at once.
const READ: usize = 32 << 10;

/// What is to be done there, one after another.
pub(super) struct Work {
    pub(super) way: Arc<dyn Way>,
    pub(super) prelude: Prelude,
    pub(super) units: Vec<Unit>,
    pub(super) until: Instant,
}

impl Work {
    /// Does it, in one round trip where no command has to be ended. If the caller goes, what runs there is ended.
    pub(super) async fn perform(self) -> Vec<Result<Ended, Fault>> {
        let count = self.units.len();
        let gone = CancellationToken::new();
        let _caller = gone.clone().drop_guard();
        let done = tokio::spawn(async move { self.conduct(&gone).await });
        done.await.unwrap_or_else(|_| lost(count))
    }

    async fn conduct(&self, gone: &CancellationToken) -> Vec<Result<Ended, Fault>> {
        let mut outcomes = Vec::with_capacity(self.units.len());
        while outcomes.len() < self.units.len() && !gone.is_cancelled() {
            outcomes.extend(self.request(&self.units[outcomes.len()..], gone).await);
        }
        outcomes
    }

    /// How the first of `units` went, at least one where the caller is there: the others did not begin.
    async fn request(&self, units: &[Unit], gone: &CancellationToken) -> Vec<Result<Ended, Fault>> {
        let all = |fault: Fault| units.iter().map(|_| Err(fault.clone())).collect();
        if Instant::now() >= self.until {
            return all(Fault::Late);
        }
        let Ok(nonce) = nonce() else {
            return all(Fault::Random);
        };
        let opened = tokio::select! {
            // A way that answers when its time is over says why there is no session.
            biased;
            opened = self.way.open(self.until) => opened,
            () = sleep_until(self.until.into()) => return all(Fault::Late),
            () = gone.cancelled() => return Vec::new(),
        };
        let channel = match opened {
            Ok(channel) => channel,
            Err(why) => return all(Fault::Unopened(why)),
        };
        let mut session = Session::begin(channel, request::text(&nonce, &self.prelude, units));
        let mut answer = Answer::to(units, &nonce);
        while !answer.is_complete() {
            let due = answer.due(units).map_or(self.until, |due| due.min(self.until));
            let more = tokio::select! {
                more = session.hear(&mut answer) => more,
                () = sleep_until(due.into()) => {
                    return match answer.shell.is_none() && session.began.elapsed() >= HANGS {
                        true => self.give_up(session, answer, &all),
                        false => self.stop(session, answer, &all).await,
                    };
                }
                () = gone.cancelled() => return self.stop(session, answer, &all).await,
            };
            if answer.overran() {
                return self.stop(session, answer, &all).await;
            }
            if !more {
                return match answer.shell.clone() {
                    None => all(Fault::Silent { said: answer.said() }),
                    Some(shell) => {
                        tokio::spawn(kill(self.way.clone(), shell));
                        answer.outcomes(Some(Stop::Alone))
                    }
                };
            }
        }
        tokio::spawn(session.leave());
        answer.outcomes(None)
    }

    /// Leaves `session`, whose login hangs: it keeps nobody waiting any more.
    fn give_up(
        &self,
        mut session: Session,
        answer: Answer,
        all: &impl Fn(Fault) -> Vec<Result<Ended, Fault>>,
    ) -> Vec<Result<Ended, Fault>> {
        let hung = all(Fault::Hung { said: answer.said() });
        if session.place.give_up() {
            tokio::spawn(session.end_unheard(answer, self.way.clone()));
        }
        hung
    }

    /// Ends what runs in `session`, whoever waits for that.
    async fn stop(
        &self,
        mut session: Session,
        mut answer: Answer,
        all: &impl Fn(Fault) -> Vec<Result<Ended, Fault>>,
    ) -> Vec<Result<Ended, Fault>> {
        let way = self.way.clone();
        let Some(shell) = answer.shell.clone() else {
            let silent = all(Fault::Silent { said: answer.said() });
            tokio::spawn(session.end_unheard(answer, way));
            return silent;
        };
        let killed = tokio::spawn(kill(way, shell));
        let now = Instant::now();
        let limit = self.until.min(now + KILLING).max(now + GRACE);
        if !matches!(timeout_at(limit.into(), killed).await, Ok(Ok(true))) {
            return answer.outcomes(Some(Stop::Unconfirmed));
        }
        // What it said before that tells what had begun.
        let _ = timeout(DRAIN, async { while session.hear(&mut answer).await {} }).await;
        answer.outcomes(Some(Stop::Ended))
    }
}

fn lost(count: usize) -> Vec<Result<Ended, Fault>> {
    (0..count).map(|_| Err(Fault::Lost)).collect()
}

/// 128 random bits.
fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// Ends the group of `shell`, also if the host is away for a while. The answer is whether nothing of it runs any more.
async fn kill(way: Arc<dyn Way>, shell: Shell) -> bool {
    let (began, mut pause) = (Instant::now(), PAUSE);
    while !killed(&way, &shell).await {
        if began.elapsed() > AWAY {
            return false;
        }
        sleep(pause).await;
        pause = (2 * pause).min(LONGEST);
    }
    true
}

/// Tries that once.
async fn killed(way: &Arc<dyn Way>, shell: &Shell) -> bool {
    let unit = Unit {
        script: format!("berth_kill {} {}\n", shell.pid, word(&shell.known_by)),
        stdin: Vec::new(),
        deadline: KILLING,
        output: 64,
        lingers: false,
    };
    let killing = async {
        let nonce = nonce().ok()?;
        let channel = way.open_to_kill(Instant::now() + KILLING).await.ok()?;
        let units = [unit];
        let mut session = Session::begin(channel, request::text(&nonce, &Prelude::of(&[&KILL]), &units));
        let mut answer = Answer::to(&units, &nonce);
        while !answer.is_complete() && session.hear(&mut answer).await {}
        answer.outcomes(Some(Stop::Alone)).pop()?.ok()
    };
    match timeout(KILLING, killing).await {
        Ok(Some(Ended::Finished(output))) => {
            let said = output.stdout.trim_ascii();
            [&b"killed"[..], b"another", b"gone"].contains(&said)
        }
        _ => false,
    }
}

/// A session in which a request is on its way.
struct Session {
    stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// What sends the request. It ends with this.
    _sends: JoinSet<()>,
    /// When it was open.
    began: Instant,
    /// Given back last.
    place: Box<dyn Place>,
}

impl Session {
    fn begin(channel: Channel, text: String) -> Self {
        let mut stdin = channel.stdin;
        let mut sends = JoinSet::new();
        sends.spawn(async move {
            // If it cannot be sent, the end of what is heard says so.
            if stdin.write_all(text.as_bytes()).await.is_ok() {
                let _ = stdin.shutdown().await;
            }
        });
        Self {
            stdout: Some(channel.stdout),
            stderr: Some(channel.stderr),
            _sends: sends,
            began: Instant::now(),
            place: channel.place,
        }
    }

    /// Adds what comes next to `answer`; whether more may come. Nothing is lost if this is dropped.
    async fn hear(&mut self, answer: &mut Answer) -> bool {
        let stream = loop {
            let (output, errors) = answer.buffers();
            output.reserve(READ);
            errors.reserve(READ);
            let (stream, some) = tokio::select! {
                some = read(&mut self.stdout, output), if self.stdout.is_some() => (Stream::Output, some),
                some = read(&mut self.stderr, errors), if self.stderr.is_some() => (Stream::Errors, some),
                else => return false,
            };
            match some {
                Some(()) => break stream,
                None => match stream {
                    Stream::Output => self.stdout = None,
                    Stream::Errors => self.stderr = None,
                },
            }
        };
        answer.took(stream).is_ok()
    }

    /// Listens, where nobody waits any more, until its shell says which process it is, and ends that.
    async fn end_unheard(mut self, mut answer: Answer, way: Arc<dyn Way>) {
        let heard = async { while answer.shell.is_none() && self.hear(&mut answer).await {} };
        if timeout(UNHEARD, heard).await.is_err() {
            // Its login hangs, and so keeps its place there beyond this.
            self.place.give_up();
        }
        if let Some(shell) = answer.shell {
            kill(way, shell).await;
        }
    }

    /// Reads on until its shell has ended, so that its place is free when this gives it back.
    async fn leave(mut self) {
        let _ = timeout(DRAIN, async {
            let mut rest = Vec::new();
            while read(&mut self.stdout, &mut rest).await.is_some() {
                rest.clear();
            }
        })
        .await;
    }
}

/// Reads some bytes of `stream` to the end of `buffer`; none at its end, of which an error is one too.
async fn read(stream: &mut Option<Box<dyn AsyncRead + Send + Unpin>>, buffer: &mut Vec<u8>) -> Option<()> {
    match stream.as_mut()?.read_buf(buffer).await {
        Ok(1..) => Some(()),
        _ => None,
    }
}
