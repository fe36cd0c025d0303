//! How many lines a backend may still write.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Lines that may come at once.
const BURST: f64 = 200.0;
/// Lines per second that may come continuously.
const RATE: f64 = 10.0;

/// The lines of one backend, of all its calls together.
#[derive(Debug)]
pub struct Lines(Mutex<Room>);

#[derive(Debug)]
struct Room {
    left: f64,
    counted: Instant,
    /// Lines that were left out since the last one that was written.
    left_out: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self(Mutex::new(Room {
            left: BURST,
            counted: Instant::now(),
            left_out: 0,
        }))
    }
}

impl Lines {
    /// Takes room for one line at `now`. Answers how many lines were left out before it, or nothing if there is no
    /// room.
    pub(super) fn take(&self, now: Instant) -> Option<u64> {
        let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(room.counted).as_secs_f64();
        room.left = (room.left + since * RATE).min(BURST);
        room.counted = now;
        if room.left < 1.0 {
            room.left_out += 1;
            return None;
        }
        room.left -= 1.0;
        Some(std::mem::take(&mut room.left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_off_and_the_next_line_says_how_many_are_missing() {
        let (lines, start) = (Lines::default(), Instant::now());
        let written = (0..1_000).filter(|_| lines.take(start).is_some()).count();
        assert_eq!(written, 200);
        assert_eq!(lines.take(start + Duration::from_secs(1)), Some(800));
        assert_eq!(lines.take(start + Duration::from_secs(1)), Some(0));
    }
}
