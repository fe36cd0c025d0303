//! Files of a host: what is in a directory, and parts of files.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::channel::Way;
use super::fault::{Fault, Refusal};
use super::quote::word;
use super::request::{ENTRIES, Prelude, READ, Unit, WITHIN};
use super::session::Work;
use super::within::{Within, whole};
use crate::machine::child::{Ended, Output};
use crate::machine::entry::{Entry, Kind, keep_newest};

/// Bytes of a list that are read, enough for some 200,000 entries with usual names.
const LISTED: u64 = 16 << 20;

/// At most `max` bytes of the file `at`, from the byte `start` on.
#[derive(Debug, Clone)]
pub(crate) struct Slice {
    pub(crate) at: Within,
    pub(crate) start: u64,
    pub(crate) max: u32,
    /// A link at the file's own place is not followed.
    pub(crate) no_links: bool,
}

/// What is in the directory `at` and `counts`, by name; of more than `most` those that were changed last. A `having` that
/// is not empty keeps only directories that hold something with one of these names. Names that are not text are left out.
pub(crate) async fn entries(
    way: &Arc<dyn Way>,
    until: Instant,
    at: &Within,
    having: &[String],
    most: usize,
    counts: impl Fn(&str, Kind) -> bool,
) -> Result<Vec<Entry>, Fault> {
    at.check()?;
    having.iter().try_for_each(|name| whole("a name", name))?;
    let mut units = vec![listing(format!("berth_list {}\n", at.words()), until)];
    if !having.is_empty() {
        let mut script = format!("berth_having {}", at.words());
        // No other name can be asked for, also not through one of these.
        for name in having.iter().filter(|name| name.split('/').all(|step| step != "..")) {
            let _ = write!(script, " {}", word(name));
        }
        script.push('\n');
        units.push(listing(script, until));
    }
    let work = Work {
        way: way.clone(),
        prelude: Prelude::of(&[&WITHIN, &ENTRIES]),
        units,
        until,
    };
    let mut outputs = work.perform().await.into_iter();
    let mut next = || whole_output(outputs.next().unwrap_or(Err(Fault::Lost)), LISTED);
    let listed = next()?;
    let holders: Option<HashSet<Vec<u8>>> = match having.is_empty() {
        true => None,
        false => Some(next()?.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()),
    };
    let mut entries = Vec::new();
    for entry in Listed(&listed) {
        let entry = entry?;
        let holds = |name: &str| holders.as_ref().is_none_or(|holders| holders.contains(name.as_bytes()));
        if let Some(entry) = entry
            && counts(&entry.name, entry.kind)
            && holds(&entry.name)
        {
            entries.push(entry);
        }
    }
    keep_newest(&mut entries, most);
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(entries)
}

/// Reads all of them in one round trip. A file system that hangs is left at `until`.
pub(crate) async fn read(way: &Arc<dyn Way>, until: Instant, slices: &[Slice]) -> Vec<Result<Vec<u8>, Fault>> {
    let units: Vec<Result<Unit, Fault>> = slices.iter().map(|slice| slice.unit(until)).collect();
    let work = Work {
        way: way.clone(),
        prelude: Prelude::of(&[&WITHIN, &READ]),
        units: units.iter().flatten().cloned().collect(),
        until,
    };
    let mut outputs = work.perform().await.into_iter();
    let read = units.into_iter().zip(slices).map(|(unit, slice)| {
        unit?;
        whole_output(outputs.next().unwrap_or(Err(Fault::Lost)), slice.max.into())
    });
    read.collect()
}

/// Whether a program may be told of the place `at`, which may still be missing: no link leads out of the granted directory.
pub(crate) async fn hold(way: &Arc<dyn Way>, until: Instant, at: &Within) -> Result<(), Fault> {
    at.check()?;
    let work = Work {
        way: way.clone(),
        prelude: Prelude::of(&[&WITHIN]),
        units: vec![listing(format!("berth_hold {}\n", at.words()), until)],
        until,
    };
    let held = work.perform().await.pop().unwrap_or(Err(Fault::Lost));
    whole_output(held, LISTED).map(drop)
}

impl Slice {
    fn unit(&self, until: Instant) -> Result<Unit, Fault> {
        self.at.check()?;
        if !self.at.names_a_file() {
            return Err(Fault::Refused(Refusal::NotRegular));
        }
        let follow = if self.no_links { "keep" } else { "follow" };
        let start = self.start.saturating_add(1);
        Ok(Unit {
            script: format!("berth_read {} {start} {} {follow}\n", self.at.words(), self.max),
            stdin: Vec::new(),
            deadline: until.saturating_duration_since(Instant::now()),
            output: self.max.into(),
            lingers: false,
        })
    }
}

fn listing(script: String, until: Instant) -> Unit {
    Unit {
        script,
        stdin: Vec::new(),
        deadline: until.saturating_duration_since(Instant::now()),
        output: LISTED,
        lingers: false,
    }
}

/// What was printed, if that is all of it.
pub(super) fn whole_output(outcome: Result<Ended, Fault>, most: u64) -> Result<Vec<u8>, Fault> {
    match outcome? {
        Ended::Finished(Output { truncated: true, .. }) => Err(Fault::TooMuch(most)),
        // A program that is missing or was killed has not looked at everything.
        Ended::Finished(output) if output.status.is_none_or(|status| status >= 126) => Err(Fault::Lost),
        Ended::Finished(output) => Ok(output.stdout),
        Ended::TimedOut(after) => Err(Fault::TimedOut(after)),
    }
}

/// The records of a list.
struct Listed<'a>(&'a [u8]);

impl Iterator for Listed<'_> {
    /// None for what has a name that is not text.
    type Item = Result<Option<Entry>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = split(&mut self.0, b"./").and_then(|facts| Some((facts, split(&mut self.0, b"/\n")?)));
        let entry = record.and_then(|(facts, name)| described(facts, name));
        if entry.is_none() {
            self.0 = &[];
        }
        Some(entry.ok_or(Fault::Lost))
    }
}

/// What is before `mark`, which is taken off too.
fn split<'a>(bytes: &mut &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memmem::find(bytes, mark)?;
    let before = &bytes[..at];
    *bytes = &bytes[at + mark.len()..];
    Some(before)
}

fn described(facts: &[u8], name: &[u8]) -> Option<Option<Entry>> {
    let mut facts = std::str::from_utf8(facts).ok()?.split_whitespace();
    let mode = u32::from_str_radix(facts.next()?, 16).ok()?;
    let size = facts.next()?.parse().ok()?;
    let modified = milliseconds(facts.next()?)?;
    // No directory has other names, whatever a host says.
    let is_name = |name: &&str| !matches!(*name, "" | "." | "..") && !name.contains(['/', '\0']);
    Some(std::str::from_utf8(name).ok().filter(is_name).map(|name| Entry {
        name: name.to_owned(),
        kind: match mode & 0o170_000 {
            0o040_000 => Kind::Directory,
            0o100_000 => Kind::File,
            _ => Kind::Other,
        },
        size,
        modified,
    }))
}

/// Of seconds with or without a fraction; 0 for what was before 1970.
fn milliseconds(time: &str) -> Option<u64> {
    let (seconds, fraction) = time.split_once(['.', ',']).unwrap_or((time, ""));
    let seconds: i64 = seconds.parse().ok()?;
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let since = Duration::from_secs(seconds.try_into().unwrap_or(0)) + Duration::from_millis(fraction.parse().ok()?);
    match time.starts_with('-') {
        true => Some(0),
        false => u64::try_from(since.as_millis()).ok(),
    }
}
