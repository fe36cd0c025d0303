//! What a job prints: each of its outputs in segments, of which the oldest go when there is too much. Offsets count from
//! the job's beginning.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};

use rustix::fs::OFlags;

use super::place::Job;

/// Parts of what is kept: when one more is needed, the oldest goes.
const SEGMENTS: u64 = 8;
/// Bytes of a segment, at least.
const SMALLEST: u64 = 4 << 10;
/// Segments of a channel that are looked at.
const MOST: usize = 64;
/// How often a reader looks again when a segment went meanwhile.
const LOOKS: usize = 4;

/// One of a job's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

/// Part of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Where `bytes` begins.
    pub start: u64,
    /// What was printed from there on.
    pub bytes: Vec<u8>,
}

impl Channel {
    fn segment(self, start: u64) -> String {
        let name = match self {
            Self::Output => "out",
            Self::Errors => "err",
        };
        format!("{name}.{start}")
    }

    /// Where the segment called `name` begins, if it is one of this channel.
    fn start(self, name: &str) -> Option<u64> {
        let start = name.split_once('.')?.1.parse().ok()?;
        (self.segment(start) == name && start < 1 << 53).then_some(start)
    }
}

impl Job {
    /// At most `most` bytes of `channel` from its byte `start` on, or from the first later one that is still kept.
    ///
    /// # Errors
    /// What the system says.
    pub fn output(&self, channel: Channel, start: u64, most: u64) -> io::Result<Chunk> {
        for _ in 1..LOOKS {
            match self.output_now(channel, start, most) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                read => return read,
            }
        }
        self.output_now(channel, start, most)
    }

    fn output_now(&self, channel: Channel, start: u64, most: u64) -> io::Result<Chunk> {
        let segments = self.segments(channel)?;
        let end = end(&segments);
        let first = segments.iter().find(|(first, length)| *first + *length > start);
        let Some((&first, _)) = first else {
            return Ok(Chunk {
                start: start.min(end),
                bytes: Vec::new(),
            });
        };
        let start = start.max(first);
        let mut bytes = Vec::new();
        for (&first, &length) in segments.range(first..) {
            let at = start + bytes.len() as u64;
            let left = most - bytes.len() as u64;
            // What others put there may lack a part; then this ends before it.
            if left == 0 || !(first..first + length).contains(&at) {
                break;
            }
            let mut file = File::from(self.open_at(&channel.segment(first), OFlags::RDONLY)?);
            file.seek(SeekFrom::Start(at - first))?;
            file.take(left.min(first + length - at)).read_to_end(&mut bytes)?;
        }
        Ok(Chunk { start, bytes })
    }

    /// Bytes that were printed to `channel`.
    ///
    /// # Errors
    /// What the system says.
    pub fn printed(&self, channel: Channel) -> io::Result<u64> {
        Ok(end(&self.segments(channel)?))
    }

    /// The segments of a channel that are kept: where each begins, and its length.
    fn segments(&self, channel: Channel) -> io::Result<BTreeMap<u64, u64>> {
        let names = self.names()?;
        let starts: BTreeMap<u64, &String> = names
            .iter()
            .filter_map(|name| Some((channel.start(name)?, name)))
            .collect();
        let newest = starts.into_iter().rev().take(MOST);
        let length = |name: &str| match self.length(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            length => length.map(|length| Some(length.min((1 << 53) - 1))),
        };
        newest
            .filter_map(|(start, name)| Some(length(name).transpose()?.map(|length| (start, length))))
            .collect()
    }
}

fn end(segments: &BTreeMap<u64, u64>) -> u64 {
    segments.last_key_value().map_or(0, |(start, length)| start + length)
}

/// Keeps what is printed.
pub(super) struct Keep<'j> {
    job: &'j Job,
    channel: Channel,
    most: u64,
    /// Those that are kept, and the last one open.
    segments: BTreeMap<u64, u64>,
    file: Option<File>,
}

impl<'j> Keep<'j> {
    /// At most `most` bytes are kept, but at least a segment.
    pub(super) fn new(job: &'j Job, channel: Channel, most: u64) -> Self {
        Self {
            job,
            channel,
            most,
            segments: BTreeMap::new(),
            file: None,
        }
    }

    /// Keeps `bytes`.
    pub(super) fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let full = (self.most / SEGMENTS).max(SMALLEST);
        if self.file.is_none()
            || self
                .segments
                .last_key_value()
                .is_some_and(|(_, length)| *length >= full)
        {
            self.next()?;
        }
        if let (Some(file), Some(mut last)) = (&mut self.file, self.segments.last_entry()) {
            file.write_all(bytes)?;
            *last.get_mut() += bytes.len() as u64;
        }
        self.drop_oldest()
    }

    /// Waits until the disk has what was kept last.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    fn next(&mut self) -> io::Result<()> {
        let start = end(&self.segments);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        self.file = Some(File::from(self.job.open_at(&self.channel.segment(start), flags)?));
        self.segments.insert(start, 0);
        Ok(())
    }

    fn drop_oldest(&mut self) -> io::Result<()> {
        while self.segments.len() > 1 && self.segments.values().sum::<u64>() > self.most {
            if let Some((start, _)) = self.segments.pop_first() {
                self.job.remove_file(&self.channel.segment(start))?;
            }
        }
        Ok(())
    }
}
