//! The owner's consent: asked for again at every authorization, and given once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::SystemTime;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use url::{Host, Position, Url};

use super::app::{App, Kind};
use super::error::OAuthError;
use super::redirect;
use super::request::{self, Asked, Fault};
use super::server::{OAuth, Offered};
use crate::http::address::Address;
use crate::http::host_origin::Base;
use crate::http::owner::form::Form;
use crate::http::owner::pages::{self, STYLE};
use crate::http::owner::posted::Posted;
use crate::http::resource;
use crate::principal::{Backends, Meaning, Principal, Scope};
use crate::store::audit::{Entry, Event};
use crate::store::{AccessRecords, Approval, Secret};

/// What the owner, logged in by a cookie, is asked.
pub(super) struct Question<'a> {
    pub(super) oauth: &'a OAuth,
    pub(super) base: &'a Base,
    pub(super) asked: &'a Asked,
    pub(super) query: &'a str,
    pub(super) cookie: &'a str,
    /// The time by the clock of forms.
    pub(super) now: SystemTime,
}

/// The question whether an app may have access.
#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    host: &'a str,
    app: &'a str,
    /// How certain it is that the app is the one that it claims to be.
    known: &'a str,
    /// Where the answer goes.
    destination: &'a str,
    /// When the owner should not trust that.
    advice: &'a str,
    fault: Option<&'a str>,
    query: &'a str,
    token: &'a str,
    /// Whether it asks for control.
    control: bool,
    /// Whether only reading is chosen.
    reading: bool,
    /// Whether every backend is chosen, those that come later too.
    every: bool,
    backends: Vec<BackendChoice<'a>>,
}

/// A line of [`ConsentPage`].
struct BackendChoice<'a> {
    name: &'a str,
    about: &'a str,
    chosen: bool,
}

impl Question<'_> {
    /// The page with the question: it proposes everything that the app wants, for the present backends.
    pub(super) fn ask(&self) -> Response {
        let proposal = Choice {
            scope: Some(self.asked.scope),
            every: false,
            backends: meanings(&self.oauth.backends.now()),
        };
        self.page(&proposal, None)
    }

    fn page(&self, choice: &Choice, fault: Option<&str>) -> Response {
        let redirect = &self.asked.way_back.redirect;
        let backends = self.oauth.backends.now();
        let choices = backends.iter().map(|backend| BackendChoice {
            name: &backend.name,
            about: &backend.about,
            chosen: choice.backends.contains_key(&backend.name),
        });
        let page = ConsentPage {
            host: pages::host(self.base),
            app: &self.asked.app.name,
            known: &known(&self.asked.app, redirect),
            destination: &redirect[Position::BeforeHost..Position::AfterPort],
            advice: advice(redirect),
            fault,
            query: self.query,
            token: &form(self.cookie, &about(self.query, &meanings(&backends))).token(self.now),
            control: self.asked.scope == Scope::Control,
            reading: choice.scope == Some(Scope::Read),
            every: choice.every,
            backends: choices.collect(),
        };
        let status = if fault.is_some() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::OK
        };
        pages::page(status, &page, Some(&onward(redirect)))
    }
}

/// Takes the owner's answer: on Allow the app gets a code; on any other answer it learns that it gets none.
pub(super) async fn answer(
    State(oauth): State<OAuth>,
    Extension(base): Extension<Base>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let answered = take(&oauth, &base, address, &headers, &posted).await;
    answered.unwrap_or_else(|fault| fault.response(&base))
}

async fn take(
    oauth: &OAuth,
    base: &Base,
    address: IpAddr,
    headers: &HeaderMap,
    posted: &Posted,
) -> Result<Response, Fault> {
    let (query, now) = (posted.get("query"), oauth.logins.now());
    let Some(cookie) = oauth.logins.cookie(headers, base, address).await? else {
        return Ok(pages::stale(base, &request::link(query)));
    };
    // What is answered is what was shown: a name may mean something else since then.
    let meanings = meanings(&oauth.backends.now());
    let Some(shown) = form(cookie, &about(query, &meanings)).shown(posted.get("token"), now) else {
        return Ok(pages::stale(base, &request::link(query)));
    };
    // Anything may have changed since the question was shown: the app may be gone.
    let asked = request::read(oauth, base, query).await?;
    let choice = Choice::read(meanings, posted);
    let allowed = match posted.get("answer") {
        "allow" => choice.settle(asked.scope).map(Some),
        _ => Ok(None),
    };
    let question = Question {
        oauth,
        base,
        asked: &asked,
        query,
        cookie,
        now,
    };
    let allowed = match allowed {
        Ok(allowed) => allowed,
        Err(missing) => return Ok(question.page(&choice, Some(missing))),
    };
    let whose = of(&asked.app, address);
    let (event, detail) = match &allowed {
        Some((scope, backends)) => (Event::Approved, format!("{whose}: {scope}, backends: {backends}")),
        None => (Event::Declined, whose),
    };
    let entry = Entry::at_door(event, Principal::owner().id(), detail);
    let approval = allowed.map(|(scope, backends)| Approval {
        client_id: asked.app.id.clone(),
        client_name: asked.app.name.clone(),
        redirect: asked.way_back.redirect.to_string(),
        challenge: asked.challenge.clone(),
        scope,
        backends,
        resource: resource::canonical(base),
        address,
    });
    let spent = oauth.spent.clone();
    let settle = move |access: &AccessRecords| {
        if !spent.spend(shown, now) {
            return Ok((Settled::Stale, None));
        }
        let settled = match approval {
            // A code is redeemed by the system's clock, which any process shares.
            Some(approval) => Settled::Allowed(access.approve(&approval, SystemTime::now())?),
            None => Settled::Declined,
        };
        Ok((settled, Some(entry)))
    };
    Ok(match oauth.records.recorded(address, settle).await? {
        Settled::Stale => pages::stale(base, &request::link(query)),
        Settled::Declined => asked.way_back.with_error(&denied()),
        Settled::Allowed(code) => asked.way_back.with_code(code.reveal()),
    })
}

/// What became of an answer.
enum Settled {
    /// The form was answered before.
    Stale,
    Declined,
    /// Allowed, with this code for the app.
    Allowed(Secret),
}

/// What the owner chose, or is proposed.
struct Choice {
    scope: Option<Scope>,
    /// Every backend, those that come later too.
    every: bool,
    /// The backends that are ticked, with what each means, whether or not every one is chosen.
    backends: BTreeMap<String, Meaning>,
}

impl Choice {
    /// The choice among `backends` that a form was sent with. Unknown names are ignored.
    fn read(backends: BTreeMap<String, Meaning>, posted: &Posted) -> Self {
        let ticked = backends
            .into_iter()
            .filter(|(name, _)| !posted.get(&format!("backend.{name}")).is_empty());
        Self {
            scope: match posted.get("access") {
                "control" => Some(Scope::Control),
                "read" => Some(Scope::Read),
                _ => None,
            },
            every: posted.get("backends") == "all",
            backends: ticked.collect(),
        }
    }

    /// The scope, never above what was asked for, and the backends; or what is missing.
    fn settle(&self, asked: Scope) -> Result<(Scope, Backends), &'static str> {
        let scope = self.scope.filter(|scope| *scope <= asked);
        let scope = scope.ok_or("Choose what it may do, or refuse.")?;
        if self.every {
            Ok((scope, Backends::All))
        } else if self.backends.is_empty() {
            Err("Tick at least one backend, or refuse.")
        } else {
            Ok((scope, Backends::Only(self.backends.clone())))
        }
    }
}

/// What each of `backends` means, by its name.
fn meanings(backends: &[Offered]) -> BTreeMap<String, Meaning> {
    let meaning = |backend: &Offered| (backend.name.clone(), backend.meaning.clone());
    backends.iter().map(meaning).collect()
}

/// What a form about this query shows.
fn about(query: &str, meanings: &BTreeMap<String, Meaning>) -> String {
    format!("{query}\n{meanings:?}")
}

/// The form about this for the login by this cookie.
fn form<'a>(cookie: &'a str, query: &'a str) -> Form<'a> {
    Form {
        purpose: "consent",
        cookie,
        query,
    }
}

/// What the owner decided about, and from where.
fn of(app: &App, address: IpAddr) -> String {
    format!("{:?} ({}) from {}", app.name, app.id, address.to_canonical())
}

fn denied() -> OAuthError {
    OAuthError::new("access_denied", "the owner of this server said no")
}

/// How certain it is that the app is the one that it claims to be.
fn known(app: &App, redirect: &Url) -> String {
    match (app.kind, &app.verified_host) {
        (Kind::Fixed, _) => "It is in the configuration of this berth.".to_owned(),
        // Whoever vouches for the name, any program on the device itself can take it (RFC 8252, 8.6).
        _ if is_local(redirect) => "Any program on this device can use this name.".to_owned(),
        (_, Some(host)) => format!("{host} vouches for this name."),
        (_, None) => "The app chose this name itself, and nobody has checked it.".to_owned(),
    }
}

fn advice(redirect: &Url) -> &'static str {
    if is_local(redirect) {
        "That is a program on the device that shows this page: allow it only if you have just started to connect it."
    } else {
        "Allow it only if you have just started to connect an app there."
    }
}

fn is_local(redirect: &Url) -> bool {
    redirect::is_loopback(redirect.as_str())
}

/// The sources by which a page's policy lets the browser continue to this address after a form (CSP Level 3, 6.4.2),
/// and from there to any https address to which the app redirects: browsers apply the policy to the whole way.
fn onward(redirect: &Url) -> String {
    match (redirect.scheme(), redirect.host()) {
        ("https", _) => "https:".to_owned(),
        // A policy cannot name an IPv6 address.
        (_, Some(Host::Ipv6(_))) => "http: https:".to_owned(),
        _ => format!("{} https:", redirect.origin().ascii_serialization()),
    }
}
