//! One session of a host: a `/bin/sh -s` there, by its three streams.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// The streams of a shell that reads its script from standard input. Dropping this ends nothing on the other side.
pub(crate) struct Channel {
    pub(crate) stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// Its place among the sessions, given back when this is dropped.
    pub(crate) place: Box<dyn Place>,
}

/// The place of a session among those that a host lets.
pub(crate) trait Place: Send {
    /// Gives it back before: its login hangs, and nobody waits any more for what it says. Whether there is room to hear it
    /// further, so that it can be ended; otherwise the session is to be dropped.
    fn give_up(&mut self) -> bool;
}

impl Place for () {
    fn give_up(&mut self) -> bool {
        true
    }
}

/// Why no session was opened. Who knows the way there finds its own kind of error in it by `downcast_ref`.
pub(crate) type Unopened = Arc<dyn Error + Send + Sync>;

/// A way to shells on one machine.
#[async_trait]
pub(crate) trait Way: Send + Sync {
    /// Opens a session, or waits for a place for it until `deadline`.
    async fn open(&self, deadline: Instant) -> Result<Channel, Unopened>;

    /// The same for what ends another session, for which a place is kept free.
    async fn open_to_kill(&self, deadline: Instant) -> Result<Channel, Unopened>;
}
