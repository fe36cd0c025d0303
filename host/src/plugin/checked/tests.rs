#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::*;
use crate::session::{Attention, Content, Effect, Evidence, QueuedMessage, Receipt, Tool, ToolOutput};

/// No list is long enough.
const ALL: Enough<'static> = &|_| false;

fn session(id: &str) -> Session {
    Session {
        id: id.into(),
        name: "name".into(),
        agent: "agent".into(),
        directory: Some("/p".into()),
        project: None,
        parent: None,
        state: State::Idle,
        evidence: Evidence::Agent,
        since: None,
        summary: None,
        task: None,
        last_output: None,
        prompts: Vec::new(),
        attention: None,
        queue: Vec::new(),
        can: Verbs::ALL,
        url: None,
        created_at: None,
        active_at: None,
        facts: Vec::new(),
    }
}

fn asking(id: &str, keys: &[&str]) -> Prompt {
    let choice = |key: &&str| Choice {
        key: (*key).into(),
        label: "label".into(),
        description: None,
        effect: Effect::Declines,
        ticked: false,
    };
    Prompt::permission(id, "May I?", keys.iter().map(choice).collect())
}

/// A prompt that takes words of this schema.
fn taking(schema: &str) -> Prompt {
    Prompt {
        accepts_text: true,
        text_schema: Some(schema.into()),
        ..asking("p", &["1"])
    }
}

/// A list of one page, of a backend that can do everything.
fn sessions(given: Vec<Session>) -> Listed<Session> {
    listed(given, Verbs::ALL)
}

fn listed(given: Vec<Session>, possible: Verbs) -> Listed<Session> {
    let mut pages = Pages::default();
    pages.add(part(page(given, Vec::new(), None), &[], possible, pages.room()), ALL);
    pages.into_list().0
}

fn page(items: Vec<Session>, problems: Vec<(String, Error)>, next: Option<&str>) -> Page<Session> {
    Page {
        items,
        problems,
        next: next.map(str::to_owned),
    }
}

fn projects(given: Vec<Project>) -> Listed<Project> {
    super::projects(Page {
        items: given,
        problems: Vec::new(),
        next: None,
    })
    .0
}

fn prompt(given: Prompt) -> Result<Prompt, String> {
    super::prompt(given, &mut LOOKED_AT.clone())
}

fn waiting(id: &str, prompts: Vec<Prompt>) -> Session {
    Session {
        state: State::Waiting,
        prompts,
        ..session(id)
    }
}

fn ids(listed: &Listed<Session>) -> Vec<&str> {
    listed.items.iter().map(|session| session.id.as_str()).collect()
}

#[test]
fn a_session_whose_id_cannot_be_used_is_left_out_and_named() {
    let long = "x".repeat(ID + 1);
    for id in [
        "",
        "a b",
        "a\nbad/b — idle",
        "a/b",
        "\u{1b}[2J",
        "a\u{200b}",
        "é",
        "`a`",
        "a,b",
        &long,
    ] {
        let listed = sessions(vec![session("one"), session(id), session("two")]);
        assert_eq!(ids(&listed), ["one", "two"], "{id:?}");
        let [fault] = listed.faults.as_slice() else {
            panic!("{id:?}: {:?}", listed.faults)
        };
        assert!(
            fault.contains("left out") && text::one_line(fault) == *fault,
            "{fault:?}"
        );
    }
    for id in ["a", "made-7", "A.b_c:d-9", &long[1..]] {
        assert!(sessions(vec![session(id)]).faults.is_empty(), "{id}");
    }
}

#[test]
fn sessions_of_one_id_are_left_out_and_named_once() {
    let listed = sessions(vec![session("twin"), session("one"), session("twin"), session("twin")]);
    assert_eq!(ids(&listed), ["one"]);
    assert_eq!(
        listed.faults,
        ["its plugin gives several sessions the id `twin`; they are left out"]
    );
}

#[test]
fn a_prompt_that_cannot_be_answered_is_named_and_its_session_stays() {
    for (prompt, fault) in [
        (asking("", &["1"]), "gives a prompt an empty id"),
        (asking("p\nq", &["1"]), "gives a prompt the id `p\\nq`"),
        (asking("p", &["1", "1"]), "gives several choices the key `1`"),
        (asking("p", &[""]), "gives a choice an empty id"),
        (asking("p", &["y\nno — Yes"]), "gives a choice the id `y\\nno — Yes`"),
        (taking("{"), "gives a prompt that has a schema that is not JSON"),
        (
            taking(r#"{"type": "object"}"#),
            "gives a prompt that has a schema for words whose type",
        ),
        (
            taking(r#"{"type": "string", "$ref": "https://example.com/"}"#),
            "gives a prompt that has a schema that refers",
        ),
    ] {
        let listed = sessions(vec![waiting("one", vec![prompt])]);
        let shown = &listed.items[0];
        assert!(
            shown.prompts.is_empty()
                && shown.state == State::Waiting
                && shown.summary.as_ref().unwrap().contains(fault),
            "{shown:?}"
        );
        assert!(
            listed.faults[0].contains(fault) && listed.faults[0].contains("session `one`"),
            "{:?}",
            listed.faults
        );
    }
}

#[test]
fn every_field_of_a_line_is_one_line_and_bounded() {
    let hostile = format!("a\nb\u{2028}c\u{1b}[31m{}", "x".repeat(20_000));
    let listed = sessions(vec![Session {
        name: hostile.clone(),
        agent: hostile.clone(),
        directory: Some(hostile.clone()),
        project: Some(hostile.clone()),
        summary: Some(hostile.clone()),
        url: Some(format!("https://claude.ai/{hostile}")),
        facts: vec![(hostile.clone(), hostile.clone()); FACTS + 1],
        ..session("one")
    }]);
    let shown = &listed.items[0];
    let (name, fact) = &shown.facts[0];
    for (line, most) in [
        (&shown.name, LINE),
        (&shown.agent, LINE),
        (shown.directory.as_ref().unwrap(), PATH),
        (shown.project.as_ref().unwrap(), LINE),
        (shown.summary.as_ref().unwrap(), LINE),
        (name, LINE),
        (fact, LINE),
    ] {
        assert!(line.starts_with("a b cx") && line.ends_with('…'), "{line}");
        assert_eq!(line.chars().count(), most);
    }
    assert_eq!((shown.facts.len(), &shown.url), (FACTS, &None));
    assert_eq!(
        listed.faults,
        [
            "session `one`: its plugin gives what is too long, and is cut: name, agent, directory, project, summary, url, facts"
        ]
    );
}

#[test]
fn a_prompt_that_is_too_long_can_only_be_declined() {
    let long = "x".repeat(TEXT + 1);
    let many: Vec<String> = (0..CHOICES + 1).map(|key| key.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let with = |change: &dyn Fn(&mut Prompt)| {
        let mut prompt = asking("p", &["1"]);
        change(&mut prompt);
        prompt
    };
    for too_long in [
        with(&|prompt| prompt.choices[0].label = "x".repeat(LINE + 1)),
        with(&|prompt| prompt.choices[0].description = Some(long.clone())),
        with(&|prompt| prompt.question = long.clone()),
        with(&|prompt| prompt.detail = Some(long.clone())),
        with(&|prompt| prompt.facts = vec![("a".into(), "b".into()); FACTS + 1]),
        asking("p", &many),
    ] {
        let shown = prompt(too_long).unwrap();
        assert!(shown.cut && shown.choices.len() <= CHOICES);
        assert!(shown.question.len() <= TEXT + 3 && shown.detail.unwrap_or_default().len() <= TEXT + 3);
    }
    assert!(
        !prompt(with(&|prompt| prompt.detail = Some("x".repeat(TEXT))))
            .unwrap()
            .cut
    );
}

#[test]
fn whoever_waits_asks_something_and_who_asks_something_waits() {
    let asks = || vec![asking("p", &["1"])];
    let with = |state: State, prompts: Vec<Prompt>| Session {
        state,
        ..waiting("one", prompts)
    };
    for (given, state, prompts, fault) in [
        (with(State::Waiting, asks()), State::Waiting, 1, None),
        (with(State::Idle, Vec::new()), State::Idle, 0, None),
        (
            with(State::Waiting, Vec::new()),
            State::Unknown,
            0,
            Some("gives no prompt"),
        ),
        (with(State::Idle, asks()), State::Waiting, 1, Some("counts as waiting")),
        (with(State::Busy, asks()), State::Waiting, 1, Some("counts as waiting")),
        (with(State::Done, asks()), State::Done, 0, Some("has ended")),
        (with(State::Cancelled, asks()), State::Cancelled, 0, Some("has ended")),
    ] {
        let listed = sessions(vec![given]);
        let shown = &listed.items[0];
        assert_eq!((shown.state, shown.prompts.len()), (state, prompts));
        assert_eq!(listed.faults.len(), usize::from(fault.is_some()));
        assert!(
            listed.faults.iter().all(|told| told.contains(fault.unwrap())),
            "{:?}",
            listed.faults
        );
    }
}

#[test]
fn prompts_of_one_id_are_left_out_and_named_and_others_stay() {
    let prompts = vec![asking("twin", &["1"]), asking("one", &["1"]), asking("twin", &["2"])];
    let listed = sessions(vec![waiting("one", prompts)]);
    let ids: Vec<&str> = listed.items[0].prompts.iter().map(|prompt| &*prompt.id).collect();
    assert_eq!(ids, ["one"]);
    assert!(
        listed.faults[0].contains("several prompts the id `twin`"),
        "{:?}",
        listed.faults
    );
}

#[test]
fn what_the_backend_cannot_do_at_all_no_session_of_it_can() {
    let none = Verbs::default();
    let shown = &listed(vec![session("one")], none).items[0];
    assert_eq!(shown.can, none);
}

#[test]
fn other_ids_are_held_to_the_same_form() {
    let message = |id: &str| QueuedMessage {
        id: id.into(),
        text: "a\u{1b}[31mb".into(),
        at: 0,
    };
    let listed = sessions(vec![Session {
        parent: Some("not an id".into()),
        queue: vec![message("m1"), message("m 2")],
        attention: Some(Attention {
            kind: "lo\ngin".into(),
            reason: "why".into(),
            since: None,
            until: None,
        }),
        ..session("one")
    }]);
    let shown = &listed.items[0];
    assert_eq!((shown.parent.as_deref(), shown.queue.len()), (None, 1));
    assert_eq!(shown.queue[0].text, "ab");
    assert_eq!(shown.attention.as_ref().unwrap().kind, "lo gin");
    assert_eq!(listed.faults.len(), 2, "{:?}", listed.faults);
}

#[test]
fn pages_are_followed_to_their_end_and_no_further() {
    let some = |from: usize| (from..from + 400).map(|number| session(&number.to_string())).collect();
    let add = |pages: &mut Pages, from: usize, problems: Vec<(String, Error)>, next: Option<&str>| {
        pages.add(
            part(page(some(from), problems, next), &[], Verbs::ALL, pages.room()),
            ALL,
        )
    };
    let mut pages = Pages::default();
    assert!(add(&mut pages, 0, Vec::new(), Some("a")));
    assert_eq!((pages.next(), pages.limit()), (Some("a"), 600));
    let problem = ("pane %7".to_owned(), Error::Failed("it is gone".into()));
    assert!(!add(&mut pages, 400, vec![problem], None));
    let (listed, faults) = pages.into_list();
    assert_eq!((listed.items.len(), faults), (800, Vec::new()));
    assert_eq!(listed.faults, ["pane %7: it is gone"]);

    let mut pages = Pages::default();
    assert!(add(&mut pages, 0, Vec::new(), Some("a")));
    assert!(add(&mut pages, 400, Vec::new(), Some("b")));
    assert!(!add(&mut pages, 800, Vec::new(), Some("c")));
    let (listed, _) = pages.into_list();
    assert_eq!(listed.items.len(), LIST);
    assert!(
        listed
            .faults
            .iter()
            .any(|fault| fault.contains("more than 1000 sessions"))
    );

    let mut pages = Pages::default();
    assert!(add(&mut pages, 0, Vec::new(), Some("a")));
    assert!(!add(&mut pages, 400, Vec::new(), Some("a")));
    assert!(pages.into_list().0.faults[0].contains("goes on where it was"));
}

#[test]
fn where_a_list_is_enough_no_page_follows_and_nothing_is_wrong() {
    let mut pages = Pages::default();
    let given = page(
        (0..LIST).map(|number| session(&number.to_string())).collect(),
        Vec::new(),
        Some("a"),
    );
    let enough: Enough<'_> = &|listed| listed.len() == LIST;
    assert!(!pages.add(part(given, &[], Verbs::ALL, pages.room()), enough));
    assert_eq!(pages.into_list().0.faults, [""; 0]);
}

#[test]
fn what_is_on_several_pages_is_one_list() {
    let mut pages = Pages::default();
    for (ids, next) in [(["twin", "one"], Some("a")), (["two", "twin"], None)] {
        let given = page(ids.map(session).to_vec(), Vec::new(), next);
        pages.add(part(given, &[], Verbs::ALL, pages.room()), ALL);
    }
    let (listed, faults) = pages.into_list();
    assert_eq!(ids(&listed), ["one", "two"]);
    assert_eq!(
        faults,
        ["its plugin gives several sessions the id `twin`; they are left out"]
    );

    let large = |number: usize| Session {
        facts: vec![("f".into(), "x".repeat(LINE)); FACTS],
        ..session(&number.to_string())
    };
    let mut pages = Pages::default();
    let mut number = 0;
    let next = |pages: &mut Pages, number: usize| {
        let many = (number..number + 40).map(large).collect();
        let given = page(many, Vec::new(), Some(&number.to_string()));
        pages.add(part(given, &[], Verbs::ALL, pages.room()), ALL)
    };
    while next(&mut pages, number) {
        number += 40;
    }
    let (listed, faults) = pages.into_list();
    assert!((60..200).contains(&listed.items.len()), "{}", listed.items.len());
    assert!(faults[0].contains("the rest is left out"), "{faults:?}");
}

#[test]
fn a_description_promises_nothing_that_is_not_exported() {
    let creates = Description {
        creation: Creation {
            create: true,
            ..Creation::default()
        },
        ..Description::default()
    };
    assert!(description(creates.clone(), |_| true).is_ok());
    let Err(Error::Failed(why)) = description(creates, |_| false) else {
        panic!("it may create sessions without a function for it");
    };
    assert!(why.contains("does not export `session-control`"), "{why}");
    assert!(description(Description::default(), |_| false).is_ok());
}

#[test]
fn a_list_is_bounded_in_number_and_in_bytes_and_says_so() {
    let many = (0..LIST + 5).map(|number| session(&number.to_string())).collect();
    let listed = sessions(many);
    assert_eq!(listed.items.len(), LIST);
    assert_eq!(
        listed.faults,
        ["its plugin lists 1005 sessions; only the first 1000 are shown"]
    );

    let large = |number: usize| Session {
        facts: vec![("f".into(), "x".repeat(LINE)); FACTS],
        ..session(&number.to_string())
    };
    let listed = sessions((0..400).map(large).collect());
    assert!((10..200).contains(&listed.items.len()), "{}", listed.items.len());
    assert!(listed.faults[0].contains("the rest is left out"), "{:?}", listed.faults);

    let faulty = (0..100).map(|number| session(&format!("not an id {number}"))).collect();
    assert_eq!(sessions(faulty).faults.len(), FAULTS + 1);
}

#[test]
fn a_path_that_would_have_to_be_changed_is_left_out_and_named() {
    let project = |name: &str, directory: &str| Project {
        name: name.into(),
        directory: directory.into(),
        branch: None,
        agents: Vec::new(),
        facts: Vec::new(),
    };
    let long = "/x".repeat(PATH);
    let listed = projects(vec![
        project("a\nb", "/p"),
        project("long", &long),
        project("lines", "/a\n/b"),
    ]);
    let names: Vec<_> = listed.items.iter().map(|project| &*project.name).collect();
    assert_eq!(names, ["a b"]);
    for (name, fault) in ["long", "lines"].iter().zip(&listed.faults) {
        assert!(fault.starts_with(&format!("project `{name}` is left out")), "{fault}");
    }
    assert_eq!(projects(vec![project("a", "/p"); LIST + 1]).items.len(), LIST);
}

#[test]
fn the_session_that_was_asked_for_is_the_one_that_comes() {
    assert!(one_session(session("a"), Some("a"), Verbs::ALL).is_ok());
    assert!(one_session(session("a"), None, Verbs::ALL).is_ok());
    for (given, asked) in [("b", Some("a")), ("a b", Some("a b")), ("", None)] {
        assert!(one_session(session(given), asked, Verbs::ALL).is_err(), "{given:?}");
    }
}

#[test]
fn a_cursor_that_cannot_be_given_again_is_a_fault_but_not_after_a_deed() {
    let page = |text: String, next: &str| LogPage {
        text,
        next: next.into(),
        more: false,
        gap: false,
    };
    assert!(log(page(String::new(), "12:34")).is_ok());
    assert!(log(page("x".repeat(PAGE + 1), "1")).is_err());
    for next in ["a\nb", "a\u{200b}", " a", &"1".repeat(ADDRESS + 1)] {
        assert!(log(page(String::new(), next)).is_err(), "{next:?}");
        let sent = delivery(Delivery {
            receipt: Receipt::Confirmed,
            after: Some(next.into()),
            facts: Vec::new(),
        });
        assert_eq!(sent.after, None);
    }
}

#[test]
fn the_words_of_an_error_are_one_line() {
    let given = Error::Failed(format!("why\nBackend other did not answer{}", "x".repeat(9_000)));
    let Error::Failed(why) = error(given) else { panic!() };
    assert!(why.starts_with("why Backend") && why.chars().count() == ERROR, "{why}");
}

/// Some 15 MB of text that is costly to clean.
fn floods() -> Vec<String> {
    [
        "\u{200b}",
        "\u{1b}[31m",
        "日",
        "a\u{301}\u{301}",
        "\u{1b}]0;",
        "\n",
        "x",
    ]
    .map(|part| part.repeat((15 << 20) / part.len()))
    .into()
}

#[test]
fn a_session_of_any_size_is_looked_at_as_far_as_it_may_be_shown_and_says_what_is_cut() {
    type Put = fn(&mut Session, String);
    let fields: [(&str, usize, Put); 15] = [
        ("name", LINE, |session, text| session.name = text),
        ("agent", LINE, |session, text| session.agent = text),
        ("directory", PATH, |session, text| session.directory = Some(text)),
        ("project", LINE, |session, text| session.project = Some(text)),
        ("summary", LINE, |session, text| session.summary = Some(text)),
        ("task", TEXT, |session, text| session.task = Some(text)),
        ("last-output", TEXT, |session, text| session.last_output = Some(text)),
        ("url", ADDRESS, |session, text| session.url = Some(text)),
        ("facts", LINE, |session, text| {
            session.facts = vec![(text, String::new())]
        }),
        ("facts", LINE, |session, text| {
            session.facts = vec![(String::new(), text)]
        }),
        ("queue", TEXT, |session, text| {
            session.queue = vec![QueuedMessage {
                id: "m".into(),
                text,
                at: 0,
            }]
        }),
        ("", TEXT, |session, text| session.prompts[0].question = text),
        ("", TEXT, |session, text| session.prompts[0].detail = Some(text)),
        ("", LINE, |session, text| session.prompts[0].choices[0].label = text),
        ("", TEXT, |session, text| {
            session.prompts[0].choices[0].description = Some(text)
        }),
    ];
    for flood in floods() {
        for (name, most, put) in fields {
            let mut given = waiting("one", vec![asking("p", &["1", "2"])]);
            put(&mut given, flood.clone());
            let (shown, faults, looked_at) = super::session(given, Verbs::ALL, LOOKED_AT).unwrap();
            assert!(looked_at <= 8 * most + 200, "{name}: {looked_at}");
            assert!(shown.weight() <= 4 * most + 500, "{name}: {}", shown.weight());
            match name {
                "" => assert!(shown.prompts[0].cut),
                name => assert_eq!(
                    faults,
                    [format!(
                        "session `one`: its plugin gives what is too long, and is cut: {name}"
                    )]
                ),
            }
        }
    }
}

#[test]
fn a_session_that_is_large_in_all_its_fields_is_looked_at_no_further_than_a_list() {
    let long = || "x".repeat(LOOKED_AT / 20);
    let described = |key: usize| Choice {
        key: key.to_string(),
        label: "label".into(),
        description: Some(long()),
        effect: Effect::Declines,
        ticked: false,
    };
    let mut asked = asking("p", &[]);
    asked.choices = (0..CHOICES).map(described).collect();
    let mut given = waiting("one", vec![asked]);
    given.facts = vec![("fact".into(), "value".into())];
    given.task = Some(long());
    let (shown, _, looked_at) = super::session(given, Verbs::ALL, LOOKED_AT).unwrap();
    assert!((LOOKED_AT / 2..=LOOKED_AT).contains(&looked_at), "{looked_at}");
    let asked = &shown.prompts[0];
    assert!(asked.cut && asked.choices.len() == CHOICES);
    assert_eq!(asked.choices.last().unwrap().description.as_deref(), Some("…"));
}

#[test]
fn ids_of_any_size_cost_nothing_and_are_named_in_few_words() {
    for flood in floods() {
        let listed = sessions(vec![session(&flood), session("one"), session(&flood)]);
        assert_eq!(ids(&listed), ["one"]);
        assert_eq!(listed.faults.len(), 2);
        assert!(
            listed
                .faults
                .iter()
                .all(|fault| fault.len() < 3_000 && fault.contains("gives a session the id"))
        );
        for prompt in [asking(&flood, &["1"]), asking("p", &["1", &flood])] {
            let asked = waiting("one", vec![prompt]);
            let (shown, faults, _) = super::session(asked, Verbs::ALL, LOOKED_AT).unwrap();
            assert!(shown.prompts.is_empty() && faults[0].len() < 3_000);
        }
    }
}

#[test]
fn a_list_is_looked_at_as_far_as_it_may_be_shown() {
    // Each loses all that it says.
    let hidden = |most: usize| "\u{200b}".repeat(most * 2);
    let hostile = |number: usize| Session {
        name: hidden(LINE),
        directory: Some(hidden(PATH)),
        summary: Some(hidden(LINE)),
        facts: vec![(hidden(LINE), hidden(LINE)); FACTS],
        ..session(&number.to_string())
    };
    let listed = sessions((0..50).map(hostile).collect());
    assert!((10..30).contains(&listed.items.len()), "{}", listed.items.len());
    assert!(listed.faults.iter().any(|fault| fault.contains("the rest is left out")));
    let project = Project {
        name: hidden(LINE),
        directory: format!("/{}", hidden(PATH)),
        branch: Some(hidden(LINE)),
        agents: vec![hidden(LINE)],
        facts: Vec::new(),
    };
    let listed = projects(vec![project; 500]);
    assert!(listed.items.is_empty() && listed.faults.len() <= FAULTS + 1);
}

#[test]
fn projects_errors_and_descriptions_of_any_size_become_few_words() {
    for flood in floods() {
        let project = |name: &str, directory: &str, branch: Option<&str>| Project {
            name: name.into(),
            directory: directory.into(),
            branch: branch.map(str::to_owned),
            agents: Vec::new(),
            facts: Vec::new(),
        };
        let (listed, faults) = super::projects(Page {
            items: vec![
                project(&flood, "/p", None),
                project("path", &flood, None),
                project("branch", "/p", Some(&flood)),
            ],
            problems: vec![(flood.clone(), Error::Failed(flood.clone()))],
            next: None,
        });
        assert_eq!((listed.items.len(), listed.faults.len(), faults.len()), (2, 4, 3));
        assert!(listed.items.weight() < 10_000);
        assert!(listed.faults.iter().all(|fault| fault.len() < 4 * (ERROR + LINE) + 100));
        for given in [
            Error::NotFound(flood.clone()),
            Error::Invalid(flood.clone()),
            Error::Refused(flood.clone()),
            Error::Denied(flood.clone()),
            Error::Unavailable(flood.clone()),
            Error::Unauthenticated(flood.clone()),
            Error::Conflict(flood.clone()),
            Error::Limited {
                which: flood.clone(),
                until: None,
            },
            Error::TimedOut(flood.clone()),
            Error::Failed(flood.clone()),
            Error::Other {
                kind: "kind".into(),
                what: flood.clone(),
            },
        ] {
            let words = in_words(error(given));
            assert!(
                words.contains('…') && words.chars().count() < ERROR + 50,
                "{}",
                words.len()
            );
        }
        let described = Description {
            about: flood.clone(),
            version: flood.clone(),
            views: vec![flood.clone(), "screen".into()],
            facts: vec![(flood.clone(), flood.clone())],
            ..Description::default()
        };
        let described = description(described, |_| true).unwrap();
        assert!(described.weight() < 20 * LINE, "{}", described.weight());
        assert_eq!(described.views, ["screen"]);
        let tool = Tool {
            name: flood.clone(),
            title: String::new(),
            description: String::new(),
            input_schema: "{}".into(),
            output_schema: None,
            only_reads: false,
            destructive: false,
            idempotent: false,
            open_world: false,
        };
        let tools = Description {
            tools: vec![tool],
            ..Description::default()
        };
        let Err(Error::Failed(why)) = description(tools, |_| true) else {
            panic!("a tool has such a name");
        };
        assert!(why.len() < 3_000 && why.contains("whose name has"), "{why}");
    }
}

#[tokio::test]
async fn what_is_large_is_checked_on_a_thread_that_nobody_waits_for() {
    let here = std::thread::current().id();
    let elsewhere = move |_| Ok(std::thread::current().id() != here);
    for (count, length, apart) in [
        (1, 10, false),
        (100, 100, false),
        (1, AT_ONCE + 1, true),
        (AT_ONCE, 0, true),
    ] {
        let given = vec!["x".repeat(length); count];
        assert_eq!(
            apart_if_large(given, elsewhere).await.unwrap(),
            apart,
            "{count} of {length}"
        );
    }
}

#[test]
fn of_an_own_tools_answer_its_end_and_what_is_wrong_with_its_data_are_told() {
    let given = |structured: &str| ToolOutput {
        content: vec![Content::Text("日".repeat(5 << 20))],
        structured: Some(structured.to_owned()),
        failed: false,
        session: None,
        facts: Vec::new(),
    };
    let empty: Promise = Arc::new(|data| (*data != serde_json::json!({})).then(|| "it is not empty".into()));
    let large = "[".repeat(15 << 20);
    for (data, fault) in [
        ("{", "broken JSON"),
        (&large, "bytes of data, and 262144 are taken"),
        (&"[".repeat(65), "more than 64 deep"),
        ("[1]", "data that is not a JSON object"),
        ("{\"a\":1}", "data that does not fit its own schema: it is not empty"),
    ] {
        let told = output(given(data), Some(&empty));
        assert!(told.structured.unwrap_err().contains(fault), "{fault}");
        assert!(
            told.text
                .starts_with("[… 5182880 characters before this were left out]")
        );
    }
    assert!(output(given("{}"), Some(&empty)).structured.is_ok());
    assert!(output(given("{\"a\":1}"), None).structured.is_ok());
    for (failed, owes) in [(true, false), (false, true)] {
        let own = ToolOutput {
            failed,
            structured: None,
            ..given("")
        };
        let told = output(own, Some(&empty)).structured;
        assert_eq!(told.is_err(), owes, "what failed owes nothing");
    }
}

#[test]
fn what_a_tool_links_to_is_short_or_only_named() {
    let long = "x".repeat(5 << 20);
    let link = |url: &str, title: &str| Content::Link {
        url: url.into(),
        title: title.into(),
    };
    let given = ToolOutput {
        content: vec![
            link("https://example.com/a", &long),
            link(&format!("https://example.com/{long}"), "title"),
        ],
        structured: None,
        failed: false,
        session: None,
        facts: Vec::new(),
    };
    let told = output(given, None);
    assert!(told.text.starts_with("[title: https://example.com/x") && told.text.len() < 300);
    let [Content::Link { url, title }] = told.further.as_slice() else {
        panic!("{:?}", told.further.len());
    };
    assert!(url == "https://example.com/a" && title.len() < 200);
}

#[test]
fn of_an_answer_that_cannot_be_shown_the_words_stay() {
    let media = |bytes: usize| Content::Media {
        media_type: "image/png".into(),
        bytes: vec![0; bytes],
    };
    let given = |parts: Vec<Content>, session: Option<&str>| ToolOutput {
        content: [vec![Content::Text("words".into())], parts].concat(),
        structured: None,
        failed: false,
        session: session.map(str::to_owned),
        facts: Vec::new(),
    };
    for (answer, fault) in [
        (given(vec![media(1); LIST], None), "1001 parts, and 1000 are taken"),
        (
            given(vec![media(1 << 20); 3], None),
            "3145728 bytes of pictures and other files",
        ),
        (
            given(vec![media(1)], Some("a/b")),
            "the session `a/b`, whose id cannot be one",
        ),
    ] {
        let told = output(answer, None);
        assert!(told.structured.unwrap_err().contains(fault), "{fault}");
        assert_eq!((told.text.as_str(), told.further.len()), ("words", 0));
    }
    let told = output(given(vec![media(1)], Some("a")), None);
    assert_eq!((told.structured, told.further.len()), (Ok(None), 1));
}
