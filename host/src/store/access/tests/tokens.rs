//! Codes and tokens of apps: for what each is valid, how often, and how long.

use super::{APP, AccessRecords, HERE, Issued, Place, Redemption, Refused, approval, at, only, redemption};
use crate::principal::Scope;
use crate::store::Secret;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A code shown as `redemption` says, `seconds` after it was made; and whether it works as it should after that.
fn refusal(seconds: u64, redemption: &Redemption<'_>) -> (Refused, bool) {
    let place = Place::new();
    let code = place.access.approve(&approval(), at(0)).unwrap();
    let refused = place
        .access
        .redeem(code.reveal(), redemption, at(seconds))
        .unwrap()
        .unwrap_err();
    let after = place.access.redeem(code.reveal(), &super::redemption(), at(0)).unwrap();
    (refused, after.is_ok())
}

#[test]
fn a_code_yields_tokens_for_what_was_approved() {
    let place = Place::new();
    let issued = place.access.admitted(0);
    assert_eq!((issued.scope, issued.expires_in.as_secs()), (Scope::Control, HOUR));
    let verified = place.access.verified(issued.access.reveal(), 1).unwrap();
    assert_eq!(verified.principal.id(), format!("app:App#{}", verified.family));
    assert!(verified.principal.may(Scope::Control));
    assert_eq!(verified.principal.backends(), &only(&["local"]));
    assert_eq!(verified.resource.as_deref(), Some(super::RESOURCE));
}

#[test]
fn a_code_is_good_for_a_minute_and_without_a_resource_too() {
    let place = Place::new();
    let code = place.access.approve(&approval(), at(0)).unwrap();
    let unsaid = Redemption {
        resource: None,
        ..redemption()
    };
    assert!(place.access.redeem(code.reveal(), &unsaid, at(59)).unwrap().is_ok());
    assert_eq!(refusal(60, &redemption()), (Refused::Grant, false));
}

#[test]
fn a_code_shown_wrongly_is_refused_and_spent() {
    let wrong = [
        (
            Refused::Grant,
            Redemption {
                client_id: "berth-other",
                ..redemption()
            },
        ),
        (
            Refused::Grant,
            Redemption {
                redirect: "https://app.example/callback/",
                ..redemption()
            },
        ),
        (
            Refused::Grant,
            Redemption {
                challenge: "",
                ..redemption()
            },
        ),
        (
            Refused::Resource,
            Redemption {
                resource: Some("https://berth.example/"),
                ..redemption()
            },
        ),
    ];
    for (refused, redemption) in wrong {
        assert_eq!(refusal(1, &redemption), (refused, false), "{redemption:?}");
    }
}

#[test]
fn a_replayed_code_ends_its_family() {
    let place = Place::new();
    let code = place.access.approve(&approval(), at(0)).unwrap();
    let issued = place
        .access
        .redeem(code.reveal(), &redemption(), at(1))
        .unwrap()
        .unwrap();
    // Long after, and shown wrongly, it still tells that it was stolen.
    let wrong = Redemption {
        challenge: "",
        ..redemption()
    };
    let replayed = place.access.redeem(code.reveal(), &wrong, at(10 * MINUTE)).unwrap();
    assert_eq!(replayed.unwrap_err(), Refused::Reused);
    assert_eq!(place.access.verified(issued.access.reveal(), 10 * MINUTE), None);
    assert_eq!(
        place.access.renewed(issued.refresh.reveal(), 10 * MINUTE).unwrap_err(),
        Refused::Grant
    );
    assert_eq!(place.access.families(at(1)).unwrap(), []);
}

#[test]
fn what_is_no_code_or_no_token_of_its_kind_is_refused() {
    let place = Place::new();
    let issued = place.access.admitted(0);
    let code = place.access.approve(&approval(), at(0)).unwrap();
    let (access, refresh) = (issued.access.reveal(), issued.refresh.reveal());
    for text in ["", "berth_", access, refresh, &code.reveal().to_uppercase()] {
        assert!(
            place.access.redeem(text, &redemption(), at(1)).unwrap().is_err(),
            "{text:?}"
        );
    }
    for text in ["", access, code.reveal()] {
        assert!(place.access.renewed(text, 1).is_err(), "{text:?}");
    }
    let upper = access.to_uppercase();
    for text in [
        "",
        "berth_",
        refresh,
        code.reveal(),
        &access[6..],
        &format!("{access} "),
        upper.as_str(),
    ] {
        assert_eq!(place.access.verified(text, 1), None, "{text:?}");
    }
    assert!(place.access.verified(access, 1).is_some(), "and none of that did harm");
}

#[test]
fn an_access_token_lasts_an_hour_and_a_refresh_token_thirty_days() {
    let place = Place::new();
    let issued = place.access.admitted(0);
    assert!(place.access.verified(issued.access.reveal(), HOUR - 1).is_some());
    assert_eq!(place.access.verified(issued.access.reveal(), HOUR), None);
    let other = Place::new();
    let late = other.access.admitted(0);
    assert!(other.access.renewed(late.refresh.reveal(), 30 * DAY - 1).is_ok());
    assert!(place.access.renewed(issued.refresh.reveal(), 30 * DAY).is_err());
}

#[test]
fn renewing_yields_other_tokens_and_the_old_access_token_lasts_its_hour() {
    let place = Place::new();
    let first = place.access.admitted(0);
    let second = place.again().renewed(first.refresh.reveal(), 10).unwrap();
    assert_ne!(first.access.reveal(), second.access.reveal());
    assert_ne!(first.refresh.reveal(), second.refresh.reveal());
    assert_ne!(second.access.reveal(), second.refresh.reveal());
    let both = [&first, &second].map(|issued| place.access.verified(issued.access.reveal(), 11).unwrap().family);
    assert_eq!(both[0], both[1]);
}

#[test]
fn a_lost_answer_is_given_again_within_thirty_seconds_and_then_is_theft() {
    let place = Place::new();
    let first = place.access.admitted(0);
    let second = place.access.renewed(first.refresh.reveal(), 100).unwrap();
    let again = place.again().renewed(first.refresh.reveal(), 130).unwrap();
    assert_eq!(again.access.reveal(), second.access.reveal());
    assert_eq!(again.refresh.reveal(), second.refresh.reveal());
    assert_eq!(again.expires_in.as_secs(), HOUR - 30);
    assert_eq!(
        place.access.renewed(first.refresh.reveal(), 131).unwrap_err(),
        Refused::Reused
    );
    assert_eq!(place.access.verified(second.access.reveal(), 131), None);
    assert!(place.access.renewed(second.refresh.reveal(), 131).is_err());
}

#[test]
fn once_the_successor_was_used_the_old_token_is_theft_at_once() {
    let place = Place::new();
    let first = place.access.admitted(0);
    let second = place.access.renewed(first.refresh.reveal(), 100).unwrap();
    let third = place.access.renewed(second.refresh.reveal(), 101).unwrap();
    assert_eq!(
        place.access.renewed(first.refresh.reveal(), 102).unwrap_err(),
        Refused::Reused
    );
    for issued in [first, second, third] {
        assert_eq!(place.access.verified(issued.access.reveal(), 103), None);
    }
}

/// Renews `times` times, once a second: the last tokens.
fn renewed_often(access: &AccessRecords, mut refresh: Secret, times: u64) -> Issued {
    let mut renew = |second| {
        let issued = access.renewed(refresh.reveal(), second).unwrap();
        refresh = issued.refresh.clone();
        issued
    };
    (1..times).for_each(|second| drop(renew(second)));
    renew(times)
}

#[test]
fn a_spent_token_is_theft_however_often_its_family_was_renewed_since() {
    for times in [600, 2_000] {
        let place = Place::new();
        let first = place.access.admitted(0);
        let last = renewed_often(&place.access, first.refresh.clone(), times);
        assert!(place.count("tokens") <= 1000, "few are kept");
        let other = place.access.admitted(0);
        let reused = place.access.renewed(first.refresh.reveal(), times + 1);
        assert_eq!(reused.unwrap_err(), Refused::Reused);
        assert_eq!(place.access.verified(last.access.reveal(), times + 1), None);
        assert!(place.access.renewed(last.refresh.reveal(), times + 1).is_err());
        assert!(place.access.verified(other.access.reveal(), times + 1).is_some());
    }
}

#[test]
fn a_spent_token_is_theft_also_when_it_would_have_expired() {
    let place = Place::new();
    let first = place.access.admitted(0);
    let second = place.access.renewed(first.refresh.reveal(), 20 * DAY).unwrap();
    let third = place.access.renewed(second.refresh.reveal(), 40 * DAY).unwrap();
    let reused = place.access.renewed(first.refresh.reveal(), 41 * DAY);
    assert_eq!(reused.unwrap_err(), Refused::Reused);
    assert!(place.access.renewed(third.refresh.reveal(), 41 * DAY).is_err());
}

#[test]
fn a_token_that_has_expired_unspent_is_no_theft() {
    let place = Place::new();
    let first = place.access.admitted(0);
    let refused = place.access.renewed(first.refresh.reveal(), 31 * DAY);
    assert_eq!(refused.unwrap_err(), Refused::Grant);
}

#[test]
fn a_spent_token_can_give_its_family_back_however_old_it_is() {
    let place = Place::new();
    let first = place.access.admitted(0);
    let last = renewed_often(&place.access, first.refresh.clone(), 600);
    assert!(!place.access.revoke(first.refresh.reveal(), "berth-other").unwrap());
    assert!(place.access.revoke(first.refresh.reveal(), APP).unwrap());
    assert_eq!(place.access.verified(last.access.reveal(), 601), None);
}

#[test]
fn nobody_ends_a_family_by_a_token_that_was_never_given() {
    let place = Place::new();
    let elsewhere = Place::new();
    let (issued, foreign) = (place.access.admitted(0), elsewhere.access.admitted(0));
    let (secret, seal) = issued.refresh.reveal().split_once("_1_").unwrap();
    let other = format!("berth_{}", "0".repeat(64));
    for forged in [
        foreign.refresh.reveal(),
        &format!("{other}_1_{seal}"),
        &format!("{secret}_1_{}", "0".repeat(32)),
        &format!("{secret}_1_"),
        &format!("{secret}_2_{seal}"),
        &format!("{secret}_01_{seal}"),
        &format!("{secret}__{seal}"),
        secret,
        "",
    ] {
        let refused = place.access.renewed(forged, 100).unwrap_err();
        assert_eq!(refused, Refused::Grant, "{forged}");
        assert!(!place.access.revoke(forged, APP).unwrap(), "{forged}");
    }
    // What was given for a family of the same number, before the database was made again.
    let place = Place::new();
    let before = place.access.admitted(0);
    place.access.renewed(before.refresh.reveal(), 1).unwrap();
    for file in ["berth.db", "berth.db-wal", "berth.db-shm"] {
        let _ = std::fs::remove_file(place.root.path().join("data").join(file));
    }
    let again = place.again();
    let after = again.admitted(2);
    assert_eq!(again.renewed(before.refresh.reveal(), 3).unwrap_err(), Refused::Grant);
    assert!(again.renewed(after.refresh.reveal(), 3).is_ok());
}

#[test]
fn renewing_may_narrow_but_never_widen() {
    let place = Place::new();
    let renew = |token: &str, resource, scope, now| {
        place
            .access
            .refresh(token, APP, resource, scope, HERE, at(now))
            .unwrap()
    };
    let first = place.access.admitted(0);
    let second = renew(first.refresh.reveal(), None, Some(Scope::Read), 1).unwrap();
    assert_eq!(second.scope, Scope::Read);
    let narrow = place.access.verified(second.access.reveal(), 2).unwrap();
    assert!(!narrow.principal.may(Scope::Control));
    let third = renew(second.refresh.reveal(), Some(super::RESOURCE), None, 3).unwrap();
    assert_eq!(third.scope, Scope::Control, "the refresh token keeps what was approved");
    let narrowed = renew(second.refresh.reveal(), None, Some(Scope::Read), 4);
    assert_eq!(
        narrowed.unwrap_err(),
        Refused::Scope,
        "the same answer again would be wider than asked"
    );

    let code = place
        .access
        .approve(
            &super::Approval {
                scope: Scope::Read,
                ..approval()
            },
            at(0),
        )
        .unwrap();
    let reader = place
        .access
        .redeem(code.reveal(), &redemption(), at(1))
        .unwrap()
        .unwrap();
    let wider = renew(reader.refresh.reveal(), None, Some(Scope::Control), 2);
    assert_eq!(wider.unwrap_err(), Refused::Scope);
    let elsewhere = renew(reader.refresh.reveal(), Some("https://other.example/mcp"), None, 2);
    assert_eq!(elsewhere.unwrap_err(), Refused::Resource);
    assert!(
        renew(reader.refresh.reveal(), None, None, 3).is_ok(),
        "neither has spent it"
    );
}

#[test]
fn another_client_can_neither_renew_nor_revoke() {
    let place = Place::new();
    let issued = place.access.admitted(0);
    let foreign = place
        .access
        .refresh(issued.refresh.reveal(), "berth-other", None, None, HERE, at(1))
        .unwrap();
    assert_eq!(foreign.unwrap_err(), Refused::Grant);
    assert!(!place.access.revoke(issued.access.reveal(), "berth-other").unwrap());
    assert!(!place.access.revoke("berth_0", APP).unwrap());
    assert!(place.access.verified(issued.access.reveal(), 2).is_some());
    assert!(place.access.renewed(issued.refresh.reveal(), 2).is_ok());
}

#[test]
fn revoking_either_token_ends_both() {
    let secrets: [fn(&crate::store::Issued) -> &str; 2] =
        [|issued| issued.access.reveal(), |issued| issued.refresh.reveal()];
    for secret in secrets {
        let place = Place::new();
        let issued = place.access.admitted(0);
        assert!(place.access.verified(issued.access.reveal(), 1).is_some());
        assert!(place.access.revoke(secret(&issued), APP).unwrap());
        assert_eq!(place.access.verified(issued.access.reveal(), 1), None);
        assert!(place.access.renewed(issued.refresh.reveal(), 1).is_err());
    }
}

/// Renews every 20 days for as long as that works; answers the last tokens and when they came.
fn renewed_to_the_end(access: &AccessRecords) -> (crate::store::Issued, u64) {
    let mut last = (access.admitted(0), 0);
    while let Ok(next) = access.renewed(last.0.refresh.reveal(), last.1 + 20 * DAY) {
        last = (next, last.1 + 20 * DAY);
    }
    last
}

#[test]
fn a_family_ends_after_ninety_days_however_often_it_is_renewed() {
    let place = Place::new();
    let (last, renewed) = renewed_to_the_end(&place.access);
    assert_eq!(renewed, 80 * DAY);
    assert!(place.access.renewed(last.refresh.reveal(), 90 * DAY).is_err());
    let place = Place::new();
    let mut refresh = place.access.admitted(0).refresh;
    for day in [29, 58, 87] {
        refresh = place.access.renewed(refresh.reveal(), day * DAY).unwrap().refresh;
    }
    let issued = place.access.renewed(refresh.reveal(), 90 * DAY - MINUTE).unwrap();
    assert_eq!(issued.expires_in.as_secs(), MINUTE, "no token outlives it");
    assert_eq!(place.access.verified(issued.access.reveal(), 90 * DAY), None);
}

#[test]
fn no_secret_is_kept_nor_shown_by_debug() {
    let place = Place::new();
    let code = place.access.approve(&approval(), at(0)).unwrap();
    let issued = place
        .access
        .redeem(code.reveal(), &redemption(), at(1))
        .unwrap()
        .unwrap();
    let next = place.access.renewed(issued.refresh.reveal(), 2).unwrap();
    let login = place.access.log_in("https://berth.example", HERE, at(0)).unwrap();
    let secrets = [
        &code,
        &issued.access,
        &issued.refresh,
        &next.access,
        &next.refresh,
        &login,
    ];
    let kept: Vec<u8> = ["berth.db", "berth.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(place.root.path().join("data").join(name)).unwrap())
        .collect();
    for secret in secrets {
        let digits = &secret.reveal().strip_prefix("berth_").unwrap()[..64];
        assert!(secret.reveal().len() >= 70 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(!kept.windows(digits.len()).any(|window| window == digits.as_bytes()));
        assert!(!format!("{secret:?} {issued:?}").contains(digits));
    }
}
