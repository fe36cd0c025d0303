//! The browsers in which the owner is logged in.

use std::net::IpAddr;

use super::{HERE, Place, at};

const DAYS: u64 = 24 * 60 * 60;
const ORIGIN: &str = "https://berth.example";

impl Place {
    fn is_logged_in(&self, cookie: &str, now: u64) -> bool {
        self.again().login(ORIGIN, cookie, at(now)).unwrap().is_some()
    }
}

#[test]
fn a_login_lasts_thirty_days_or_until_it_ends() {
    let place = Place::new();
    let [first, second] = [(); 2].map(|()| place.access.log_in(ORIGIN, HERE, at(0)).unwrap());
    assert!(place.is_logged_in(first.reveal(), 30 * DAYS - 1));
    assert!(!place.is_logged_in(first.reveal(), 30 * DAYS));
    assert!(!place.is_logged_in("", 1) && !place.is_logged_in(&format!("{} ", first.reveal()), 1));
    place.access.log_out(ORIGIN, first.reveal()).unwrap();
    assert!(!place.is_logged_in(first.reveal(), 1) && place.is_logged_in(second.reveal(), 1));
}

#[test]
fn a_login_that_is_used_lasts_longer_and_that_is_written_down_once_an_hour() {
    let place = Place::new();
    let cookie = place.access.log_in(ORIGIN, HERE, at(0)).unwrap();
    let login = place.access.login(ORIGIN, cookie.reveal(), at(1)).unwrap().unwrap();
    assert!(!login.is_to_be_noted(at(3_599)) && login.is_to_be_noted(at(3_600)));
    let elsewhere: IpAddr = "192.0.2.99".parse().unwrap();
    place.access.note_login(login.id, elsewhere, at(20 * DAYS)).unwrap();
    assert!(place.is_logged_in(cookie.reveal(), 50 * DAYS - 1));
    assert!(!place.is_logged_in(cookie.reveal(), 50 * DAYS));
    let [noted] = &place.access.logins(at(21 * DAYS)).unwrap()[..] else {
        panic!("there is one login")
    };
    assert_eq!((noted.used, noted.created), (at(20 * DAYS), at(0)));
    assert_eq!(noted.address, Some(elsewhere));
    // A clock that was set back does not shorten it.
    place.access.note_login(login.id, HERE, at(0)).unwrap();
    assert!(place.is_logged_in(cookie.reveal(), 50 * DAYS - 1));
}

#[test]
fn a_login_is_valid_at_its_own_origin_only() {
    let place = Place::new();
    let local = "http://localhost:8787";
    let login = place.access.log_in(local, HERE, at(0)).unwrap();
    let logged_in = |origin| place.access.login(origin, login.reveal(), at(1)).unwrap().is_some();
    assert!(logged_in(local) && !logged_in(ORIGIN));
    place.access.log_out(ORIGIN, login.reveal()).unwrap();
    assert!(logged_in(local));
}

#[test]
fn each_login_can_be_seen_and_ended_alone_or_all_together() {
    let place = Place::new();
    let [first, second, third] = [0, 1, 2].map(|at_| place.access.log_in(ORIGIN, HERE, at(at_)).unwrap());
    let listed = place.access.logins(at(3)).unwrap();
    assert_eq!(
        listed.iter().map(|login| login.created).collect::<Vec<_>>(),
        [at(2), at(1), at(0)]
    );
    assert!(place.access.end_login(listed[1].id).unwrap());
    assert!(!place.access.end_login(listed[1].id).unwrap(), "it is gone");
    assert!(place.is_logged_in(first.reveal(), 3) && !place.is_logged_in(second.reveal(), 3));
    assert_eq!(place.access.end_logins().unwrap(), 2);
    assert!(!place.is_logged_in(third.reveal(), 3));
}

#[test]
fn only_a_digest_of_the_cookie_is_kept() {
    let place = Place::new();
    let cookie = place.access.log_in(ORIGIN, HERE, at(0)).unwrap();
    let kept = format!("logins WHERE instr(CAST(digest AS TEXT), '{}')", cookie.reveal());
    assert_eq!((place.count("logins"), place.count(&kept)), (1, 0));
    assert_eq!(place.count("logins WHERE length(digest) = 32"), 1);
}

#[test]
fn logins_are_bounded_and_the_one_that_was_used_longest_ago_ends() {
    let place = Place::new();
    let first = place.access.log_in(ORIGIN, HERE, at(0)).unwrap();
    let second = place.access.log_in(ORIGIN, HERE, at(0)).unwrap();
    for _ in 0..99 {
        place.access.log_in(ORIGIN, HERE, at(1)).unwrap();
    }
    assert_eq!(place.count("logins"), 100);
    assert!(!place.is_logged_in(first.reveal(), 2) && place.is_logged_in(second.reveal(), 2));
    place.access.log_in(ORIGIN, HERE, at(31 * DAYS)).unwrap();
    assert_eq!(place.count("logins"), 1, "old ones are forgotten");
}
