//! What the owner's answer brings about, and that nothing else does.

use super::*;
use crate::principal::{Backends, Scope};
use crate::store::Redemption;

/// Allow, with what the page proposes.
const ALLOW: [(&str, &str); 5] = [
    ("answer", "allow"),
    ("access", "control"),
    ("backends", "some"),
    ("backend.local", "yes"),
    ("backend.cabin", "yes"),
];

/// [`ALLOW`] with these fields instead of its own; what is changed to "" is left out.
fn allow<'a>(changes: &[(&'a str, &'a str)]) -> Fields<'a> {
    let kept = ALLOW
        .into_iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty()))
        .collect()
}

/// What the app has, once it has redeemed the code of `answer`.
fn granted(site: &Site, answer: &Answer) -> (Scope, Backends) {
    let redemption = Redemption {
        client_id: &site.client,
        redirect: REDIRECT,
        challenge: CHALLENGE,
        resource: Some("https://berth.example/mcp"),
    };
    let code = answer.told("code").expect("a code");
    let now = SystemTime::now();
    let issued = site.access.redeem(&code, &redemption, now).unwrap().unwrap();
    let principal = site
        .access
        .verify(issued.access.reveal(), now)
        .unwrap()
        .unwrap()
        .principal;
    (issued.scope, principal.backends().clone())
}

fn only(names: &[&str]) -> Backends {
    let named = names.iter().map(|name| ((*name).to_owned(), MEANING.to_owned()));
    Backends::Only(named.collect())
}

#[tokio::test]
async fn allow_brings_the_app_a_code_that_it_can_redeem() {
    let site = Site::new();
    let answer = site.answer(&site.query(&[]), &site.logged_in(), &ALLOW).await;
    assert_eq!(answer.told("state").as_deref(), Some("a b&c=%2F"));
    assert_eq!(answer.told("iss").as_deref(), Some(PUBLIC));
    assert_eq!(answer.told("of").as_deref(), Some("berth"), "its own query stays");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(granted(&site, &answer), (Scope::Control, only(&["local", "cabin"])));
}

#[tokio::test]
async fn deny_and_whatever_is_no_allow_bring_none() {
    let site = Site::new();
    for answer in ["deny", "", "ALLOW", "yes"] {
        let fields = allow(&[("answer", answer)]);
        let answer = site.answer(&site.query(&[]), &site.logged_in(), &fields).await;
        assert_eq!(answer.told("error").as_deref(), Some("access_denied"));
        assert_eq!(answer.told("state").as_deref(), Some("a b&c=%2F"));
        assert_eq!(answer.told("iss").as_deref(), Some(PUBLIC));
        assert_eq!(answer.told("code"), None);
    }
}

#[tokio::test]
async fn the_owner_may_give_less_than_is_asked_for() {
    let site = Site::new();
    let fields = allow(&[("access", "read"), ("backend.local", "")]);
    let answer = site.answer(&site.query(&[]), &site.logged_in(), &fields).await;
    assert_eq!(granted(&site, &answer), (Scope::Read, only(&["cabin"])));
}

#[tokio::test]
async fn later_backends_are_included_only_if_chosen() {
    let site = Site::new();
    let fields = allow(&[("backends", "all"), ("backend.local", ""), ("backend.cabin", "")]);
    let answer = site.answer(&site.query(&[]), &site.logged_in(), &fields).await;
    assert_eq!(granted(&site, &answer), (Scope::Control, Backends::All));
}

#[tokio::test]
async fn names_of_no_backend_are_not_kept() {
    let site = Site::new();
    let fields = allow(&[("backend.attic", "yes"), ("backend.cabin", "")]);
    let answer = site.answer(&site.query(&[]), &site.logged_in(), &fields).await;
    assert_eq!(granted(&site, &answer).1, only(&["local"]));
}

#[tokio::test]
async fn an_incomplete_answer_is_asked_for_again() {
    let (site, query) = (Site::new(), "scope=sessions%3Acontrol");
    let query = format!("{}&{query}", site.query(&[]));
    let nowhere = allow(&[("backend.local", ""), ("backend.cabin", "")]);
    for fields in [nowhere, allow(&[("access", "")]), allow(&[("access", "everything")])] {
        let page = site.answer(&query, &site.logged_in(), &fields).await;
        page.assert_page(StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.body.contains("role=\"alert\"") && page.body.contains("name=\"token\""));
    }
}

#[tokio::test]
async fn nobody_gets_more_than_was_asked_for() {
    let site = Site::new();
    let page = site
        .answer(&site.query(&[("scope", "sessions:read")]), &site.logged_in(), &ALLOW)
        .await;
    page.assert_page(StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_answer_counts_once() {
    let site = Site::new();
    let cookie = site.logged_in();
    let query = site.query(&[]);
    let token = site.authorize(&query, &cookie).await.hidden("token");
    let fields = [&[("query", query.as_str()), ("token", token.as_str())], &ALLOW[..]].concat();
    site.post("/oauth/consent", &cookie, &fields)
        .await
        .told("code")
        .unwrap();
    site.post("/oauth/consent", &cookie, &fields)
        .await
        .assert_page(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_form_that_is_not_ours_allows_nothing() {
    let site = Site::new();
    let (query, cookie, other) = (site.query(&[]), site.logged_in(), site.logged_in());
    let about_more = site.query(&[("state", "other")]);
    let token = async |query: &str, cookie: &str| site.authorize(query, cookie).await.hidden("token");
    let of_login = token(&query, "").await;
    let forgeries = [
        String::new(),
        "0.0".to_owned(),
        of_login,
        token(&query, &other).await,
        token(&about_more, &cookie).await,
    ];
    for forged in forgeries {
        let fields = [&[("query", query.as_str()), ("token", forged.as_str())], &ALLOW[..]].concat();
        site.post("/oauth/consent", &cookie, &fields)
            .await
            .assert_page(StatusCode::FORBIDDEN);
    }
    site.post("/oauth/consent", &cookie, &ALLOW)
        .await
        .assert_page(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_the_login_a_right_form_allows_nothing() {
    let site = Site::new();
    let (query, cookie) = (site.query(&[]), site.logged_in());
    let token = site.authorize(&query, &cookie).await.hidden("token");
    let fields = [&[("query", query.as_str()), ("token", token.as_str())], &ALLOW[..]].concat();
    let doubled = format!("{cookie}; {cookie}");
    for stranger in ["", "__Host-berth=berth_0", &cookie.replace("__Host-", ""), &doubled] {
        site.post("/oauth/consent", stranger, &fields)
            .await
            .assert_page(StatusCode::FORBIDDEN);
    }
    site.post("/oauth/logout", &cookie, &[])
        .await
        .assert_page(StatusCode::OK);
    site.post("/oauth/consent", &cookie, &fields)
        .await
        .assert_page(StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_app_that_is_removed_meanwhile_gets_nothing() {
    let site = Site::new();
    let (query, cookie) = (site.query(&[]), site.logged_in());
    let token = site.authorize(&query, &cookie).await.hidden("token");
    assert!(site.access.remove_app(&site.client).unwrap());
    let fields = [&[("query", query.as_str()), ("token", token.as_str())], &ALLOW[..]].concat();
    site.post("/oauth/consent", &cookie, &fields)
        .await
        .assert_page(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn each_authorization_is_asked_for_anew() {
    let site = Site::new();
    let cookie = site.logged_in();
    site.answer(&site.query(&[]), &cookie, &ALLOW)
        .await
        .told("code")
        .unwrap();
    let again = site.authorize(&site.query(&[]), &cookie).await;
    again.assert_page(StatusCode::OK);
    assert!(again.body.contains("/oauth/consent"));
}

#[tokio::test]
async fn answers_come_by_form_only() {
    let site = Site::new();
    let (query, cookie) = (site.query(&[]), site.logged_in());
    let token = site.authorize(&query, &cookie).await.hidden("token");
    let fields = encode(&[&[("query", query.as_str()), ("token", token.as_str())], &ALLOW[..]].concat());
    let by_address = Request::get(format!("/oauth/consent?{fields}")).header(header::COOKIE, &cookie);
    let answer = site.send(by_address.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    for kind in ["text/plain", "application/json", "multipart/form-data; boundary=x"] {
        let posted = Request::post("/oauth/consent")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, kind);
        let answer = site.send(posted.body(fields.clone().into()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{kind}");
    }
    let doubled = [("query", query.as_str()), ("answer", "deny"), ("answer", "allow")];
    let answer = site.post("/oauth/consent", &cookie, &doubled).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}
