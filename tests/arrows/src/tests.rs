//! The present code passes, and the check finds what would be wrong in it.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use crate::allowed::{CIRCLES, WRONG, rooms};
use crate::arrows::Allowed;
use crate::circles;
use crate::source::{self, File};

fn allowed() -> Allowed<'static> {
    Allowed {
        rooms: rooms(),
        wrong: WRONG,
    }
}

#[test]
fn every_room_names_what_it_may_and_nothing_else() {
    let faults = allowed().faults(&source::of("host/src"));
    assert!(
        faults.is_empty(),
        "\n{}\ntests/arrows/src/allowed.rs says what may be named",
        faults.join("\n")
    );
}

#[test]
fn every_room_has_a_row_and_every_row_a_room() {
    let files = source::of("host/src");
    let found: BTreeSet<&str> = files.iter().map(File::room).filter(|room| *room != "lib").collect();
    assert_eq!(found, rooms().into_iter().map(|(room, _)| room).collect());
}

#[test]
fn the_arrows_themselves_make_no_circle() {
    let mut left = rooms();
    while !left.is_empty() {
        let names: Vec<&str> = left.iter().map(|(room, _)| *room).collect();
        left.retain(|(_, may)| may.iter().any(|room| names.contains(room)));
        assert!(left.len() < names.len(), "each of {names:?} leads to another of them");
    }
}

#[test]
fn the_files_of_a_folder_make_no_circle() {
    let mut found = circles::of(&source::of("host/src"), false);
    for folder in [
        "demo-agent/src",
        "plugins/sdk/src",
        "plugins/agents/src",
        "plugins/headless/src",
        "plugins/tmux/src",
    ] {
        found.extend(circles::of(&source::of(folder), true));
    }
    let known: Vec<&str> = CIRCLES.iter().map(|(circle, _)| *circle).collect();
    found.sort();
    assert_eq!(
        found, known,
        "what there is, and what tests/arrows/src/allowed.rs knows of"
    );
}

#[test]
fn any_further_arrow_between_the_rooms_is_found() {
    let allowed = allowed();
    for (room, may) in rooms().iter().filter(|(room, _)| *room != "main") {
        for (other, _) in rooms()
            .iter()
            .filter(|(other, _)| other != room && !may.contains(other))
        {
            let root = if *room == "cli" { "berth" } else { "crate" };
            let added = File::new(&format!("{room}/added.rs"), &format!("use {root}::{other}::Thing;"));
            let told = allowed.faults(&[added]);
            let wanted = format!("{room}/added.rs: `{room}` must not name `{other}`");
            assert!(told.contains(&wanted), "{wanted}: {told:?}");
        }
    }
}

/// Two rooms: `below` must not name `above`.
fn told(path: &str, text: &str) -> Vec<String> {
    let allowed = Allowed {
        rooms: vec![("above", vec!["below"]), ("below", vec![])],
        wrong: &[],
    };
    let above = File::new("above.rs", "use crate::below;");
    allowed.faults(&[above, File::new(path, text)])
}

#[test]
fn a_wrong_name_is_found_in_every_form() {
    for (path, text) in [
        ("below.rs", "use crate::above::Thing;"),
        ("below.rs", "use crate::above as under;"),
        ("below.rs", "pub(crate) use crate::above;"),
        ("below.rs", "use crate::{below::{self, inner}, above::{Thing, Other}};"),
        ("below.rs", "use {std::fmt, crate::{self as _, above}};"),
        ("below.rs", "use crate::r#above::Thing;"),
        ("below.rs", "use super::above::Thing;"),
        ("below.rs", "use self::super::above::Thing;"),
        ("below.rs", "mod inner { use super::super::above; }"),
        (
            "below.rs",
            "mod one { mod two { fn f() { super::super::super::above::go() } } }",
        ),
        (
            "below.rs",
            "fn f() { let found: Vec<crate::above::Thing> = crate::above::go(); }",
        ),
        ("below.rs", "fn f() { if true { use crate::above::go; go() } }"),
        ("below.rs", "fn f() { assert!(one, \"{}\", crate::above::go()); }"),
        ("below.rs", "impl<T: crate::above::Thing> Other for T {}"),
        ("below.rs", "macro_rules! m { () => { $crate::above::go() } }"),
        ("below.rs", "#[cfg(test)] mod tests { use crate::above::tests::thing; }"),
        ("below/mod.rs", "use super::above;"),
        ("below/inner.rs", "use super::super::above;"),
        ("below/inner/deep.rs", "use super::super::super::{above};"),
        ("below/inner/mod.rs", "fn f() { super::super::above::go() }"),
    ] {
        let told = told(path, text);
        assert!(
            told.iter().any(|line| line.contains("must not name `above`")),
            "{path}: {text}: {told:?}"
        );
    }
}

#[test]
fn nobody_names_the_crate_as_a_whole() {
    for (path, text) in [
        ("below.rs", "use crate::*;"),
        ("below.rs", "use crate as all;"),
        ("below.rs", "use crate::{self as all};"),
        ("below.rs", "use super::*;"),
        ("below.rs", "use super as all;"),
        ("below/inner.rs", "use super::super::*;"),
        ("below.rs", "extern crate self as all;"),
    ] {
        let told = told(path, text);
        assert!(
            told.iter().any(|line| line.contains("as a whole")),
            "{path}: {text}: {told:?}"
        );
    }
}

#[test]
fn what_names_no_other_room_is_let_through() {
    for (path, text) in [
        ("below.rs", "// use crate::above;\n/* crate::above::go() */"),
        (
            "below.rs",
            "/// As [`go`](crate::above::go) does.\nfn f() { log(\"crate::above::go()\") }",
        ),
        (
            "below.rs",
            "use above::Thing; use ::above::Other; fn f() { above::go(); self.above::<u8>() }",
        ),
        (
            "below.rs",
            "use crate::below::Thing; use self::inner::Other; pub(crate) mod inner { use super::*; }",
        ),
        (
            "below/inner.rs",
            "use super::above; use super::deep::{self, *}; pub(super) fn f() {}",
        ),
        ("above.rs", "use crate::below;"),
        ("lib.rs", "pub mod above; pub mod below; pub use above::Thing;"),
    ] {
        let told = told(path, text);
        assert!(told.is_empty(), "{path}: {text}: {told:?}");
    }
}

#[test]
fn what_is_allowed_in_vain_is_told() {
    let allowed = Allowed {
        rooms: vec![("above", vec!["below"]), ("below", vec![])],
        wrong: &[("below.rs", "above", "soon")],
    };
    let files = |above, below| [File::new("above.rs", above), File::new("below.rs", below)];
    assert!(
        allowed
            .faults(&files("use crate::below;", "use crate::above;"))
            .is_empty()
    );
    assert_eq!(allowed.faults(&files("", "use crate::above;")).len(), 1);
    assert_eq!(allowed.faults(&files("use crate::below;", "")).len(), 1);
}

fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
    circles::of(&files, true)
}

#[test]
fn a_circle_is_found_by_whatever_way_it_leads() {
    for files in [
        [
            ("room/mod.rs", ""),
            ("room/one.rs", "use super::two;"),
            ("room/two.rs", "use crate::room::one::Thing;"),
        ],
        [
            ("room/mod.rs", "pub use one::Thing;"),
            ("room/one.rs", "fn f() { super::two::go() }"),
            ("room/two.rs", "use super::{Thing, Other};"),
        ],
        [
            ("room.rs", "pub(crate) use self::two::{go, deep::Thing};"),
            ("room/one.rs", "use super::Thing;"),
            ("room/two/deep.rs", "use super::super::one;"),
        ],
    ] {
        assert_eq!(circles_of(&files), ["room: one, two"], "{files:?}");
    }
    let longer = [
        ("one.rs", "use crate::two;"),
        ("two.rs", "use crate::three;"),
        ("three.rs", "use super::one;"),
    ];
    assert_eq!(circles_of(&longer), [": one, three, two"]);
}

#[test]
fn what_leads_one_way_makes_no_circle() {
    for files in [
        [
            ("room/mod.rs", "use one::go; pub struct Thing;"),
            ("room/one.rs", "use super::Thing;"),
            ("room/two.rs", "use super::one;"),
        ],
        [
            ("room/mod.rs", ""),
            ("room/one.rs", "use super::two;"),
            ("room/two.rs", "mod tests { use crate::room::one; }"),
        ],
    ] {
        assert!(circles_of(&files).is_empty(), "{files:?}");
    }
}
