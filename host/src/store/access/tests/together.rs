//! Several threads and several processes at once: a secret works once, whoever shows it.

use std::sync::Barrier;
use std::thread;

use super::{AccessRecords, Place, approval, at, redemption};

/// What `work` answers for each of `all`, run in as many threads that begin together.
fn at_once<'a, T: Send>(all: &[&'a AccessRecords], work: impl Fn(&'a AccessRecords) -> T + Sync) -> Vec<T> {
    let begin = Barrier::new(all.len());
    thread::scope(|scope| {
        let run = |access: &&'a AccessRecords| {
            let (access, begin, work) = (*access, &begin, &work);
            scope.spawn(move || {
                begin.wait();
                work(access)
            })
        };
        let threads: Vec<_> = all.iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn of_all_who_redeem_a_code_at_once_one_wins() {
    let place = Place::new();
    let other = place.again();
    for round in 0..10 {
        let code = place.access.approve(&approval(), at(round)).unwrap();
        let redeemed = at_once(&[&place.access, &other, &place.access, &other], |access| {
            access.redeem(code.reveal(), &redemption(), at(round)).unwrap().is_ok()
        });
        assert_eq!(redeemed.iter().filter(|won| **won).count(), 1);
    }
    assert_eq!(place.count("families"), 0, "and the others' replay ended the family");
}

#[test]
fn all_who_renew_a_token_at_once_get_the_same_successor() {
    let place = Place::new();
    let other = place.again();
    let mut refresh = place.access.admitted(0).refresh;
    for round in 1..10 {
        let renewed = at_once(&[&place.access, &other, &place.access, &other], |access| {
            access.renewed(refresh.reveal(), round).unwrap()
        });
        let first = &renewed[0];
        for issued in &renewed {
            assert_eq!(issued.access.reveal(), first.access.reveal());
            assert_eq!(issued.refresh.reveal(), first.refresh.reveal());
        }
        refresh = first.refresh.clone();
    }
    assert_eq!(place.count("tokens WHERE kind = 'refresh' AND spent IS NULL"), 1);
}

#[test]
fn many_at_once_all_get_through() {
    let place = Place::new();
    let other = place.again();
    let admitted = at_once(&[&place.access, &other, &place.access, &other], |access| {
        (0..20).map(|_| access.admitted(0).access).collect::<Vec<_>>()
    });
    let verified = |token: &crate::store::Secret| place.access.verified(token.reveal(), 1).is_some();
    assert!(admitted.iter().flatten().all(verified));
    assert_eq!(place.access.families(at(1)).unwrap().len(), 80);
}
