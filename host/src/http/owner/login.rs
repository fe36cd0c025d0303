//! Login and logout of the owner.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

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
use crate::principal::Principal;
use crate::store::audit::{Entry, Event};
use crate::store::{self, AccessRecords, Login, Secret, Word, passphrase};

/// How many passphrases are tried at once: each try takes tens of megabytes and a core, and tries run one after the
/// other, so each sees what the one before it did to the lock-out.
const TRIES_AT_ONCE: usize = 1;

/// How long a login waits for those before it.
const TURN: Duration = Duration::from_secs(5);

/// What the owner logs in for.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Reason<'a> {
    /// The name of the app that asks for something; none: the owner wants to see the sessions.
    pub(in crate::http) app: Option<&'a str>,
    /// The path that takes the form.
    pub(in crate::http) action: &'a str,
    /// The query of the request that is shown next, as the form sends it back.
    pub(in crate::http) query: &'a str,
    /// By what the owner is recognised.
    pub(in crate::http) by: By,
}

/// By what the owner is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum By {
    /// The passphrase alone.
    Passphrase,
    /// The passphrase, or the word that `berth open` has printed: for a browser of the operator's own on this machine.
    PassphraseOrWord,
    /// The word alone, because no passphrase is set.
    Word,
}

/// The owner's logins. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::http) struct Logins {
    records: Records,
    /// The word that `berth open` has printed.
    word: Arc<Word>,
    /// Turns for trying a passphrase.
    tries: Arc<Semaphore>,
    /// Turns for looking at a cookie, so that strangers' cookies hold one thread at most.
    looks: Arc<Semaphore>,
    /// The clock by which forms expire and a passphrase may be tried again.
    clock: Clock,
}

impl Logins {
    pub(in crate::http) fn new(records: Records, word: Arc<Word>) -> Self {
        Self {
            records,
            word,
            tries: Arc::new(Semaphore::new(TRIES_AT_ONCE)),
            looks: Arc::new(Semaphore::new(1)),
            clock: Clock::start(),
        }
    }

    /// The time by the clock of forms.
    pub(in crate::http) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// The cookie by which the owner is logged in, if that is who sent this, from `address`. The login lasts longer by that.
    pub(in crate::http) async fn cookie<'a>(
        &self,
        headers: &'a HeaderMap,
        base: &Base,
        address: IpAddr,
    ) -> Result<Option<&'a str>, Unavailable> {
        let cookie = Cookie::Login.read(headers, base);
        let Some(cookie) = cookie.filter(|cookie| Secret::is_well_formed(cookie)) else {
            return Ok(None);
        };
        let turn = self.looks.clone().acquire_owned().await;
        let turn = turn.map_err(Unavailable::because)?;
        let (origin, secret) = (base.0.clone(), cookie.to_owned());
        let look = move |access: &AccessRecords| {
            let _turn = turn;
            // Logins outlive this process, so they end by the system's clock.
            let now = SystemTime::now();
            let login = access.login(&origin, &secret, now)?;
            if let Some(login) = &login {
                note(access, login, address, now);
            }
            Ok(login.is_some())
        };
        Ok(self.records.with(look).await?.then_some(cookie))
    }

    /// By what the owner can be recognised; nothing where that is impossible. `here` says that a browser of the operator's
    /// own asks, on this machine and outside of every session.
    pub(in crate::http) async fn by(&self, here: bool) -> Result<Option<By>, Unavailable> {
        let is_set = self.records.with(AccessRecords::passphrase).await?.is_some();
        Ok(match (is_set, here) {
            (true, true) => Some(By::PassphraseOrWord),
            (true, false) => Some(By::Passphrase),
            (false, true) => Some(By::Word),
            (false, false) => None,
        })
    }

    /// Asks the owner to log in.
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
    let text = "You can close this page.";
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
    /// Checks the passphrase or word that was `given` from `address`. The right one leads `onward`, with a login; otherwise
    /// the form is shown again.
    pub(in crate::http) async fn log_in(
        self,
        given: &str,
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
        let word = (reason.by != By::Passphrase).then(|| logins.word.clone());
        let guess = Guess {
            given: given.to_owned(),
            word,
            origin: base.0.clone(),
            address,
            clock: logins.clock,
        };
        let tried = logins.records.recorded(address, move |access| {
            // The turn lasts until the outcome is counted, even if the browser goes away meanwhile: so a burst of tries
            // cannot pass the lock-out or fill the memory.
            let _turn = turn;
            let tried = guess.check(access)?;
            let entry = tried.entry(address);
            Ok((tried, Some(entry)))
        });
        Ok(match tried.await? {
            Tried::LockedOut(wait) => self.locked_out(reason, wait),
            Tried::Wrong => self.page(
                reason,
                StatusCode::FORBIDDEN,
                Some(match reason.by {
                    By::Passphrase => "That is not the passphrase. Try again.",
                    By::PassphraseOrWord => "That is not the passphrase, and not a word that counts now. Try again.",
                    By::Word => "That word does not count. Run berth open again, and type its word within a minute.",
                }),
            ),
            Tried::Right { login, .. } => {
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
        let wrong = if reason.by == By::Word { "words" } else { "passphrases" };
        let text = format!("Too many wrong {wrong}. Try again in {}.", in_words(seconds));
        let page = self.page(reason, StatusCode::TOO_MANY_REQUESTS, Some(&text));
        ([(header::RETRY_AFTER, seconds.to_string())], page).into_response()
    }
}

/// What came of a guess.
enum Tried {
    LockedOut(Duration),
    Wrong,
    Right { login: Secret, by_word: bool },
}

impl Tried {
    /// What is recorded of it. Only the owner has this name.
    fn entry(&self, address: IpAddr) -> Entry {
        let address = address.to_canonical();
        match self {
            Self::LockedOut(_) => Entry::at_door(Event::LockedOut, address.to_string(), ""),
            Self::Wrong => Entry::at_door(Event::LoginFailed, address.to_string(), ""),
            Self::Right { by_word, .. } => {
                let by = if *by_word { ", by the word of berth open" } else { "" };
                Entry::at_door(Event::LoggedIn, Principal::owner().id(), format!("from {address}{by}"))
            }
        }
    }
}

/// A passphrase or word that was given.
struct Guess {
    given: String,
    /// The word that counts, where one may.
    word: Option<Arc<Word>>,
    /// By what origin it was given.
    origin: Arc<str>,
    /// From where.
    address: IpAddr,
    clock: Clock,
}

impl Guess {
    /// Checks it, unless its address is locked out. Without a passphrase that is set, none is right.
    fn check(&self, access: &AccessRecords) -> Result<Tried, store::Error> {
        let (address, now) = (self.address, self.clock.now());
        if let Some(wait) = access.login_wait(address, now)? {
            return Ok(Tried::LockedOut(wait));
        }
        let by_word = self
            .word
            .as_ref()
            .is_some_and(|word| word.take(&self.given, Instant::now()));
        if by_word || self.is_passphrase(access)? {
            access.login_succeeded(address, now)?;
            // Its end is compared with the system's clock, also by a later process.
            let login = access.log_in(&self.origin, address, SystemTime::now())?;
            return Ok(Tried::Right { login, by_word });
        }
        tracing::warn!(%address, "a login failed");
        access.login_failed(address, self.clock.now())?;
        Ok(Tried::Wrong)
    }

    fn is_passphrase(&self, access: &AccessRecords) -> Result<bool, store::Error> {
        let known = access.passphrase()?;
        Ok(known.is_some_and(|known| passphrase::verify(&self.given, &known)))
    }
}

/// Notes that a login is used. If that fails, the login is valid all the same, and the next use tries again.
fn note(access: &AccessRecords, login: &Login, address: IpAddr, now: SystemTime) {
    if login.is_to_be_noted(now)
        && let Err(error) = access.note_login(login.id, address, now)
    {
        tracing::warn!("the use of a login was not noted: {error}");
    }
}

/// A time to wait, as people say it: in minutes where it has some.
fn in_words(seconds: u64) -> String {
    let (number, unit) = match seconds {
        ..60 => (seconds, "second"),
        _ => (seconds.div_ceil(60), "minute"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
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
