//! A program that runs beside berth for its operator, such as a tunnel, and ends with it.

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::child::{Group, beside, within};

/// How long it may take to end when it is asked to.
const LEAVE: Duration = Duration::from_secs(2);
/// Bytes of a line; a longer one comes in parts.
const LINE: u64 = 4096;
/// Lines that nobody has taken yet; when there are more, the program waits.
const LINES: usize = 64;

/// A running program. When this is dropped, all that is left in its process group is killed.
pub struct Companion {
    child: Child,
    /// Ends with this process, however that ends: this is how [`accompany`] notices.
    _stdin: Option<ChildStdin>,
    group: Group,
    lines: mpsc::Receiver<String>,
}

impl Companion {
    /// Starts `program`, an absolute path, with this process's environment. A program that ends when its standard input
    /// ends, like [`accompany`], ends with this process even if that is killed.
    ///
    /// # Errors
    /// What the system says if it cannot be started.
    pub fn start(program: &Path, args: &[&str]) -> io::Result<Self> {
        Self::start_with(program, args, &[])
    }

    /// The same with `added` in its environment.
    pub(super) fn start_with(program: &Path, args: &[&str], added: &[(&str, &str)]) -> io::Result<Self> {
        let mut child = { beside(program, args) }.envs(added.iter().copied()).spawn()?;
        let group = Group::of(&child);
        let (sender, lines) = mpsc::channel(LINES);
        tokio::spawn(read(child.stdout.take(), sender.clone()));
        tokio::spawn(read(child.stderr.take(), sender));
        Ok(Self {
            _stdin: child.stdin.take(),
            child,
            group,
            lines,
        })
    }

    /// The next line that it prints on either output; none when it has ended and so prints nothing more. Cancelling
    /// this call does not lose a line.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Asks it to end, and kills it if it has not done so after 2 seconds.
    pub async fn end(mut self) {
        self.group.ask_to_end();
        // Its exit status does not matter here.
        let _ = timeout(LEAVE, self.child.wait()).await;
    }
}

/// Runs `program` in a process that was started as a [`Companion`] and does nothing else. When the program ends,
/// everything that it started and left is killed, and so is this process, as a member of their group. When standard
/// input ends, the process that started this one is gone, so the program is asked to end, and is killed with the rest
/// after 2 seconds.
///
/// Returns only the reason why that could not be done.
pub async fn accompany(program: &Path, args: &[OsString]) -> io::Error {
    match accompanied(program, args)
        .await
        .and_then(|()| Ok(signal_ours(Signal::KILL)?))
    {
        // The signal is on its way.
        Ok(()) => std::future::pending().await,
        Err(error) => error,
    }
}

/// Waits until it is time to end everything of the program.
async fn accompanied(program: &Path, args: &[OsString]) -> io::Result<()> {
    // A process that does not lead a group of its own would end others too.
    let _ = rustix::process::setpgid(None, None);
    // A signal to the group is meant for the program, whose end ends this process.
    let _asked = signal(SignalKind::terminate())?;
    let mut starter = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
    let mut child = { within(program, args) }.spawn()?;
    tokio::select! {
        ended = child.wait() => drop(ended?),
        () = gone(&mut starter) => {
            signal_ours(Signal::TERM)?;
            let _ = timeout(LEAVE, child.wait()).await;
        }
    }
    Ok(())
}

/// Sends `signal` to the group of this process.
fn signal_ours(signal: Signal) -> rustix::io::Result<()> {
    rustix::process::kill_process_group(rustix::process::getpgrp(), signal)
}

/// Waits for the end of a pipe.
async fn gone(pipe: &mut pipe::Receiver) {
    while let Ok(1..) = pipe.read(&mut [0; 64]).await {}
}

/// Passes on what `pipe` says, line by line, until it ends or nobody listens.
async fn read(pipe: Option<impl AsyncRead + Unpin>, lines: mpsc::Sender<String>) {
    let Some(pipe) = pipe else { return };
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut pipe).take(LINE).read_until(b'\n', &mut line).await {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if lines.send(text).await.is_err() {
            return;
        }
        line.clear();
    }
}
