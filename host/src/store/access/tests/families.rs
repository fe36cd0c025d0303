//! Families as the owner sees them: listed, used, ended, forgotten.

use std::time::{Duration, Instant};

use super::{APP, HERE, Place, approval, at, only};
use crate::principal::{Backends, Scope};
use crate::store::Kind;

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

#[test]
fn the_owner_sees_apps_and_personal_tokens_with_all_they_have() {
    let place = Place::new();
    let pending = place.access.approve(&approval(), at(0)).unwrap();
    assert_eq!(
        place.access.families(at(0)).unwrap(),
        [],
        "without tokens nothing lives yet"
    );
    place
        .access
        .redeem(pending.reveal(), &super::redemption(), at(1))
        .unwrap()
        .unwrap();
    place
        .access
        .create_token(
            "backup",
            Scope::Read,
            &Backends::All,
            Duration::from_secs(2 * DAY),
            at(2),
        )
        .unwrap();
    let families = place.again().families(at(3)).unwrap();
    let [app, token] = &families[..] else {
        panic!("{families:?}")
    };
    assert_eq!(
        (app.kind, app.name.as_str(), app.client_id.as_deref()),
        (Kind::App, "App", Some(APP))
    );
    assert_eq!(
        (app.scope, app.created, app.expires),
        (Scope::Control, at(0), at(90 * DAY))
    );
    assert_eq!((app.last_used, app.last_address), (Some(at(1)), Some(HERE)));
    assert_eq!(app.resource.as_deref(), Some(super::RESOURCE));
    assert_eq!(
        (token.kind, token.name.as_str(), token.client_id.as_deref()),
        (Kind::Token, "backup", None)
    );
    assert_eq!(
        (token.scope, &token.backends, token.resource.as_deref()),
        (Scope::Read, &Backends::All, None)
    );
    assert_eq!((token.expires, token.last_used), (at(2 + 2 * DAY), None));
    assert_eq!(
        place.access.families(at(40 * DAY)).unwrap(),
        [],
        "neither lives on unused"
    );
}

#[test]
fn a_personal_token_is_good_for_what_it_says_until_it_expires() {
    let place = Place::new();
    let backends = only(&["one", "all"]);
    let token = place
        .access
        .create_token("<b>a#1</b>\n", Scope::Read, &backends, Duration::from_secs(DAY), at(0))
        .unwrap();
    let verified = place.again().verified(token.reveal(), DAY - 1).unwrap();
    assert_eq!(
        verified.principal.id(),
        format!("token:_b_a_1__b__#{}", verified.family)
    );
    assert!(verified.principal.may(Scope::Read) && !verified.principal.may(Scope::Control));
    assert_eq!((verified.principal.backends(), verified.resource), (&backends, None));
    assert_eq!(place.access.verified(token.reveal(), DAY), None);
    assert!(place.access.renewed(token.reveal(), 1).is_err());
}

#[test]
fn a_use_is_written_at_most_once_a_minute() {
    let place = Place::new();
    let issued = place.access.admitted(0);
    let family = place.access.verified(issued.access.reveal(), 1).unwrap().family;
    let elsewhere = "2001:db8::1".parse().unwrap();
    let last = || {
        let family = place.again().families(at(200)).unwrap().remove(0);
        (family.last_used.unwrap(), family.last_address.unwrap())
    };
    assert!(!place.access.is_use_noted(family, at(100)));
    place.access.note_use(family, elsewhere, at(100)).unwrap();
    assert!(place.access.is_use_noted(family, at(159)));
    place.access.note_use(family, HERE, at(159)).unwrap();
    assert_eq!(last(), (at(100), elsewhere));
    assert!(!place.access.is_use_noted(family, at(160)));
    place.access.note_use(family, HERE, at(160)).unwrap();
    assert_eq!(last(), (at(160), HERE));
}

#[test]
fn ending_a_family_ends_its_tokens_and_no_others() {
    let place = Place::new();
    let tokens = [(); 3].map(|()| place.access.admitted(0).access);
    let id = place.access.verified(tokens[0].reveal(), 1).unwrap().family;
    let lives = |index: usize| place.access.verified(tokens[index].reveal(), 1).is_some();
    assert!(place.access.revoke_family(id).unwrap() && !place.access.revoke_family(id).unwrap());
    assert!(!lives(0) && lives(1) && lives(2));
    assert_eq!(place.access.revoke_all().unwrap(), 2);
    assert!(!lives(1) && !lives(2));
    let next = place.access.admitted(2).access;
    assert!(
        place.access.verified(next.reveal(), 3).unwrap().family > id + 2,
        "a number is never given again"
    );
}

#[test]
fn what_another_process_ends_is_over_within_the_promised_time() {
    let place = Place::new();
    let issued = place.access.admitted(0);
    let family = place.access.verified(issued.access.reveal(), 1).unwrap().family;
    assert!(place.again().revoke_family(family).unwrap());
    let deadline = Instant::now() + Duration::from_secs(10);
    while place.access.verified(issued.access.reveal(), 1).is_some() {
        assert!(Instant::now() < deadline, "the change is never seen");
    }
}

#[test]
fn what_is_over_is_forgotten() {
    let place = Place::new();
    for _ in 0..5 {
        place.access.approve(&approval(), at(0)).unwrap();
    }
    let issued = place.access.admitted(0);
    place.access.renewed(issued.refresh.reveal(), 1).unwrap();
    assert_eq!(
        (place.count("families"), place.count("codes"), place.count("tokens")),
        (6, 6, 4)
    );
    place.access.approve(&approval(), at(2 * HOUR)).unwrap();
    assert_eq!(
        (place.count("families"), place.count("codes"), place.count("tokens")),
        (2, 2, 2)
    );
    place.access.approve(&approval(), at(31 * DAY)).unwrap();
    assert_eq!(
        (place.count("families"), place.count("codes"), place.count("tokens")),
        (1, 1, 0)
    );
}

#[test]
fn an_app_that_renews_without_end_fills_no_disk() {
    let place = Place::new();
    let mut refresh = place.access.admitted(0).refresh;
    for _ in 0..510 {
        refresh = place.access.renewed(refresh.reveal(), 1).unwrap().refresh;
    }
    assert_eq!(place.count("tokens"), 1000);
    assert!(place.access.renewed(refresh.reveal(), 2).is_ok());
}

#[test]
fn what_an_older_berth_approved_by_names_is_bound_once_to_what_these_mean_at_the_next_start() {
    let place = Place::new();
    let lasts = Duration::from_secs(DAY);
    let tokens = [only(&["local", "gone"]), Backends::All].map(|backends| {
        let made = place.access.create_token("a", Scope::Read, &backends, lasts, at(0));
        made.unwrap()
    });
    // As it stood before approvals had meanings.
    let older = rusqlite::Connection::open(place.root.path().join("data/berth.db")).unwrap();
    older
        .execute_batch(
            "UPDATE families SET backends = '[\"gone\",\"local\"]' WHERE id = 1; DROP TABLE forms; PRAGMA user_version = 4",
        )
        .unwrap();
    drop(older);
    let access = place.again();
    let backends = |token: usize| {
        let verified = place.again().verified(tokens[token].reveal(), 1).unwrap();
        verified.principal.backends().clone()
    };
    assert!(!backends(0).holds("local", "bundled plugin"), "it is not bound yet");
    let bind = |meaning: &str| {
        let meanings = [
            ("local".to_owned(), meaning.to_owned()),
            ("more".to_owned(), meaning.to_owned()),
        ];
        access.bind(&meanings.into()).unwrap();
    };
    bind("bundled plugin");
    bind("another plugin");
    assert!(backends(0).holds("local", "bundled plugin"));
    for (name, meaning) in [
        ("local", "another plugin"),
        ("gone", "bundled plugin"),
        ("gone", "another plugin"),
        ("more", "bundled plugin"),
    ] {
        assert!(!backends(0).holds(name, meaning), "{name}: {meaning}");
    }
    assert_eq!(backends(1), Backends::All);
}
