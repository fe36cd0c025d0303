//! Apps that register themselves.

use super::{Approval, HERE, Place, approval, at};
use crate::store::{Full, NewClient};

const DAY: u64 = 24 * 60 * 60;

fn app(name: &str) -> NewClient {
    NewClient {
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
    let registered = place.access.register(&app("App"), HERE, at(0)).unwrap().unwrap();
    let digits = registered.id.strip_prefix("berth-").unwrap();
    assert!(digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let found = place.again().client(&registered.id).unwrap().unwrap();
    assert_eq!((found.name, found.redirects), (app("App").name, app("App").redirects));
    assert_eq!((found.created, found.last_used), (at(0), None));
    assert_eq!(place.access.client("berth-0").unwrap(), None);
    assert_eq!(place.access.clients().unwrap().len(), 1);
}

#[test]
fn a_thousand_apps_that_nobody_approved_are_enough_and_leave_after_a_day() {
    let place = Place::new();
    let first = place.access.register(&app("first"), HERE, at(0)).unwrap().unwrap();
    place
        .access
        .approve(
            &Approval {
                client_id: first.id.clone(),
                ..approval()
            },
            at(0),
        )
        .unwrap();
    for number in 0..1000 {
        place
            .access
            .register(&app("app"), HERE, at(number / 500))
            .unwrap()
            .unwrap();
    }
    assert_eq!(place.access.register(&app("one more"), HERE, at(2)).unwrap(), Err(Full));
    let later = place.access.register(&app("later"), HERE, at(DAY)).unwrap();
    assert!(later.is_ok(), "a day after the first there is room");
    assert!(
        place
            .access
            .register(&app("later"), HERE, at(100 * DAY))
            .unwrap()
            .is_ok()
    );
    let names: Vec<String> = place
        .access
        .clients()
        .unwrap()
        .into_iter()
        .map(|client| client.name)
        .collect();
    assert_eq!(names, ["first", "later"], "one that was approved stays");
}

#[test]
fn removing_an_app_ends_what_it_had() {
    let place = Place::new();
    let registered = place.access.register(&app("App"), HERE, at(0)).unwrap().unwrap();
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
        place.access.client(&registered.id).unwrap().unwrap().last_used,
        Some(at(2))
    );

    assert!(place.access.remove_client(&registered.id).unwrap());
    assert_eq!(place.access.client(&registered.id).unwrap(), None);
    assert_eq!(place.access.verified(issued.access.reveal(), 3), None);
    assert!(
        place.access.verified(other.access.reveal(), 3).is_some(),
        "another's stays"
    );
    assert!(!place.access.remove_client(&registered.id).unwrap());
}
