//! What a host's own `/bin/sh` does for berth, over any pair of streams.

mod channel;

pub(crate) use self::channel::{Channel, Unopened, Way};
