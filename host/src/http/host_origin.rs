//! By what name we may be called, and from which web pages.
//!
//! A page on the internet can point its own name at 127.0.0.1 (DNS rebinding); its requests then carry that name in
//! `Host`. A page that calls us across origins is recognised by `Origin` and `Sec-Fetch-Site`. This layer comes before
//! every route.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::refusal::refuse;
use crate::page::SESSIONS;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Where an app sends people to, from its own site.
const CONSENT: &str = "/oauth/authorize";

/// The origin by which a request reached us, without a slash at its end, such as `https://berth.example.org`. It names
/// us to OAuth as issuer, and our resources are below it. In each request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(pub Arc<str>);

/// Every origin by which we may be called.
#[derive(Clone, Debug)]
pub struct Names(Vec<Name>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// As it is written in `Host`.
    host: String,
    pub(super) base: Base,
    /// Whether only this machine can reach us by it.
    pub(super) loopback: bool,
}

impl Names {
    /// The loopback names with our `port`, and the public URL, an origin. With `tls` the former are `https`.
    pub fn new(port: u16, tls: bool, public_url: Option<&str>) -> Self {
        let scheme = if tls { "https" } else { "http" };
        let name = |host: &str, base: &str, loopback| Name {
            host: host.to_owned(),
            base: Base(base.into()),
            loopback,
        };
        let default_port = if tls { 443 } else { 80 };
        let mut names = Vec::new();
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let with_port = format!("{host}:{port}");
            names.push(name(&with_port, &format!("{scheme}://{with_port}"), true));
            if port == default_port {
                names.push(name(host, &format!("{scheme}://{host}"), true));
            }
        }
        if let Some((base, (scheme, host))) = public_url.and_then(|url| Some((url, url.split_once("://")?))) {
            names.push(name(host, base, false));
            // A client may name the default port.
            let default_port = if scheme == "https" { 443 } else { 80 };
            names.push(name(&format!("{host}:{default_port}"), base, false));
        }
        Self(names)
    }

    /// What `Host` may be.
    pub fn hosts(&self) -> Vec<String> {
        self.0.iter().map(|name| name.host.clone()).collect()
    }

    /// What `Origin` may be.
    pub fn origins(&self) -> Vec<String> {
        self.0.iter().map(|name| name.base.0.to_string()).collect()
    }

    /// Whether we are known elsewhere than on this machine.
    pub(super) fn are_public(&self) -> bool {
        self.0.iter().any(|name| !name.loopback)
    }

    /// The name by which a request calls us, or its refusal: a foreign name, or a foreign page.
    pub(super) fn check(&self, request: &Request) -> Result<&Name, Refusal> {
        self.judge(request.method(), request.uri(), request.headers())
    }

    fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<&Name, Refusal> {
        let name = self.name(uri, headers)?;
        match only(headers, &header::ORIGIN).ok_or(Refusal::Origin)? {
            Some(origin) if !origin.eq_ignore_ascii_case(&name.base.0) => return Err(Refusal::Origin),
            _ => {}
        }
        if is_same_site(headers) || is_entrance(method, uri, headers) {
            Ok(name)
        } else {
            Err(Refusal::Site)
        }
    }

    /// The one name by which the request calls us.
    fn name(&self, uri: &Uri, headers: &HeaderMap) -> Result<&Name, Refusal> {
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
        let named = self.0.iter().find(|name| name.host.eq_ignore_ascii_case(host));
        named.ok_or(Refusal::UnknownHost)
    }
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

/// Browsers say where a request comes from even when they leave `Origin` out. Other clients send no such header.
fn is_same_site(headers: &HeaderMap) -> bool {
    matches!(
        only(headers, &SEC_FETCH_SITE),
        Some(None | Some("same-origin" | "none"))
    )
}

/// Whether a person is sent to a page of ours in a tab of their own: to the one that asks for their approval, or to
/// sessions. Such links are on other sites by their nature, and following one changes nothing.
fn is_entrance(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    method == Method::GET
        && (matches!(uri.path(), CONSENT | "/") || uri.path().starts_with(SESSIONS))
        && only(headers, &SEC_FETCH_MODE) == Some(Some("navigate"))
        && only(headers, &SEC_FETCH_DEST) == Some(Some("document"))
}

/// Why a request is refused here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Host,
    UnknownHost,
    Origin,
    Site,
}

impl Refusal {
    /// What the caller is told.
    pub(super) fn response(self) -> Response {
        match self {
            Self::Host => refuse(
                StatusCode::BAD_REQUEST,
                "a request must carry exactly one Host header, and an absolute target must name the same host",
            ),
            Self::UnknownHost => refuse(
                StatusCode::FORBIDDEN,
                "this Host is not served; call http://localhost or http://127.0.0.1 with berth's own port, or set \
                 public_url in [server] to the address by which berth is reached from elsewhere",
            ),
            Self::Origin => refuse(
                StatusCode::FORBIDDEN,
                "web pages of this Origin may not call berth; use an MCP client that is not a web page",
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

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn judge(target: &str, fields: &[(&'static str, &'static str)]) -> Result<String, Refusal> {
        let names = Names::new(7777, false, Some("https://berth.example"));
        names
            .judge(&Method::GET, &target.parse().unwrap(), &headers(fields))
            .map(|name| name.base.0.to_string())
    }

    #[test]
    fn each_name_of_ours_leads_to_its_own_base() {
        for (host, base) in [
            ("localhost:7777", "http://localhost:7777"),
            ("LocalHost:7777", "http://localhost:7777"),
            ("127.0.0.1:7777", "http://127.0.0.1:7777"),
            ("[::1]:7777", "http://[::1]:7777"),
            ("Berth.Example", "https://berth.example"),
            ("berth.example:443", "https://berth.example"),
        ] {
            assert_eq!(judge("/mcp", &[("host", host)]), Ok(base.to_owned()), "{host}");
        }
    }

    #[test]
    fn only_a_loopback_name_means_this_machine() {
        let names = Names::new(7777, true, Some("https://berth.example:7777"));
        let by = |host| {
            let name = names.name(&Uri::from_static("/"), &headers(&[("host", host)])).unwrap();
            (name.base.0.to_string(), name.loopback)
        };
        assert_eq!(by("localhost:7777"), ("https://localhost:7777".to_owned(), true));
        assert_eq!(
            by("berth.example:7777"),
            ("https://berth.example:7777".to_owned(), false)
        );
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
            "berth.example:80",
            "",
            "*",
        ];
        for host in foreign {
            assert_eq!(judge("/mcp", &[("host", host)]), Err(Refusal::UnknownHost), "{host}");
        }
    }

    #[test]
    fn the_default_port_may_be_left_out() {
        assert!(Names::new(80, false, None).hosts().contains(&"localhost".to_owned()));
        assert!(!Names::new(80, true, None).hosts().contains(&"localhost".to_owned()));
    }

    #[test]
    fn refuses_a_missing_or_repeated_host() {
        assert_eq!(judge("/mcp", &[]), Err(Refusal::Host));
        let twice = [("host", "localhost:7777"), ("host", "localhost:7777")];
        let mut headers = HeaderMap::new();
        for (name, value) in twice {
            headers.append(name, HeaderValue::from_static(value));
        }
        let names = Names::new(7777, false, None);
        assert_eq!(
            names.judge(&Method::GET, &Uri::from_static("/"), &headers),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn an_absolute_target_must_agree_with_host() {
        let host = [("host", "localhost:7777")];
        assert!(judge("http://localhost:7777/mcp", &host).is_ok());
        assert_eq!(judge("http://evil.example/mcp", &host), Err(Refusal::Host));
        assert_eq!(
            judge("http://evil.example/mcp", &[("host", "evil.example")]),
            Err(Refusal::UnknownHost)
        );
    }

    #[test]
    fn only_our_own_origin_passes() {
        for (host, origin) in [
            ("localhost:7777", "http://localhost:7777"),
            ("berth.example", "https://berth.example"),
        ] {
            assert!(judge("/", &[("host", host), ("origin", origin)]).is_ok(), "{origin}");
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
            "https://berth.example",
        ];
        for origin in foreign {
            let fields = [("host", "localhost:7777"), ("origin", origin)];
            assert_eq!(judge("/", &fields), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn requests_that_a_browser_sends_for_other_sites_are_refused() {
        let from = |site| judge("/", &[("host", "localhost:7777"), ("sec-fetch-site", site)]);
        assert!(from("none").is_ok() && from("same-origin").is_ok());
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
    fn a_person_may_come_from_another_site_to_the_page_that_asks_them() {
        let come = |path, mode, dest| {
            let fields = [
                ("host", "berth.example"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            judge(path, &fields)
        };
        for path in ["/oauth/authorize?client_id=x", "/", "/sessions/local/fix-1"] {
            assert!(come(path, "navigate", "document").is_ok(), "{path}");
        }
        for (path, mode, dest) in [
            ("/oauth/authorize", "navigate", "iframe"),
            ("/oauth/authorize", "no-cors", "image"),
            ("/oauth/authorize", "cors", "empty"),
            ("/oauth/login", "navigate", "document"),
            ("/oauth/authorize/", "navigate", "document"),
            ("/mcp", "navigate", "document"),
            ("/login", "navigate", "document"),
            ("/", "navigate", "iframe"),
            ("/", "cors", "empty"),
            ("/sessions/local/fix-1", "navigate", "embed"),
            ("/sessions", "navigate", "document"),
        ] {
            assert_eq!(come(path, mode, dest), Err(Refusal::Site), "{path} {mode} {dest}");
        }
    }
}
