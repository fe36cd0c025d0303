//! The parameters of a request, from a query or a form (RFC 6749, appendix B).

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};

/// The longest text of parameters, in bytes. A form that carries a whole other request still has room.
const MOST_BYTES: usize = 32 << 10;

/// The most parameters of one request.
const MOST: usize = 64;

const FORM: &str = "application/x-www-form-urlencoded";

/// What is wrong with parameters, in words for the sender.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Malformed(String);

/// Parameters by name, each of which occurs once. `Debug` shows names only: values may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// The parameters in `text`.
    ///
    /// # Errors
    /// If one occurs twice (RFC 6749, 3.1), since two readers could then see two requests in one; or if the text is
    /// longer than 32 KiB or has more than 64 parameters.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        if text.len() > MOST_BYTES {
            return Err(Malformed(format!(
                "the parameters are longer than {MOST_BYTES} bytes; send fewer"
            )));
        }
        let mut parameters = BTreeMap::new();
        for (count, (name, value)) in url::form_urlencoded::parse(text.as_bytes()).enumerate() {
            if count == MOST {
                return Err(Malformed(format!("there are more than {MOST} parameters; send fewer")));
            }
            if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(Malformed(
                    "a parameter occurs twice; send each parameter once".to_owned(),
                ));
            }
        }
        Ok(Self(parameters))
    }

    /// The parameters of a request's body, which must be a form.
    pub(super) fn of_form(headers: &HeaderMap, body: &[u8]) -> Result<Self, Malformed> {
        if media_type(headers).as_deref() != Some(FORM) {
            return Err(Malformed(format!(
                "send the parameters as a form, with Content-Type: {FORM}"
            )));
        }
        let text =
            std::str::from_utf8(body).map_err(|_| Malformed("the form is not text; encode it as UTF-8".to_owned()))?;
        Self::parse(text)
    }

    /// The value of the parameter `name`. One without a value counts as left out (RFC 6749, 3.1).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of the parameter `name`, which has to be there.
    pub(super) fn require(&self, name: &str) -> Result<&str, Malformed> {
        self.get(name)
            .ok_or_else(|| Malformed(format!("the parameter {name} is missing")))
    }
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// The media type of a request's body, in small letters and without its own parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = text.split(';').next().unwrap_or(text);
    Some(essence.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn each_parameter_is_found_decoded() {
        let parameters = Parameters::parse("a=1&b=x+y%26z&c=").unwrap();
        assert_eq!((parameters.get("a"), parameters.get("b")), (Some("1"), Some("x y&z")));
        assert_eq!((parameters.get("c"), parameters.get("d")), (None, None));
        assert_eq!(
            parameters.require("c").unwrap_err().to_string(),
            "the parameter c is missing"
        );
    }

    #[test]
    fn one_that_occurs_twice_is_refused_however_it_is_written() {
        for text in ["a=1&a=1", "a=1&b=2&%61=3", "a=&a=1", "resource=x&resource=y", "a&a"] {
            assert!(Parameters::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn length_and_count_are_bounded() {
        let many: Vec<_> = (0..=MOST).map(|name| format!("{name}=x")).collect();
        assert!(Parameters::parse(&many[1..].join("&")).is_ok());
        assert!(Parameters::parse(&many.join("&")).is_err());
        assert!(Parameters::parse(&"a".repeat(MOST_BYTES)).is_ok());
        assert!(Parameters::parse(&"a".repeat(MOST_BYTES + 1)).is_err());
    }

    #[test]
    fn only_a_form_is_read() {
        let read = |media_type| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type))]);
            Parameters::of_form(&headers, b"a=1")
        };
        assert!(read(FORM).is_ok() && read("Application/X-WWW-Form-Urlencoded; charset=utf-8").is_ok());
        assert!(read("application/json").is_err() && read("text/plain").is_err());
        assert!(Parameters::of_form(&HeaderMap::new(), b"a=1").is_err());
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", Parameters::parse("code=hidden").unwrap());
        assert!(shown.contains("code") && !shown.contains("hidden"), "{shown}");
    }
}
