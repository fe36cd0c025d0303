#![allow(clippy::unwrap_used)]

use super::*;
use crate::session::{Attention, Effect, Evidence, PromptKind, QueuedMessage, Receipt};

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
    Prompt {
        id: id.into(),
        kind: PromptKind::Permission,
        question: "May I?".into(),
        detail: None,
        choices: keys.iter().map(choice).collect(),
        multiple: false,
        accepts_text: false,
        text_schema: None,
        dismissible: true,
        cut: false,
        on_terminal_only: false,
        group: None,
        required: true,
        asked_at: None,
        expires_at: None,
        facts: Vec::new(),
    }
}

/// A list of one page, of a backend that can do everything.
fn sessions(given: Vec<Session>) -> Listed<Session> {
    super::sessions(given, Verbs::ALL)
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
    let shown = &super::sessions(vec![session("one")], none).items[0];
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
    let page = |from: usize| (from..from + 400).map(|number| session(&number.to_string())).collect();
    let mut pages = Pages::default();
    assert!(pages.add(page(0), Vec::new(), Some("a".into())));
    assert_eq!((pages.next(), pages.room()), (Some("a"), 600));
    let problem = ("pane %7".to_owned(), Error::Failed("it is gone".into()));
    assert!(!pages.add(page(400), vec![problem], None));
    let (listed, faults) = pages.into_list(Verbs::ALL);
    assert_eq!((listed.items.len(), faults), (800, Vec::new()));
    assert_eq!(listed.faults, ["pane %7: it is gone"]);

    let mut pages = Pages::default();
    assert!(pages.add(page(0), Vec::new(), Some("a".into())));
    assert!(pages.add(page(400), Vec::new(), Some("b".into())));
    assert!(!pages.add(page(800), Vec::new(), Some("c".into())));
    let (listed, _) = pages.into_list(Verbs::ALL);
    assert_eq!(listed.items.len(), LIST);
    assert!(
        listed
            .faults
            .iter()
            .any(|fault| fault.contains("more than 1000 sessions"))
    );

    let mut pages = Pages::default();
    assert!(pages.add(page(0), Vec::new(), Some("a".into())));
    assert!(!pages.add(Vec::new(), Vec::new(), Some("a".into())));
    assert!(pages.into_list(Verbs::ALL).0.faults[0].contains("goes on where it was"));
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
