//! Who may come in: the holder of the local token, and on an open door a direct caller of the same user.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::host_origin::{is_listed, loopback_hosts};
use super::peer::Connection;
use super::refusal::refuse;
use crate::principal::Principal;
use crate::store::LocalToken;

/// Headers that a proxy or tunnel adds. A caller on this machine sends none of them.
const FORWARDING: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "true-client-ip",
    "x-client-ip",
    "client-ip",
    "x-cluster-client-ip",
    "fastly-client-ip",
    "cdn-loop",
    "x-arr-ssl",
];
const FORWARDING_PREFIXES: [&str; 11] = [
    "x-forwarded",
    "x-original-",
    "cf-",
    "ngrok-",
    "x-ngrok-",
    "tailscale-",
    "fly-",
    "x-envoy-",
    "x-amzn-",
    "x-azure-",
    "x-appengine-",
];

/// What a request is measured by.
pub(super) struct Gate {
    token: LocalToken,
    open_on_loopback: bool,
    loopback_hosts: Vec<String>,
    user: u32,
}

impl Gate {
    /// A gate that opens for `token`; with `open_on_loopback` also for this process's own user, calling on `port`.
    pub(super) fn new(token: LocalToken, open_on_loopback: bool, port: u16) -> Self {
        let user = rustix::process::geteuid().as_raw();
        Self {
            token,
            open_on_loopback,
            loopback_hosts: loopback_hosts(port),
            user,
        }
    }

    /// Lets a request in with its [`Principal`], or answers its refusal. The token goes no further than this.
    pub(super) async fn admit(&self, request: &mut Request) -> Option<Response> {
        match self.judge(request.headers(), request.extensions().get()).await {
            Ok(principal) => {
                request.headers_mut().remove(header::AUTHORIZATION);
                request.extensions_mut().insert(principal);
                None
            }
            Err(refusal) => Some(refusal.response()),
        }
    }

    async fn judge(&self, headers: &HeaderMap, connection: Option<&Connection>) -> Result<Principal, Refusal> {
        if self.holds_token(headers)? {
            return Ok(Principal::local());
        }
        if !self.open_on_loopback {
            return Err(Refusal::NoToken);
        }
        self.check_directness(headers)?;
        match connection {
            Some(connection) if connection.peer().await.is_user(self.user) => Ok(Principal::local()),
            _ => Err(Refusal::Stranger),
        }
    }

    /// `Ok(false)` if none is presented. A wrong one is refused even on an open door: its sender expects it to count.
    fn holds_token(&self, headers: &HeaderMap) -> Result<bool, Refusal> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(false),
            (Some(value), None) => match bearer(value) {
                Some(token) if self.token.matches(token) => Ok(true),
                _ => Err(Refusal::WrongToken),
            },
            _ => Err(Refusal::Ambiguous),
        }
    }

    /// Without a token, nothing may look as if it came through a proxy or a tunnel.
    fn check_directness(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let forwarded = headers.keys().any(|name| is_forwarding(name.as_str()));
        if forwarded || !is_listed(&self.loopback_hosts, host) {
            Err(Refusal::Forwarded)
        } else {
            Ok(())
        }
    }
}

/// The token of `Bearer <token>` (RFC 6750, 2.1; RFC 9110, 11.1: the scheme's case does not matter).
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

fn is_forwarding(name: &str) -> bool {
    FORWARDING.contains(&name) || FORWARDING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    NoToken,
    WrongToken,
    Ambiguous,
    Forwarded,
    Stranger,
}

impl Refusal {
    fn response(self) -> Response {
        match self {
            Self::NoToken => challenge(
                "this request carries no token; send the header `Authorization: Bearer TOKEN` with the token that \
                 `berth token` prints on the machine where berth runs",
                "Bearer",
            ),
            Self::WrongToken => challenge(
                "this is not berth's token; send the one that `berth token` prints on the machine where berth runs",
                "Bearer error=\"invalid_token\"",
            ),
            Self::Ambiguous => refuse(
                StatusCode::BAD_REQUEST,
                "a request must carry at most one Authorization header; send one",
            ),
            Self::Forwarded => refuse(
                StatusCode::FORBIDDEN,
                "this request came through a proxy or a tunnel, and open_on_loopback lets only direct callers in \
                 without a token; send the one that `berth token` prints",
            ),
            Self::Stranger => refuse(
                StatusCode::FORBIDDEN,
                "this request does not come from a process of the user that berth runs as, and open_on_loopback lets \
                 no one else in without a token; send the one that `berth token` prints",
            ),
        }
    }
}

fn challenge(message: &str, scheme: &'static str) -> Response {
    let mut response = refuse(StatusCode::UNAUTHORIZED, message);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_bearer_token_and_no_other_scheme() {
        for value in ["Bearer abc", "bEARER  abc "] {
            assert_eq!(bearer(&HeaderValue::from_static(value)), Some("abc"), "{value}");
        }
        for other in ["abc", "Basic abc", "Bearer", "Bearerabc", ""] {
            assert_eq!(bearer(&HeaderValue::from_static(other)), None, "{other}");
        }
    }

    #[test]
    fn knows_the_headers_of_proxies_and_tunnels() {
        let foreign = [
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "via",
            "x-real-ip",
            "cf-connecting-ip",
            "cf-ray",
            "ngrok-auth-user-id",
            "tailscale-user-login",
            "true-client-ip",
            "x-client-ip",
        ];
        for name in foreign {
            assert!(is_forwarding(name), "{name}");
        }
        for name in ["accept", "user-agent", "mcp-protocol-version", "host", "content-type"] {
            assert!(!is_forwarding(name), "{name}");
        }
    }
}
