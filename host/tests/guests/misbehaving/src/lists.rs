//! What `list-sessions` answers where its setting is a word.

use berth_plugin::{Attention, Choice, Effect, Error, Prompt, Session, SessionPage, SessionQuery, State, Verbs, store};

use crate::sessions::{all, flood, note, prompt, session, started};

/// A row of another backend, if a text could make one.
pub(crate) const FORGED: &str =
    "\nwell/forged-1 — waiting\u{2028}well/forged-2 — waiting\rwell/forged-3\u{85}well/forged-4";

/// A page of the usual sessions, or of these:
///
/// - `foreign`: texts with escapes; `forge`: texts, ids and keys that would be rows of others; `verbose`: too much of
///   everything; `none`: nothing at all
/// - `twins`: one id twice; `twin-prompts`: one prompt's id twice; `twin-keys`: one choice's key twice
/// - `unasked`: waits without a prompt; `asks-idle`: a prompt of a session that is idle; `mixed-group`: a group whose
///   prompts do not belong together
/// - `ids`: other ids than those of sessions that cannot be used; `numbers`: times that no double holds
/// - `crowd`: 5,000 sessions in pages; `overfull`: 1,500 on one page; `endless`: pages without an end; `stuck`: pages that
///   go on from nowhere
/// - `work`: the usual ones and one that is at work until something is at the key `done` of the store; each look is a line
///   at the key `looks`
/// - `flood-` and a field: a session whose field has 15 MB
/// - `problems`: the usual sessions and what could not be looked at; `only-problems`; `many-problems`
pub(crate) fn page(how: &str, query: &SessionQuery) -> SessionPage {
    let problem = |what: &str| (what.to_owned(), Error::TimedOut(format!("after 5 s{FORGED}")));
    let whole = |sessions, next: Option<&str>| SessionPage {
        sessions,
        problems: Vec::new(),
        next: next.map(str::to_owned),
    };
    match how {
        "overfull" => whole(crowd(1_500), None),
        "endless" => {
            let number = query.after.as_deref().map_or(0, |after| after.parse().unwrap_or(0)) + 1;
            let name = format!("s{number}");
            whole(vec![session(&name, State::Idle)], Some(&number.to_string()))
        }
        "stuck" => whole(all(), Some("again")),
        "problems" => SessionPage::of(in_order(all()), query)
            .problem("box", problem("").1)
            .problem(FORGED, problem("").1)
            .problem("", Error::Unsupported),
        "only-problems" => whole(Vec::new(), None).problem("box", problem("").1),
        "many-problems" => SessionPage {
            problems: (0..5_000).map(|number| problem(&format!("box-{number}"))).collect(),
            ..whole(all(), None)
        },
        _ => SessionPage::of(in_order(listed(how)), query),
    }
}

/// The state of the session that is at work until something is at `done`.
fn work() -> State {
    note("looks", "once").expect("a look can be noted");
    match store::raw::get("done") {
        Ok(None) => State::Busy,
        _ => State::Idle,
    }
}

fn listed(how: &str) -> Vec<Session> {
    match how {
        "foreign" => vec![foreign()],
        "forge" => forging(),
        "renamed" => vec![session("own-7", State::Idle).name("calm-1")],
        "twins" => [all(), vec![session("calm-1", State::Idle)]].concat(),
        "twin-prompts" => vec![asking("asks-1", [prompt("prompt-1"), prompt("prompt-1")])],
        "twin-keys" => vec![asking("asks-1", [keyed(["1", "1"])])],
        "unasked" => vec![session("asks-1", State::Waiting), session("calm-1", State::Idle)],
        "asks-idle" => vec![Session {
            state: State::Idle,
            ..asking("calm-1", [prompt("prompt-1")])
        }],
        "mixed-group" => {
            let grouped = |id: &str, group: &str, required| prompt(id).of_group(group, required);
            let together = [
                grouped("prompt-1", "group-1", true),
                grouped("prompt-2", "group-1", false),
                grouped("prompt-3", "", false),
                grouped("prompt-4", FORGED, true),
            ];
            vec![asking("asks-1", together)]
        }
        "ids" => vec![unusable()],
        "numbers" => vec![numbers()],
        "crowd" => crowd(5_000),
        "verbose" => vec![session("calm-1", State::Idle), verbose()],
        "none" => Vec::new(),
        "work" => [all(), vec![session("work-1", work())]].concat(),
        _ => match how.strip_prefix("flood-") {
            Some(field) => vec![session("calm-1", State::Idle), flooding(field)],
            None => [started(), all()].concat(),
        },
    }
}

/// Sessions of which each is older than the one before it, so that a list keeps their order.
fn in_order(sessions: Vec<Session>) -> Vec<Session> {
    let older = |(age, session): (u64, Session)| match session.created_at {
        Some(created) if created < 1 << 50 => session.created_at(created.saturating_sub(age)),
        _ => session,
    };
    (0..).zip(sessions).map(older).collect()
}

fn crowd(count: usize) -> Vec<Session> {
    (0..count)
        .map(|number| session(&format!("s{number}"), State::Idle))
        .collect()
}

fn asking<const COUNT: usize>(id: &str, prompts: [Prompt; COUNT]) -> Session {
    prompts.into_iter().fold(session(id, State::Waiting), Session::prompt)
}

fn keyed(keys: [&str; 2]) -> Prompt {
    let mut prompt = prompt("prompt-1");
    for (choice, key) in prompt.choices.iter_mut().zip(keys) {
        choice.key = key.to_owned();
    }
    prompt
}

/// A session whose every text is hostile to whoever shows it.
fn foreign() -> Session {
    let hostile = |text: &str| format!("{text}\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}\u{202e}\u{200b}\u{e0041}\r");
    let asked = Prompt {
        question: hostile("question"),
        detail: Some(hostile("detail")),
        facts: vec![(hostile("fact"), hostile("value"))],
        ..prompt("prompt-1")
    };
    Session {
        project: Some(hostile("project")),
        parent: Some(hostile("parent")),
        attention: Some(Attention::new(hostile("kind"), hostile("reason"))),
        ..asking("foreign-1", [asked])
    }
    .name(hostile("name"))
    .agent(hostile("agent"))
    .directory(hostile("/directory"))
    .summary(hostile("summary"))
    .task(hostile("task"))
    .last_output(hostile("output"))
    .queued("queued-1", hostile("queued"), 0)
    .url("https://evil.example/code")
    .fact(hostile("fact"), hostile("value"))
}

/// Sessions whose ids, texts and prompts would be rows of others.
fn forging() -> Vec<Session> {
    let forged = |text: &str| format!("{text}{FORGED}");
    let mut labelled = prompt("prompt-1").detail(forged("detail"));
    labelled.question = forged("question");
    for choice in &mut labelled.choices {
        choice.label = forged(&choice.label);
        choice.description = Some(forged("description"));
    }
    vec![
        session(&forged("id"), State::Idle),
        session("", State::Idle),
        session("a/b", State::Idle),
        session("named-1", State::Idle)
            .name(forged("name"))
            .agent(forged("agent"))
            .directory(forged("/directory"))
            .project(forged("project"))
            .summary(forged("summary"))
            .task(forged("task"))
            .last_output(forged("output"))
            .attention(Attention::new(forged("kind"), forged("reason")))
            .fact(forged("fact"), forged("value")),
        asking("asks-1", [labelled]),
        asking("asks-2", [prompt(&forged("prompt"))]),
        asking("asks-3", [keyed(["1", "1"])]),
        asking("asks-4", [keyed(["1", &forged("2")])]),
    ]
}

/// A session with ids that cannot be used, except its own.
fn unusable() -> Session {
    let mut session = asking(
        "asks-1",
        [prompt(""), prompt(FORGED), prompt("a/b"), prompt(&"x".repeat(129))],
    );
    for id in ["", FORGED, "a/b", "twin", "twin"] {
        session = session.queued(id, "text", 0);
    }
    session.parent = Some("a/b".into());
    session
}

/// A session with numbers that a double does not hold.
fn numbers() -> Session {
    let most = u64::MAX;
    let late = prompt("prompt-1").asked_at(most).expires_at(most);
    asking("asks-1", [late])
        .since(most)
        .created_at(most)
        .active_at(most)
        .queued("queued-1", "text", most)
        .attention(Attention::new("limit", "later").since(most).until(most))
}

/// A session that says too much of everything.
fn verbose() -> Session {
    let long = |bytes: usize| "x".repeat(bytes);
    let mut asked = prompt("prompt-1");
    asked.question = long(1 << 20);
    let effect = |number: usize| if number == 0 { Effect::Declines } else { Effect::Accepts };
    asked.choices = (0..5_000)
        .map(|number| Choice::new(number.to_string(), long(100), effect(number)))
        .collect();
    let mut verbose = asking("verbose-1", [asked])
        .name(long(1 << 20))
        .agent(long(1 << 20))
        .directory(long(1 << 20))
        .summary(long(1 << 20));
    verbose.facts = (0..20_000)
        .map(|number| (format!("fact-{number}"), long(100)))
        .collect();
    verbose.can |= Verbs::all();
    verbose
}

/// A session whose `field` is a flood.
fn flooding(field: &str) -> Session {
    let mut flooding = asking("flood-1", [prompt("prompt-1")]);
    let asked = &mut flooding.prompts[0];
    match field {
        "id" => flooding.id = flood(),
        "name" => flooding.name = flood(),
        "agent" => flooding.agent = flood(),
        "directory" => flooding.directory = Some(flood()),
        "project" => flooding.project = Some(flood()),
        "parent" => flooding.parent = Some(flood()),
        "summary" => flooding.summary = Some(flood()),
        "task" => flooding.task = Some(flood()),
        "output" => flooding.last_output = Some(flood()),
        "attention" => flooding.attention = Some(Attention::new(flood(), "")),
        "queue" => flooding = flooding.queued("queued-1", flood(), 0),
        "url" => flooding.url = Some(flood()),
        "fact" => flooding.facts = vec![("fact".into(), flood())],
        "facts" => flooding.facts = vec![("\u{200b}".into(), "\u{200b}".into()); 200_000],
        "prompt" => asked.id = flood(),
        "prompts" => flooding.prompts = vec![prompt("prompt-1"); 20_000],
        "question" => asked.question = flood(),
        "detail" => asked.detail = Some(flood()),
        "key" => asked.choices[1].key = flood(),
        "label" => asked.choices[1].label = flood(),
        "description" => asked.choices[1].description = Some(flood()),
        "choices" => {
            asked.choices = (0..100_000)
                .map(|number: u32| Choice::new(number.to_string(), "\u{200b}".repeat(20), Effect::Accepts))
                .collect();
        }
        _ => panic!("no field {field}"),
    }
    flooding
}
