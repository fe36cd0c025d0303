//! An app that connects as connectors do, and the person behind it: discovery, registration, the pages, tokens.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use regex::Regex;
use reqwest::header::{AUTHORIZATION, COOKIE, HOST, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::berth::{Berth, message};

/// The passphrase of every owner here.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";
/// What an app keeps to itself until it redeems its code (RFC 7636).
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The challenge that goes with [`VERIFIER`].
pub(crate) fn challenge() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// A browser and an app in one, which reach berth by `base` though they connect to it directly.
pub(crate) struct Connector<'a> {
    berth: &'a Berth,
    /// The origin that the outside world knows.
    base: String,
    /// The address that the proxy names; none: there is no proxy.
    pub(crate) address: Option<String>,
    cookies: BTreeMap<String, String>,
}

/// A page as it came.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

/// A form on a page: where it goes, and what its fields hold.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// What `name` holds.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The same with `name` holding `value` alone.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same without `name`.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| field != name);
        self
    }
}

impl Page {
    pub(crate) async fn of(response: Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn header(&self, name: impl AsRef<str>) -> &str {
        self.headers
            .get(name.as_ref())
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text))
    }

    /// The first form of the page, filled in as a browser shows it: what is checked, and no button.
    #[track_caller]
    pub(crate) fn form(&self) -> Form {
        let form = Regex::new(r#"(?s)<form\b[^>]*\baction="([^"]*)"[^>]*>(.*?)</form>"#).unwrap();
        let found = form
            .captures(&self.text)
            .unwrap_or_else(|| panic!("no form: {} {}", self.status, self.text));
        filled_in(&found[1], &found[2])
    }

    /// Every form of the page.
    pub(crate) fn forms(&self) -> Vec<Form> {
        let form = Regex::new(r#"(?s)<form\b[^>]*\baction="([^"]*)"[^>]*>(.*?)</form>"#).unwrap();
        let found = form.captures_iter(&self.text);
        found.map(|found| filled_in(&found[1], &found[2])).collect()
    }

    /// The buttons that send an answer, by what they send.
    pub(crate) fn answers(&self) -> Vec<String> {
        let button = Regex::new(r#"<button\b[^>]*\bname="answer" value="([^"]*)""#).unwrap();
        button
            .captures_iter(&self.text)
            .map(|found| unescape(&found[1]))
            .collect()
    }
}

fn filled_in(action: &str, inside: &str) -> Form {
    let fields = Regex::new(r"(?s)<input\b[^>]*>").unwrap();
    let fields = fields.find_iter(inside).filter_map(|field| filled(field.as_str()));
    Form {
        action: unescape(action),
        fields: fields.collect(),
    }
}

fn filled(input: &str) -> Option<(String, String)> {
    let attribute = |name: &str| {
        let pattern = Regex::new(&format!(r#"\b{name}="([^"]*)""#)).unwrap();
        pattern.captures(input).map(|found| unescape(&found[1]))
    };
    let checkable = matches!(attribute("type").as_deref(), Some("checkbox" | "radio"));
    if checkable && !Regex::new(r"\schecked\b").unwrap().is_match(input) {
        return None;
    }
    Some((attribute("name")?, attribute("value").unwrap_or_default()))
}

fn unescape(text: &str) -> String {
    let named = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#38;", "&"),
        ("&#39;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#x27;", "'"),
        ("&amp;", "&"),
    ];
    named
        .iter()
        .fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

impl<'a> Connector<'a> {
    /// One that reaches `berth` by `base`, an origin.
    pub(crate) fn new(berth: &'a Berth, base: &str) -> Self {
        Self {
            berth,
            base: base.to_owned(),
            address: Some("203.0.113.7".to_owned()),
            cookies: BTreeMap::new(),
        }
    }

    /// Leaves the proxy out.
    pub(crate) fn directly(&mut self) {
        self.address = None;
    }

    /// The origin that it knows.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A request to a path or an address of `base`, as it comes through the proxy.
    pub(crate) fn request(&self, method: Method, place: &str) -> RequestBuilder {
        let path = place.strip_prefix(&self.base).unwrap_or(place);
        assert!(path.starts_with('/'), "{place} is not below {}", self.base);
        let host = self.base.split_once("://").unwrap().1;
        let request = self
            .berth
            .client
            .request(method, format!("{}{path}", self.berth.base))
            .header(HOST, host);
        match &self.address {
            Some(address) => request.header("x-forwarded-for", address),
            None => request,
        }
    }

    pub(crate) async fn get(&self, place: &str) -> Page {
        Page::of(self.request(Method::GET, place).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, place: &str, fields: &[(&str, &str)]) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .request(Method::POST, place)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        Page::of(request.send().await.unwrap()).await
    }

    /// A request of the person's browser: with its cookies, which it keeps.
    pub(crate) async fn browse(&mut self, request: RequestBuilder) -> Page {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = match cookies.is_empty() {
            true => request,
            false => request.header(COOKIE, cookies.join("; ")),
        };
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Page::of(response).await
    }

    /// Opens an address in the browser.
    pub(crate) async fn open(&mut self, place: &str) -> Page {
        let request = self
            .request(Method::GET, place)
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        self.browse(request).await
    }

    /// The cookie with this name.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Sends a form off, as a browser does from our own page.
    pub(crate) async fn submit(&mut self, form: &Form) -> Page {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form.fields)
            .finish();
        let request = self
            .request(Method::POST, &form.action)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", &self.base)
            .header("sec-fetch-site", "same-origin")
            .body(body);
        self.browse(request).await
    }

    /// What berth says of itself to a stranger: its protected resource, then its authorization server. Asserts what
    /// every client checks.
    pub(crate) async fn discover(&self) -> Value {
        let refused = self.mcp("tools/list", json!({}), None).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.text);
        let told = refused.header(WWW_AUTHENTICATE);
        let place = Regex::new(r#"resource_metadata="([^"]+)""#)
            .unwrap()
            .captures(told)
            .unwrap_or_else(|| panic!("the challenge names no metadata: {told}"))[1]
            .to_owned();
        let resource = self.get(&place).await.json();
        assert_eq!(resource["resource"], format!("{}/mcp", self.base));
        let issuer = resource["authorization_servers"][0].as_str().unwrap().to_owned();
        let server = self
            .get(&format!("{issuer}/.well-known/oauth-authorization-server"))
            .await
            .json();
        assert_eq!(server["issuer"], issuer);
        assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
        server
    }

    /// Registers an app (RFC 7591).
    pub(crate) async fn register(&self, server: &Value, redirect: &str) -> Page {
        let wanted = json!({
            "client_name": "Claude",
            "redirect_uris": [redirect],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "scope": "sessions:read sessions:control",
        });
        let endpoint = server["registration_endpoint"].as_str().unwrap();
        Page::of(self.request(Method::POST, endpoint).json(&wanted).send().await.unwrap()).await
    }

    /// Where an app sends the person's browser, with these parameters beside the usual ones; a parameter without a
    /// value is left out.
    pub(crate) fn authorize(&self, client: &str, redirect: &str, changed: &[(&str, &str)]) -> String {
        let resource = format!("{}/mcp", self.base);
        let challenge = challenge();
        let mut parameters = BTreeMap::from([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", redirect),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", &resource),
            ("scope", "sessions:read sessions:control"),
            ("state", "the app's own state &=?"),
        ]);
        parameters.extend(changed.iter().copied());
        parameters.retain(|_, value| !value.is_empty());
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        format!("{}/oauth/authorize?{query}", self.base)
    }

    /// Logs in on the page that `place` shows, unless that was done, and answers the page that asks for consent.
    pub(crate) async fn log_in(&mut self, place: &str) -> Page {
        let page = self.open(place).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        if page.form().field("passphrase").is_none() {
            return page;
        }
        let answer = self.submit(&page.form().with("passphrase", PASSPHRASE)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let next = answer.header(LOCATION).to_owned();
        self.open(&next).await
    }

    /// Logs in, allows what is asked, and answers where the browser is sent then.
    pub(crate) async fn approve(&mut self, place: &str) -> Url {
        let page = self.log_in(place).await;
        let answer = self.submit(&page.form().with("answer", "allow")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer.header(LOCATION).parse().unwrap()
    }

    /// Redeems a code; `changed` as in [`Connector::authorize`].
    pub(crate) async fn redeem(&self, client: &str, redirect: &str, code: &str, changed: &[(&str, &str)]) -> Page {
        let resource = format!("{}/mcp", self.base);
        let mut fields = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("redirect_uri", redirect),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("resource", &resource),
        ]);
        fields.extend(changed.iter().copied());
        fields.retain(|_, value| !value.is_empty());
        let fields: Vec<_> = fields.into_iter().collect();
        self.post("/oauth/token", &fields).await
    }

    /// Exchanges a refresh token.
    pub(crate) async fn refresh(&self, client: &str, token: &str, secret: Option<&str>) -> Page {
        let mut fields = vec![
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
        ];
        fields.extend(secret.map(|secret| ("client_secret", secret)));
        self.post("/oauth/token", &fields).await
    }

    /// A request to MCP with a token.
    pub(crate) async fn mcp(&self, method: &str, params: Value, token: Option<&str>) -> Page {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut request = self.request(Method::POST, "/mcp").json(&body);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        Page::of(request.send().await.unwrap()).await
    }

    /// The answer to a call of a tool with a token that may.
    pub(crate) async fn call(&self, tool: &str, arguments: Value, token: &str) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": arguments}});
        let request = self
            .request(Method::POST, "/mcp")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .json(&body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        message(response).await
    }
}

/// A parameter of the address to which a browser is sent.
pub(crate) fn parameter(address: &Url, name: &str) -> Option<String> {
    let found = address.query_pairs().find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}
