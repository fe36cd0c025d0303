//! What a job is, as it is left with the job on a host for another installation that takes it over.

use std::io;

use super::lines::{Lines, bad, text};

/// What a job is, as its index has it. What a job runs is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Whose job it is.
    pub backend: String,
    /// A key of the backend's own making.
    pub key: String,
    /// One job of a queue runs at a time.
    pub queue: String,
    /// The backend's own record of what it is.
    pub note: String,
    /// Whether input may be added.
    pub interactive: bool,
    /// Whether the backend is told of output.
    pub watch: bool,
    /// Milliseconds since 1970.
    pub queued_at: u64,
}

impl About {
    /// Bytes of keys and queues.
    pub const NAME: usize = 256;
    /// Bytes of a note.
    pub const NOTE: usize = 64 << 10;

    pub(super) fn text(&self) -> String {
        let flag = |set: bool| if set { "yes" } else { "no" }.to_owned();
        text([
            ("backend", self.backend.clone()),
            ("key", self.key.clone()),
            ("queue", self.queue.clone()),
            ("note", self.note.clone()),
            ("interactive", flag(self.interactive)),
            ("watch", flag(self.watch)),
            ("queued", self.queued_at.to_string()),
        ])
    }

    /// What these bytes say, within the bounds of what can be submitted.
    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let lines = Lines::parse(bytes)?;
        let needed = |key, fits: &dyn Fn(usize) -> bool| {
            let value = lines.first(key).filter(|value| fits(value.len()));
            value
                .map(str::to_owned)
                .ok_or_else(|| bad("something in it is missing, or too long"))
        };
        let is_name = |length| (1..=Self::NAME).contains(&length);
        let flag = |key| lines.first(key) == Some("yes");
        Ok(Self {
            backend: needed("backend", &is_name)?,
            key: needed("key", &is_name)?,
            queue: needed("queue", &is_name)?,
            note: needed("note", &|length| length <= Self::NOTE)?,
            interactive: flag("interactive"),
            watch: flag("watch"),
            queued_at: lines.needed("queued")?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn about() -> About {
        About {
            backend: "mac-jobs".into(),
            key: "run/1".into(),
            queue: "app\nweb".into(),
            note: "{\"task\":\"a\\nb\"}".into(),
            interactive: true,
            watch: false,
            queued_at: 7,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(About::parse(about().text().into_bytes()).unwrap(), about());
        let empty = About {
            note: String::new(),
            ..about()
        };
        assert_eq!(About::parse(empty.text().into_bytes()).unwrap(), empty);
    }

    #[test]
    fn what_nobody_could_have_submitted_is_not_read() {
        let long = |length: usize| "x".repeat(length);
        for wrong in [
            About {
                key: String::new(),
                ..about()
            },
            About {
                queue: long(About::NAME + 1),
                ..about()
            },
            About {
                note: long(About::NOTE + 1),
                ..about()
            },
            About {
                backend: String::new(),
                ..about()
            },
            About {
                queued_at: u64::MAX,
                ..about()
            },
        ] {
            assert!(About::parse(wrong.text().into_bytes()).is_err(), "{wrong:?}");
        }
        assert!(About::parse(b"format 1\nbackend x\n".to_vec()).is_err());
    }
}
