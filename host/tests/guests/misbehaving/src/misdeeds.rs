//! What a plugin must not be able to do, or must not do harm with. Each misdeed is an own tool; its arguments are JSON.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use berth_plugin::log::Level;
use berth_plugin::{Access, Content, Error, Result, ToolOutput, context, log, store};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::hosts;
use crate::jobs;
use crate::lists::FORGED;
use crate::raw;
use crate::raw::files::{self, Listing, Slice};
use crate::raw::process::{self, Command, Output};
use crate::sessions::{self, TYPED};

/// A misdeed, given its arguments.
pub(crate) type Misdeed = fn(&Value) -> Result<ToolOutput>;

/// All misdeeds, by the names of their tools.
pub(crate) const ALL: &[(&str, Misdeed)] = &[
    ("noop", noop),
    ("endless_loop", |_| hang()),
    ("endless_allocation", endless_allocation),
    ("trap", |_| panic!("a misdeed")),
    ("huge_answer", huge_answer),
    ("many_values", many_values),
    ("deep_values", deep_values),
    ("huge_request", huge_request),
    ("echo", echo),
    ("broken_json", broken_json),
    ("structured", structured),
    ("contents", contents),
    ("many_contents", many_contents),
    ("read_environment", read_environment),
    ("open_file", open_file),
    ("remember", remember),
    ("typed", typed),
    ("list_state", list_state),
    ("store_get", store_get),
    ("store_put", store_put),
    ("store_remove", store_remove),
    ("store_keys", store_keys),
    ("store_fill", store_fill),
    ("store_count", store_count),
    ("write_log", write_log),
    ("tell_progress", tell_progress),
    ("tell_context", tell_context),
    ("socket", socket),
    ("read_file", read_file),
    ("list_files", list_files),
    ("run", run),
    ("run_often", run_often),
    ("act", act),
    ("flood", flood),
    ("job_submit", jobs::submit),
    ("job_get", jobs::get),
    ("job_list", jobs::recent),
    ("job_write", jobs::write),
    ("job_cancel", jobs::cancel),
    ("job_label", jobs::label),
    ("hosts", hosts::labels),
    ("host_run", hosts::run),
    ("host_roots", hosts::roots),
    ("host_entries", hosts::entries),
    ("host_read", hosts::read),
];

/// Works for ever.
pub(crate) fn hang<T>() -> T {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

/// The least that a call can do.
fn noop(_: &Value) -> Result<ToolOutput> {
    said("done")
}

fn endless_allocation(_: &Value) -> Result<ToolOutput> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// `bytes` of text.
fn huge_answer(arguments: &Value) -> Result<ToolOutput> {
    said("x".repeat(number(arguments, "bytes")))
}

/// `bytes` of data that are empty lists.
fn many_values(arguments: &Value) -> Result<ToolOutput> {
    let mut data = String::from(r#"{"values":[[]"#);
    while data.len() < number(arguments, "bytes") {
        data.push_str(",[]");
    }
    data.push_str("]}");
    said_with("see the data", data)
}

/// An object with lists in lists, `depth` deep in all.
fn deep_values(arguments: &Value) -> Result<ToolOutput> {
    let lists = number(arguments, "depth") - 1;
    let data = format!(r#"{{"deep":{}{}}}"#, "[".repeat(lists), "]".repeat(lists));
    said_with("see the data", data)
}

/// A program with `bytes` of standard input.
fn huge_request(arguments: &Value) -> Result<ToolOutput> {
    let mut command = command(&arguments["command"]);
    command.stdin = vec![b'x'; number(arguments, "bytes")];
    answered(json!({"outcomes": outcomes(process::run(&[command]))}))
}

/// `text` as text, as data, and as the name of a field.
fn echo(arguments: &Value) -> Result<ToolOutput> {
    let text = string(arguments, "text");
    let data = json!({"text": &text, "fields": {&text: true}}).to_string();
    said_with(text, data)
}

fn broken_json(_: &Value) -> Result<ToolOutput> {
    said_with("it is broken", "{")
}

/// `text` as its data, which need not be an object, and the `session` that goes on.
fn structured(arguments: &Value) -> Result<ToolOutput> {
    let output = ToolOutput::text("see the data");
    Ok(ToolOutput {
        structured: arguments["text"].as_str().map(str::to_owned),
        session: arguments["session"].as_str().map(str::to_owned),
        failed: arguments["failed"] == true,
        ..output
    })
}

/// Content of each kind, with texts that would be rows of others.
fn contents(_: &Value) -> Result<ToolOutput> {
    Ok(ToolOutput::text(FORGED)
        .content(Content::Media(("image/png".into(), vec![0x89, b'P', b'N', b'G'])))
        .content(Content::Media((FORGED.into(), vec![0; 9])))
        .content(Content::Link(("https://example.com/x".into(), FORGED.into())))
        .content(Content::Link(("javascript:alert(1)".into(), "a title".into())))
        .fact(FORGED, FORGED))
}

/// `count` pieces of content, of `bytes` each.
fn many_contents(arguments: &Value) -> Result<ToolOutput> {
    let piece = || Content::Media(("image/png".into(), vec![1; number(arguments, "bytes")]));
    let output = ToolOutput::text("see the pictures");
    Ok((0..number(arguments, "count")).fold(output, |output, _| output.content(piece())))
}

/// What WASI tells of the process that the plugin runs in.
fn read_environment(_: &Value) -> Result<ToolOutput> {
    answered(json!({
        "variables": std::env::vars().collect::<Vec<_>>(),
        "arguments": std::env::args().collect::<Vec<_>>(),
    }))
}

/// `path`, by WASI.
fn open_file(arguments: &Value) -> Result<ToolOutput> {
    answered(match std::fs::read_to_string(string(arguments, "path")) {
        Ok(text) => json!({"text": text}),
        Err(error) => json!({"error": error.to_string()}),
    })
}

/// Adds `text` to the key `remembered` and answers what is there then.
fn remember(arguments: &Value) -> Result<ToolOutput> {
    sessions::note("remembered", &string(arguments, "text"))?;
    said(store::get::<String>("remembered")?.unwrap_or_default())
}

/// What was typed into sessions.
fn typed(_: &Value) -> Result<ToolOutput> {
    said(store::get::<String>(TYPED)?.unwrap_or_default())
}

/// How many keys the store has.
fn list_state(_: &Value) -> Result<ToolOutput> {
    said(store::keys("")?.len().to_string())
}

/// What is at `key`, and its version.
fn store_get(arguments: &Value) -> Result<ToolOutput> {
    outcome(store::raw::get(&string(arguments, "key")).map(|entry| {
        entry.map(|entry| json!({"text": String::from_utf8_lossy(&entry.value), "version": entry.version}))
    }))
}

/// `text`, or `bytes` of it, at `key`, where the version is the one that is expected.
fn store_put(arguments: &Value) -> Result<ToolOutput> {
    let value = match arguments["bytes"].as_u64() {
        Some(_) => vec![b'x'; number(arguments, "bytes")],
        None => string(arguments, "text").into_bytes(),
    };
    outcome(store::raw::put(
        &string(arguments, "key"),
        &value,
        arguments["expect"].as_u64(),
    ))
}

fn store_remove(arguments: &Value) -> Result<ToolOutput> {
    outcome(store::raw::remove(
        &string(arguments, "key"),
        arguments["expect"].as_u64(),
    ))
}

/// At most `limit` keys at once, beginning with `prefix` and past `after`.
fn store_keys(arguments: &Value) -> Result<ToolOutput> {
    let limit = u32::try_from(number(arguments, "limit")).expect("fewer");
    let prefix = arguments["prefix"].as_str().unwrap_or_default();
    let keys = store::raw::keys(prefix, arguments["after"].as_str(), limit);
    outcome(keys.map(|keys| json!({"count": keys.len(), "first": keys.first(), "last": keys.last()})))
}

/// Sets the keys `<prefix><number>`, `count` of them with `bytes` each, until one is refused.
fn store_fill(arguments: &Value) -> Result<ToolOutput> {
    let value = vec![b'x'; number(arguments, "bytes")];
    let prefix = arguments["prefix"].as_str().unwrap_or("fill/");
    for key in 0..number(arguments, "count") {
        if let Err(error) = store::raw::put(&format!("{prefix}{key:06}"), &value, None) {
            let (case, why) = case(&error);
            return answered(json!({"set": key, case: why}));
        }
    }
    answered(json!({"set": number(arguments, "count")}))
}

/// Counts up at `key`, `times` times; what is there at the end.
fn store_count(arguments: &Value) -> Result<ToolOutput> {
    let mut count = 0;
    for _ in 0..number(arguments, "times") {
        count = store::update(&string(arguments, "key"), |count: &mut u64| {
            *count += 1;
            *count
        })?;
    }
    said(count.to_string())
}

/// `text` as `times` lines of the operator's log.
fn write_log(arguments: &Value) -> Result<ToolOutput> {
    for _ in 0..number(arguments, "times") {
        log::write(Level::Warn, string(arguments, "text"));
    }
    said("done")
}

/// `text` as progress, `times` times.
fn tell_progress(arguments: &Value) -> Result<ToolOutput> {
    let times = u32::try_from(number(arguments, "times")).expect("fewer");
    for time in 0..times {
        log::progress(time, Some(times), string(arguments, "text"));
    }
    said("done")
}

/// What the call knows of itself.
fn tell_context(_: &Value) -> Result<ToolOutput> {
    let call = context::get();
    answered(json!({"deadline": call.deadline, "may_act": call.access == Access::Control}))
}

/// A connection to `port` of this machine, by WASI.
fn socket(arguments: &Value) -> Result<ToolOutput> {
    let port = u16::try_from(number(arguments, "port")).expect("a port");
    answered(
        match TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
            Ok(_) => json!({"connected": true}),
            Err(error) => json!({"error": error.to_string()}),
        },
    )
}

/// `path`, by the contract; at most `max` bytes.
fn read_file(arguments: &Value) -> Result<ToolOutput> {
    let slice = Slice {
        path: string(arguments, "path"),
        start: arguments["start"].as_u64().unwrap_or(0),
        max: u32::try_from(arguments["max"].as_u64().unwrap_or(1_000)).expect("fewer"),
    };
    let bytes = files::read(&[slice]).remove(0).map_err(known)?;
    said(String::from_utf8_lossy(&bytes))
}

/// The entries of `path`, by the contract, and the granted directories.
fn list_files(arguments: &Value) -> Result<ToolOutput> {
    let having = arguments["having"].as_array().into_iter().flatten();
    let having: Vec<String> = having.map(|name| name.as_str().expect("a text").to_owned()).collect();
    let directory = string(arguments, "path");
    let listing = Listing { directory, having };
    let entries = files::entries(&[listing]).remove(0).map_err(known)?;
    let names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
    answered(json!({"names": names, "roots": files::roots()}))
}

/// `commands`, all at once.
fn run(arguments: &Value) -> Result<ToolOutput> {
    let commands: Vec<Command> = items(arguments, "commands").iter().map(command).collect();
    answered(json!({"outcomes": outcomes(process::run(&commands))}))
}

/// `command`, again and again, `times` in all; the last outcome.
fn run_often(arguments: &Value) -> Result<ToolOutput> {
    let command = command(&arguments["command"]);
    let mut last = Vec::new();
    for _ in 0..number(arguments, "times") {
        last = process::run(std::slice::from_ref(&command));
    }
    answered(json!({"outcomes": outcomes(last)}))
}

/// Runs `command`, and then answers as `then` says.
fn act(arguments: &Value) -> Result<ToolOutput> {
    process::run(&[command(&arguments["command"])]);
    let structured = match arguments["then"].as_str().expect("a text") {
        "broken" => "{".to_owned(),
        "large" => format!("\"{}\"", "x".repeat(300 << 10)),
        "many" => format!("[{}0]", "0,".repeat(40_000)),
        "deep" => "[".repeat(100) + &"]".repeat(100),
        "list" => "[1]".to_owned(),
        "text" => "\"text\"".to_owned(),
        "object" => "{}".to_owned(),
        "trap" => panic!("a misdeed"),
        "hang" => hang(),
        "huge" => "x".repeat(20 << 20),
        "fail" => return Err(Error::Failed("it broke".into())),
        "refuse" => return Err(Error::Refused("it was undone".into())),
        _ => return said("no data"),
    };
    said_with("what it says\nitself", structured)
}

/// Answers 15 MB of hostile text, as an error where `as` is `error`.
fn flood(arguments: &Value) -> Result<ToolOutput> {
    match string(arguments, "as").as_str() {
        "error" => Err(Error::Failed(sessions::flood())),
        "program" => answered(json!({"outcomes": outcomes(process::run(&[Command {
            program: sessions::flood(),
            ..command(&json!({"program": ""}))
        }]))})),
        "path" => {
            let listing = Listing {
                directory: sessions::flood(),
                having: Vec::new(),
            };
            files::entries(&[listing]).remove(0).map_err(known)?;
            said("listed")
        }
        "print" => {
            println!("{}", sessions::flood());
            #[expect(clippy::print_stderr, reason = "it misbehaves")]
            {
                eprintln!("{}", sessions::flood());
            }
            said("printed")
        }
        _ => said(sessions::flood()),
    }
}

#[derive(Deserialize)]
struct Wanted {
    program: String,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    stdin: String,
    directory: Option<String>,
    #[serde(default)]
    env: Vec<(String, String)>,
    timeout_ms: Option<u32>,
}

pub(crate) fn command(arguments: &Value) -> Command {
    let wanted = Wanted::deserialize(arguments).expect("a command");
    Command {
        program: wanted.program,
        args: wanted.args,
        stdin: wanted.stdin.into_bytes(),
        directory: wanted.directory,
        env: wanted.env,
        timeout_ms: wanted.timeout_ms,
    }
}

/// Each outcome as data: what a program printed, or the error's case and words.
pub(crate) fn outcomes(results: Vec<std::result::Result<Output, raw::Error>>) -> Vec<Value> {
    let outcome = |result| match result {
        Ok(Output {
            status,
            signal,
            stdout,
            stderr,
            truncated,
        }) => json!({
            "status": status,
            "signal": signal,
            "stdout": String::from_utf8_lossy(&stdout),
            "stderr": String::from_utf8_lossy(&stderr),
            "truncated": truncated,
        }),
        Err(error) => errored(error),
    };
    results.into_iter().map(outcome).collect()
}

/// An error's case and words.
pub(crate) fn errored(error: raw::Error) -> Value {
    let error = known(error);
    let (case, why) = case(&error);
    json!({case: why})
}

/// An outcome as data, under `done`, or the error's case and words.
fn outcome(result: Result<impl serde::Serialize>) -> Result<ToolOutput> {
    match result {
        Ok(done) => answered(json!({"done": done})),
        Err(error) => {
            let (case, why) = case(&error);
            answered(json!({case: why}))
        }
    }
}

/// An error of the raw contract as the SDK has it.
fn known(error: raw::Error) -> Error {
    match error {
        raw::Error::NotFound(why) => Error::NotFound(why),
        raw::Error::Unsupported => Error::Unsupported,
        raw::Error::Invalid(why) => Error::Invalid(why),
        raw::Error::Busy => Error::Busy,
        raw::Error::Refused(why) => Error::Refused(why),
        raw::Error::Denied(why) => Error::Denied(why),
        raw::Error::Unavailable(why) => Error::Unavailable(why),
        raw::Error::Unauthenticated(why) => Error::Unauthenticated(why),
        raw::Error::Conflict(why) => Error::Conflict(why),
        raw::Error::Limited(why) => Error::Limited(why),
        raw::Error::TimedOut(why) => Error::TimedOut(why),
        raw::Error::Failed(why) => Error::Failed(why),
        raw::Error::Other(why) => Error::Other(why),
    }
}

fn case(error: &Error) -> (&'static str, &str) {
    match error {
        Error::NotFound(why) => ("not_found", why),
        Error::Unsupported => ("unsupported", ""),
        Error::Invalid(why) => ("invalid", why),
        Error::Busy => ("busy", ""),
        Error::Refused(why) => ("refused", why),
        Error::Denied(why) => ("denied", why),
        Error::Unavailable(why) => ("unavailable", why),
        Error::Unauthenticated(why) => ("unauthenticated", why),
        Error::Conflict(why) => ("conflict", why),
        Error::Limited((why, _)) => ("limited", why),
        Error::TimedOut(why) => ("timed_out", why),
        Error::Failed(why) => ("failed", why),
        Error::Other((_, why)) => ("other", why),
    }
}

pub(crate) fn said(text: impl Into<String>) -> Result<ToolOutput> {
    Ok(ToolOutput::text(text))
}

pub(crate) fn answered(data: Value) -> Result<ToolOutput> {
    said_with("see the data", data.to_string())
}

pub(crate) fn said_with(text: impl Into<String>, data: impl Into<String>) -> Result<ToolOutput> {
    Ok(ToolOutput {
        structured: Some(data.into()),
        ..ToolOutput::text(text)
    })
}

pub(crate) fn string(arguments: &Value, name: &str) -> String {
    arguments[name].as_str().expect("a text").to_owned()
}

fn number(arguments: &Value, name: &str) -> usize {
    usize::try_from(arguments[name].as_u64().expect("a number")).expect("a smaller one")
}

pub(crate) fn items<'a>(arguments: &'a Value, name: &str) -> &'a [Value] {
    arguments[name].as_array().expect("a list")
}
