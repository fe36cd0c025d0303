//! The owner's login as a page uses it to which no app has led, on real records.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::login::{By, Logins, Reason, log_out};
use super::pages;
use super::posted::Posted;
use crate::admission::Admission;
use crate::admission::tests::RATES;
use crate::http::host_origin::Base;
use crate::http::records::Records;
use crate::store::{DataDirectory, Recorder};

const PASSPHRASE: &str = "four words make one";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const REASON: Reason<'_> = Reason {
    app: None,
    action: "/page/login",
    query: "of=sessions",
    by: By::Passphrase,
};

/// A page for the owner alone.
struct Site {
    router: Router,
    _root: TempDir,
}

impl Site {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let directory = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
        let access = Arc::new(directory.access().unwrap());
        access.set_passphrase(&cheap_hash(), SystemTime::now()).unwrap();
        let recorder = Recorder::start(directory.audit(false).unwrap(), false).unwrap();
        let tasks = TaskTracker::new();
        let ending = CancellationToken::new();
        let admission = Admission::new(16, 1024, &RATES, recorder.clone(), tasks.clone(), ending);
        let logins = Logins::new(Records::new(access, recorder, admission, tasks), Arc::default());
        let router = Router::new()
            .route("/page", get(show))
            .route("/page/login", post(log_in))
            .route("/page/logout", post(log_out))
            .with_state(logins)
            .layer(Extension(Base("https://berth.example".into())));
        Self { router, _root: root }
    }

    /// The status, the headers and the text of the answer.
    async fn send(&self, request: Request) -> (StatusCode, HeaderMap, String) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let text = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(text.to_vec()).unwrap())
    }

    async fn get(&self, cookie: &str) -> (StatusCode, HeaderMap, String) {
        let request = Request::get("/page").header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, token: &str, passphrase: &str) -> (StatusCode, HeaderMap, String) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("query", REASON.query), ("token", token), ("passphrase", passphrase)]);
        let request = Request::post(path)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.finish().into()).unwrap()).await
    }
}

async fn show(State(logins): State<Logins>, Extension(base): Extension<Base>, headers: HeaderMap) -> Response {
    match logins.cookie(&headers, &base, ADDRESS).await.unwrap() {
        Some(_) => "for the owner alone".into_response(),
        None => logins.ask(&base, &headers, REASON).unwrap(),
    }
}

async fn log_in(
    State(logins): State<Logins>,
    Extension(base): Extension<Base>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let Some(form) = logins.sent(&base, &headers, &posted) else {
        return pages::stale(&base, "/page");
    };
    let passphrase = posted.get("passphrase");
    form.log_in(passphrase, ADDRESS, REASON, "/page").await.unwrap()
}

/// The first cookie that an answer sets, as a browser sends it back.
fn cookie(headers: &HeaderMap) -> String {
    let set = headers[header::SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

fn token(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"token\" value=\"").expect("the page has a form");
    rest.split('"').next().unwrap()
}

/// A hash of [`PASSPHRASE`] that takes no time.
fn cheap_hash() -> String {
    use argon2::password_hash::PasswordHasher as _;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    hasher.hash_password(PASSPHRASE.as_bytes()).unwrap().to_string()
}

#[tokio::test]
async fn a_page_that_is_no_apps_has_a_login_of_its_own() {
    let site = Site::new();
    let (status, headers, page) = site.get("").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("action=\"/page/login\""), "{page}");
    let (visit, token) = (cookie(&headers), token(&page).to_owned());

    let (status, headers, page) = site.post("/page/login", &visit, &token, "wrong").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{page}");
    assert!(!headers.contains_key(header::SET_COOKIE), "{headers:?}");
    assert!(page.contains("That is not the passphrase"), "{page}");

    let (status, headers, _) = site.post("/page/login", &visit, &token, PASSPHRASE).await;
    assert_eq!(
        (status, &headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/page".parse().unwrap())
    );
    let login = cookie(&headers);
    assert_eq!(site.get(&login).await.2, "for the owner alone");

    site.post("/page/logout", &login, "", "").await;
    assert!(site.get(&login).await.2.contains("action=\"/page/login\""));
}

#[tokio::test]
async fn the_passphrase_counts_only_with_a_form_that_went_to_this_browser() {
    let site = Site::new();
    let (_, headers, page) = site.get("").await;
    let (visit, token) = (cookie(&headers), token(&page).to_owned());
    let other = cookie(&site.get("").await.1);
    for (visit, token) in [("", &*token), (&other, &token), (&visit, ""), (&visit, "1.0")] {
        let (status, headers, page) = site.post("/page/login", visit, token, PASSPHRASE).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{visit} {token}");
        assert!(
            !headers.contains_key(header::SET_COOKIE) && page.contains("expired"),
            "{page}"
        );
    }
}
