//! The passphrase and lock-outs.

use std::time::Duration;

use super::{HERE, Place, at};
use crate::store::access::columns;

const HOURS: u64 = 60 * 60;
const ORIGIN: &str = "https://berth.example";

#[test]
fn the_passphrase_outlives_the_process_and_the_last_one_counts() {
    let place = Place::new();
    assert_eq!(place.access.passphrase().unwrap(), None);
    assert_eq!(place.access.passphrase_since().unwrap(), None);
    place.access.set_passphrase("first", at(0)).unwrap();
    place.access.set_passphrase("second", at(5)).unwrap();
    let again = place.again();
    assert_eq!(again.passphrase().unwrap().as_deref(), Some("second"));
    assert_eq!(again.passphrase_since().unwrap(), Some(at(5)));
}

#[test]
fn a_new_passphrase_ends_logins_and_lock_outs() {
    let place = Place::new();
    let login = place.access.log_in(ORIGIN, HERE, at(0)).unwrap();
    for _ in 0..9 {
        place.access.login_failed(HERE, at(0)).unwrap();
    }
    assert!(place.access.login_wait(HERE, at(0)).unwrap().is_some());
    place.access.set_passphrase("new", at(0)).unwrap();
    assert_eq!(place.access.login(ORIGIN, login.reveal(), at(1)).unwrap(), None);
    assert_eq!(place.access.login_wait(HERE, at(0)).unwrap(), None);
}

/// For how many whole seconds one who failed `times` times must wait.
fn wait_after(place: &Place, address: &str, times: u32) -> u64 {
    let address = address.parse().unwrap();
    for _ in 0..times {
        place.access.login_failed(address, at(0)).unwrap();
    }
    let wait = place.access.login_wait(address, at(0)).unwrap();
    wait.unwrap_or_default().as_secs()
}

#[test]
fn the_fifth_failure_costs_a_wait_and_each_further_one_twice_as_long() {
    let place = Place::new();
    let address = "192.0.2.7";
    assert_eq!(wait_after(&place, address, 4), 0);
    for wait in [1, 2, 4, 8] {
        // One more than the rule, since times are cut to seconds.
        assert_eq!(wait_after(&place, address, 1), wait + 1);
    }
    assert_eq!(
        wait_after(&place, address, 20),
        15 * 60 + 1,
        "and never above 15 minutes"
    );
    let locked = place.again().login_wait(address.parse().unwrap(), at(900)).unwrap();
    assert_eq!(locked, Some(Duration::from_secs(1)), "a restart changes nothing");
    assert_eq!(
        place.access.login_wait(address.parse().unwrap(), at(901)).unwrap(),
        None
    );
}

#[test]
fn a_login_or_a_day_of_peace_clears_the_failures() {
    let place = Place::new();
    assert!(wait_after(&place, "192.0.2.7", 8) > 0);
    place
        .access
        .login_succeeded("192.0.2.7".parse().unwrap(), at(1))
        .unwrap();
    assert_eq!(wait_after(&place, "192.0.2.7", 4), 0);
    assert!(wait_after(&place, "192.0.2.8", 8) > 0);
    place
        .access
        .login_failed("192.0.2.8".parse().unwrap(), at(25 * HOURS))
        .unwrap();
    assert_eq!(
        place
            .access
            .login_wait("192.0.2.8".parse().unwrap(), at(25 * HOURS))
            .unwrap(),
        None
    );
}

#[test]
fn addresses_wait_apart_and_a_network_of_one_customer_together() {
    let place = Place::new();
    assert!(wait_after(&place, "::ffff:192.0.2.7", 6) > 0);
    assert!(
        wait_after(&place, "192.0.2.7", 0) > 0,
        "the same address in other dress"
    );
    assert_eq!(wait_after(&place, "192.0.2.8", 0), 0);
    assert!(wait_after(&place, "2001:db8:1:2::1", 6) > 0);
    assert!(wait_after(&place, "2001:db8:1:2:ffff::9", 0) > 0);
    assert_eq!(wait_after(&place, "2001:db8:1:3::1", 0), 0);
}

#[test]
fn guesses_from_many_addresses_are_slowed_for_all_but_mildly() {
    let place = Place::new();
    for last in 0..49 {
        assert_eq!(wait_after(&place, &format!("192.0.2.{last}"), 1), 0);
    }
    assert!(wait_after(&place, "198.51.100.1", 1) > 0);
    assert_eq!(wait_after(&place, "198.51.100.1", 0), 2);
    for last in 2..60 {
        wait_after(&place, &format!("198.51.100.{last}"), 1);
    }
    assert_eq!(wait_after(&place, "203.0.113.1", 0), 31, "at most half a minute");
}

#[test]
fn nobody_keeps_the_owner_out_of_a_place_of_theirs() {
    let place = Place::new();
    let home = "2001:db8:1:2::1".parse().unwrap();
    place.access.login_succeeded(home, at(0)).unwrap();
    for number in 0..100 {
        wait_after(&place, &format!("2001:db8:ffff:{number:x}::1"), 1);
    }
    assert!(wait_after(&place, "203.0.113.1", 0) > 0, "elsewhere all wait");
    assert_eq!(wait_after(&place, "2001:db8:1:2::2", 0), 0, "a network of theirs");
    assert_eq!(wait_after(&place, "2001:db8:1:2::2", 5), 2, "who guesses there waits");

    let later = 91 * 24 * HOURS;
    for number in 0..100 {
        let address = format!("2001:db8:fffe:{number:x}::1").parse().unwrap();
        place.access.login_failed(address, at(later)).unwrap();
    }
    assert!(
        place.access.login_wait(home, at(later)).unwrap().is_some(),
        "not for ever"
    );
}

#[test]
fn failures_from_many_other_addresses_flush_no_lock_out() {
    let place = Place::new();
    let locked = wait_after(&place, "192.0.2.7", 12);
    place
        .access
        .change(|change| {
            let others = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 20000)
                          INSERT INTO failures (address, count, last, until)
                          SELECT 'other ' || n, 1, ?1 + n % 60, 0 FROM number";
            change.execute(others, [columns::seconds(at(1))])
        })
        .unwrap();
    assert_eq!(place.count("failures"), 20_002);
    for last in 1..9 {
        let address = format!("198.51.100.{last}").parse().unwrap();
        place.access.login_failed(address, at(61)).unwrap();
    }
    let wait = place.access.login_wait("192.0.2.7".parse().unwrap(), at(61)).unwrap();
    assert_eq!(wait, Some(Duration::from_secs(locked - 61)));
    assert_eq!(
        wait_after(&place, "192.0.2.7", 1),
        2 * (locked - 1) + 1,
        "nor its count"
    );
    place
        .access
        .login_failed("198.51.100.9".parse().unwrap(), at(25 * HOURS))
        .unwrap();
    assert_eq!(place.count("failures"), 2, "a day forgets them all");
}

#[test]
fn a_clock_that_was_set_back_makes_no_wait_longer() {
    let place = Place::new();
    let address = "192.0.2.7".parse().unwrap();
    let day = 24 * HOURS;
    for _ in 0..30 {
        place.access.login_failed(address, at(day)).unwrap();
    }
    let again = place.again();
    let wait = |now| {
        again
            .login_wait(address, at(now))
            .unwrap()
            .unwrap_or_default()
            .as_secs()
    };
    assert_eq!(wait(0), 15 * 60 + 1, "as it was meant");
    assert_eq!(wait(600), 5 * 60 + 1, "and it passes");
    assert_eq!(wait(901), 0);
    again.login_failed(address, at(902)).unwrap();
    assert_eq!(wait(902), 15 * 60 + 1, "the count stays");
}

#[test]
fn the_places_of_the_owner_are_bounded() {
    let place = Place::new();
    for number in 0..120_u64 {
        let address = format!("2001:db8:0:{number:x}::1").parse().unwrap();
        place.access.login_succeeded(address, at(number)).unwrap();
    }
    assert_eq!(place.count("places"), 100);
}
