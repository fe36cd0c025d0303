//! Redirect addresses: where the owner's answer may be sent. An address at which anyone else could receive gives a code
//! away, so addresses match by their text.

use url::{Host, Url};

use super::pinned;
use crate::config::{self, parse_redirect};

/// What precedes the id of a connector, for a well-known app that has one redirect address for each connector.
const WELL_KNOWN_BEFORE_ID: &str = "https://chatgpt.com/connector/oauth/";

/// The longest redirect address, in bytes.
pub(super) const MOST_BYTES: usize = 2 << 10;

/// Whether `given` is exactly the address that was `registered`. Only for `http` on a loopback name may the port
/// differ: an app on this machine takes a free one (RFC 8252, 7.3).
pub(super) fn matches(registered: &str, given: &str) -> bool {
    if registered == given {
        return parse_redirect(given).is_ok();
    }
    match (without_port(registered), without_port(given)) {
        (Some(registered), Some(given)) => registered == given,
        _ => false,
    }
}

/// Whether an app that nobody vouches for may register `given`: an address of a well-known app, one of this machine, or
/// one that the operator listed. The error says what is wrong with it.
pub(super) fn allowed(given: &str, settings: &config::OAuth) -> Result<(), &'static str> {
    if given.len() > MOST_BYTES {
        return Err("is longer than 2048 bytes");
    }
    parse_redirect(given)?;
    let well_known = pinned::has_redirect(given) || given.strip_prefix(WELL_KNOWN_BEFORE_ID).is_some_and(is_id);
    if well_known || is_loopback(given) || is_listed(given, settings) {
        Ok(())
    } else {
        Err("is not allowed here; the operator can add it to redirects in [oauth]")
    }
}

/// Whether the operator listed `given` for apps that register themselves.
pub(super) fn is_listed(given: &str, settings: &config::OAuth) -> bool {
    settings.redirects.iter().any(|listed| matches(listed, given))
}

/// Whether `given` is an address of the machine that the owner's browser runs on.
pub(super) fn is_loopback(given: &str) -> bool {
    without_port(given).is_some()
}

/// A loopback address without its port; `None` for any other.
fn without_port(text: &str) -> Option<Url> {
    let mut url = parse_redirect(text).ok().filter(|url| url.scheme() == "http")?;
    // `parse_redirect` lets plain http through on loopback only; checked again, because much depends on it.
    let loopback = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    url.set_port(None).ok().filter(|()| loopback)?;
    Some(url)
}

fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=128).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_matches_itself_only() {
        let registered = "https://app.example/callback?x=1";
        assert!(matches(registered, registered));
        for other in [
            "https://app.example/callback",
            "https://app.example/callback?x=1&y=2",
            "https://app.example/callback/?x=1",
            "https://app.example/callback%3Fx=1",
            "https://app.example:443/callback?x=1",
            "https://app.example:8443/callback?x=1",
            "https://app.example./callback?x=1",
            "https://APP.example/callback?x=1",
            "https://app.example.evil.example/callback?x=1",
            "https://app.example@evil.example/callback?x=1",
            "https://evil@app.example/callback?x=1",
            "https://app.example\\@evil.example/callback?x=1",
            "https://app.example/callback?x=1#",
            "https://app.example/a/../callback?x=1",
            "https://app.example/Callback?x=1",
            "http://app.example/callback?x=1",
            " https://app.example/callback?x=1",
            "https://app.example/callback?x=1\n",
            "",
        ] {
            assert!(!matches(registered, other), "{other:?}");
        }
    }

    #[test]
    fn what_may_not_be_registered_does_not_even_match_itself() {
        for text in [
            "http://app.example/",
            "https://a@b.example/",
            "javascript:alert(1)",
            "x",
        ] {
            assert!(!matches(text, text), "{text}");
        }
    }

    #[test]
    fn of_a_loopback_address_only_the_port_may_differ() {
        for registered in ["http://127.0.0.1/callback", "http://127.0.0.1:33418/callback"] {
            assert!(matches(registered, "http://127.0.0.1:51234/callback"), "{registered}");
            assert!(matches(registered, "http://127.0.0.1/callback"), "{registered}");
            for other in [
                "http://localhost:51234/callback",
                "http://[::1]:51234/callback",
                "http://127.0.0.1:51234/callback/",
                "http://127.0.0.1:51234/",
                "http://127.0.0.1:51234/callback?x=1",
                "http://127.0.0.1:51234/callback#x",
                "http://x@127.0.0.1:51234/callback",
                "https://127.0.0.1:51234/callback",
                "http://127.0.0.1.evil.example:51234/callback",
                "http://127.0.0.2:51234/callback",
                "http://127.1:51234/callback",
                "http://127.0.0.1:99999/callback",
            ] {
                assert!(!matches(registered, other), "{registered} {other}");
            }
        }
        assert!(matches("http://[::1]/callback", "http://[::1]:5/callback"));
        assert!(matches("http://localhost/callback", "http://localhost:5/callback"));
        assert!(!matches("https://localhost/callback", "https://localhost:5/callback"));
    }

    #[test]
    fn well_known_loopback_and_listed_addresses_may_be_registered() {
        let settings = config::OAuth {
            redirects: vec!["https://app.example/callback".to_owned()],
            ..config::OAuth::default()
        };
        for text in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
            "https://chatgpt.com/connector_platform_oauth_redirect",
            "https://chatgpt.com/connector/oauth/abc_DEF-123",
            "http://127.0.0.1:8080/callback",
            "http://localhost/oauth/callback?x=1",
            "http://[::1]:1/",
            "https://app.example/callback",
        ] {
            assert_eq!(allowed(text, &settings), Ok(()), "{text}");
        }
        for text in [
            "https://claude.ai/api/mcp/auth_callback/",
            "https://claude.ai/api/mcp/auth_callback?x",
            "https://claude.ai/",
            "https://claude.ai.evil.example/api/mcp/auth_callback",
            "https://chatgpt.com/connector/oauth/",
            "https://chatgpt.com/connector/oauth/a/b",
            "https://chatgpt.com/connector/oauth/a?b",
            "https://chatgpt.com/connector/oauth/%2e%2e",
            "https://app.example/",
            "https://evil.example/callback",
            "https://localhost/callback",
            "http://192.168.0.1/callback",
            "http://127.0.0.1.evil.example/callback",
            "cursor://callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert!(allowed(text, &settings).is_err(), "{text}");
        }
        let long = format!("http://localhost/{}", "a".repeat(MOST_BYTES));
        assert!(allowed(&long, &settings).is_err());
    }
}
