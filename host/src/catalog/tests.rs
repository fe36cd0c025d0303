//! The merge over plain data: no backend runs here.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::json;

use super::*;
use crate::principal::Backends as Known;
use crate::session;

/// What each backend means here.
const MEANING: &str = "a plugin";

fn tool(name: &str) -> session::Tool {
    session::Tool {
        name: name.into(),
        title: name.into(),
        description: String::new(),
        input_schema: "{}".into(),
        output_schema: None,
        only_reads: true,
        destructive: true,
        idempotent: false,
        open_world: false,
    }
}

fn offer(backend: &str, plugin: &str, tools: &[&str]) -> Offer {
    Offer {
        backend: backend.into(),
        origin: format!("plugin `{plugin}`"),
        digest: plugin.into(),
        tools: tools.iter().map(|name| tool(name)).collect(),
        read_tools: Vec::new(),
    }
}

fn merged(offers: Vec<Offer>) -> Catalog {
    merge(offers, &[], &ToolSettings::default()).unwrap()
}

/// The merge of `offers` while the backends `missing` are not up. The default one is `one`.
fn merge(offers: Vec<Offer>, missing: &[&str], settings: &ToolSettings) -> Result<Catalog, CollisionError> {
    let up = offers.iter().map(|offer| offer.backend.clone());
    let names = up.chain(missing.iter().map(ToString::to_string));
    let names = names.map(|name| (name, MEANING.to_owned()));
    let none = Catalog::new(Backends::new(names, "one".into()), settings.clone())?;
    offers.into_iter().try_fold(none, |catalog, offer| catalog.with(offer))
}

fn knows(backends: &[&str]) -> Principal {
    let named = backends.iter().map(|name| (name.to_string(), MEANING.to_owned()));
    Principal::new("someone", Scope::Control, Known::Only(named.collect()))
}

fn arguments(given: Value) -> Map<String, Value> {
    given.as_object().unwrap().clone()
}

fn mistake(catalog: &Catalog, principal: &Principal, name: &str, given: Value) -> String {
    catalog.read(principal, name, arguments(given)).unwrap_err().to_string()
}

#[test]
fn the_shared_tools_are_the_same_for_any_backends() {
    let names = |catalog: &Catalog| -> Vec<String> { catalog.tools().iter().map(|tool| tool.name.clone()).collect() };
    let none = names(&merged(Vec::new()));
    assert_eq!(none.len(), 14);
    assert_eq!(
        names(&merged(vec![offer("one", "a", &[]), offer("two", "b", &[])])),
        none
    );
}

#[test]
fn a_call_is_read_with_its_arguments_or_says_what_the_tool_takes() {
    let catalog = merged(vec![offer("one", "a", &[])]);
    let read = catalog.read(
        &Principal::local(),
        "get_logs",
        arguments(json!({"session_id": "one/x"})),
    );
    assert!(matches!(read, Ok(Request::GetLogs(wanted)) if wanted.session_id == "one/x" && wanted.lines == 50));
    let said = mistake(&catalog, &Principal::local(), "get_logs", json!({"session": "one/x"}));
    assert!(said.contains("session_id") && said.contains("lines?"), "{said}");
    let said = mistake(&catalog, &Principal::local(), "get_log", json!({}));
    assert!(
        said.contains("there is no tool `get_log`") && said.contains("get_logs"),
        "{said}"
    );
}

#[test]
fn backends_of_one_plugin_share_its_tool_and_the_default_one_is_meant() {
    let catalog = merged(vec![offer("one", "a", &["build"]), offer("two", "a", &["build"])]);
    let call = |principal: &Principal, given: Value| match catalog.read(principal, "build", arguments(given)) {
        Ok(Request::Own(call)) => Ok(call.backend.to_owned()),
        Ok(other) => panic!("{other:?}"),
        Err(mistake) => Err(mistake.to_string()),
    };
    assert_eq!(call(&Principal::local(), json!({})), Ok("one".into()));
    assert_eq!(call(&Principal::local(), json!({"backend": "two"})), Ok("two".into()));
    assert_eq!(call(&knows(&["two"]), json!({})), Ok("two".into()));
    let said = call(&knows(&["two"]), json!({"backend": "one"})).unwrap_err();
    assert!(said.ends_with("one of: two"), "{said}");
    let said = call(&knows(&["three"]), json!({})).unwrap_err();
    assert!(said.contains("there is no tool `build`"), "{said}");
}

#[test]
fn one_name_of_two_plugins_is_refused_and_both_are_named() {
    let offers = vec![offer("one", "a", &["build"]), offer("two", "b", &["build"])];
    let Err(collision) = merge(offers, &[], &ToolSettings::default()) else {
        panic!("two tools have one name");
    };
    let said = collision.to_string();
    assert!(
        said.contains("`one`") && said.contains("`two`") && said.contains("hide = [\"two:build\"]"),
        "{said}"
    );
    let offers = vec![offer("one", "a", &["list_sessions"])];
    assert!(merge(offers, &[], &ToolSettings::default()).is_err());
}

#[test]
fn a_tool_reads_only_where_its_plugin_and_the_operator_say_so() {
    let mut reads = offer("one", "a", &["build"]);
    reads.read_tools = vec!["build".into()];
    let catalog = merged(vec![reads, offer("two", "a", &["build"])]);
    let needs = |principal: &Principal| catalog.acts(principal, "build");
    assert!(!needs(&knows(&["one"])));
    assert!(needs(&knows(&["two"])));
    assert!(needs(&knows(&["one", "two"])));
}

#[test]
fn what_a_call_is_meant_for_is_known_before_it_is_made() {
    let catalog = merged(vec![offer("one", "a", &["build"]), offer("two", "b", &[])]);
    let local = Principal::local();
    for (name, given, backend, session) in [
        ("list_sessions", json!({}), "", ""),
        ("list_sessions", json!({"backend": "two"}), "two", ""),
        ("create_session", json!({}), "one", ""),
        ("send_message", json!({"session_id": "two/x"}), "two", "two/x"),
        ("fetch", json!({"id": "two/x"}), "two", "two/x"),
        ("build", json!({}), "one", ""),
    ] {
        let target = catalog.target(&local, name, &arguments(given));
        assert_eq!(target, (backend.to_owned(), session.to_owned()), "{name}");
    }
}

#[test]
fn a_backend_that_is_not_up_is_known_by_name_and_no_other_is_called_in_its_place() {
    let catalog = merge(vec![offer("two", "a", &["build"])], &["one"], &ToolSettings::default()).unwrap();
    let local = Principal::local();
    assert!(catalog.view(&local).holds("one"));
    assert!(mistake(&catalog, &local, "build", json!({})).contains("backend `one` is not up"));
    assert!(mistake(&catalog, &local, "build", json!({"backend": "one"})).contains("backend `one` is not up"));
    let named = catalog.read(&local, "build", arguments(json!({"backend": "two"})));
    assert!(matches!(named, Ok(Request::Own(call)) if call.backend == "two"));
    // Who may not know of it is not told of it, and needs not name the only one there is.
    let other = knows(&["two"]);
    assert!(matches!(catalog.read(&other, "build", Map::new()), Ok(Request::Own(call)) if call.backend == "two"));
    assert!(mistake(&catalog, &other, "build", json!({"backend": "one"})).ends_with("one of: two"));
}

#[test]
fn what_a_call_means_depends_on_backends_that_are_not_up_only_where_they_may_have_its_tool() {
    let catalog = merge(
        vec![offer("two", "a", &["build"])],
        &["one", "three"],
        &ToolSettings::default(),
    )
    .unwrap();
    let depends = |principal: &Principal, name: &str, given: Value| {
        let names = catalog.depends_on(principal, name, &arguments(given));
        names.join(" ")
    };
    let local = Principal::local();
    for (name, given, on) in [
        ("list_sessions", json!({"backend": "one"}), ""),
        ("build", json!({"backend": "two"}), ""),
        ("build", json!({"backend": "three"}), "three"),
        ("build", json!({}), "one"),
        ("test", json!({"backend": "two"}), "one three"),
    ] {
        assert_eq!(depends(&local, name, given.clone()), on, "{name} {given}");
    }
    assert_eq!(depends(&knows(&["two", "three"]), "test", json!({})), "three");
    let said = mistake(&catalog, &knows(&["two", "three"]), "test", json!({}));
    assert!(
        said.starts_with("no tool `test` is known now; backends that are not up may have it: three; "),
        "{said}"
    );
}

#[test]
fn a_name_of_a_tool_that_may_still_come_is_no_fault_until_all_backends_are_up() {
    let hides = |name: &str| ToolSettings {
        hide: [name.to_owned()].into(),
        ..ToolSettings::default()
    };
    let up = || vec![offer("one", "a", &["build"])];
    for name in ["test", "two:test"] {
        assert!(merge(up(), &["two"], &hides(name)).is_ok(), "{name}");
        assert!(
            merge([up(), vec![offer("two", "b", &[])]].concat(), &[], &hides(name)).is_err(),
            "{name}"
        );
    }
    for name in ["one:test", "three:test"] {
        assert!(merge(up(), &["two"], &hides(name)).is_err(), "{name}");
    }
    let alias = crate::config::Alias {
        tool: "test".into(),
        arguments: Map::new(),
        names: BTreeMap::new(),
    };
    let settings = ToolSettings {
        alias: [("check".to_owned(), alias)].into(),
        ..ToolSettings::default()
    };
    assert!(merge(up(), &["two"], &settings).unwrap().tool("check").is_none());
    let whole = [up(), vec![offer("two", "b", &["test"])]].concat();
    assert!(merge(whole, &[], &settings).unwrap().tool("check").is_some());
    assert!(merge(up(), &[], &settings).is_err());
}
