//! Plugin files that are none: `berth check` names the file, what is wrong, and what to do.

use berth_guests::dummy;
use sha2::{Digest, Sha256};

use crate::berth::Place;
use crate::members::refusals;

const CONTRACT: &str = include_str!("../../../plugins/sdk/wit/backend.wit");
const ONE: &str = "[backends.local]\nplugin = \"./one.wasm\"\n";

/// What `berth check` says of a backend whose plugin is `bytes`.
async fn complaint(bytes: impl AsRef<[u8]>) -> String {
    let place = Place::new(ONE);
    place.write("one.wasm", bytes, 0o644);
    let complaint = place.complaint(&["check"]).await;
    assert!(complaint.contains(&place.name("one.wasm")), "{complaint}");
    assert!(complaint.contains("backend `local`"), "{complaint}");
    complaint
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_file_that_is_no_webassembly_is_refused() {
    for bytes in [&b"hello"[..], b"", b"\0asm", b"\x7fELF\x02\x01\x01"] {
        let complaint = complaint(bytes).await;
        assert!(complaint.contains("is not a WebAssembly component"), "{complaint}");
        assert!(complaint.contains("wasm32-wasip2"), "{complaint}");
    }
}

#[tokio::test]
async fn the_text_format_is_refused() {
    let complaint = complaint("(component)").await;
    assert!(complaint.contains("is not a WebAssembly component"), "{complaint}");
}

#[tokio::test]
async fn a_core_module_is_refused() {
    let complaint = complaint(wat::parse_str("(module)").unwrap()).await;
    assert!(complaint.contains("is not a WebAssembly component"), "{complaint}");
    assert!(complaint.contains("wasm32-wasip2"), "{complaint}");
}

#[tokio::test]
async fn half_a_component_is_refused() {
    let whole = std::fs::read(berth_guests::MISBEHAVING).unwrap();
    let complaint = complaint(&whole[..whole.len() / 2]).await;
    assert!(complaint.contains("is not a WebAssembly component"), "{complaint}");
}

#[tokio::test]
async fn a_component_without_the_export_is_refused() {
    let complaint = complaint(wat::parse_str("(component)").unwrap()).await;
    assert!(
        complaint.contains("does not export `berth:backend/session-backend@0.1.0`"),
        "{complaint}"
    );
    assert!(complaint.contains("wit/backend.wit"), "{complaint}");
}

#[tokio::test]
async fn a_component_that_imports_something_unknown_is_refused() {
    let evil = "package evil:host@1.0.0 { interface shell { run: func(command: string); } }";
    let world = "world evil { include backend; import evil:host/shell@1.0.0; }";
    let complaint = complaint(dummy(&format!("{CONTRACT}\n{world}\n{evil}"), "evil")).await;
    assert!(complaint.contains("does not fit the contract"), "{complaint}");
    assert!(complaint.contains("evil:host/shell@1.0.0"), "{complaint}");
}

#[tokio::test]
async fn a_component_that_lacks_verbs_is_refused() {
    let component = r#"(component
        (instance $verbs)
        (export "berth:backend/session-backend@0.1.0" (instance $verbs)))"#;
    let complaint = complaint(wat::parse_str(component).unwrap()).await;
    assert!(complaint.contains("does not fit the contract"), "{complaint}");
    assert!(
        complaint.contains("lacks the functions `describe`, `list-sessions`"),
        "{complaint}"
    );
}

#[tokio::test]
async fn a_component_of_another_contract_is_refused_with_what_differs() {
    let field = ("summary: option<string>,", "summary: string,");
    let cases = [
        (
            field,
            "field `summary` of record `session` is a string, and in contract 0.1.0 an option",
        ),
        (
            ("@0.1.0", "@0.2.0"),
            "it is built for contract 0.2.0; this berth speaks 0.1",
        ),
    ];
    for ((from, to), expected) in cases {
        let place = Place::new(ONE);
        place.write("one.wasm", dummy(&CONTRACT.replacen(from, to, 1), "backend"), 0o644);
        let file = place.name("one.wasm");
        let inspected = place.complaint(&["plugin", "inspect", &file]).await;
        let [checked, served] = refusals(&place, "local").await;
        for complaint in [inspected, checked, served] {
            assert!(complaint.contains(&file) && complaint.contains(expected), "{complaint}");
        }
    }
}

#[tokio::test]
async fn a_component_of_a_later_version_of_this_contract_loads() {
    let later = CONTRACT.replacen("@0.1.0", "@0.1.1", 1);
    let place = Place::new(ONE);
    place.write("one.wasm", dummy(&later, "backend"), 0o644);
    let ran = place.run(&["plugin", "inspect", &place.name("one.wasm")]).await;
    assert!(ran.success, "{}", ran.stderr);
    assert!(ran.stdout.contains("session-backend@0.1.1"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_file_with_another_digest_than_the_pinned_one_is_refused() {
    let pinned = "0".repeat(64);
    let place = Place::new(&format!(
        "[backends.local]\nplugin = \"./misbehaving.wasm\"\nsha256 = \"{pinned}\"\n"
    ));
    let found = hex(&std::fs::read(berth_guests::MISBEHAVING).unwrap());
    for complaint in refusals(&place, "local").await {
        assert!(complaint.contains(&place.name("misbehaving.wasm")), "{complaint}");
        assert!(
            complaint.contains(&pinned) && complaint.contains(&format!("sha256 = \"{found}\"")),
            "{complaint}"
        );
    }
    place.configure(
        &format!("[backends.local]\nplugin = \"./misbehaving.wasm\"\nsha256 = \"{found}\"\n"),
        "",
    );
    let ran = place.run(&["check"]).await;
    assert!(ran.success, "{}", ran.stderr);
    assert!(!ran.stdout.contains("not pinned"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_file_that_is_missing_is_an_error_of_the_line_that_names_it() {
    let place = Place::new(ONE);
    let complaint = place.complaint(&["check"]).await;
    let expected = format!(
        "{}:2: backends.local.plugin: there is no file {}",
        place.name("config.toml"),
        place.name("one.wasm")
    );
    assert!(complaint.contains(&expected), "{complaint}");
}

#[tokio::test]
async fn inspecting_a_bad_file_says_what_is_wrong() {
    let place = Place::new(ONE);
    place.write("one.wasm", "hello", 0o644);
    let complaint = place.complaint(&["plugin", "inspect", &place.name("one.wasm")]).await;
    assert!(complaint.contains("is not a WebAssembly component"), "{complaint}");
}

#[tokio::test]
async fn what_is_no_file_or_too_large_is_refused_without_being_read() {
    let place = Place::new(ONE);
    // Nobody writes to it: whoever reads it waits for ever.
    let _life = place.life().await;
    let large = std::fs::File::create(place.path("large.wasm")).unwrap();
    std::io::Write::write_all(&mut &large, b"\0asm\x0d\0\x01\0").unwrap();
    large.set_len(1 << 30).unwrap();
    for (name, expected) in [
        ("projects/life", "is not a file"),
        ("projects", "is not a file"),
        ("large.wasm", "has more than 268435456 bytes"),
    ] {
        let complaint = place.complaint(&["plugin", "inspect", &place.name(name)]).await;
        let expected = format!(
            "{} {expected}; give `plugin` the path of a .wasm file",
            place.name(name)
        );
        assert!(complaint.contains(&expected), "{complaint}");
    }
}
