//! The address from which a request comes: the other end's, or the one that a trusted proxy names.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

/// The address of a request's client, as far as we know. In the extensions of each request of a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(pub(super) IpAddr);

/// Which proxies are believed, and where they write the address.
#[derive(Clone, Debug)]
pub struct Proxies {
    /// Their own addresses.
    pub trusted: Vec<IpAddr>,
    /// Users whose processes on this machine are believed at these addresses, beside root's and this user's.
    pub users: Vec<u32>,
    /// The header in which they name a client's address, such as `x-forwarded-for`.
    pub header: HeaderName,
}

impl Proxies {
    /// The address of the client of a request that came from `peer`. A header counts only if `peer` is a trusted
    /// proxy; of a list, what the last proxy that is not trusted wrote before it cannot be known, so the last address
    /// that is not a trusted proxy's is taken.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let mut hops: Vec<&str> = Vec::new();
        for value in headers.get_all(&self.header) {
            // A part that is not text breaks the chain: nothing before it can be believed.
            match value.to_str() {
                Ok(text) => hops.extend(text.split(',')),
                Err(_) => hops.clear(),
            }
        }
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            match parse(hop) {
                Some(address) => client = address,
                None => break,
            }
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    /// Whether a proxy may be at `address`.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|trusted| trusted.to_canonical() == address)
    }
}

/// An address, with or without port and brackets.
fn parse(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let bare = hop
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(hop);
    let address = bare.parse().ok();
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    address.or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&'static str]) -> String {
        let proxies = Proxies {
            trusted: vec!["127.0.0.1".parse().unwrap(), "10.0.0.1".parse().unwrap()],
            users: Vec::new(),
            header: HeaderName::from_static("x-forwarded-for"),
        };
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", HeaderValue::from_static(value));
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("192.0.2.1", &["203.0.113.5"]), "192.0.2.1");
        assert_eq!(client("127.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(client("::ffff:127.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
    }

    #[test]
    fn what_a_client_wrote_itself_does_not_count() {
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 203.0.113.5"]), "203.0.113.5");
        assert_eq!(client("127.0.0.1", &["1.1.1.1", "203.0.113.5"]), "203.0.113.5");
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 203.0.113.5, 10.0.0.1"]), "203.0.113.5");
        assert_eq!(client("127.0.0.1", &["1.1.1.1, nonsense"]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["1.1.1.1, nonsense, 10.0.0.1"]), "10.0.0.1");
    }

    #[test]
    fn an_address_may_have_port_and_brackets() {
        assert_eq!(client("127.0.0.1", &["203.0.113.5:4711"]), "203.0.113.5");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(client("127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }
}
