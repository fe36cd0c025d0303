//! What comes on the input, line by line. A thread reads it, so the agent can be spoken to while it works.

use std::io::{self, BufRead as _, BufReader, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde_json::Value;

use super::message::Message;

/// Lines that are read before the agent takes them. Then whoever writes them waits.
const AHEAD: usize = 64;

/// One line of the input, understood.
#[derive(Debug)]
pub(super) enum Input {
    Message(Message),
    /// The client asks the agent for something.
    Request {
        id: String,
        request: Value,
    },
    /// The client answers what the agent asked for.
    Answer {
        id: String,
        line: Value,
    },
    /// It cannot be read, for this reason.
    Broken(String),
}

/// Begins to read the lines of Claude Code's protocol.
pub(super) fn open(input: impl Read + Send + 'static) -> Receiver<Input> {
    lines(input, |line| match line {
        Ok(line) => understand(line),
        Err(error) => Some(Input::Broken(format!("reading standard input: {error}"))),
    })
}

/// Begins to read lines, and passes on what is understood. After the end of the input, or an error, the channel is closed.
pub(super) fn lines<T: Send + 'static>(
    input: impl Read + Send + 'static,
    understand: fn(io::Result<&[u8]>) -> Option<T>,
) -> Receiver<T> {
    let (sender, receiver) = sync_channel(AHEAD);
    thread::spawn(move || read(input, understand, &sender));
    receiver
}

fn read<T>(input: impl Read, understand: fn(io::Result<&[u8]>) -> Option<T>, sender: &SyncSender<T>) {
    let mut input = BufReader::new(input);
    loop {
        let mut line = Vec::new();
        let got = input.read_until(b'\n', &mut line);
        if matches!(got, Ok(0)) {
            return;
        }
        let is_over = got.is_err();
        let taken = understand(got.map(|_| line.trim_ascii()));
        // The agent may have ended.
        if taken.is_some_and(|taken| sender.send(taken).is_err()) || is_over {
            return;
        }
    }
}

/// Other lines say nothing that this agent understands.
fn understand(line: &[u8]) -> Option<Input> {
    if line.is_empty() {
        return None;
    }
    let Ok(line) = serde_json::from_slice::<Value>(line) else {
        let complaint = format!("Error parsing streaming input line ({} chars)", line.len());
        return Some(Input::Broken(complaint));
    };
    match line["type"].as_str()? {
        "user" => Message::of(&line).map(Input::Message),
        "control_request" => Some(Input::Request {
            id: line["request_id"].as_str()?.to_owned(),
            request: line["request"].clone(),
        }),
        "control_response" => Some(Input::Answer {
            id: line["response"]["request_id"].as_str()?.to_owned(),
            line,
        }),
        _ => None,
    }
}
