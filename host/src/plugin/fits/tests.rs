use berth_guests::dummy;
use wasmtime::component::Component;

use super::Contract;
use crate::contract::{TEXT, WORLD};
use crate::plugin::Engine;

/// What the contract finds in the component `bytes`.
fn faults(bytes: &[u8]) -> Vec<String> {
    let engine = Engine::new(1, 64 << 20, None).unwrap();
    let contract = Contract::parse(TEXT, WORLD).unwrap();
    let component = Component::from_binary(&engine.inner, bytes).unwrap();
    contract.faults(&engine.inner, &component)
}

/// The contract with `from` replaced by `to` where it stands first.
fn changed(from: &str, to: &str) -> String {
    assert!(TEXT.contains(from), "the contract has no `{from}`");
    TEXT.replacen(from, to, 1)
}

/// What the contract finds in a plugin that was built against it with `from` replaced by `to`: one fault.
fn fault(from: &str, to: &str) -> String {
    let faults = faults(&dummy(&changed(from, to), "backend"));
    let [fault] = &faults[..] else {
        panic!("`{to}` gives {faults:#?}");
    };
    assert!(fault.chars().count() < 200, "{fault}");
    fault.clone()
}

/// The same for what is still of this contract's version.
#[track_caller]
fn says(from: &str, to: &str, expected: &str) {
    assert_eq!(fault(from, to), expected);
}

#[test]
fn a_plugin_built_against_this_contract_fits() {
    assert_eq!(faults(&dummy(TEXT, "backend")), Vec::<String>::new());
    assert_eq!(faults(&dummy(TEXT, WORLD)), Vec::<String>::new());
}

#[test]
fn a_field_too_many_too_few_renamed_or_moved_is_named() {
    says(
        "url: option<string>,",
        "url: option<string>, cost: option<f64>,",
        "record `session` has the field `cost` that contract 0.1.0 does not have",
    );
    says(
        "resume: option<string>,",
        "",
        "record `new-session` lacks the field `resume` of contract 0.1.0",
    );
    says(
        "summary: option<string>,",
        "headline: option<string>,",
        "record `session` has the field `headline` where contract 0.1.0 has `summary`",
    );
    says(
        "label: string,\n    description: option<string>,",
        "description: option<string>,\n    label: string,",
        "record `choice` has its fields in another order than contract 0.1.0",
    );
    says(
        "stdin: list<u8>,",
        "stdin: list<u8>, nice: s32, core: u32,",
        "record `process.command` has the fields `nice`, `core` that contract 0.1.0 does not have",
    );
}

#[test]
fn a_field_of_another_type_is_named_with_both_types() {
    says(
        "summary: option<string>,",
        "summary: string,",
        "field `summary` of record `session` is a string, and in contract 0.1.0 an option",
    );
    says(
        "env: list<tuple<string, string>>,",
        "env: list<tuple<string, s64>>,",
        "part 2 of an entry of field `env` of record `process.command` is an s64, and in contract 0.1.0 a string",
    );
    says(
        "env: list<tuple<string, string>>,",
        "env: list<tuple<string, string, string>>,",
        "an entry of field `env` of record `process.command` is a tuple of 3, and in contract 0.1.0 a tuple of 2",
    );
    says(
        "    state: state,",
        "    state: string,",
        "field `state` of record `session` is a string, and in contract 0.1.0 the enum `state`",
    );
    says(
        "type timestamp = u64;",
        "type timestamp = s64;",
        "type `timestamp` is an s64, and in contract 0.1.0 a u64",
    );
}

#[test]
fn a_case_too_many_too_few_renamed_or_moved_is_named() {
    says(
        "interrupted,",
        "interrupted, zombie,",
        "enum `state` has the case `zombie` that contract 0.1.0 does not have",
    );
    says(
        "enum access { read, control }",
        "enum access { read }",
        "enum `access` lacks the case `control` of contract 0.1.0",
    );
    says(
        "enum access { read, control }",
        "enum access { control, read }",
        "enum `access` has its cases in another order than contract 0.1.0",
    );
    says(
        "failed(string),",
        "failed(string), quota(string),",
        "variant `error` has the case `quota` that contract 0.1.0 does not have",
    );
    says(
        "invalid(string),",
        "",
        "variant `error` lacks the case `invalid` of contract 0.1.0",
    );
    says(
        "invalid(string),",
        "wrong(string),",
        "variant `error` has the case `wrong` where contract 0.1.0 has `invalid`",
    );
    says(
        "timed-out(string),\n    failed(string),",
        "failed(string),\n    timed-out(string),",
        "variant `error` has its cases in another order than contract 0.1.0",
    );
}

#[test]
fn what_a_case_carries_is_named() {
    says(
        "not-found(string),",
        "not-found,",
        "the value of case `not-found` of variant `error` is nothing, and in contract 0.1.0 a string",
    );
    says(
        "unsupported,",
        "unsupported(u32),",
        "the value of case `unsupported` of variant `error` is a u32, and in contract 0.1.0 nothing",
    );
}

#[test]
fn a_flag_too_many_too_few_or_moved_is_named() {
    says(
        " interrupt, terminate,",
        " interrupt, archive, terminate,",
        "flags `verbs` has the flag `archive` that contract 0.1.0 does not have",
    );
    says(
        " interrupt, terminate,",
        " interrupt,",
        "flags `verbs` lacks the flag `terminate` of contract 0.1.0",
    );
    says(
        " interrupt, terminate,",
        " terminate, interrupt,",
        "flags `verbs` has its flags in another order than contract 0.1.0",
    );
}

#[test]
fn a_function_that_is_missing_is_named() {
    says(
        "get-session: func(id: string) -> result<session, error>;",
        "",
        "its `session-backend` lacks the function `get-session` of contract 0.1.0",
    );
    let fault = fault("interrupt: func(", "stop: func(");
    assert!(
        fault.contains("lacks the function `interrupt` of contract 0.1.0"),
        "{fault}"
    );
}

#[test]
fn what_a_function_takes_and_answers_is_named() {
    let get = "get-session: func(id: string) -> result<session, error>;";
    says(
        get,
        "get-session: func(id: string) -> session;",
        "the answer of function `session-backend.get-session` is a record, and in contract 0.1.0 a result",
    );
    says(
        get,
        "get-session: func(id: string);",
        "the answer of function `session-backend.get-session` is nothing, and in contract 0.1.0 a result",
    );
    says(
        get,
        "get-session: func(id: string) -> result<session>;",
        "the error in the answer of function `session-backend.get-session` is nothing, and in contract 0.1.0 the \
         variant `error`",
    );
    says(
        get,
        "get-session: func(id: u64) -> result<session, error>;",
        "argument `id` of function `session-backend.get-session` is a u64, and in contract 0.1.0 a string",
    );
    says(
        get,
        "get-session: func(id: string, fresh: bool) -> result<session, error>;",
        "function `session-backend.get-session` has the argument `fresh` that contract 0.1.0 does not have",
    );
    says(
        "read-log: func(id: string, query: log-query)",
        "read-log: func(query: log-query, id: string)",
        "function `session-backend.read-log` has its arguments in another order than contract 0.1.0",
    );
}

#[test]
fn what_the_plugin_asks_for_must_be_there_as_it_is() {
    says(
        "roots: func() -> list<string>;",
        "roots: func() -> list<string>;\n  delete: func(path: string) -> result<_, error>;",
        "it asks for `files.delete`, which contract 0.1.0 does not have: a newer berth is needed",
    );
    says(
        "read: func(slices: list<slice>)",
        "read: func(slices: list<string>)",
        "an entry of argument `slices` of function `files.read` is a string, and in contract 0.1.0 the record \
         `files.slice`",
    );
    says(
        "roots: func() -> list<string>;",
        "roots: func();",
        "the answer of function `files.roots` is nothing, and in contract 0.1.0 a list",
    );
    says(
        "run: func(orders: list<order>)",
        "run: func(orders: list<string>)",
        "an entry of argument `orders` of function `ssh.run` is a string, and in contract 0.1.0 the record `ssh.order`",
    );
    let later = changed(
        "world backend {",
        "interface http { get: func(url: string) -> string; }\nworld later { include backend; import http; }\nworld backend {",
    );
    assert_eq!(
        faults(&dummy(&later, "later")),
        ["it asks for `http`, which contract 0.1.0 does not have: a newer berth is needed"]
    );
}

#[test]
fn a_component_that_is_not_a_backend_is_told_what_it_lacks() {
    let missing = ["it does not export `berth:backend/session-backend@0.1.0`"];
    let text = changed("world backend {", "world looker { import files; }\nworld backend {");
    assert_eq!(faults(&dummy(&text, "looker")), missing);
    assert_eq!(faults(&wat::parse_str("(component)").unwrap()), missing);
    let unversioned = r#"(component (instance $empty) (export "berth:backend/session-backend" (instance $empty)))"#;
    assert_eq!(
        faults(&wat::parse_str(unversioned).unwrap()),
        ["it is built for a contract without a version; this berth speaks 0.1"]
    );
    let function = r#"(component
        (core module $module (func (export "run")))
        (core instance $instance (instantiate $module))
        (func $run (canon lift (core func $instance "run")))
        (export "berth:backend/session-backend@0.1.0" (func $run)))"#;
    assert_eq!(
        faults(&wat::parse_str(function).unwrap()),
        ["its `session-backend` is not an interface, as in contract 0.1.0"]
    );
}

#[test]
fn a_plugin_built_for_two_contracts_fits_the_one_of_this_berth() {
    let both = "world both { include backend; export berth:backend/session-backend@0.2.0; }\nworld backend {";
    let both = changed("world backend {", both);
    let later = "package berth:backend@0.2.0 { interface session-backend { describe: func(); } }";
    assert_eq!(
        faults(&dummy(&format!("{both}\n{later}"), "both")),
        Vec::<String>::new()
    );
}

#[test]
fn faults_of_a_hostile_file_are_bounded() {
    let long = |number: usize| format!("x{number}-{}", "y".repeat(150));
    let fields: String = (0..500).map(|number| format!("{}: u8, ", long(number))).collect();
    let fault = fault("resume: option<string>,", &fields);
    assert!(
        fault.contains(" and 499 more where contract 0.1.0 has `resume`"),
        "{fault}"
    );

    let functions: String = (0..500).map(|number| format!("{}: func();\n", long(number))).collect();
    let roots = "roots: func() -> list<string>;";
    let faults = faults(&dummy(&changed(roots, &format!("{roots}\n{functions}")), "backend"));
    assert!(faults.len() < 20, "{}", faults.len());
    assert!(faults.iter().all(|fault| fault.chars().count() < 200), "{faults:#?}");
    assert_eq!(faults.last().unwrap(), "and there is more");
}

#[test]
fn a_later_function_and_a_later_export_are_no_fault() {
    let later = changed("get-session: func(", "archive: func(id: string);\n  get-session: func(");
    assert_eq!(faults(&dummy(&later, "backend")), Vec::<String>::new());
    let later = changed(
        "world backend {",
        "interface snapshots { take: func() -> string; }\nworld later { include backend; export snapshots; }\nworld backend {",
    );
    assert_eq!(faults(&dummy(&later, "later")), Vec::<String>::new());
}

#[test]
fn versions_of_the_same_line_fit_and_others_are_named() {
    let of = |version: &str| faults(&dummy(&changed("@0.1.0", &format!("@{version}")), "backend"));
    for fits in ["0.1.1", "0.1.99", "0.1.0+build"] {
        assert_eq!(of(fits), Vec::<String>::new(), "{fits}");
    }
    for version in ["0.2.0", "1.1.0", "0.0.1", "0.1.0-rc.1"] {
        let expected = format!("it is built for contract {version}; this berth speaks 0.1");
        assert_eq!(of(version), [expected]);
    }
}
