//! Login and logout of the owner.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::clock::Clock;
use super::cookie::Cookie;
use super::form::Form;
use super::pages::{self, STYLE};
use super::posted::Posted;
use crate::http::host_origin::Base;
use crate::http::records::{Records, Unavailable};
use crate::store::audit::{Entry, Event};
use crate::store::{self, AccessRecords, Secret, passphrase};

/// How many passphrases are tried at once: each try takes tens of megabytes and a core, and tries run one after the
/// other, so each sees what the one before it did to the lock-out.
const TRIES_AT_ONCE: usize = 1;

/// How long a login waits for those before it.
const TURN: Duration = Duration::from_secs(5);

/// What the owner logs in for.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Reason<'a> {
    /// The name of the app that asks for something.
    pub(in crate::http) app: &'a str,
    /// The path that takes the form.
    pub(in crate::http) action: &'a str,
    /// The query of the request that is shown next, as the form sends it back.
    pub(in crate::http) query: &'a str,
}

/// The owner's logins. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::http) struct Logins {
    records: Records,
    /// Turns for trying a passphrase.
    tries: Arc<Semaphore>,
    /// The clock by which forms expire and a passphrase may be tried again.
    clock: Clock,
}

impl Logins {
    pub(in crate::http) fn new(records: Records) -> Self {
        Self {
            records,
            tries: Arc::new(Semaphore::new(TRIES_AT_ONCE)),
            clock: Clock::start(),
        }
    }

    /// The time by the clock of forms.
    pub(in crate::http) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The cookie by which the owner is logged in, if that is who sent this.
    pub(in crate::http) async fn cookie<'a>(
        &self,
        headers: &'a HeaderMap,
        base: &Base,
    ) -> Result<Option<&'a str>, Unavailable> {
        let Some(cookie) = Cookie::Login.read(headers, base) else {
            return Ok(None);
        };
        let (origin, secret) = (base.0.clone(), cookie.to_owned());
        // Logins outlive this process, so they end by the system's clock.
        let now = SystemTime::now();
        let known = self
            .records
            .with(move |access| access.is_logged_in(&origin, &secret, now))
            .await?;
        Ok(known.then_some(cookie))
    }

    /// Asks for the passphrase.
    pub(in crate::http) fn ask(
        &self,
        base: &Base,
        headers: &HeaderMap,
        reason: Reason<'_>,
    ) -> Result<Response, Unavailable> {
        let visit = match visit(headers, base) {
            Some(known) => known.to_owned(),
            None => Secret::random().map_err(Unavailable::because)?.reveal().to_owned(),
        };
        let cookie = [(header::SET_COOKIE, Cookie::Visit.set(base, &visit))];
        let asked = LoginForm {
            logins: self,
            base,
            visit: Cow::Owned(visit),
            now: self.now(),
        };
        Ok((cookie, asked.page(reason, StatusCode::OK, None)).into_response())
    }

    /// The login form that was sent, if it is one that went to this browser.
    pub(in crate::http) fn sent<'a>(
        &'a self,
        base: &'a Base,
        headers: &'a HeaderMap,
        posted: &'a Posted,
    ) -> Option<LoginForm<'a>> {
        let (query, now) = (posted.get("query"), self.now());
        let visit = visit(headers, base)?;
        form(visit, query).shown(posted.get("token"), now)?;
        Some(LoginForm {
            logins: self,
            base,
            visit: Cow::Borrowed(visit),
            now,
        })
    }
}

/// Ends the login of this browser.
pub(in crate::http) async fn log_out(
    State(logins): State<Logins>,
    Extension(base): Extension<Base>,
    headers: HeaderMap,
) -> Response {
    if let Some(cookie) = Cookie::Login.read(&headers, &base).map(str::to_owned) {
        let origin = base.0.clone();
        let ended = logins.records.with(move |access| access.log_out(&origin, &cookie));
        if let Err(error) = ended.await {
            return pages::trouble(&base, StatusCode::INTERNAL_SERVER_ERROR, &error.to_string());
        }
    }
    let text = "Nothing was allowed. You can close this page.";
    let notice = pages::notice(&base, StatusCode::OK, "You are logged out", text);
    ([(header::SET_COOKIE, Cookie::Login.end(&base))], notice).into_response()
}

/// A login form in one browser.
pub(in crate::http) struct LoginForm<'a> {
    logins: &'a Logins,
    base: &'a Base,
    visit: Cow<'a, str>,
    now: SystemTime,
}

/// The page with it.
#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    host: &'a str,
    reason: Reason<'a>,
    fault: Option<&'a str>,
    token: &'a str,
}

impl LoginForm<'_> {
    /// Checks a passphrase from `address`. The right one leads `onward`, with a login of 12 hours; otherwise the form is
    /// shown again.
    pub(in crate::http) async fn log_in(
        self,
        passphrase: &str,
        address: IpAddr,
        reason: Reason<'_>,
        onward: &str,
    ) -> Result<Response, Unavailable> {
        let Self { logins, base, .. } = self;
        let Ok(Ok(turn)) = timeout(TURN, logins.tries.clone().acquire_owned()).await else {
            return Ok(self.page(
                reason,
                StatusCode::SERVICE_UNAVAILABLE,
                Some("Too many logins at once. Try again."),
            ));
        };
        let (guess, origin, clock) = (passphrase.to_owned(), base.0.clone(), logins.clock);
        let tried = logins.records.recorded(address, move |access| {
            // The turn lasts until the outcome is counted, even if the browser goes away meanwhile: so a burst of tries
            // cannot pass the lock-out or fill the memory.
            let _turn = turn;
            let tried = try_passphrase(access, &guess, &origin, address, clock)?;
            let entry = tried.entry(address);
            Ok((tried, Some(entry)))
        });
        Ok(match tried.await? {
            Tried::LockedOut(wait) => self.locked_out(reason, wait),
            Tried::Wrong => self.page(
                reason,
                StatusCode::FORBIDDEN,
                Some("That is not the passphrase. Try again."),
            ),
            Tried::Right(login) => {
                let cookies = AppendHeaders([
                    (header::SET_COOKIE, Cookie::Login.set(base, login.reveal())),
                    (header::SET_COOKIE, Cookie::Visit.end(base)),
                ]);
                (cookies, pages::go(onward)).into_response()
            }
        })
    }

    fn page(&self, reason: Reason<'_>, status: StatusCode, fault: Option<&str>) -> Response {
        let page = LoginPage {
            host: pages::host(self.base),
            reason,
            fault,
            token: &form(&self.visit, reason.query).token(self.now),
        };
        pages::page(status, &page, None)
    }

    fn locked_out(&self, reason: Reason<'_>, wait: Duration) -> Response {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let wait = humantime::format_duration(Duration::from_secs(seconds));
        let text = format!("Too many wrong passphrases. Wait for {wait}, then try again.");
        let page = self.page(reason, StatusCode::TOO_MANY_REQUESTS, Some(&text));
        ([(header::RETRY_AFTER, seconds.to_string())], page).into_response()
    }
}

/// What came of a passphrase.
enum Tried {
    LockedOut(Duration),
    Wrong,
    Right(Secret),
}

impl Tried {
    /// What is recorded of it. Only the owner has this name.
    fn entry(&self, address: IpAddr) -> Entry {
        let address = address.to_canonical();
        match self {
            Self::LockedOut(_) => Entry::at_door(Event::LockedOut, address.to_string(), ""),
            Self::Wrong => Entry::at_door(Event::LoginFailed, address.to_string(), ""),
            Self::Right(_) => Entry::at_door(Event::LoggedIn, "owner", format!("from {address}")),
        }
    }
}

/// Tries a passphrase at `origin` from `address`, unless that is locked out. Without a passphrase that is set, none is
/// right.
fn try_passphrase(
    access: &AccessRecords,
    guess: &str,
    origin: &str,
    address: IpAddr,
    clock: Clock,
) -> Result<Tried, store::Error> {
    let now = clock.now();
    if let Some(wait) = access.login_wait(address, now)? {
        return Ok(Tried::LockedOut(wait));
    }
    let known = access.passphrase()?;
    if known.is_some_and(|known| passphrase::verify(guess, &known)) {
        access.login_succeeded(address, now)?;
        // Its end is compared with the system's clock, also by a later process.
        return access.log_in(origin, SystemTime::now()).map(Tried::Right);
    }
    tracing::warn!(%address, "a login failed");
    access.login_failed(address, clock.now())?;
    Ok(Tried::Wrong)
}

/// The form about this query for the browser with this secret.
fn form<'a>(visit: &'a str, query: &'a str) -> Form<'a> {
    Form {
        purpose: "login",
        cookie: visit,
        query,
    }
}

/// The secret in the cookie of a visit, if it is one of ours.
fn visit<'a>(headers: &'a HeaderMap, base: &Base) -> Option<&'a str> {
    Cookie::Visit
        .read(headers, base)
        .filter(|secret| Secret::is_well_formed(secret))
}
