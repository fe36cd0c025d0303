#![allow(clippy::unwrap_used)]

use super::*;
use crate::contract::{Evidence, PromptKind, State};

fn session(id: &str) -> Session {
    Session {
        id: id.into(),
        name: "name".into(),
        agent: "agent".into(),
        directory: "/p".into(),
        state: State::Idle,
        evidence: Evidence::Agent,
        since: None,
        summary: None,
        prompt: None,
        url: None,
        created_at: 0,
        active_at: None,
        facts: Vec::new(),
    }
}

fn asking(id: &str, keys: &[&str]) -> Prompt {
    let choice = |key: &&str| Choice {
        key: (*key).into(),
        label: "label".into(),
        description: None,
        declines: true,
    };
    Prompt {
        id: id.into(),
        kind: PromptKind::Permission,
        question: "May I?".into(),
        choices: keys.iter().map(choice).collect(),
        multiple: false,
        accepts_text: false,
        cut: false,
        asked_at: None,
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
        let listed = sessions(vec![Session {
            prompt: Some(prompt),
            ..session("one")
        }]);
        let shown = &listed.items[0];
        assert!(
            shown.prompt.is_none() && shown.summary.as_ref().unwrap().contains(fault),
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
        directory: hostile.clone(),
        summary: Some(hostile.clone()),
        url: Some(format!("https://claude.ai/{hostile}")),
        facts: vec![(hostile.clone(), hostile.clone()); FACTS + 1],
        ..session("one")
    }]);
    let shown = &listed.items[0];
    let (name, fact) = &shown.facts[0];
    for (line, most) in [
        (&shown.name, NAME),
        (&shown.agent, NAME),
        (&shown.directory, PATH),
        (shown.summary.as_ref().unwrap(), LINE),
        (name, NAME),
        (fact, LINE),
    ] {
        assert!(line.starts_with("a b cx") && line.ends_with('…'), "{line}");
        assert_eq!(line.chars().count(), most);
    }
    assert_eq!((shown.facts.len(), &shown.url), (FACTS, &None));
    assert_eq!(
        listed.faults,
        ["session `one`: too long, and cut: name, agent, directory, summary, address, facts"]
    );
}

#[test]
fn a_prompt_that_is_too_long_can_only_be_declined() {
    let long = "x".repeat(20_000);
    let many: Vec<String> = (0..CHOICES + 1).map(|key| key.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut label = asking("p", &["1"]);
    label.choices[0].label = long.clone();
    let mut described = asking("p", &["1"]);
    described.choices[0].description = Some(long.clone());
    let mut question = asking("p", &["1"]);
    question.question = long;
    for too_long in [label, described, question, asking("p", &many)] {
        let (shown, _) = prompt(too_long).unwrap();
        assert!(shown.cut && shown.choices.len() <= CHOICES);
        assert!(shown.question.chars().count() <= QUESTION);
    }
    assert!(!prompt(asking("p", &["1"])).unwrap().0.cut);
}

#[test]
fn a_list_is_bounded_in_number_and_in_bytes_and_says_so() {
    let many = (0..SESSIONS + 5).map(|number| session(&number.to_string())).collect();
    let listed = sessions(many);
    assert_eq!(listed.items.len(), SESSIONS);
    assert_eq!(
        listed.faults,
        ["its plugin lists 1005 sessions; only the first 1000 are shown"]
    );

    let large = |number: usize| Session {
        facts: vec![("f".into(), "x".repeat(LINE)); FACTS],
        ..session(&number.to_string())
    };
    let listed = sessions((0..200).map(large).collect());
    assert!((10..100).contains(&listed.items.len()), "{}", listed.items.len());
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
    assert_eq!(projects(vec![project("a", "/p"); PROJECTS + 1]).items.len(), PROJECTS);
}

#[test]
fn what_could_not_be_looked_at_is_no_project_and_is_named() {
    let row = |name: &str, directory: &str| Project {
        name: name.into(),
        directory: directory.into(),
        branch: None,
    };
    let listed = projects(vec![
        row("one", "/p/one"),
        row("/r: it is\nnot there", ""),
        row("two", "/p/two"),
    ]);
    assert_eq!(listed.items.len(), 2);
    assert_eq!(listed.faults, ["/r: it is not there"]);
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
    let fields: [(&str, usize, Put); 9] = [
        ("name", NAME, |session, text| session.name = text),
        ("agent", NAME, |session, text| session.agent = text),
        ("directory", PATH, |session, text| session.directory = text),
        ("summary", LINE, |session, text| session.summary = Some(text)),
        ("address", ADDRESS, |session, text| session.url = Some(text)),
        ("facts", NAME, |session, text| {
            session.facts = vec![(text, String::new())]
        }),
        ("facts", LINE, |session, text| {
            session.facts = vec![(String::new(), text)]
        }),
        ("", QUESTION, |session, text| {
            session.prompt.as_mut().unwrap().question = text
        }),
        ("", LINE, |session, text| {
            session.prompt.as_mut().unwrap().choices[0].label = text
        }),
    ];
    for flood in floods() {
        for (name, most, put) in fields {
            let mut given = session("one");
            given.prompt = Some(asking("p", &["1", "2"]));
            put(&mut given, flood.clone());
            let (shown, faults, looked_at) = super::session(given).unwrap();
            assert!(looked_at <= 8 * most + 200, "{name}: {looked_at}");
            assert!(shown.weight() <= 4 * most + 300, "{name}: {}", shown.weight());
            match name {
                "" => assert!(shown.prompt.unwrap().cut),
                name => assert_eq!(faults, [format!("session `one`: too long, and cut: {name}")]),
            }
        }
    }
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
            let asked = Session {
                prompt: Some(prompt),
                ..session("one")
            };
            let (shown, faults, _) = super::session(asked).unwrap();
            assert!(shown.prompt.is_none() && faults[0].len() < 3_000);
        }
    }
}

#[test]
fn a_list_is_looked_at_as_far_as_it_may_be_shown() {
    // Each loses all that it says.
    let hidden = |most: usize| "\u{200b}".repeat(most * 2);
    let hostile = |number: usize| Session {
        name: hidden(NAME),
        directory: hidden(PATH),
        summary: Some(hidden(LINE)),
        facts: vec![(hidden(NAME), hidden(LINE)); FACTS],
        ..session(&number.to_string())
    };
    let listed = sessions((0..50).map(hostile).collect());
    assert!((10..30).contains(&listed.items.len()), "{}", listed.items.len());
    assert!(listed.faults.iter().any(|fault| fault.contains("the rest is left out")));
    let project = Project {
        name: hidden(NAME),
        directory: format!("/{}", hidden(PATH)),
        branch: Some(hidden(NAME)),
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
        };
        let listed = projects(vec![
            project(&flood, "/p", None),
            project("path", &flood, None),
            project("branch", "/p", Some(&flood)),
            project(&flood, "", None),
        ]);
        assert_eq!((listed.items.len(), listed.faults.len()), (2, 4));
        assert!(listed.items.weight() < 10_000 && listed.faults.iter().all(|fault| fault.len() < 4 * ERROR + 100));
        for given in [
            Error::NotFound(flood.clone()),
            Error::Invalid(flood.clone()),
            Error::Refused(flood.clone()),
            Error::Denied(flood.clone()),
            Error::TimedOut(flood.clone()),
            Error::Failed(flood.clone()),
        ] {
            let words = crate::plugin::in_words(error(given));
            assert!(
                words.contains('…') && words.chars().count() < ERROR + 50,
                "{}",
                words.len()
            );
        }
        let described = Description {
            about: flood.clone(),
            version: flood.clone(),
            verbs: crate::contract::Verbs::empty(),
            tools: Vec::new(),
        };
        let described = description(described).unwrap();
        assert!(described.about.len() < 4 * LINE && described.version.len() < 4 * NAME);
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
        text: "日".repeat(5 << 20),
        structured: Some(structured.to_owned()),
        failed: false,
        session: None,
    };
    let object = Promise::of(serde_json::json!({"type": "object"}).as_object().unwrap());
    let large = "[".repeat(15 << 20);
    for (data, fault) in [
        ("{", "broken JSON"),
        (&large, "bytes of data, and 262144 are taken"),
        (&"[".repeat(65), "more than 64 deep"),
        ("[1]", "data of the type array, and its output schema promises object"),
    ] {
        let told = output(given(data), Some(&object));
        assert!(told.structured.unwrap_err().contains(fault), "{fault}");
        assert!(
            told.text
                .starts_with("[… 5182880 characters before this were left out]")
        );
    }
    let own = ToolOutput {
        failed: true,
        structured: None,
        ..given("")
    };
    assert_eq!(
        output(own, Some(&object)).structured,
        Ok(None),
        "what failed owes nothing"
    );
}

#[test]
fn the_session_that_was_asked_for_is_the_one_that_comes() {
    assert!(one_session(session("a"), Some("a")).is_ok());
    assert!(one_session(session("a"), None).is_ok());
    for (given, asked) in [("b", Some("a")), ("a b", Some("a b")), ("", None)] {
        assert!(one_session(session(given), asked).is_err(), "{given:?}");
    }
}

#[test]
fn a_cursor_that_cannot_be_given_again_is_a_fault_but_not_after_a_deed() {
    let page = |text: String, next: &str| LogPage {
        text,
        next: next.into(),
        more: false,
    };
    assert!(log(page(String::new(), "12:34")).is_ok());
    assert!(log(page("x".repeat(LOG + 1), "1")).is_err());
    for next in ["a\nb", "a\u{200b}", " a", &"1".repeat(ADDRESS + 1)] {
        assert!(log(page(String::new(), next)).is_err(), "{next:?}");
        let sent = delivery(Delivery {
            receipt: crate::contract::Receipt::Submitted,
            after: Some(next.into()),
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
