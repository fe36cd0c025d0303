//! `[server]`: the listener, its bounds, and where berth keeps its own files.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use serde::Deserialize;
use url::Url;

use super::source::At;
use super::surroundings::Surroundings;
use super::{ConfigError, Server, Tls, values};
use crate::admission::Rates;
use crate::admission::numbers::LEAST_REQUESTS;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The most of anything per minute: enough to make a bound have no effect, for a benchmark.
const MOST_PER_MINUTE: usize = 100_000_000;

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    listen: Option<String>,
    public_url: Option<String>,
    tls: Option<TlsSection>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    #[serde(default)]
    proxy_users: Vec<User>,
    client_address: Option<String>,
    data: Option<String>,
    cache: Option<String>,
    #[serde(default)]
    open_on_loopback: bool,
    #[serde(default)]
    sessions_may_control: bool,
    max_requests: Option<u64>,
    max_body: Option<String>,
    #[serde(default)]
    rates: RatesSection,
    url_hosts: Option<Vec<String>>,
}

/// A user of this machine, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "the name of a user, or its number")]
pub enum User {
    /// By name.
    Name(String),
    /// By number.
    Number(u32),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsSection {
    cert: String,
    key: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RatesSection {
    tools: Option<u64>,
    login: Option<u64>,
    register: Option<u64>,
    token: Option<u64>,
}

impl Section {
    /// Checks the table at `at`; relative paths start at `folder`.
    pub(super) fn check(self, at: &At, around: &Surroundings<'_>, folder: &Path) -> Result<Server, ConfigError> {
        let public_url = self
            .public_url
            .map(|written| public_url(&at.key("public_url"), &written))
            .transpose()?;
        if self.open_on_loopback && public_url.is_some() {
            return Err(at.key("open_on_loopback").error(
                "a tunnel or proxy to this machine can look like a caller on it, so an open door and a public_url \
                 exclude each other: remove one of the two",
            ));
        }
        let tls = self.tls.map(|tls| Tls {
            cert: around.resolve(&tls.cert, folder),
            key: around.resolve(&tls.key, folder),
        });
        Ok(Server {
            listen: listen(&at.key("listen"), self.listen, public_url.as_deref())?,
            public_url,
            tls,
            trusted_proxies: proxies(&at.key("trusted_proxies"), &self.trusted_proxies)?,
            proxy_users: self.proxy_users,
            client_address: header(&at.key("client_address"), self.client_address)?,
            data: around.place(self.data.as_deref(), &around.data, folder),
            cache: around.place(self.cache.as_deref(), &around.cache, folder),
            open_on_loopback: self.open_on_loopback,
            sessions_may_control: self.sessions_may_control,
            max_requests: values::count(&at.key("max_requests"), self.max_requests, 64, LEAST_REQUESTS..=1024)?,
            max_body: values::size(&at.key("max_body"), self.max_body.as_deref(), MIB, KIB..=16 * MIB)?,
            rates: self.rates.check(&at.key("rates"))?,
            url_hosts: url_hosts(&at.key("url_hosts"), self.url_hosts)?,
        })
    }
}

impl RatesSection {
    fn check(self, at: &At) -> Result<Rates, ConfigError> {
        let rate = |key, written, default| values::count(&at.key(key), written, default, 1..=MOST_PER_MINUTE);
        Ok(Rates {
            tools: rate("tools", self.tools, 600)?,
            login: rate("login", self.login, 10)?,
            register: rate("register", self.register, 10)?,
            token: rate("token", self.token, 60)?,
        })
    }
}

/// The address to listen on. Other machines may reach it only if their way is known: its URL is https, by TLS here or by a
/// proxy in front.
fn listen(at: &At, written: Option<String>, public_url: Option<&str>) -> Result<SocketAddr, ConfigError> {
    let Some(written) = written else {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)));
    };
    let address: SocketAddr = written.parse().map_err(|_| {
        at.error(format!(
            "{written:?} is not an address: write address and port, like \"127.0.0.1:8787\""
        ))
    })?;
    match listen_fault(address, public_url) {
        Some(fault) => Err(at.error(fault)),
        None => Ok(address),
    }
}

/// Why berth may not listen on `address`, if it may not: other machines reach it, and not by an https `public_url`.
pub fn listen_fault(address: SocketAddr, public_url: Option<&str>) -> Option<String> {
    let public = public_url.is_some_and(|url| url.starts_with("https://"));
    (!address.ip().is_loopback() && !public).then(|| {
        format!(
            "{address} can be reached from other machines: set public_url to the https address by which they will \
             reach it (with [server.tls], or a proxy in front), or listen on 127.0.0.1"
        )
    })
}

/// An origin as browsers write it: `https://name` or `https://name:port`. Over plain http only a loopback name, for
/// trying things out.
///
/// # Errors
/// What is wrong, as words after what was written.
pub fn parse_public_url(written: &str) -> Result<String, &'static str> {
    let Ok(url) = Url::parse(written) else {
        return Err("is not a URL");
    };
    let bare = url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let origin = url.origin().ascii_serialization();
    match (url.scheme(), values::host_fault(&url)) {
        _ if !bare => Err("has more than a scheme, a name and a port"),
        (_, Some(fault)) => Err(fault),
        ("http" | "https", None) if !is_spelled(written, &origin) => {
            Err("is not spelled as browsers write it (a name in ASCII letters, an address in its usual form)")
        }
        ("https", None) => Ok(origin),
        ("http", None) if values::is_loopback(&url) => Ok(origin),
        _ => Err("is not https"),
    }
}

/// Whether `written` is `origin` except for capital letters, the default port, and a slash at the end.
/// If a parser makes an origin from anything other than that, its writer may have meant something else.
fn is_spelled(written: &str, origin: &str) -> bool {
    let written = written.strip_suffix('/').unwrap_or(written).to_ascii_lowercase();
    let port = if origin.starts_with("https:") { ":443" } else { ":80" };
    written == origin || written.strip_suffix(port) == Some(origin)
}

fn public_url(at: &At, written: &str) -> Result<String, ConfigError> {
    parse_public_url(written).map_err(|fault| {
        at.error(format!(
            "{written:?} {fault}: write it like \"https://berth.example.org\""
        ))
    })
}

fn proxies(at: &At, written: &[String]) -> Result<Vec<IpAddr>, ConfigError> {
    let address = |(index, text): (usize, &String)| {
        let parsed: Option<IpAddr> = text.parse().ok();
        let one = parsed.filter(|ip| !ip.is_unspecified() && !ip.is_multicast());
        one.ok_or_else(|| {
            at.item(index).error(format!(
                "{text:?} is not an address that a proxy can have: write its own address, like \"127.0.0.1\""
            ))
        })
    };
    written.iter().enumerate().map(address).collect()
}

fn header(at: &At, written: Option<String>) -> Result<String, ConfigError> {
    let name = written.unwrap_or_else(|| "x-forwarded-for".to_owned());
    const LIKE: &str = "write it like \"x-forwarded-for\" or \"cf-connecting-ip\"";
    let header = http::HeaderName::try_from(&name)
        .map_err(|_| at.error(format!("{name:?} cannot be the name of a header: {LIKE}")))?;
    if !names_an_address(header.as_str()) {
        return Err(at.error(format!(
            "{name:?} is not a header in which proxies name a client's address (their names end in -for, -ip or \
             -address): {LIKE}"
        )));
    }
    Ok(header.as_str().to_owned())
}

/// Whether it is a header in which a proxy names the client's address, by the ends that all such names have. What clients
/// send for other purposes, such as a token, must not become an address in the records.
fn names_an_address(header: &str) -> bool {
    let ends = ["-for", "-ip", "-ipv6", "-clientip", "-socketip", "-address", "-addr"];
    ends.iter().any(|end| header.ends_with(end)) && !header.starts_with("x-berth")
}

fn url_hosts(at: &At, written: Option<Vec<String>>) -> Result<Vec<String>, ConfigError> {
    let Some(hosts) = written else {
        return Ok(vec!["claude.ai".to_owned(), "claude.com".to_owned()]);
    };
    match hosts.iter().position(|host| !values::is_host_name(host)) {
        None => Ok(hosts),
        Some(index) => Err(at.item(index).error(format!(
            "{:?} cannot be a host: write its name alone in small letters, like \"example.org\"",
            hosts[index]
        ))),
    }
}
