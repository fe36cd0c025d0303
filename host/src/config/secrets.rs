//! A configuration that can be shown to others: what looks like a secret is left out.

use toml::{Table, Value};

/// What replaces a secret.
const HIDDEN: &str = "(hidden)";

/// Parts of names that mean a secret.
const NAMES: [&str; 12] = [
    "token",
    "secret",
    "password",
    "passphrase",
    "passwd",
    "credential",
    "authorization",
    "cookie",
    "apikey",
    "api_key",
    "private_key",
    "access_key",
];

/// Arguments that are followed by a header.
const HEADER_FLAGS: [&str; 2] = ["-H", "--header"];

/// `table` without secrets: values of settings and arguments whose name means a secret, `NAME=value`, `Name: value` and
/// `--name value` in lists, headers, passwords in addresses, and lines of texts that name one.
pub(super) fn hide(table: &mut Table) {
    hide_in(&mut Vec::new(), table);
}

fn hide_in(path: &mut Vec<String>, table: &mut Table) {
    for (name, value) in table.iter_mut() {
        path.push(name.clone());
        match value {
            Value::Table(table) => hide_in(path, table),
            value if is_secret(path) => *value = HIDDEN.into(),
            Value::Array(items) => list(items),
            Value::String(text) => *text = shown(text),
            _ => {}
        }
        path.pop();
    }
}

/// Whether the key alone means that its value is a secret. The meaning of berth's own keys is known.
fn is_secret(path: &[String]) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["oauth", "clients", _, "secret_sha256"] => true,
        ["backends", _, "settings", free @ ..]
        | ["agents", _, "signs", free @ ..]
        | ["tools", "alias", _, "arguments", free @ ..] => free
            .iter()
            .any(|name| names_secret(name) || name.eq_ignore_ascii_case("headers")),
        _ => false,
    }
}

fn list(items: &mut [Value]) {
    let mut before = String::new();
    for item in items {
        match item {
            Value::Array(items) => list(items),
            Value::Table(table) => hide_in(&mut vec!["backends".into(), String::new(), "settings".into()], table),
            Value::String(text) => {
                let written = std::mem::take(text);
                *text = match (HEADER_FLAGS.contains(&before.as_str()), written.split_once(':')) {
                    (true, Some((name, _))) => format!("{name}: {HIDDEN}"),
                    _ if before.starts_with('-') && names_secret(&before) && !before.contains('=') => HIDDEN.to_owned(),
                    _ => shown(&written),
                };
                before = written;
            }
            _ => {}
        }
    }
}

/// `text` without the secret that it holds.
fn shown(text: &str) -> String {
    if text.contains('\n') {
        let line = |line: &str| {
            if names_secret(line) {
                HIDDEN.to_owned()
            } else {
                line.to_owned()
            }
        };
        return text.split('\n').map(line).collect::<Vec<_>>().join("\n");
    }
    for separator in ['=', ':'] {
        match text.split_once(separator) {
            Some((name, value)) if names_secret(name) && !value.is_empty() && !is_template(value) => {
                return format!("{name}{separator}{HIDDEN}");
            }
            _ => {}
        }
    }
    without_password(text)
}

/// A `<word>` of a pattern is not a value.
fn is_template(value: &str) -> bool {
    value.starts_with('<') && value.ends_with('>')
}

/// `https://user:password@host` without the part before the `@`.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let host = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
    match host.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{HIDDEN}{}", &rest[user.len()..]),
        None => text.to_owned(),
    }
}

fn names_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|name| text.contains(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::SHIPPED;

    fn hidden(text: &str) -> String {
        let mut table: Table = text.parse().unwrap();
        hide(&mut table);
        table.to_string()
    }

    #[test]
    fn no_secret_is_shown_wherever_it_is_written() {
        for text in [
            "[backends.a.settings]\ntoken = 'hush'",
            "[backends.a.settings.deep]\nApiKey = 'hush'",
            "[backends.a.settings.headers]\nx-any = 'hush'",
            "[backends.a.settings]\nsecrets = ['hush', 'hush']",
            "[[backends.a.settings.remotes]]\npassword = 'hush'",
            "[tools.alias.a.arguments]\naccess-key = 'hush'",
            "[agents.a]\ncommand = ['env', 'ANTHROPIC_API_KEY=hush', 'claude']",
            "[agents.a]\ncommand = ['run', '--token', 'hush']",
            "[agents.a]\ncommand = ['run', '--auth-token=hush']",
            "[backends.a.programs.curl]\nfixed = ['-H', 'X-Any: hush', '--header', 'Other: hush']",
            "[backends.a.programs.curl]\nread = [['get', 'Authorization: Bearer hush']]",
            "[backends.a.programs.curl]\nconf = '''\nsilent\npassword hush\n'''",
            "[backends.a.programs.git]\nread = [['clone', 'https://me:hush@example.org/x']]",
            "[oauth.clients.a]\nsecret_sha256 = 'hush'",
        ] {
            let shown = hidden(text);
            assert!(!shown.contains("hush") && shown.contains("(hidden)"), "{text}: {shown}");
        }
    }

    #[test]
    fn all_else_is_shown_as_it_is() {
        let shipped: Table = SHIPPED.parse().unwrap();
        assert_eq!(hidden(SHIPPED), shipped.to_string());
        for text in [
            "[server.rates]\ntoken = 60",
            "[server.tls]\nkey = '/etc/key.pem'",
            "[backends.a]\nenv_file = '~/secret.env'\nenv = ['MY_TOKEN']",
            "[agents.a.options]\ntoken = ['--token=<id>']",
            "[server]\npublic_url = 'https://example.org'",
        ] {
            assert_eq!(hidden(text), text.parse::<Table>().unwrap().to_string());
        }
    }
}
