//! The endpoints for apps, over the router and on real records.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod metadata;
mod pages;
mod refresh;
mod register;
mod revoke;
mod token;
mod unrecorded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::register::UNAPPROVED;
use super::{OAuth, router};
use crate::admission::tests::RATES;
use crate::admission::{Admission, Rates};
use crate::config::{self, FixedClient};
use crate::http::address::Address;
use crate::http::host_origin::Base;
use crate::principal::{Backends, Scope};
use crate::store::{AccessRecords, Approval, DataDirectory, NewApp, Recorder};

const BASE: &str = "https://berth.example";
const RESOURCE: &str = "https://berth.example/mcp";
const REDIRECT: &str = "https://app.example/callback";
/// A client of the configuration, and its secret.
const FIXED: &str = "fixed";
const SECRET: &str = "s3cret &:+ü";
/// The verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An authorization server of its own.
struct Server {
    directory: DataDirectory,
    root: TempDir,
    access: Arc<AccessRecords>,
    oauth: OAuth,
    router: Router,
    /// By which name it is called.
    base: &'static str,
}

/// What came back.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Server {
    fn start() -> Self {
        Self::with(RATES)
    }

    fn with(rates: Rates) -> Self {
        let root = TempDir::new().unwrap();
        let directory = DataDirectory::open(&root.path().join("data"), &root.path().join("cache")).unwrap();
        let access = Arc::new(directory.access().unwrap());
        let recorder = Recorder::start(directory.audit(false).unwrap(), false).unwrap();
        let fixed = FixedClient {
            secret_sha256: Sha256::digest(SECRET).into(),
            redirects: vec![REDIRECT.to_owned()],
        };
        let settings = config::OAuth {
            redirects: vec![REDIRECT.to_owned()],
            clients: BTreeMap::from([(FIXED.to_owned(), fixed)]),
        };
        let tasks = TaskTracker::new();
        let admission = Admission::new(
            16,
            1024,
            &rates,
            recorder.clone(),
            tasks.clone(),
            CancellationToken::new(),
        );
        let oauth = OAuth::new(
            access.clone(),
            Arc::default(),
            recorder,
            Arc::new(settings),
            Vec::new,
            admission,
            tasks,
        );
        Self {
            directory,
            root,
            access,
            router: router(oauth.clone()),
            oauth,
            base: BASE,
        }
    }

    async fn send(&self, mut request: Request) -> Answer {
        request.extensions_mut().insert(Base(self.base.into()));
        request.extensions_mut().insert(Address([192, 0, 2, 1].into()));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn post_json(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Posts parameters as a form.
    async fn post_form(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.send(form(path, parameters, None)).await
    }

    /// An app that registered itself, by its id.
    fn registered(&self) -> String {
        let app = NewApp {
            name: "app".to_owned(),
            redirects: vec![REDIRECT.to_owned()],
        };
        let registered = self
            .access
            .register(&app, [192, 0, 2, 1].into(), UNAPPROVED, SystemTime::now());
        registered.unwrap().id
    }

    /// A code that the owner approved at `now`.
    fn approved(&self, client_id: &str, scope: Scope, now: SystemTime) -> String {
        let approval = Approval {
            client_id: client_id.to_owned(),
            client_name: "app".to_owned(),
            redirect: REDIRECT.to_owned(),
            challenge: CHALLENGE.to_owned(),
            scope,
            backends: Backends::All,
            resource: RESOURCE.to_owned(),
            address: [192, 0, 2, 2].into(),
        };
        self.access.approve(&approval, now).unwrap().reveal().to_owned()
    }

    fn code(&self, client_id: &str) -> String {
        self.approved(client_id, Scope::Control, SystemTime::now())
    }

    /// How many entries the record has.
    fn recorded(&self) -> i64 {
        self.directory.audit(false).unwrap().head().unwrap().seq
    }

    fn admits(&self, token: &str) -> bool {
        self.access.verify(token, SystemTime::now()).unwrap().is_some()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} {:?}", self.status, self.text))
    }

    fn field(&self, name: &str) -> String {
        let field = self.json()[name].as_str().map(str::to_owned);
        field.unwrap_or_else(|| panic!("no {name}: {}", self.text))
    }

    /// Status and code of a refusal, which has to carry no token.
    fn refusal(&self) -> (u16, String) {
        assert!(!self.text.contains("berth_"), "{}", self.text);
        (self.status.as_u16(), self.field("error"))
    }
}

fn form(path: &str, parameters: &[(&str, &str)], basic: Option<&str>) -> Request {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(parameters);
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = match basic {
        Some(credentials) => request.header(header::AUTHORIZATION, credentials),
        None => request,
    };
    request.body(body.finish().into()).unwrap()
}

/// The parameters by which a code is redeemed.
fn redemption<'a>(client_id: &'a str, code: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

/// `parameters` with the one called `name` changed to `value`, or added.
fn with<'a>(parameters: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let others = parameters.iter().copied().filter(|(other, _)| *other != name);
    others.chain([(name, value)]).collect()
}

/// The parameters by which a refresh token is renewed.
fn renewal<'a>(client_id: &'a str, token: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "refresh_token"),
        ("client_id", client_id),
        ("refresh_token", token),
    ]
}

/// A refusal as [`Answer::refusal`] has it.
fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
