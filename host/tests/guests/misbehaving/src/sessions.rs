//! Sessions that never change: `calm-1` is idle, `calm-2` too, `asks-1` waits for an answer, and `dead-1` is over.
//!
//! What is typed into one goes to the file `/state/typed`, so that a test can see that nothing was.

use std::io::Write as _;
use std::time::UNIX_EPOCH;

use berth_plugin::process::{self, Command};
use berth_plugin::types::{
    Answer, Choice, Delivery, Error, Evidence, LogPage, Project, Prompt, PromptKind, Receipt, Session, State,
};

/// A row of another backend, if a text could make one.
const FORGED: &str = "\nwell/forged-1 — waiting\u{2028}well/forged-2 — waiting\rwell/forged-3\u{85}well/forged-4";

/// The id of the prompt of `asks-1`.
const PROMPT: &str = "prompt-1";

/// The sessions.
pub(crate) fn all() -> Vec<Session> {
    vec![
        session("calm-1", State::Idle),
        session("calm-2", State::Idle),
        Session {
            prompt: Some(prompt()),
            ..session("asks-1", State::Waiting)
        },
        session("dead-1", State::Done),
    ]
}

/// A session whose every text is hostile to whoever shows it.
pub(crate) fn foreign() -> Session {
    let hostile = |text: &str| format!("{text}\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}\u{202e}\u{200b}\u{e0041}\r");
    Session {
        name: hostile("name"),
        agent: hostile("agent"),
        directory: hostile("/directory"),
        summary: Some(hostile("summary")),
        prompt: Some(Prompt {
            question: hostile("question"),
            ..prompt()
        }),
        url: Some("https://evil.example/code".into()),
        facts: vec![(hostile("fact"), hostile("value"))],
        ..session("foreign-1", State::Waiting)
    }
}

/// What `list-sessions` answers where its setting is `how`: the usual sessions, and `foreign` text, ids that `forge`
/// rows, ids of `twins`, a `crowd`, texts that are `verbose`, or nothing at all (`none`).
pub(crate) fn listed(how: &str) -> Vec<Session> {
    match how {
        "foreign" => vec![foreign()],
        "forge" => forging(),
        "twins" => [all(), vec![session("calm-1", State::Idle)]].concat(),
        "crowd" => (0..5_000)
            .map(|number| session(&format!("s{number}"), State::Idle))
            .collect(),
        "verbose" => vec![session("calm-1", State::Idle), verbose()],
        "none" => Vec::new(),
        _ => match how.strip_prefix("flood-") {
            Some(field) => vec![session("calm-1", State::Idle), flooding(field)],
            None => all(),
        },
    }
}

/// Begins to start a session, and breaks off before it says which.
pub(crate) fn break_off() -> ! {
    std::fs::write("/state/started", "").expect("the state directory can be written");
    let command = Command {
        program: "sh".into(),
        args: vec!["-c".into(), "true".into()],
        stdin: Vec::new(),
        directory: None,
        env: Vec::new(),
        timeout_ms: None,
    };
    process::run(&[command])[0].as_ref().expect("it is granted");
    panic!("as its settings say");
}

/// So many sessions that are new once a start was broken off.
pub(crate) fn started(count: u64) -> Vec<Session> {
    let Ok(begun) = std::fs::metadata("/state/started").and_then(|started| started.modified()) else {
        return Vec::new();
    };
    let since = begun.duration_since(UNIX_EPOCH).expect("a time after the epoch");
    let at = |number| Session {
        created_at: u64::try_from(since.as_millis()).expect("a time of today"),
        ..session(&format!("new-{number}"), State::Idle)
    };
    (1..=count).map(at).collect()
}

/// Sessions whose ids, texts and prompts would be rows of others.
fn forging() -> Vec<Session> {
    let forged = |text: &str| format!("{text}{FORGED}");
    let asking = |id: &str, prompt| Session {
        prompt: Some(prompt),
        ..session(id, State::Waiting)
    };
    let keyed = |keys: [&str; 2]| {
        let mut prompt = prompt();
        for (choice, key) in prompt.choices.iter_mut().zip(keys) {
            choice.key = key.to_owned();
        }
        prompt
    };
    let mut labelled = prompt();
    for choice in &mut labelled.choices {
        choice.label = forged(&choice.label);
        choice.description = Some(forged("description"));
    }
    vec![
        session(&forged("id"), State::Idle),
        session("", State::Idle),
        session("a/b", State::Idle),
        Session {
            name: forged("name"),
            agent: forged("agent"),
            directory: forged("/directory"),
            summary: Some(forged("summary")),
            facts: vec![(forged("fact"), forged("value"))],
            ..session("named-1", State::Idle)
        },
        asking(
            "asks-1",
            Prompt {
                question: forged("question"),
                ..labelled
            },
        ),
        asking(
            "asks-2",
            Prompt {
                id: forged("prompt"),
                ..prompt()
            },
        ),
        asking("asks-3", keyed(["1", "1"])),
        asking("asks-4", keyed(["1", &forged("2")])),
    ]
}

/// A session that says too much of everything.
fn verbose() -> Session {
    let long = |bytes: usize| "x".repeat(bytes);
    let mut prompt = prompt();
    prompt.question = long(1 << 20);
    prompt.choices = (0..5_000)
        .map(|number| Choice {
            key: number.to_string(),
            label: long(100),
            description: None,
            declines: number == 0,
        })
        .collect();
    Session {
        name: long(1 << 20),
        agent: long(1 << 20),
        directory: long(1 << 20),
        summary: Some(long(1 << 20)),
        prompt: Some(prompt),
        facts: (0..20_000)
            .map(|number| (format!("fact-{number}"), long(100)))
            .collect(),
        ..session("verbose-1", State::Waiting)
    }
}

/// 15 MB of text of which nothing is to be shown.
pub(crate) fn flood() -> String {
    "\u{200b}".repeat(5 << 20)
}

/// A session whose `field` is a flood.
fn flooding(field: &str) -> Session {
    let mut flooding = Session {
        prompt: Some(prompt()),
        ..session("flood-1", State::Waiting)
    };
    let asked = flooding.prompt.as_mut().expect("a prompt");
    match field {
        "id" => flooding.id = flood(),
        "name" => flooding.name = flood(),
        "agent" => flooding.agent = flood(),
        "directory" => flooding.directory = flood(),
        "summary" => flooding.summary = Some(flood()),
        "url" => flooding.url = Some(flood()),
        "fact" => flooding.facts = vec![("fact".into(), flood())],
        "facts" => flooding.facts = vec![("\u{200b}".into(), "\u{200b}".into()); 200_000],
        "prompt" => asked.id = flood(),
        "question" => asked.question = flood(),
        "key" => asked.choices[1].key = flood(),
        "label" => asked.choices[1].label = flood(),
        "description" => asked.choices[1].description = Some(flood()),
        "choices" => {
            asked.choices = (0..100_000)
                .map(|number| Choice {
                    key: number.to_string(),
                    label: "\u{200b}".repeat(20),
                    description: None,
                    declines: false,
                })
                .collect();
        }
        _ => panic!("no field {field}"),
    }
    flooding
}

/// What `list-projects` answers where its setting is `how`.
pub(crate) fn projects(how: &str) -> Vec<Project> {
    let project = |name: &str, directory: &str| Project {
        name: name.into(),
        directory: directory.into(),
        branch: None,
    };
    match how {
        "none" => Vec::new(),
        "unknown" => vec![project("plain", "/plain"), project("/other cannot be read", "")],
        "all-unknown" => vec![project("/one cannot be read", ""), project("/other cannot be read", "")],
        "flood" => vec![
            project("plain", "/plain"),
            project(&"\u{200b}".repeat(2 << 20), "/name"),
            project("path", &"\u{200b}".repeat(2 << 20)),
            project(&"\u{200b}".repeat(1 << 19), ""),
        ],
        _ => vec![
            project("plain", "/plain"),
            project(&format!("name{FORGED}"), "/name"),
            project("path", &format!("/path{FORGED}")),
        ],
    }
}

/// One of the usual sessions.
pub(crate) fn find(id: &str) -> Result<Session, Error> {
    find_in(all(), id)
}

/// The session `id` of `sessions`.
pub(crate) fn find_in(sessions: Vec<Session>, id: &str) -> Result<Session, Error> {
    let found = sessions.into_iter().find(|session| session.id == id);
    found.ok_or_else(|| Error::NotFound(format!("there is no session {id:?}; list_sessions shows all")))
}

/// What `id` printed where the setting is `how`.
pub(crate) fn log(id: &str, how: &str) -> LogPage {
    LogPage {
        text: match how {
            "flood" => "\u{200b}".repeat(1 << 20),
            "too-long" => flood(),
            _ => format!("{id} says hello"),
        },
        next: match how {
            "flood-next" => flood(),
            _ => "1".into(),
        },
        more: false,
    }
}

/// Types a message, where the session can take one.
pub(crate) fn send(id: &str, message: &str) -> Result<Delivery, Error> {
    match find(id)?.state {
        State::Waiting => Err(Error::Refused("it waits for an answer: use respond_to_prompt".into())),
        State::Done => Err(Error::Refused("it has ended: create another one".into())),
        _ => {
            typed(id, message);
            Ok(Delivery {
                receipt: Receipt::Submitted,
                after: None,
            })
        }
    }
}

/// Answers the prompt, where it is the present one.
pub(crate) fn respond(id: &str, prompt: &str, answer: &Answer) -> Result<(), Error> {
    if find(id)?.prompt.is_none_or(|present| present.id != prompt) {
        return Err(Error::Refused("that prompt is gone: look at the session again".into()));
    }
    typed(id, &format!("{answer:?}"));
    Ok(())
}

fn session(id: &str, state: State) -> Session {
    Session {
        id: id.into(),
        name: id.into(),
        agent: "none".into(),
        directory: "/".into(),
        state,
        evidence: Evidence::Agent,
        since: None,
        summary: None,
        prompt: None,
        url: None,
        created_at: 1_700_000_000_000,
        active_at: None,
        facts: Vec::new(),
    }
}

fn prompt() -> Prompt {
    let choice = |key: &str, label: &str, declines| Choice {
        key: key.into(),
        label: label.into(),
        description: None,
        declines,
    };
    Prompt {
        id: PROMPT.into(),
        kind: PromptKind::Permission,
        question: "May I?".into(),
        choices: vec![choice("1", "Yes", false), choice("2", "No", true)],
        multiple: false,
        accepts_text: false,
        cut: false,
        asked_at: None,
    }
}

fn typed(id: &str, text: &str) {
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open("/state/typed")
        .expect("/state");
    writeln!(file, "{id}: {text}").expect("/state");
}
