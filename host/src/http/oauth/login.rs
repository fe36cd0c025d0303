//! Login and logout of the owner.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Response};
use tokio::time::timeout;

use super::authorize::{self, Fault};
use super::client::Client;
use super::clock::Clock;
use super::cookie::Cookie;
use super::error::OAuthError;
use super::form::Form;
use super::pages::{self, LoginPage, Pages, Posted};
use super::{Address, Base};
use crate::store::audit::{Entry, Event};
use crate::store::{self, Access, Secret, passphrase};

/// How long a login waits for those before it.
const TURN: Duration = Duration::from_secs(5);

/// Asks for the passphrase before `client`'s request is shown. `now` is the time by the clock of forms.
pub(super) fn ask(
    base: &Base,
    headers: &HeaderMap,
    client: &Client,
    query: &str,
    now: SystemTime,
) -> Result<Response, OAuthError> {
    let visit = match visit(headers, base) {
        Some(known) => known.to_owned(),
        None => Secret::random().map_err(OAuthError::internal)?.reveal().to_owned(),
    };
    let page = Page {
        base,
        client,
        query,
        visit: &visit,
        now,
    };
    let cookie = [(header::SET_COOKIE, Cookie::Visit.set(base, &visit))];
    Ok((cookie, page.with(StatusCode::OK, None)).into_response())
}

/// Checks a passphrase. The right one leads back to the request for authorization, with a login of 12 hours.
pub(super) async fn log_in(
    State(pages): State<Arc<Pages>>,
    Extension(base): Extension<Base>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let answered = attempt(&pages, &base, address, &headers, &posted).await;
    answered.unwrap_or_else(|fault| fault.response(&base))
}

/// Ends the login of this browser.
pub(super) async fn log_out(
    State(pages): State<Arc<Pages>>,
    Extension(base): Extension<Base>,
    headers: HeaderMap,
) -> Response {
    if let Some(cookie) = Cookie::Login.read(&headers, &base).map(str::to_owned) {
        let origin = base.0.clone();
        let ended = pages.oauth.records(move |access| access.log_out(&origin, &cookie));
        if let Err(error) = ended.await {
            return pages::fault(&base, &error);
        }
    }
    let text = "Nothing was allowed. You can close this page.";
    let notice = pages::notice(&base, StatusCode::OK, "You are logged out", text);
    ([(header::SET_COOKIE, Cookie::Login.end(&base))], notice).into_response()
}

async fn attempt(
    pages: &Pages,
    base: &Base,
    address: IpAddr,
    headers: &HeaderMap,
    posted: &Posted,
) -> Result<Response, Fault> {
    let (query, now) = (posted.get("query"), pages.clock.now());
    let Some(visit) = visit(headers, base).filter(|visit| form(visit, query).shown(posted.get("token"), now).is_some())
    else {
        return Ok(pages::stale(base, query));
    };
    let asked = authorize::read(&pages.oauth, base, query).await?;
    let page = Page {
        base,
        client: &asked.client,
        query,
        visit,
        now,
    };
    let Ok(Ok(turn)) = timeout(TURN, pages.tries.clone().acquire_owned()).await else {
        return Ok(page.with(
            StatusCode::SERVICE_UNAVAILABLE,
            Some("Too many logins at once. Try again."),
        ));
    };
    let (guess, origin, clock) = (posted.get("passphrase").to_owned(), base.0.clone(), pages.clock);
    let tried = pages.oauth.recorded(address, move |access| {
        // The turn lasts until the outcome is counted, even if the browser goes away meanwhile: no burst of tries gets
        // past the lock-out or fills the memory.
        let _turn = turn;
        let tried = try_passphrase(access, &guess, &origin, address, clock)?;
        let entry = tried.entry(address);
        Ok((tried, Some(entry)))
    });
    match tried.await? {
        Tried::LockedOut(wait) => Ok(page.locked_out(wait)),
        Tried::Wrong => Ok(page.with(StatusCode::FORBIDDEN, Some("That is not the passphrase. Try again."))),
        Tried::Right(login) => {
            let cookies = AppendHeaders([
                (header::SET_COOKIE, Cookie::Login.set(base, login.reveal())),
                (header::SET_COOKIE, Cookie::Visit.end(base)),
            ]);
            Ok((cookies, pages::go(&pages::question(query))).into_response())
        }
    }
}

/// What came of a passphrase.
enum Tried {
    LockedOut(Duration),
    Wrong,
    Right(Secret),
}

impl Tried {
    /// What is recorded of it. Nobody but the owner is called so.
    fn entry(&self, address: IpAddr) -> Entry {
        let address = address.to_canonical();
        match self {
            Self::LockedOut(_) => Entry::at_door(Event::LockedOut, address.to_string(), ""),
            Self::Wrong => Entry::at_door(Event::LoginFailed, address.to_string(), ""),
            Self::Right(_) => Entry::at_door(Event::LoggedIn, "owner", format!("from {address}")),
        }
    }
}

/// Tries a passphrase at `origin` from `address`, unless that is locked out. None is right as long as none is set.
fn try_passphrase(
    access: &Access,
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
        // Its end is compared with the system's clock, also by what runs later.
        return access.log_in(origin, SystemTime::now()).map(Tried::Right);
    }
    tracing::warn!(%address, "a login failed");
    access.login_failed(address, clock.now())?;
    Ok(Tried::Wrong)
}

/// What a login page is about.
struct Page<'a> {
    base: &'a Base,
    client: &'a Client,
    query: &'a str,
    visit: &'a str,
    now: SystemTime,
}

impl Page<'_> {
    fn with(&self, status: StatusCode, fault: Option<&str>) -> Response {
        let page = LoginPage {
            host: pages::host(self.base),
            app: &self.client.name,
            fault,
            query: self.query,
            token: &form(self.visit, self.query).token(self.now),
        };
        pages::page(status, &page, None)
    }

    fn locked_out(&self, wait: Duration) -> Response {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let wait = humantime::format_duration(Duration::from_secs(seconds));
        let text = format!("Too many wrong passphrases. Wait for {wait}, then try again.");
        let page = self.with(StatusCode::TOO_MANY_REQUESTS, Some(&text));
        ([(header::RETRY_AFTER, seconds.to_string())], page).into_response()
    }
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
