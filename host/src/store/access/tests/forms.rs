use super::*;

#[test]
fn a_form_is_spent_once_whoever_asks() {
    let place = Place::new();
    let other = place.again();
    assert!(place.access.spend_form(b"one", at(600), at(0)).unwrap());
    assert!(!place.access.spend_form(b"one", at(600), at(1)).unwrap());
    assert!(!other.spend_form(b"one", at(600), at(1)).unwrap());
    assert!(other.spend_form(b"two", at(600), at(1)).unwrap());
}

#[test]
fn of_many_at_once_one_spends_it() {
    let place = Place::new();
    let eyes: Vec<AccessRecords> = (0..8).map(|_| place.again()).collect();
    let spent: Vec<bool> = std::thread::scope(|scope| {
        let spend = |records: &AccessRecords| records.spend_form(b"one", at(600), at(0)).unwrap();
        let all: Vec<_> = eyes.iter().map(|records| scope.spawn(move || spend(records))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(spent.iter().filter(|spent| **spent).count(), 1);
}

#[test]
fn it_is_remembered_past_its_expiry_and_not_for_ever() {
    let place = Place::new();
    place.access.spend_form(b"one", at(600), at(0)).unwrap();
    assert!(place.access.spend_form(b"two", at(86_900), at(86_300)).unwrap());
    assert!(
        !place.access.spend_form(b"one", at(600), at(0)).unwrap(),
        "a clock that was set back brought it back"
    );
    assert!(place.access.spend_form(b"three", at(173_400), at(172_800)).unwrap());
    assert_eq!(place.count("forms"), 2);
}
