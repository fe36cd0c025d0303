//! While the record cannot be written, the owner's pages do nothing.

use super::logging_in::Visit;
use super::*;
use crate::store::audit::tests::recorder::Unwritable;

#[tokio::test]
async fn while_nothing_can_be_recorded_no_page_does_anything_or_uses_anything_up() {
    let site = Site::new();
    let (query, cookie) = (site.query(&[]), site.logged_in());
    let visit = Visit::of(&site).await;
    visit.try_with(&site, "wrong").await.assert_page(StatusCode::FORBIDDEN);
    let question = site.authorize(&query, &cookie).await;
    let token = question.hidden("token");
    let answered = async |answer: &str| {
        let fields = [
            ("query", query.as_str()),
            ("token", &token),
            ("answer", answer),
            ("access", "control"),
            ("backends", "all"),
        ];
        site.post("/oauth/consent", &cookie, &fields).await
    };

    let unwritable = Unwritable::new(site.directory.path());
    for passphrase in ["wrong", "wrong", "wrong", "wrong", "wrong", PASSPHRASE] {
        let answer = visit.try_with(&site, passphrase).await;
        answer.assert_page(StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.cookies().is_empty(), "{passphrase}");
    }
    for answer in ["allow", "deny"] {
        let refused = answered(answer).await;
        refused.assert_page(StatusCode::INTERNAL_SERVER_ERROR);
        assert!(refused.body.contains("Nothing was done"), "{}", refused.body);
    }
    assert!(site.access.families(SystemTime::now()).unwrap().is_empty());

    drop(unwritable);
    assert!(
        answered("allow").await.told("code").is_some(),
        "the form was not used up"
    );
    let answer = visit.try_with(&site, PASSPHRASE).await;
    assert_eq!(
        answer.status,
        StatusCode::SEE_OTHER,
        "no try was counted: {}",
        answer.body
    );
}
