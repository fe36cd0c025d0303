//! By what name we may be called, and from which web pages.
//!
//! A page on the internet can point its own name at 127.0.0.1 (DNS rebinding); its requests then carry that name in
//! `Host`. A page that calls us across origins shows itself by `Origin` and `Sec-Fetch-Site`. This layer stands before
//! every route.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::Response;

use super::refusal::refuse;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names and origins that are let through.
pub(super) struct Names {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl Names {
    /// The loopback names with our `port`, and the operator's own lists.
    pub(super) fn new(port: u16, hosts: &[String], origins: Vec<String>) -> Self {
        let hosts = [loopback_hosts(port).as_slice(), hosts].concat();
        Self { hosts, origins }
    }

    /// The refusal of a request that calls us by a foreign name or comes from a foreign page.
    pub(super) fn check(&self, request: &Request) -> Option<Response> {
        self.judge(request.uri(), request.headers())
            .err()
            .map(Refusal::response)
    }

    fn judge(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = self.host(uri, headers)?;
        if self.listed_origin(host, headers)? {
            Ok(())
        } else {
            same_site(headers)
        }
    }

    /// The one name by which the request calls us.
    fn host<'a>(&self, uri: &Uri, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
        let host = only(headers, &header::HOST)
            .ok_or(Refusal::Host)?
            .ok_or(Refusal::Host)?;
        // RFC 9112, 3.2.2: an absolute target names the host a second time.
        if uri
            .authority()
            .is_some_and(|target| !target.as_str().eq_ignore_ascii_case(host))
        {
            return Err(Refusal::Host);
        }
        if is_listed(&self.hosts, host) {
            Ok(host)
        } else {
            Err(Refusal::UnknownHost)
        }
    }

    /// Whether the operator listed the request's origin; `false` also if it has none or is our own.
    fn listed_origin(&self, host: &str, headers: &HeaderMap) -> Result<bool, Refusal> {
        let Some(origin) = only(headers, &header::ORIGIN).ok_or(Refusal::Origin)? else {
            return Ok(false);
        };
        if is_listed(&self.origins, origin) {
            return Ok(true);
        }
        let own = origin
            .strip_prefix("http://")
            .is_some_and(|name| name.eq_ignore_ascii_case(host));
        if own { Ok(false) } else { Err(Refusal::Origin) }
    }
}

/// `Host` as a client on this machine sends it. Port 80 may be left out.
pub(super) fn loopback_hosts(port: u16) -> Vec<String> {
    let names = ["localhost", "127.0.0.1", "[::1]"];
    let bare = names.iter().filter(|_| port == 80).map(|name| (*name).to_owned());
    names.iter().map(|name| format!("{name}:{port}")).chain(bare).collect()
}

/// Whether `hosts` holds `host`, in whichever case.
pub(super) fn is_listed(hosts: &[String], host: &str) -> bool {
    hosts.iter().any(|listed| listed.eq_ignore_ascii_case(host))
}

/// A header's value if it occurs once, `None` within if it does not occur; `None` if it is repeated or not text.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => value.to_str().ok().map(Some),
        _ => None,
    }
}

/// Browsers say where a request comes from even where they leave `Origin` out. Other clients send no such header.
fn same_site(headers: &HeaderMap) -> Result<(), Refusal> {
    match only(headers, &SEC_FETCH_SITE) {
        Some(None | Some("same-origin" | "none")) => Ok(()),
        _ => Err(Refusal::Site),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Host,
    UnknownHost,
    Origin,
    Site,
}

impl Refusal {
    fn response(self) -> Response {
        match self {
            Self::Host => refuse(
                StatusCode::BAD_REQUEST,
                "a request must carry exactly one Host header, and an absolute target must name the same host",
            ),
            Self::UnknownHost => refuse(
                StatusCode::FORBIDDEN,
                "this Host is not served; call http://localhost or http://127.0.0.1 with berth's own port",
            ),
            Self::Origin => refuse(
                StatusCode::FORBIDDEN,
                "web pages of this Origin may not call berth; use an MCP client that is no web page",
            ),
            Self::Site => refuse(
                StatusCode::FORBIDDEN,
                "a browser sent this request for another site's page (Sec-Fetch-Site); open berth's address directly",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use axum::http::HeaderValue;

    use super::*;

    fn judge(target: &str, headers: &[(&'static str, &'static str)]) -> Result<(), Refusal> {
        let names = Names::new(
            7777,
            &["berth.example".to_owned()],
            vec!["https://app.example".to_owned()],
        );
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        names.judge(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn lets_loopback_names_with_our_port_through() {
        for host in [
            "localhost:7777",
            "LocalHost:7777",
            "127.0.0.1:7777",
            "[::1]:7777",
            "Berth.Example",
        ] {
            assert_eq!(judge("/mcp", &[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn refuses_other_names_and_ports() {
        let foreign = [
            "evil.example",
            "evil.example:7777",
            "localhost",
            "localhost:7778",
            "localhost.:7777",
            "127.0.0.1.nip.io:7777",
            "127.0.0.2:7777",
            "0.0.0.0:7777",
            "localhost:7777@evil.example",
            "berth.example:7777",
            "",
            "*",
        ];
        for host in foreign {
            assert_eq!(judge("/mcp", &[("host", host)]), Err(Refusal::UnknownHost), "{host}");
        }
    }

    #[test]
    fn the_default_port_may_be_left_out() {
        assert!(is_listed(&loopback_hosts(80), "localhost"));
        assert!(!is_listed(&loopback_hosts(81), "localhost"));
    }

    #[test]
    fn refuses_a_missing_or_repeated_host() {
        assert_eq!(judge("/mcp", &[]), Err(Refusal::Host));
        let headers: HeaderMap = ["localhost:7777", "localhost:7777"]
            .map(|host| (header::HOST, HeaderValue::from_static(host)))
            .into_iter()
            .fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
        let names = Names::new(7777, &[], Vec::new());
        assert_eq!(names.judge(&Uri::from_static("/"), &headers), Err(Refusal::Host));
    }

    #[test]
    fn an_absolute_target_must_agree_with_host() {
        let host = [("host", "localhost:7777")];
        assert_eq!(judge("http://localhost:7777/mcp", &host), Ok(()));
        assert_eq!(judge("http://evil.example/mcp", &host), Err(Refusal::Host));
        assert_eq!(
            judge("http://evil.example/mcp", &[("host", "evil.example")]),
            Err(Refusal::UnknownHost)
        );
    }

    #[test]
    fn only_our_own_and_listed_origins_pass() {
        for origin in ["http://localhost:7777", "https://app.example"] {
            assert_eq!(
                judge("/", &[("host", "localhost:7777"), ("origin", origin)]),
                Ok(()),
                "{origin}"
            );
        }
        let foreign = [
            "null",
            "",
            "http://localhost:3000",
            "https://localhost:7777",
            "http://127.0.0.1:7777",
            "http://localhost",
            "https://evil.example",
            "http://localhost:7777.evil.example",
            "http://app.example",
        ];
        for origin in foreign {
            let headers = [("host", "localhost:7777"), ("origin", origin)];
            assert_eq!(judge("/", &headers), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn requests_that_a_browser_sends_for_other_sites_are_refused() {
        let from = |site| judge("/", &[("host", "localhost:7777"), ("sec-fetch-site", site)]);
        assert_eq!((from("none"), from("same-origin")), (Ok(()), Ok(())));
        for site in ["cross-site", "same-site", "", "new-kind"] {
            assert_eq!(from(site), Err(Refusal::Site), "{site}");
        }
        let own = [
            ("host", "localhost:7777"),
            ("origin", "http://localhost:7777"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert_eq!(judge("/", &own), Err(Refusal::Site));
    }

    #[test]
    fn a_listed_origin_may_come_from_another_site() {
        let headers = [
            ("host", "localhost:7777"),
            ("origin", "https://app.example"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert_eq!(judge("/", &headers), Ok(()));
    }
}
