//! Every number of admission, with its reason. `docs/security.md` has them in a table.
//!
//! Files: [`SOCKETS`] of HTTP and 256 of the unix socket, with what backends and the database hold, stay below
//! [`OPEN_FILES`], to which the server raises its own limit at the start.

use std::time::Duration;

/// How long a caller that finds no room waits for some: a short crowd passes unnoticed, and a client gets an answer
/// before it gives up.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// TCP connections that have shown no valid token yet. A tunnel or a browser holds a handful; more only hold memory.
pub const STRANGERS_SOCKETS: usize = 256;
/// Of these, from one address that is not this machine's: this is enough for a household or an office behind one
/// address. On this machine, where a tunnel brings all strangers from one address, all may come from one.
pub const ONE_ADDRESS_SOCKETS: usize = 64;
/// TCP connections on which a valid token was shown. A connection that finds no room here is still answered, as a
/// stranger's connection that may have to make room.
pub const CALLERS_SOCKETS: usize = 256;
/// TCP connections that are open at all: all of these, and some that were told to make room and have not gone yet. While
/// there are more, no further one is accepted.
pub const SOCKETS: usize = STRANGERS_SOCKETS + CALLERS_SOCKETS + 64;
/// TCP connections that the kernel keeps until they are accepted. It would drop more connections than that, and a
/// client tries again only after a second; 128 is usual.
pub const BACKLOG: i32 = 1024;
/// TCP connections that were accepted and have not had a turn yet to be read. While there are as many, no further one is
/// accepted: so each has been read, if it has said anything, long before it may have to make room.
pub const NEWCOMERS: usize = 32;
/// Connections to the unix socket. Each `berth stdio` holds one as long as its client runs; a hundred agents have one each.
pub const LOCAL_SOCKETS: usize = 256;
/// Connections to the unix socket that are being told that there is no room.
pub const LOCAL_SOCKETS_REFUSED: usize = 32;

/// How long a connection may stay silent before its first byte: clients speak as soon as they are connected.
pub const FIRST_BYTE: Duration = Duration::from_secs(2);
/// How long the head of a request may take, and an idle connection may stay until the next one.
pub const HEAD: Duration = Duration::from_secs(10);
/// How long a body may take to arrive.
pub const BODY: Duration = Duration::from_secs(10);
/// How long a connection to the unix socket may take to its first line.
pub const FIRST_LINE: Duration = Duration::from_secs(10);

/// Bytes of bodies that arrive, or have arrived and wait for a place: what they may take of this machine's memory.
pub const BODIES: usize = 32 << 20;
/// At least this many of the longest that the configuration allows; otherwise one caller, with half of it, could not
/// send any.
pub const BODIES_OF_THE_LONGEST: usize = 4;
/// The least that a body counts, in bytes: an empty one costs its connection's buffers too.
pub const LEAST_OF_A_BODY: usize = 1 << 10;

/// Requests of one client of a stream that may be unanswered; it is read no further until one is answered.
pub const UNANSWERED: usize = 32;
/// Bytes of one line of a stream: as long as a body may be by default.
pub const LONGEST_LINE: u64 = 1 << 20;
/// Calls that may wait for a place, of one caller and in all: a further call is refused at once.
pub const ONE_CALLERS_LINE: usize = 64;
/// See [`ONE_CALLERS_LINE`].
pub const LINE: usize = 512;

/// The least `max_requests`: with fewer places, half of them or the operator's share would be zero.
pub const LEAST_REQUESTS: usize = 4;

/// Calls that wait (`wait_seconds`). One costs a connection and some kilobytes; people and agents follow a few sessions.
pub const WAITS: usize = 128;
/// Waits of one caller.
pub const ONE_CALLERS_WAITS: usize = 32;
/// Requests over HTTP that listen for a change of the tools, a minute at most. One costs as much as a call that waits.
pub const LISTENING: usize = 128;
/// Of these, of one caller.
pub const ONE_CALLERS_LISTENING: usize = 32;

/// Requests of strangers at work: what they ask is small, and answered at once. The operator, who is not a stranger,
/// does not need these places.
pub const STRANGERS_REQUESTS: usize = 16;

/// Apps that registered and were never approved. Each is some 200 bytes of the database.
pub const UNAPPROVED_APPS: usize = 1000;
/// Of these, from one address. Behind a tunnel that is not believed, all come from one: then the owner has as long as a
/// hundred further registrations take, ten minutes at least, to approve the one just made.
pub const ONE_ADDRESS_UNAPPROVED_APPS: usize = 100;

/// Entries of the record for refusals of one kind, in a minute. There are three kinds, so that a flood of one hides none
/// of another: those of callers; those of strangers who want a connection, a place or a turn; and those of strangers'
/// passphrases and tokens. A million entries are 150 MB, so all three at their bound fill some 40 MB a day.
pub const RECORDED: usize = 60;
/// Of these, for one caller or address.
pub const ONE_CALLERS_RECORDED: usize = 6;

/// Open files that the server needs at most. Linux gives 1024 and macOS 256 by default, and both let a process raise that.
pub const OPEN_FILES: u64 = 2048;
