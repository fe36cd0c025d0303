//! `[oauth]`: which apps may ask for access besides the well-known ones.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;

use super::source::At;
use super::{ConfigError, FixedClient, OAuth, values};

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    #[serde(default)]
    redirects: Vec<String>,
    #[serde(default)]
    clients: BTreeMap<String, ClientSection>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientSection {
    secret_sha256: String,
    redirects: Vec<String>,
}

impl Section {
    /// Checks the table at `at`.
    pub(super) fn check(self, at: &At) -> Result<OAuth, ConfigError> {
        redirects(&at.key("redirects"), &self.redirects)?;
        let client = |(name, section): (String, ClientSection)| {
            let at = at.key("clients").key(&name);
            Ok((name.clone(), section.check(&name, &at)?))
        };
        Ok(OAuth {
            clients: self
                .clients
                .into_iter()
                .map(client)
                .collect::<Result<_, ConfigError>>()?,
            redirects: self.redirects,
        })
    }
}

impl ClientSection {
    fn check(self, name: &str, at: &At) -> Result<FixedClient, ConfigError> {
        values::name(at, name)?;
        redirects(&at.key("redirects"), &self.redirects)?;
        if self.redirects.is_empty() {
            return Err(at.key("redirects").error(
                "a client needs the address that it sends people back to: write redirects = [\"https://…\"], as the \
                 app shows it",
            ));
        }
        Ok(FixedClient {
            secret_sha256: values::sha256(&at.key("secret_sha256"), &self.secret_sha256)?,
            redirects: self.redirects,
        })
    }
}

/// Redirects match exactly, so what could never match, or would leak an answer, is an error.
fn redirects(at: &At, written: &[String]) -> Result<(), ConfigError> {
    for (index, text) in written.iter().enumerate() {
        let fault = match parse_redirect(text) {
            Ok(_) if text.contains('*') => Err("holds a *, which is not a wildcard here"),
            parsed => parsed,
        };
        if let Err(fault) = fault {
            return Err(at.item(index).error(format!(
                "{text:?} {fault}: write it as the app sends it, like \"https://app.example/callback\""
            )));
        }
    }
    Ok(())
}

/// A redirect address that may be registered at all: https, or http on a loopback name; a host that can be reached; no
/// user, no fragment, and spelled as URLs are written, so that comparing the text compares the address (RFC 9700, 2.1; RFC
/// 8252, 7.3).
///
/// # Errors
/// What is wrong with it, as words after the address.
pub fn parse_redirect(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if url.as_str() != text {
        return Err("is not spelled as a URL is written");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("names a user");
    }
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    if let Some(fault) = values::host_fault(&url) {
        return Err(fault);
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if values::is_loopback(&url) => Ok(url),
        _ => Err("is neither https nor on this machine"),
    }
}
