//! Plugins in other languages than Rust: real backends in Python and JavaScript, and what was frozen of the contract, all
//! under the limits that a backend has whose operator chose none.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_guests::dummy;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::berth::{Berth, Place};
use crate::released;

/// How long it may take to compile them all for the first time.
pub(crate) const COMPILED_WITHIN: Duration = Duration::from_secs(300);

/// The component that `make` built from the source in `language` for the frozen contract `name`.
pub(crate) fn built(name: &str, language: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let file = target.join("frozen").join(name).join(language).with_extension("wasm");
    assert!(
        file.is_file(),
        "{} is missing: `make languages` builds it",
        file.display()
    );
    file
}

/// What the backend is called whose component was built for the frozen contract `name`.
fn backend(name: &str, language: &str) -> String {
    format!("{}-{language}", name.replace('.', "-"))
}

/// Each frozen contract with its backends: the name of each, and its component.
fn frozen() -> Vec<(String, PathBuf)> {
    let mut frozen = Vec::new();
    for name in released::names() {
        let folder = released::folder().join(&name);
        frozen.extend([
            (backend(&name, "rust"), folder.join("rust.wasm")),
            (backend(&name, "javascript"), folder.join("javascript.wasm")),
            (backend(&name, "python"), built(&name, "python")),
        ]);
    }
    frozen
}

/// A place with a backend `python` and one `javascript`, built for the newest frozen contract, and the frozen ones.
async fn place() -> Place {
    static COMPILED: OnceCell<()> = OnceCell::const_new();
    let newest = released::names().pop().expect("something is frozen");
    let mut backends = frozen();
    for language in ["python", "javascript"] {
        backends.push((language.to_owned(), built(&newest, language)));
    }
    let tables = backends
        .iter()
        .map(|(name, file)| format!("[backends.{name}]\nplugin = {file:?}\n"));
    let place = Place::new(&format!("default_backend = \"python\"\n{}", tables.collect::<String>()));
    // All tests share the cache of what is compiled.
    let compiled = async {
        let mut check = place.command(&["check", "--config", &place.name("config.toml")]);
        let ran = timeout(COMPILED_WITHIN, check.output())
            .await
            .expect("it hangs")
            .unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    };
    COMPILED.get_or_init(|| compiled).await;
    place
}

#[tokio::test]
async fn backends_in_python_and_javascript_start_and_list_sessions_under_the_shipped_limits() {
    let place = place().await;
    let berth = Berth::serve(&place).await;
    for language in ["python", "javascript"] {
        let list = berth.call("list_sessions", json!({"backend": language})).await.done();
        assert_eq!(list.structured["errors"], json!([]), "{}", list.text);
        assert_eq!(
            list.structured["sessions"][0]["session_id"],
            format!("{language}/first")
        );
        assert_eq!(list.structured["sessions"][0]["state"], "idle");

        let wanted = json!({"backend": language, "name": "grün"});
        let created = berth.call("create_session", wanted).await.done().structured;
        let id = created["session"]["session_id"].as_str().unwrap();
        let list = berth.call("list_sessions", json!({"backend": language})).await.done();
        let sessions = list.structured["sessions"].as_array().unwrap();
        let found = sessions.iter().find(|session| session["session_id"] == id);
        assert_eq!(found.expect("it was created")["name"], "grün", "{}", list.text);
        let log = berth.call("get_logs", json!({"session_id": id})).await.done();
        assert_eq!(log.structured["text"], "This is grün.", "{}", log.text);
    }
}

#[tokio::test]
async fn what_crashes_in_python_and_javascript_is_told_with_its_last_words_and_without_frames() {
    let place = place().await;
    let berth = Berth::serve(&place).await;
    for (session, said) in [
        ("python/raises", "ValueError: the cupboard is bare"),
        ("javascript/raises", "the cupboard is bare"),
        ("python/mistyped", "'str' object has no attribute"),
        ("javascript/mistyped", "expected object"),
    ] {
        let error = berth
            .call("get_session_status", json!({"session_id": session}))
            .await
            .error();
        let (backend, _) = session.split_once('/').unwrap();
        assert!(
            error.contains(&format!("the plugin of backend `{backend}` was stopped")),
            "{error}"
        );
        assert!(error.contains("it said last: ") && error.contains(said), "{error}");
        assert!(
            !error.contains("wasm backtrace") && !error.contains("<unknown>!"),
            "{error}"
        );
    }
    let log = place.read("log");
    let told = log.lines().filter(|line| line.contains("the cupboard is bare"));
    let told: Vec<&str> = told.collect();
    assert!(
        told.len() == 2 && told.iter().all(|line| line.contains("WARN")),
        "{log}"
    );
    // The next calls are none the worse for it.
    for language in ["python", "javascript"] {
        let id = json!({"session_id": format!("{language}/first")});
        berth.call("get_session_status", id).await.done();
    }
}

#[tokio::test]
async fn the_examples_of_the_tutorial_list_the_files_of_granted_directories() {
    for language in ["python", "javascript"] {
        let component = built("tutorial", language);
        let place = Place::new(&format!(
            "default_backend = \"files\"\n[backends.files]\nplugin = {component:?}\ndirectories = [\"~/files\"]\n"
        ));
        fs::create_dir_all(place.path("home/files")).unwrap();
        place.write("home/files/one", "", 0o644);
        let berth = Berth::serve(&place).await;
        let list = berth.call("list_sessions", json!({})).await.done();
        assert_eq!(list.structured["errors"], json!([]), "{}", list.text);
        assert_eq!(
            list.structured["sessions"][0]["session_id"], "files/one",
            "{}",
            list.text
        );
    }
}

#[tokio::test]
async fn what_was_built_for_each_frozen_contract_loads_and_answers() {
    let place = place().await;
    let berth = Berth::serve(&place).await;
    let list = berth.call("list_sessions", json!({})).await.done();
    assert_eq!(list.structured["errors"], json!([]), "{}", list.text);
    let sessions = list.structured["sessions"].as_array().unwrap();
    for name in released::names() {
        for language in ["python", "javascript"] {
            let id = Value::from(format!("{}/first", backend(&name, language)));
            assert!(
                sessions.iter().any(|session| session["session_id"] == id),
                "{id}: {}",
                list.text
            );
        }
        let noop = berth
            .call("noop", json!({"backend": backend(&name, "rust")}))
            .await
            .done();
        assert_eq!(noop.text, "done");
    }
}

#[tokio::test]
async fn a_plugin_that_uses_all_of_a_frozen_contract_loads() {
    for name in released::names() {
        let contract = fs::read_to_string(released::folder().join(&name).join("backend.wit")).unwrap();
        let place = Place::new("[backends.local]\nplugin = \"./misbehaving.wasm\"\n");
        place.write("whole.wasm", dummy(&contract, "backend"), 0o644);
        let ran = place.run(&["plugin", "inspect", &place.name("whole.wasm")]).await;
        assert!(ran.success, "{name}: {}", ran.stderr);
    }
}
