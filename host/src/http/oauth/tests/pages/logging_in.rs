//! The owner's login, and those who try.

use std::time::Duration;

use super::*;

/// A browser that was shown the login form.
pub(super) struct Visit {
    query: String,
    cookie: String,
    token: String,
}

impl Visit {
    pub(super) async fn of(site: &Site) -> Self {
        let query = site.query(&[]);
        let page = site.authorize(&query, "").await;
        Self {
            cookie: page.cookies()[0].split(';').next().unwrap().to_owned(),
            token: page.hidden("token"),
            query,
        }
    }

    pub(super) async fn try_with(&self, site: &Site, passphrase: &str) -> Answer {
        let fields = [
            ("query", self.query.as_str()),
            ("token", &self.token),
            ("passphrase", passphrase),
        ];
        site.post("/oauth/login", &self.cookie, &fields).await
    }
}

#[tokio::test]
async fn the_passphrase_leads_to_the_question() {
    let site = Site::new();
    let visit = Visit::of(&site).await;
    let answer = visit.try_with(&site, PASSPHRASE).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    assert_eq!(answer.header("location"), format!("/oauth/authorize?{}", visit.query));
    let cookies = answer.cookies();
    let login = cookies
        .iter()
        .find(|cookie| cookie.starts_with("__Host-berth="))
        .unwrap();
    for flag in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(login.contains(flag), "{flag}: {login}");
    }
    assert!(!login.contains("Domain") && login.ends_with("; Max-Age=34560000"));
    let page = site.authorize(&visit.query, login.split(';').next().unwrap()).await;
    assert!(page.body.contains("/oauth/consent"), "{}", page.body);
}

#[tokio::test]
async fn on_loopback_without_tls_it_works_as_well() {
    let site = Site::with("Helpful app", LOCAL);
    let answer = Visit::of(&site).await.try_with(&site, PASSPHRASE).await;
    let login = answer
        .cookies()
        .into_iter()
        .find(|cookie| cookie.starts_with("berth="))
        .unwrap();
    assert!(login.contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age="), "{login}");
}

#[tokio::test]
async fn another_passphrase_is_refused_and_counted() {
    let site = Site::new();
    let (visit, before) = (Visit::of(&site).await, SystemTime::now());
    for wrong in [
        "",
        "x",
        "four words make One",
        "four words make one ",
        &"long".repeat(1000),
    ] {
        let answer = visit.try_with(&site, wrong).await;
        answer.assert_page(StatusCode::FORBIDDEN);
        assert!(answer.body.contains("That is not the passphrase") && answer.cookies().is_empty());
    }
    assert!(
        site.access.login_wait(ADDRESS, before).unwrap().is_some(),
        "five failures lock out"
    );
}

#[tokio::test]
async fn whoever_is_locked_out_waits_even_with_the_passphrase() {
    let site = Site::new();
    let visit = Visit::of(&site).await;
    for _ in 0..14 {
        site.access.login_failed(ADDRESS, SystemTime::now()).unwrap();
    }
    let answer = visit.try_with(&site, PASSPHRASE).await;
    answer.assert_page(StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=15 * 60).contains(&seconds), "{seconds}");
    assert!(answer.body.contains("Too many wrong passphrases") && answer.cookies().is_empty());
}

#[tokio::test]
async fn a_success_ends_the_counting() {
    let site = Site::new();
    let (visit, before) = (Visit::of(&site).await, SystemTime::now());
    for wrong in ["a", "b", "c", "d"] {
        visit.try_with(&site, wrong).await.assert_page(StatusCode::FORBIDDEN);
    }
    assert_eq!(visit.try_with(&site, PASSPHRASE).await.status, StatusCode::SEE_OTHER);
    visit.try_with(&site, "e").await.assert_page(StatusCode::FORBIDDEN);
    assert_eq!(site.access.login_wait(ADDRESS, before).unwrap(), None);
}

#[tokio::test]
async fn a_form_that_is_not_ours_logs_nobody_in() {
    let site = Site::new();
    let visit = Visit::of(&site).await;
    let other = Visit::of(&site).await;
    let login = async |cookie: &str, token: &str, query: &str| {
        let fields = [("query", query), ("token", token), ("passphrase", PASSPHRASE)];
        site.post("/oauth/login", cookie, &fields).await
    };
    let elsewhere = site.query(&[("state", "other")]);
    let empty = "__Host-berth-visit=";
    for answer in [
        login("", &visit.token, &visit.query).await,
        login(empty, &visit.token, &visit.query).await,
        login(&other.cookie, &visit.token, &visit.query).await,
        login(&visit.cookie, "", &visit.query).await,
        login(&visit.cookie, &visit.token, &elsewhere).await,
        login(&visit.cookie, &visit.token, "").await,
    ] {
        answer.assert_page(StatusCode::FORBIDDEN);
        assert!(answer.cookies().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn forms_expire_by_the_clock_that_nobody_can_set() {
    let site = Site::new();
    let visit = Visit::of(&site).await;
    let (query, cookie) = (site.query(&[]), site.logged_in());
    let token = site.authorize(&query, &cookie).await.hidden("token");
    // The system's clock stands all the while, compared with this one.
    tokio::time::advance(Duration::from_mins(14)).await;
    let wrong = visit.try_with(&site, "wrong").await;
    assert!(wrong.body.contains("That is not the passphrase"), "{}", wrong.body);
    tokio::time::advance(Duration::from_mins(2)).await;
    let fields = [("query", query.as_str()), ("token", &token), ("answer", "deny")];
    for answer in [
        visit.try_with(&site, PASSPHRASE).await,
        site.post("/oauth/consent", &cookie, &fields).await,
    ] {
        answer.assert_page(StatusCode::FORBIDDEN);
        assert!(answer.body.contains("This form has expired"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_second_tab_leaves_the_first_one_valid() {
    let site = Site::new();
    let visit = Visit::of(&site).await;
    let second = site.authorize(&visit.query, &visit.cookie).await;
    assert!(second.cookies()[0].starts_with(&visit.cookie));
    assert_eq!(visit.try_with(&site, PASSPHRASE).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_new_passphrase_ends_all_logins() {
    let site = Site::new();
    let cookie = site.logged_in();
    site.access.set_passphrase(&cheap_hash(), SystemTime::now()).unwrap();
    let page = site.authorize(&site.query(&[]), &cookie).await;
    assert!(page.body.contains("current-password"));
}

#[tokio::test]
async fn logging_out_ends_the_login_here_and_in_the_browser() {
    let site = Site::new();
    let cookie = site.logged_in();
    let answer = site
        .post("/oauth/logout", &cookie, &[("query", "x"), ("token", "y")])
        .await;
    answer.assert_page(StatusCode::OK);
    assert!(answer.cookies()[0].starts_with("__Host-berth=; ") && answer.cookies()[0].ends_with("; Max-Age=0"));
    let page = site.authorize(&site.query(&[]), &cookie).await;
    assert!(page.body.contains("current-password"));
}

#[tokio::test]
async fn tries_at_once_take_turns() {
    let site = Site::new();
    let visit = Visit::of(&site).await;
    let tries = (0..40).map(|_| visit.try_with(&site, "guess"));
    let answers = futures::future::join_all(tries).await;
    let checked = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::FORBIDDEN)
        .count();
    let waiting = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS)
        .count();
    assert_eq!(checked + waiting, 40);
    assert!(checked < 10 && waiting > 30, "{checked} of 40 at once were tried");
}
