//! Apps that register themselves.

use super::{Approval, HERE, Place, approval, at};
use crate::store::{NewApp, Room};

const DAY: u64 = 24 * 60 * 60;
const ROOM: Room = Room { all: 10, each: 3 };

fn app(name: &str) -> NewApp {
    NewApp {
        name: name.to_owned(),
        redirects: vec![
            "https://app.example/callback".to_owned(),
            "http://127.0.0.1/".to_owned(),
        ],
    }
}

#[test]
fn an_app_is_found_by_its_id_after_a_restart_too() {
    let place = Place::new();
    let registered = place.access.register(&app("App"), HERE, ROOM, at(0)).unwrap();
    let digits = registered.id.strip_prefix("berth-").unwrap();
    assert!(digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let found = place.again().app(&registered.id).unwrap().unwrap();
    assert_eq!((found.name, found.redirects), (app("App").name, app("App").redirects));
    assert_eq!((found.created, found.last_used), (at(0), None));
    assert_eq!(place.access.app("berth-0").unwrap(), None);
    assert_eq!(place.access.apps().unwrap().len(), 1);
}

/// Apps by these names, each registered at one second after another from the address beside it; and the names that stay.
fn stay(place: &Place, apps: &[(&str, &str)]) -> Vec<String> {
    for (second, (name, address)) in (0..).zip(apps) {
        let registered = place
            .access
            .register(&app(name), address.parse().unwrap(), ROOM, at(second));
        let found = place.access.app(&registered.unwrap().id).unwrap();
        assert!(found.is_some(), "{name}: whoever registers has room");
    }
    place.access.apps().unwrap().into_iter().map(|app| app.name).collect()
}

#[test]
fn an_address_at_its_bound_makes_room_itself() {
    let place = Place::new();
    let apps = [
        ("other", "192.0.2.1"),
        ("first", "192.0.2.2"),
        ("second", "192.0.2.2"),
        ("third", "::ffff:192.0.2.2"),
        ("fourth", "192.0.2.2"),
        ("six", "2001:db8::1"),
        ("seven", "2001:db8::2"),
        ("eight", "2001:db8::3:0:0:1"),
        ("nine", "2001:db8::4"),
        ("far", "2001:db8:0:1::1"),
    ];
    let left = ["other", "second", "third", "fourth", "seven", "eight", "nine", "far"];
    assert_eq!(stay(&place, &apps), left);
}

#[test]
fn where_all_is_full_the_address_that_has_most_makes_room() {
    let place = Place::new();
    let addresses: Vec<String> = (0..20)
        .map(|number| format!("192.0.2.{}", number.min(17) / 2))
        .collect();
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let apps: Vec<_> = names
        .iter()
        .zip(&addresses)
        .map(|(name, address)| (&**name, &**address))
        .collect();
    let left = stay(&place, &apps);
    // Of eight addresses that had two the older one left; then the one that had most made room for its own.
    assert_eq!(left, ["1", "3", "5", "7", "9", "11", "13", "15", "18", "19"]);
    let honest = stay(&place, &[("honest", "203.0.113.1")]);
    assert!(
        honest.len() == ROOM.all && honest.iter().any(|app| app == "honest"),
        "{honest:?}"
    );
}

#[test]
fn an_approved_app_never_makes_room_and_others_leave_after_a_day() {
    let place = Place::new();
    let first = place.access.register(&app("first"), HERE, ROOM, at(0)).unwrap();
    let approval = Approval {
        client_id: first.id.clone(),
        ..approval()
    };
    place.access.approve(&approval, at(0)).unwrap();
    for second in 0..10 {
        place.access.register(&app("app"), HERE, ROOM, at(second)).unwrap();
    }
    assert_eq!(place.access.apps().unwrap().len(), 1 + ROOM.each);
    place.access.register(&app("later"), HERE, ROOM, at(100 * DAY)).unwrap();
    let apps = place.access.apps().unwrap().into_iter();
    assert_eq!(apps.map(|app| app.name).collect::<Vec<_>>(), ["first", "later"]);
}

#[test]
fn removing_an_app_ends_what_it_had() {
    let place = Place::new();
    let registered = place.access.register(&app("App"), HERE, ROOM, at(0)).unwrap();
    let other = place.access.admitted(0);
    let code = place
        .access
        .approve(
            &Approval {
                client_id: registered.id.clone(),
                ..approval()
            },
            at(1),
        )
        .unwrap();
    let redemption = super::Redemption {
        client_id: &registered.id,
        ..super::redemption()
    };
    let issued = place.access.redeem(code.reveal(), &redemption, at(2)).unwrap().unwrap();
    assert!(place.access.verified(issued.access.reveal(), 3).is_some());
    assert_eq!(
        place.access.app(&registered.id).unwrap().unwrap().last_used,
        Some(at(2))
    );

    assert!(place.access.remove_app(&registered.id).unwrap());
    assert_eq!(place.access.app(&registered.id).unwrap(), None);
    assert_eq!(place.access.verified(issued.access.reveal(), 3), None);
    assert!(
        place.access.verified(other.access.reveal(), 3).is_some(),
        "another's stays"
    );
    assert!(!place.access.remove_app(&registered.id).unwrap());
}
