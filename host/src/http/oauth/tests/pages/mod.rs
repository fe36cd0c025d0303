#![allow(clippy::unwrap_used, clippy::expect_used)]

//! The pages as a browser meets them, on real records.

mod asking;
mod consenting;
mod logging_in;
mod unrecorded;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Router};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::admission::Admission;
use crate::admission::tests::RATES;
use crate::http::address::Address;
use crate::http::host_origin::Base;
use crate::http::oauth::register::UNAPPROVED;
use crate::http::oauth::{OAuth, Offered, router};
use crate::store::{AccessRecords, DataDirectory, NewApp, Recorder};

const PUBLIC: &str = "https://berth.example";
const LOCAL: &str = "http://localhost:8787";
const REDIRECT: &str = "https://app.example/callback?of=berth";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// What each backend means here.
const MEANING: &str = "a plugin";
const PASSPHRASE: &str = "four words make one";

/// Fields of a form or a query.
type Fields<'a> = Vec<(&'a str, &'a str)>;

/// An authorization server, with an app that has registered itself.
struct Site {
    router: Router,
    access: Arc<AccessRecords>,
    base: &'static str,
    client: String,
    directory: TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Site {
    fn new() -> Self {
        Self::with("Helpful app", PUBLIC)
    }

    /// An app of this name registered itself, and all requests come by way of `base`.
    fn with(app: &str, base: &'static str) -> Self {
        let site = Self::bare(app, base);
        site.access.set_passphrase(&cheap_hash(), SystemTime::now()).unwrap();
        site
    }

    /// Like [`Site::with`], before the owner has chosen a passphrase.
    fn bare(app: &str, base: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, cache) = (directory.path().join("data"), directory.path().join("cache"));
        let opened = DataDirectory::open(&data, &cache).unwrap();
        let access = Arc::new(opened.access().unwrap());
        let recorder = Recorder::start(opened.audit(false).unwrap(), false).unwrap();
        let redirects = [REDIRECT, "http://127.0.0.1/callback", "http://[::1]/callback"];
        let app = NewApp {
            name: app.to_owned(),
            redirects: redirects.map(str::to_owned).to_vec(),
        };
        let registered = access.register(&app, ADDRESS, UNAPPROVED, SystemTime::now()).unwrap();
        let backends = [("local", "agents on this machine"), ("cabin", "")];
        let backends = backends.map(|(name, about)| Offered {
            name: name.to_owned(),
            meaning: MEANING.to_owned(),
            about: about.to_owned(),
        });
        let tasks = TaskTracker::new();
        let admission = Admission::new(
            16,
            1024,
            &RATES,
            recorder.clone(),
            tasks.clone(),
            CancellationToken::new(),
        );
        let oauth = OAuth::new(
            access.clone(),
            Arc::default(),
            recorder,
            Arc::default(),
            move || backends.to_vec(),
            admission,
            tasks,
        );
        let router = router(oauth)
            .layer(Extension(Base(base.into())))
            .layer(Extension(Address(ADDRESS)));
        Self {
            router,
            access,
            base,
            client: registered.id,
            directory,
        }
    }

    /// The query of a request in which everything is right except `changes`; what is changed to "" is left out.
    fn query(&self, changes: &[(&str, &str)]) -> String {
        let mut fields: Fields<'_> = vec![
            ("response_type", "code"),
            ("client_id", &self.client),
            ("redirect_uri", REDIRECT),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "a b&c=%2F"),
        ];
        fields.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        encode(&fields)
    }

    /// The cookie header of a browser in which the owner has just logged in.
    fn logged_in(&self) -> String {
        let name = if self.base == PUBLIC { "__Host-berth" } else { "berth" };
        let secret = self.access.log_in(self.base, ADDRESS, SystemTime::now()).unwrap();
        format!("{name}={}", secret.reveal())
    }

    async fn authorize(&self, query: &str, cookie: &str) -> Answer {
        let request = Request::get(format!("/oauth/authorize?{query}")).header(header::COOKIE, cookie);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(encode(fields).into()).unwrap()).await
    }

    /// Answers the consent page for `query`, with these fields besides those that the page hides.
    async fn answer(&self, query: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.authorize(query, cookie).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let token = page.hidden("token");
        let hidden = [("query", query), ("token", &token)];
        self.post("/oauth/consent", cookie, &[&hidden, fields].concat()).await
    }

    async fn send(&self, request: Request) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The cookies that it sets: `name=value; …`.
    fn cookies(&self) -> Vec<&str> {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        set.map(|cookie| cookie.to_str().unwrap()).collect()
    }

    /// The value of a hidden field.
    fn hidden(&self, name: &str) -> String {
        let before = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&before).expect("the page has that field");
        rest.split('"').next().unwrap().replace("&#38;", "&")
    }

    /// What is added to the query of [`REDIRECT`] for the app.
    fn told(&self, name: &str) -> Option<String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let address = Url::parse(self.header("location")).unwrap();
        assert!(address.as_str().starts_with(REDIRECT), "{address}");
        let mut found = address.query_pairs().filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.into_owned());
        assert!(found.next().is_none(), "{name} twice");
        value
    }

    /// That it is a page, and leads nowhere.
    fn assert_page(&self, status: StatusCode) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(!self.headers.contains_key(header::LOCATION));
        assert!(self.body.starts_with("<!doctype html>"), "{}", self.body);
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A hash of [`PASSPHRASE`] that takes no time.
fn cheap_hash() -> String {
    use argon2::password_hash::PasswordHasher as _;
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let hasher = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    hasher.hash_password(PASSPHRASE.as_bytes()).unwrap().to_string()
}
