//! The program's log, on standard error: how much of it `BERTH_LOG` says.
//!
//! A thread of its own writes it: whoever reads the log may stop reading, and that must not delay anybody.

use std::env::VarError;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, bail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable that says how much is logged.
const VARIABLE: &str = "BERTH_LOG";

/// What a server logs if it is not set.
const USUAL: &str = "berth=info,warn";
/// What any other command logs then: its own output says the rest, also what is wrong with a host.
const QUIET: &str = "warn,berth::machine::ssh=off";

/// Bytes of lines that wait to be written. Lines beyond that are lost, and their number is logged.
const WAITING: usize = 1 << 20;
/// How long lines are collected when there are many: so the thread is not woken for each, and they share a system call.
const GATHER: Duration = Duration::from_millis(10);

/// How long the last lines may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The way to the thread, once it was started.
static LINES: OnceLock<Lines> = OnceLock::new();

/// Starts it, for a server or for a command that ends by itself.
///
/// # Errors
/// If `BERTH_LOG` is not of the right form: whoever has set it wants to see something, and would take silence for a
/// quiet log. Or if there can be no thread.
pub(super) fn start(is_server: bool) -> anyhow::Result<()> {
    let filter = match std::env::var(VARIABLE) {
        Ok(written) => filter(&written)?,
        Err(VarError::NotPresent) => filter(if is_server { USUAL } else { QUIET })?,
        Err(VarError::NotUnicode(written)) => bail!(fault(&written.to_string_lossy())),
    };
    let lines = Lines::start()?;
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone())
        .with_target(false)
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .init();
    // It is started once.
    let _ = LINES.set(lines);
    Ok(())
}

/// Waits until what was logged is written, but no longer than a second: nobody may be reading it.
pub(super) fn finish() {
    if let Some(lines) = LINES.get() {
        let (written, is_written) = mpsc::sync_channel(1);
        let _ = lines.queue.send(Asked::Finish(written));
        let _ = is_written.recv_timeout(LAST_WORDS);
    }
}

/// Passes lines to the thread.
#[derive(Clone)]
struct Lines {
    queue: mpsc::Sender<Asked>,
    waiting: Arc<Waiting>,
}

/// What the thread is asked for.
enum Asked {
    /// To write a line.
    Line(Vec<u8>),
    /// To say when all lines before this are written.
    Finish(mpsc::SyncSender<()>),
}

#[derive(Default)]
struct Waiting {
    /// Bytes of the lines that are not written yet.
    bytes: AtomicUsize,
    /// Lines beyond the limit.
    lost: AtomicUsize,
}

impl Lines {
    fn start() -> io::Result<Self> {
        let (queue, asked) = mpsc::channel();
        let waiting = Arc::<Waiting>::default();
        let counted = waiting.clone();
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&asked, &counted, io::stderr))?;
        Ok(Self { queue, waiting })
    }
}

impl Write for Lines {
    /// Takes a whole line, as the log is written by one call a line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let waiting = self.waiting.bytes.fetch_add(line.len(), Ordering::Relaxed);
        if waiting > WAITING {
            self.waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            self.waiting.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            // If the thread has ended, nobody reads either.
            let _ = self.queue.send(Asked::Line(line.to_vec()));
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what is asked for to `output`, until nobody can ask.
fn write_all<W: Write>(asked: &mpsc::Receiver<Asked>, waiting: &Waiting, output: impl Fn() -> W) {
    while let Ok(first) = asked.recv() {
        if matches!(first, Asked::Line(_)) {
            thread::sleep(GATHER);
        }
        let (mut text, mut finished) = (Vec::new(), Vec::new());
        for asked in std::iter::once(first).chain(asked.try_iter()) {
            match asked {
                Asked::Line(line) => text.extend(line),
                Asked::Finish(written) => finished.push(written),
            }
        }
        let lost = waiting.lost.swap(0, Ordering::Relaxed);
        let bytes = text.len();
        if lost > 0 {
            text.extend(format!("{lost} lines of the log are lost: they came faster than they were read\n").bytes());
        }
        // There is no place to report an error here.
        let _ = output().write_all(&text);
        waiting.bytes.fetch_sub(bytes, Ordering::Relaxed);
        for written in finished {
            let _ = written.send(());
        }
    }
}

fn filter(written: &str) -> anyhow::Result<EnvFilter> {
    if !written.split(',').all(is_directive) {
        bail!(fault(written));
    }
    let filter = EnvFilter::try_new(written).map_err(|_| anyhow!(fault(written)))?;
    // Below that level rmcp logs whole calls, with what people write.
    Ok(filter.add_directive("rmcp=error".parse()?))
}

/// Whether it is a level, or one for a part of the program. The filter itself would take any word, also a misspelt
/// level, for the name of a part whose whole log is wanted.
fn is_directive(written: &str) -> bool {
    let (part, level) = written
        .rsplit_once('=')
        .map_or((None, written), |(part, level)| (Some(part), level));
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    level.starts_with(|c: char| c.is_ascii_alphabetic())
        && level.parse::<LevelFilter>().is_ok()
        && part.is_none_or(is_name)
}

fn fault(written: &str) -> String {
    format!(
        "{VARIABLE}={written:?} is not of the right form; write a level (off, error, warn, info, debug or trace), or levels \
         of parts of the program, such as {VARIABLE}=debug or {VARIABLE}={USUAL}, or leave it out"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn lines_are_written_in_order_and_those_that_nobody_reads_are_counted_and_hold_up_nobody() {
        let (queue, asked) = mpsc::channel();
        let waiting = Arc::<Waiting>::default();
        let mut lines = Lines {
            queue: queue.clone(),
            waiting: waiting.clone(),
        };
        let line = format!("{}\n", "x".repeat(1023));
        for number in 0..2000 {
            lines.write_all(format!("{number}{line}").as_bytes()).unwrap();
        }
        let (written, is_written) = mpsc::sync_channel(1);
        queue.send(Asked::Finish(written)).unwrap();
        drop((lines, queue));
        let (read, write) = io::pipe().unwrap();
        let reader = thread::spawn(move || io::read_to_string(read).unwrap());
        write_all(&asked, &waiting, || write.try_clone().unwrap());
        is_written.recv().unwrap();
        drop(write);
        let text = reader.join().unwrap();
        let numbers = text.lines().map(|line| line.trim_end_matches('x').to_owned());
        let numbers: Vec<String> = numbers.collect();
        let (last, kept) = numbers.split_last().unwrap();
        let expected: Vec<String> = (0..kept.len()).map(|number| number.to_string()).collect();
        assert_eq!(kept, expected);
        assert!((1000..1100).contains(&kept.len()), "{}", kept.len());
        assert_eq!(
            *last,
            format!(
                "{} lines of the log are lost: they came faster than they were read",
                2000 - kept.len()
            )
        );
        assert_eq!(waiting.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn levels_are_taken_for_all_and_for_parts() {
        for written in [
            "debug",
            "WARN",
            "off",
            "berth=debug",
            "berth=info,warn",
            "berth::http=trace,rmcp=off",
            USUAL,
            QUIET,
        ] {
            filter(written).unwrap();
        }
    }

    #[test]
    fn what_would_log_something_else_is_refused_with_the_right_form() {
        for written in [
            "",
            " ",
            "=",
            ",",
            "debgu",
            "berth",
            "berth=",
            "berth=debgu",
            "berth==info",
            "=info",
            "berth=info,",
            "berth=info warn",
            "berth = info",
            "berth=info, warn",
            "berth:info",
            "berth=info;warn",
            "info,berth=6",
            "7",
        ] {
            let told = filter(written).unwrap_err().to_string();
            assert!(
                told.contains("BERTH_LOG=debug") && told.contains("berth=info,warn"),
                "{written:?}: {told}"
            );
        }
    }
}
