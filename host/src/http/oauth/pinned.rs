//! Well-known apps, and where they are sent back to.

use super::app::{App, Kind};

/// A well-known app. Its document would say the same, but was seen to be refused to servers that ask for it.
struct Pinned {
    id: &'static str,
    name: &'static str,
    host: &'static str,
    redirects: &'static [&'static str],
}

const PINNED: [Pinned; 4] = [
    Pinned {
        id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
        name: "Claude",
        host: "claude.ai",
        redirects: &[
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ],
    },
    Pinned {
        id: "https://claude.com/oauth/mcp-oauth-client-metadata",
        name: "Claude",
        host: "claude.com",
        redirects: &[
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ],
    },
    Pinned {
        id: "https://claude.ai/oauth/claude-code-client-metadata",
        name: "Claude Code",
        host: "claude.ai",
        redirects: &["http://localhost/callback", "http://127.0.0.1/callback"],
    },
    Pinned {
        id: "https://chatgpt.com/oauth/client.json",
        name: "ChatGPT",
        host: "chatgpt.com",
        redirects: &["https://chatgpt.com/connector_platform_oauth_redirect"],
    },
];

/// The well-known app whose id is `id`.
pub(super) fn app(id: &str) -> Option<App> {
    let pinned = PINNED.iter().find(|pinned| pinned.id == id)?;
    Some(App {
        id: id.to_owned(),
        name: pinned.name.to_owned(),
        redirects: pinned.redirects.iter().map(|text| (*text).to_owned()).collect(),
        verified_host: Some(pinned.host.to_owned()),
        kind: Kind::Pinned,
    })
}

/// Whether `given` is exactly an address of one of them.
pub(super) fn has_redirect(given: &str) -> bool {
    PINNED.iter().any(|app| app.redirects.contains(&given))
}
