//! What a plugin must not be able to do, or must not do harm with. Each misdeed is an own tool; its arguments are JSON.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use berth_plugin::files::{self, Slice};
use berth_plugin::process::{self, Command, Output};
use berth_plugin::types::{Error, ToolOutput};
use serde::Deserialize;
use serde_json::{Value, json};

/// A misdeed, given its arguments.
pub(crate) type Misdeed = fn(&Value) -> Result<ToolOutput, Error>;

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
    ("read_environment", read_environment),
    ("open_file", open_file),
    ("remember", remember),
    ("list_state", list_state),
    ("socket", socket),
    ("read_file", read_file),
    ("list_files", list_files),
    ("run", run),
    ("run_often", run_often),
    ("act", act),
    ("flood", flood),
];

/// Works for ever.
pub(crate) fn hang<T>() -> T {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

/// The least that a call can do.
fn noop(_: &Value) -> Result<ToolOutput, Error> {
    said("done")
}

fn endless_allocation(_: &Value) -> Result<ToolOutput, Error> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// `bytes` of text.
fn huge_answer(arguments: &Value) -> Result<ToolOutput, Error> {
    said("x".repeat(number(arguments, "bytes")))
}

/// `bytes` of data that are empty lists.
fn many_values(arguments: &Value) -> Result<ToolOutput, Error> {
    let mut data = String::from("[[]");
    while data.len() < number(arguments, "bytes") {
        data.push_str(",[]");
    }
    data.push(']');
    Ok(ToolOutput {
        structured: Some(data),
        ..plain("see the data")
    })
}

/// Lists in lists, `depth` of them.
fn deep_values(arguments: &Value) -> Result<ToolOutput, Error> {
    let depth = number(arguments, "depth");
    Ok(ToolOutput {
        structured: Some("[".repeat(depth) + &"]".repeat(depth)),
        ..plain("see the data")
    })
}

/// A program with `bytes` of standard input.
fn huge_request(arguments: &Value) -> Result<ToolOutput, Error> {
    let mut command = command(&arguments["command"]);
    command.stdin = vec![b'x'; number(arguments, "bytes")];
    answered(json!({"outcomes": outcomes(process::run(&[command]))}))
}

/// `text` as text, as data, and as the name of a field.
fn echo(arguments: &Value) -> Result<ToolOutput, Error> {
    let text = string(arguments, "text");
    Ok(ToolOutput {
        structured: Some(json!({"text": &text, "fields": {&text: true}}).to_string()),
        ..plain(text)
    })
}

fn broken_json(_: &Value) -> Result<ToolOutput, Error> {
    Ok(ToolOutput {
        structured: Some("{".into()),
        ..plain("it is broken")
    })
}

/// What WASI tells of the process that the plugin runs in.
fn read_environment(_: &Value) -> Result<ToolOutput, Error> {
    answered(json!({
        "variables": std::env::vars().collect::<Vec<_>>(),
        "arguments": std::env::args().collect::<Vec<_>>(),
    }))
}

/// `path`, by WASI.
fn open_file(arguments: &Value) -> Result<ToolOutput, Error> {
    answered(match std::fs::read_to_string(string(arguments, "path")) {
        Ok(text) => json!({"text": text}),
        Err(error) => json!({"error": error.to_string()}),
    })
}

/// Adds `text` to a file in `/state` and answers what is in it then.
fn remember(arguments: &Value) -> Result<ToolOutput, Error> {
    let path = "/state/remembered";
    let mut text = std::fs::read_to_string(path).unwrap_or_default();
    let _ = writeln!(text, "{}", string(arguments, "text"));
    std::fs::write(path, &text).map_err(|error| Error::Failed(error.to_string()))?;
    said(text)
}

/// How many entries `/state` has, by WASI.
fn list_state(_: &Value) -> Result<ToolOutput, Error> {
    let entries = std::fs::read_dir("/state").map_err(|error| Error::Failed(error.to_string()))?;
    said(entries.count().to_string())
}

/// A connection to `port` of this machine, by WASI.
fn socket(arguments: &Value) -> Result<ToolOutput, Error> {
    let port = u16::try_from(number(arguments, "port")).expect("a port");
    answered(
        match TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
            Ok(_) => json!({"connected": true}),
            Err(error) => json!({"error": error.to_string()}),
        },
    )
}

/// `path`, by the contract; at most `max` bytes.
fn read_file(arguments: &Value) -> Result<ToolOutput, Error> {
    let slice = Slice {
        path: string(arguments, "path"),
        from: 0,
        max: u32::try_from(arguments["max"].as_u64().unwrap_or(1_000)).expect("fewer"),
    };
    let bytes = files::read(&[slice]).remove(0)?;
    said(String::from_utf8_lossy(&bytes))
}

/// The entries of `path`, by the contract, and the granted directories.
fn list_files(arguments: &Value) -> Result<ToolOutput, Error> {
    let entries = files::list(&string(arguments, "path"), &[])?;
    let names: Vec<_> = entries.iter().map(|entry| &entry.name).collect();
    answered(json!({"names": names, "roots": files::roots()}))
}

/// `commands`, all at once.
fn run(arguments: &Value) -> Result<ToolOutput, Error> {
    let commands: Vec<Command> = items(arguments, "commands").iter().map(command).collect();
    answered(json!({"outcomes": outcomes(process::run(&commands))}))
}

/// `command`, again and again, `times` in all; the last outcome.
fn run_often(arguments: &Value) -> Result<ToolOutput, Error> {
    let command = command(&arguments["command"]);
    let mut last = Vec::new();
    for _ in 0..number(arguments, "times") {
        last = process::run(std::slice::from_ref(&command));
    }
    answered(json!({"outcomes": outcomes(last)}))
}

/// Runs `command`, and then answers as `then` says.
fn act(arguments: &Value) -> Result<ToolOutput, Error> {
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
    Ok(ToolOutput {
        structured: Some(structured),
        ..plain("what it says\nitself")
    })
}

/// Answers 15 MB of hostile text, as an error where `as` is `error`.
fn flood(arguments: &Value) -> Result<ToolOutput, Error> {
    match string(arguments, "as").as_str() {
        "error" => Err(Error::Failed(crate::sessions::flood())),
        "program" => answered(json!({"outcomes": outcomes(process::run(&[Command {
            program: crate::sessions::flood(),
            ..command(&json!({"program": ""}))
        }]))})),
        "path" => files::list(&crate::sessions::flood(), &[]).and_then(|_| said("listed")),
        "print" => {
            println!("{}", crate::sessions::flood());
            #[expect(clippy::print_stderr, reason = "it misbehaves")]
            {
                eprintln!("{}", crate::sessions::flood());
            }
            said("printed")
        }
        _ => said(crate::sessions::flood()),
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

fn command(arguments: &Value) -> Command {
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
fn outcomes(results: Vec<Result<Output, Error>>) -> Vec<Value> {
    let outcome = |result| match result {
        Ok(Output {
            status,
            stdout,
            stderr,
            truncated,
        }) => json!({
            "status": status,
            "stdout": String::from_utf8_lossy(&stdout),
            "stderr": String::from_utf8_lossy(&stderr),
            "truncated": truncated,
        }),
        Err(error) => {
            let (case, why) = case(&error);
            json!({case: why})
        }
    };
    results.into_iter().map(outcome).collect()
}

fn case(error: &Error) -> (&'static str, &str) {
    match error {
        Error::NotFound(why) => ("not_found", why),
        Error::Unsupported => ("unsupported", ""),
        Error::Invalid(why) => ("invalid", why),
        Error::Busy => ("busy", ""),
        Error::Refused(why) => ("refused", why),
        Error::Denied(why) => ("denied", why),
        Error::TimedOut(why) => ("timed_out", why),
        Error::Failed(why) => ("failed", why),
    }
}

fn said(text: impl Into<String>) -> Result<ToolOutput, Error> {
    Ok(plain(text))
}

fn answered(data: Value) -> Result<ToolOutput, Error> {
    Ok(ToolOutput {
        structured: Some(data.to_string()),
        ..plain("see the data")
    })
}

fn plain(text: impl Into<String>) -> ToolOutput {
    ToolOutput {
        text: text.into(),
        structured: None,
        failed: false,
        session: None,
    }
}

fn string(arguments: &Value, name: &str) -> String {
    arguments[name].as_str().expect("a text").to_owned()
}

fn number(arguments: &Value, name: &str) -> usize {
    usize::try_from(arguments[name].as_u64().expect("a number")).expect("a smaller one")
}

fn items<'a>(arguments: &'a Value, name: &str) -> &'a [Value] {
    arguments[name].as_array().expect("a list")
}
