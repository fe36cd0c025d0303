//! Scopes as apps write them: names with a space between (RFC 6749, 3.3).

use super::error::OAuthError;
use crate::principal::Scope;

/// Names that apps ask every server for, and that say nothing of what they may do (OpenID Connect Core, 5.4 and 11).
const OF_EVERY_SERVER: [&str; 6] = ["address", "email", "offline_access", "openid", "phone", "profile"];

/// The highest scope among those that `text` names. Unknown names are ignored, because some apps ask every server for
/// the same ones; with those alone, an app has asked for none, which is every one.
///
/// # Errors
/// `invalid_scope` if it names none of ours.
pub(super) fn highest(text: &str) -> Result<Scope, OAuthError> {
    let named = text.split(' ').filter_map(|name| name.parse().ok()).max();
    let asks_for_none = || text.split(' ').all(|name| OF_EVERY_SERVER.contains(&name));
    named
        .or_else(|| asks_for_none().then_some(Scope::Control))
        .ok_or_else(|| {
            OAuthError::new(
                "invalid_scope",
                format!("there is no such scope; there are: {}", text_of(Scope::Control)),
            )
        })
}

/// The names of `scope` and of those that it includes.
pub(super) fn text_of(scope: Scope) -> String {
    let included = Scope::ALL.into_iter().filter(|each| *each <= scope);
    included.map(Scope::name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn the_highest_of_ours_is_found_among_others() {
        for (text, scope) in [
            ("sessions:read", Scope::Read),
            ("sessions:read sessions:control", Scope::Control),
            ("sessions:control", Scope::Control),
            ("openid sessions:read offline_access", Scope::Read),
            ("offline_access", Scope::Control),
            ("openid profile offline_access", Scope::Control),
        ] {
            assert_eq!(highest(text), Ok(scope), "{text}");
        }
    }

    #[test]
    fn none_of_ours_is_no_scope() {
        for text in [
            "offline_access admin",
            "",
            " ",
            "Sessions:Read",
            "sessions:read,sessions:control",
        ] {
            assert_eq!(highest(text).unwrap_err().code, "invalid_scope", "{text}");
        }
    }

    #[test]
    fn control_includes_reading() {
        assert_eq!(text_of(Scope::Read), "sessions:read");
        assert_eq!(text_of(Scope::Control), "sessions:read sessions:control");
    }
}
