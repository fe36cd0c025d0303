//! The supervisor of one job: a process of its own, small, and without any thread or engine.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group, wait, waitid,
};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use super::ended::{Ended, How, Processes, now};
use super::input::Feed;
use super::output::{Channel, Keep};
use super::place::{BELL, CLAIM, Job, NEWS, PID};
use super::processes;
use super::spec::Spec;
use crate::machine::child;

/// How long a group may take that is asked to end.
const LEAVE: Duration = Duration::from_secs(5);
/// When what does not end by itself is looked for again.
const AGAIN: Duration = Duration::from_millis(50);
/// How long what is left in the pipes is read after all has ended: a process that left the job may hold them.
const DRAIN: Duration = Duration::from_secs(2);
/// Bytes of all variables.
const ENVIRONMENT: u64 = 2 << 20;
/// Bytes that are read at a time.
const PART: usize = 32 << 10;

/// Runs the job in `directory` to its end. Its standard input holds all variables as `NAME=VALUE`, each with a NUL after it;
/// it starts where this process is. Does nothing if another supervisor has taken the job.
///
/// # Errors
/// Why it was not taken. What goes wrong after that is how the job ended.
pub fn supervise(directory: &Path) -> io::Result<()> {
    let job = Job::open(directory)?;
    let spec = job.spec()?;
    // Everything that can go wrong by itself goes wrong before the claim.
    let environment = environment(&spec)?;
    let signals = Signals::new()?;
    // A process that leads a group already is one that a person started by hand.
    let _ = rustix::process::setsid();
    processes::keep_orphans()?;
    let (bell, news) = (job.open_fifo(BELL, OFlags::RDWR)?, job.open_fifo(NEWS, OFlags::RDWR)?);
    if !job.create_new(CLAIM)? {
        return Ok(());
    }
    tell(&news);
    let started = now();
    let ended = match Run::start(&job, &spec, environment, started) {
        Ok(run) => run.finish(&signals, &bell, &news),
        Err(ended) => ended,
    };
    let ended = Ended {
        started: Some(started),
        ..ended
    };
    job.end(&ended)
    // Whoever reads the news sees that they end.
}

/// All variables, whole: who starts this may be killed while it writes them.
fn environment(spec: &Spec) -> io::Result<Vec<(String, String)>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(ENVIRONMENT).read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| io::Error::other("its variables are not text"))?;
    let variables: Vec<(String, String)> = text
        .split_terminator('\0')
        .filter_map(|variable| variable.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let is_whole = text.is_empty() || text.ends_with('\0');
    match is_whole && variables.iter().map(|(name, _)| name).eq(&spec.variables) {
        true => Ok(variables),
        false => Err(io::Error::other("its variables are not those that `spec` names")),
    }
}

/// What tells of signals.
struct Signals {
    children: UnixStream,
    end: UnixStream,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let told = |signals: &[i32]| {
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            for signal in signals {
                pipe::register(*signal, write.try_clone()?)?;
            }
            io::Result::Ok(read)
        };
        Ok(Self {
            children: told(&[SIGCHLD])?,
            end: told(&[SIGTERM, SIGINT, SIGHUP])?,
        })
    }
}

/// A program that runs.
struct Run<'j> {
    job: &'j Job,
    group: Pid,
    /// How the program ended, and not yet what it started.
    ended: Option<(Option<i32>, Option<i32>)>,
    ending: Option<Ending>,
    deadline: Instant,
    outputs: [Output<'j>; 2],
    feed: Feed<'j>,
}

/// It is to end.
struct Ending {
    how: How,
    reason: Option<String>,
    kill_at: Instant,
}

/// One output of the program.
struct Output<'j> {
    /// None when it has ended.
    pipe: Option<File>,
    keep: Keep<'j>,
    /// Something could not be kept, so nothing more is.
    is_broken: bool,
}

impl<'j> Run<'j> {
    /// Starts the program, or says how the job ended instead.
    fn start(job: &'j Job, spec: &Spec, environment: Vec<(String, String)>, at: u64) -> Result<Self, Ended> {
        let failed = |error: io::Error| Ended::without_status(How::Failed, format!("it was not started: {error}"));
        let mut processes = Processes {
            supervisor: processes::this().map_err(failed)?,
            program: None,
            boot: processes::boot().map_err(failed)?,
            namespace: processes::namespace().map_err(failed)?,
            at,
        };
        job.replace_unsynced(PID, processes.text().as_bytes()).map_err(failed)?;
        if job.is_cancelled() {
            return Err(Ended::without_status(
                How::Cancelled,
                "it was cancelled before it was started",
            ));
        }
        let (program, arguments) = spec
            .argv
            .split_first()
            .ok_or_else(|| failed(io::Error::other("it names no program")))?;
        let mut child = child::of_job(Path::new(program), arguments, environment)
            .spawn()
            .map_err(|error| failed(io::Error::other(format!("{program}: {error}"))))?;
        processes.program = processes::find(child.id().cast_signed());
        match Self::of(job, spec, &mut child, &processes) {
            Ok(run) => Ok(run),
            Err(error) => {
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let _ = child.wait();
                Err(failed(error))
            }
        }
    }

    fn of(job: &'j Job, spec: &Spec, child: &mut Child, processes: &Processes) -> io::Result<Self> {
        job.replace_unsynced(PID, processes.text().as_bytes())?;
        let output = |pipe: Option<OwnedFd>, channel| Output {
            pipe: pipe.map(File::from),
            keep: Keep::new(job, channel, spec.output),
            is_broken: false,
        };
        Ok(Self {
            job,
            group: Pid::from_child(child),
            ended: None,
            ending: None,
            deadline: Instant::now() + spec.deadline,
            outputs: [
                output(child.stdout.take().map(ChildStdout::into), Channel::Output),
                output(child.stderr.take().map(ChildStderr::into), Channel::Errors),
            ],
            feed: Feed::new(job, child.stdin.take())?,
        })
    }

    /// Goes on until no process of the job is left.
    fn finish(mut self, signals: &Signals, bell: &OwnedFd, news: &OwnedFd) -> Ended {
        while self.reap() {
            self.end_if_due();
            let ready = self.wait_for_news([signals.children.as_fd(), signals.end.as_fd(), bell.as_fd()]);
            drain(&signals.children);
            if drain(&signals.end) {
                self.end(How::Interrupted, Some("its supervisor was told to end".into()));
            }
            if drain(bell) {
                self.feed.look();
                if self.job.is_cancelled() {
                    self.end(How::Cancelled, None);
                }
            }
            self.pass_on(&ready, news);
        }
        self.drain();
        self.outcome()
    }

    /// Whether a process of the job is left. The program's group is ended with it: while nobody has asked for its status,
    /// no other group gets its number.
    fn reap(&mut self) -> bool {
        if self.ended.is_none() && self.ending.is_none() && self.program_has_ended() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.group => {
                    self.ended = Some((status.exit_status(), status.terminating_signal()));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn program_has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.group), look), Ok(Some(_)))
    }

    /// Asks the program and all in its group to end. What came first counts.
    fn end(&mut self, how: How, reason: Option<String>) {
        if self.ending.is_some() || self.ended.is_some() {
            return;
        }
        let _ = kill_process_group(self.group, Signal::TERM);
        self.ending = Some(Ending {
            how,
            reason,
            kill_at: Instant::now() + LEAVE,
        });
    }

    /// Kills what is left where that is due, and ends what has no time left.
    fn end_if_due(&mut self) {
        let now = Instant::now();
        if now >= self.deadline {
            self.end(How::TimedOut, None);
        }
        if !self.kills(now) {
            return;
        }
        if self.ended.is_none() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        // They are not reaped, so nobody has got their numbers.
        for child in processes::children().into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(child, Signal::KILL);
        }
    }

    fn kills(&self, now: Instant) -> bool {
        match &self.ending {
            Some(ending) => now >= ending.kill_at,
            None => self.ended.is_some(),
        }
    }

    /// Waits until one of these, or of what the program writes or reads, is ready, or something is due. Answers which of the
    /// program's are.
    fn wait_for_news(&self, others: [BorrowedFd<'_>; 3]) -> Ready {
        let now = Instant::now();
        let due = match &self.ending {
            _ if self.kills(now) => now + AGAIN,
            Some(ending) => ending.kill_at,
            None => self.deadline,
        };
        let pause = Timespec::try_from(due.saturating_duration_since(now).min(Duration::from_hours(1)));
        let mut polled: Vec<PollFd<'_>> = others
            .iter()
            .map(|other| PollFd::from_borrowed_fd(*other, PollFlags::IN))
            .collect();
        let outputs = self.outputs.each_ref().map(|output| {
            let pipe = output.pipe.as_ref().map(File::as_fd);
            place(&mut polled, pipe, PollFlags::IN)
        });
        let input = place(&mut polled, self.feed.wants(), PollFlags::OUT);
        // An interrupted call comes again.
        let _ = poll(&mut polled, pause.ok().as_ref());
        let is_ready = |place: Option<usize>| place.is_some_and(|place| !polled[place].revents().is_empty());
        Ready {
            outputs: outputs.map(is_ready),
            input: is_ready(input),
        }
    }

    fn pass_on(&mut self, ready: &Ready, news: &OwnedFd) {
        for (at, _) in ready.outputs.iter().enumerate().filter(|(_, ready)| **ready) {
            match self.outputs[at].read() {
                Ok(()) => {}
                Err(error) => self.end(How::Failed, Some(format!("what it printed could not be kept: {error}"))),
            }
            tell(news);
        }
        if ready.input {
            self.feed.advance();
        }
    }

    /// Reads what is left.
    fn drain(&mut self) {
        let until = Instant::now() + DRAIN;
        while self.outputs.iter().any(|output| output.pipe.is_some()) && Instant::now() < until {
            for output in &mut self.outputs {
                let Some(pipe) = &output.pipe else { continue };
                let mut polled = [PollFd::new(pipe, PollFlags::IN)];
                let pause = Timespec::try_from(AGAIN).ok();
                if poll(&mut polled, pause.as_ref()).is_ok_and(|ready| ready > 0)
                    && let Err(error) = output.read()
                    && self.ending.is_none()
                {
                    self.ending = Some(Ending {
                        how: How::Failed,
                        reason: Some(format!("what it printed could not be kept: {error}")),
                        kill_at: until,
                    });
                }
            }
        }
    }

    fn outcome(self) -> Ended {
        for output in &self.outputs {
            // It is there to be read; only a power cut could take it.
            let _ = output.keep.sync();
        }
        let (status, signal) = self.ended.unwrap_or_default();
        let (how, reason) = self
            .ending
            .map_or((How::Exited, None), |ending| (ending.how, ending.reason));
        Ended {
            how,
            reason,
            status,
            signal,
            started: None,
            finished: now(),
        }
    }
}

/// Which of the program's pipes are ready.
struct Ready {
    outputs: [bool; 2],
    input: bool,
}

impl Output<'_> {
    /// Keeps what can be read now. After an error what comes is not kept.
    fn read(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        let mut part = [0; PART];
        match pipe.read(&mut part) {
            Ok(0) => {
                self.pipe = None;
                Ok(())
            }
            Ok(_) if self.is_broken => Ok(()),
            Ok(read) => {
                let kept = self.keep.add(&part[..read]);
                self.is_broken = kept.is_err();
                kept
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(_) => {
                self.pipe = None;
                Ok(())
            }
        }
    }
}

/// The place of `fd` among those that are waited for.
fn place<'f>(polled: &mut Vec<PollFd<'f>>, fd: Option<BorrowedFd<'f>>, flags: PollFlags) -> Option<usize> {
    polled.push(PollFd::from_borrowed_fd(fd?, flags));
    Some(polled.len() - 1)
}

/// Says that something changed. Nobody may listen, and the news may be full: then somebody is told already.
fn tell(news: &OwnedFd) {
    let _ = rustix::io::write(news, b"!");
}

/// Takes everything that `told` holds; whether that was anything.
fn drain(told: impl AsFd) -> bool {
    let mut any = false;
    while let Ok(1..) = rustix::io::read(&told, &mut [0; 64]) {
        any = true;
    }
    any
}
