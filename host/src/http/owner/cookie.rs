//! The two cookies of the pages: one says that the owner is logged in, the other whose browser a login form went to.

use axum::http::{HeaderMap, header};

use crate::http::host_origin::Base;

/// The longest that browsers keep a cookie, in seconds: 400 days (RFC 6265bis, 5.5).
const KEPT: u32 = 400 * 24 * 60 * 60;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    /// The owner's login. The browser keeps it as long as it may, and the records say when the login ends.
    Login,
    /// A browser that was shown the login form. It lasts until that is closed; the form expires sooner.
    Visit,
}

impl Cookie {
    /// Its value in a request by way of `base`. A name that occurs twice was set by someone else as well, so it has no
    /// value.
    pub(super) fn read<'a>(self, headers: &'a HeaderMap, base: &Base) -> Option<&'a str> {
        let name = self.name(base);
        let lines = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok());
        let mut values = lines
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(found, _)| *found == name)
            .map(|(_, value)| value);
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }

    /// The text of a `Set-Cookie` that gives it this value.
    pub(super) fn set(self, base: &Base, value: &str) -> String {
        match self {
            Self::Login => format!("{}; Max-Age={KEPT}", self.with(base, value)),
            Self::Visit => self.with(base, value),
        }
    }

    /// The text of a `Set-Cookie` that ends it.
    pub(super) fn end(self, base: &Base) -> String {
        format!("{}; Max-Age=0", self.with(base, ""))
    }

    fn with(self, base: &Base, value: &str) -> String {
        let secure = if is_https(base) { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", self.name(base))
    }

    /// The prefix keeps other hosts of the same domain from setting it (RFC 6265bis, 4.1.3.2); browsers take it over
    /// https only.
    fn name(self, base: &Base) -> &'static str {
        match (self, is_https(base)) {
            (Self::Login, true) => "__Host-berth",
            (Self::Login, false) => "berth",
            (Self::Visit, true) => "__Host-berth-visit",
            (Self::Visit, false) => "berth-visit",
        }
    }
}

fn is_https(base: &Base) -> bool {
    base.0.starts_with("https://")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use axum::http::HeaderValue;

    use super::*;

    fn base(text: &str) -> Base {
        Base(text.into())
    }

    #[test]
    fn over_https_only_this_very_host_can_have_set_it() {
        let set = Cookie::Login.set(&base("https://berth.example"), "abc");
        assert_eq!(
            set,
            "__Host-berth=abc; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=34560000"
        );
    }

    #[test]
    fn over_plain_http_on_loopback_it_is_kept_all_the_same() {
        let set = Cookie::Login.set(&base("http://localhost:8787"), "abc");
        assert_eq!(set, "berth=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=34560000");
        assert_eq!(
            Cookie::Login.end(&base("http://localhost:8787")),
            "berth=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
        );
    }

    #[test]
    fn it_is_found_among_others_and_refused_when_doubled() {
        let base = base("https://berth.example");
        let read = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_static(line));
            }
            Cookie::Login.read(&headers, &base).map(str::to_owned)
        };
        assert_eq!(read(&["a=b; __Host-berth=abc", "c=d"]).as_deref(), Some("abc"));
        for lines in [
            &["berth=abc"][..],
            &["__Host-berth-visit=abc"],
            &["__Host-berth=abc; __Host-berth=def"],
            &["__Host-berth=abc", "__Host-berth=abc"],
            &["__host-berth=abc"],
            &[],
        ] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }
}
