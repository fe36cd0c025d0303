//! The table to paste into a configuration: the plugin, and what it asks for.
//!
//! What the plugin says is foreign. Its texts are in quotes and on one line, so that none can be a key, a table or a
//! comment; and only what a configuration accepts is part of the table. The rest is a comment, below the reason.

use berth::session::Manifest;
use berth::text;
use serde_json::{Map, Value};

/// Parts of what a plugin asks for that are shown.
const PARTS: usize = 64;
/// Characters of a reason.
const REASON: usize = 300;

/// The table of a backend `name` whose plugin `head` names, with what `manifest` asks for. `fault` answers what is wrong
/// with a configuration that holds such a table.
pub(super) fn table(
    name: &str,
    head: &[(&str, &str)],
    manifest: &Manifest,
    fault: impl Fn(&str) -> Option<String>,
) -> String {
    let mut held = format!("[backends.{name}]\n");
    for (key, value) in head {
        held.push_str(&format!("{key} = {}\n", quoted(value)));
    }
    let mut shown = held.clone();
    let parts = parts(name, manifest);
    for part in parts.iter().take(PARTS) {
        match fault(&format!("{held}{part}")) {
            None => {
                held.push_str(part);
                shown.push_str(part);
            }
            Some(why) => shown.push_str(&comment(&why, part)),
        }
    }
    if parts.len() > PARTS {
        shown.push_str(&format!("# It asks for {} more things.\n", parts.len() - PARTS));
    }
    shown
}

/// What it asks for as pieces of text, each of which can be left out. Keys of the table itself come first.
fn parts(name: &str, manifest: &Manifest) -> Vec<String> {
    let (tables, keys): (Vec<_>, Vec<_>) = manifest.grants.iter().partition(|(_, value)| value.is_object());
    let mut parts: Vec<String> = keys.into_iter().map(|(key, value)| entry(key, value)).collect();
    parts.extend(settings(name, &manifest.settings));
    for (key, value) in tables {
        let within = value.as_object().into_iter().flatten();
        let header = format!("backends.{name}.{}", bare_or_quoted(key));
        match key.as_str() {
            "programs" => parts.extend(within.map(|(program, grant)| {
                let header = format!("{header}.{}", bare_or_quoted(program));
                match grant {
                    Value::Object(grant) => whole(&header, grant),
                    other => format!("\n{header} = {}\n", written(other)),
                }
            })),
            _ => parts.push(whole(
                &header,
                &within.map(|(key, value)| (key.clone(), value.clone())).collect(),
            )),
        }
    }
    parts
}

/// The settings that a JSON Schema names: those with a default have that, the others are comments.
fn settings(name: &str, schema: &Map<String, Value>) -> Option<String> {
    let properties = schema.get("properties")?.as_object()?;
    let mut table = format!("\n[backends.{name}.settings]\n");
    for (key, about) in properties {
        let say = |field: &str| about.get(field).and_then(Value::as_str).unwrap_or_default();
        let about_it = text::short_line(say("description"), REASON);
        match about.get("default") {
            Some(Value::Null) | None => {
                let said = format!(
                    "{} = …  {} {about_it}",
                    bare_or_quoted(key),
                    text::short_line(say("type"), REASON)
                );
                table.push_str(&format!("# {}\n", said.trim_end()));
            }
            Some(default) if about_it.is_empty() => table.push_str(&entry(key, default)),
            Some(default) => table.push_str(&format!("# {about_it}\n{}", entry(key, default))),
        }
    }
    (!properties.is_empty()).then_some(table)
}

fn whole(header: &str, table: &Map<String, Value>) -> String {
    let entries: String = table.iter().map(|(key, value)| entry(key, value)).collect();
    format!("\n[{header}]\n{entries}")
}

fn entry(key: &str, value: &Value) -> String {
    let value = match value {
        // Argument lists are easier to read one below the other.
        Value::Array(lists) if lists.iter().any(Value::is_array) => {
            let lists: String = lists.iter().map(|list| format!("    {},\n", written(list))).collect();
            format!("[\n{lists}]")
        }
        value => written(value),
    };
    format!("{} = {value}\n", bare_or_quoted(key))
}

/// `value` in TOML on one line. There is no null in TOML, so a configuration with one is not valid.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(written))),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| format!("{} = {}", bare_or_quoted(key), written(value));
            format!("{{ {} }}", joined(fields.iter().map(field)))
        }
        other => other.to_string(),
    }
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// A text as a basic string: what JSON escapes, TOML escapes alike. Clean text has nothing further to escape.
fn quoted(text: &str) -> String {
    Value::from(text::clean(text)).to_string()
}

fn bare_or_quoted(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !key.is_empty() && key.bytes().all(is_bare) {
        true => key.to_owned(),
        false => quoted(key),
    }
}

/// A part that is not valid, and why.
fn comment(why: &str, part: &str) -> String {
    let lines = part.trim_matches('\n').lines().map(|line| format!("# {line}\n"));
    format!(
        "\n# Left out: {}\n{}",
        text::short_line(why, REASON),
        lines.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn manifest(settings: Value, grants: Value) -> Manifest {
        Manifest {
            settings: settings.as_object().unwrap().clone(),
            grants: grants.as_object().unwrap().clone(),
            ..Manifest::default()
        }
    }

    /// The table for a configuration that accepts any TOML.
    fn read(manifest: &Manifest) -> (String, Value) {
        let syntax = |text: &str| toml::from_str::<toml::Table>(text).err().map(|error| error.to_string());
        let text = table("mine", &[("plugin", "/a \"b\"/c.wasm")], manifest, syntax);
        let table = toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let table: Value = serde_json::to_value(table).unwrap();
        (text, table)
    }

    #[test]
    fn what_a_plugin_asks_for_is_a_table_with_just_that() {
        let grants = json!({
            "directories": ["~/projects"],
            "limits": {"calls": 4},
            "programs": {"docker": {"path": "docker", "read": [["ps", "<id>"], ["logs"]], "words": {"id": "[0-9\\\\a\"]+"}}},
        });
        let schema = json!({"properties": {
            "label": {"type": "string", "default": "agent", "description": "Which\n[backends.other]"},
            "rows": {"type": "integer"},
        }});
        let (text, table) = read(&manifest(schema, grants.clone()));
        let mut expected = grants;
        expected["plugin"] = json!("/a \"b\"/c.wasm");
        expected["settings"] = json!({"label": "agent"});
        assert_eq!(table, json!({"backends": {"mine": expected}}));
        assert!(text.contains("# rows = …  integer\n"), "{text}");
        assert!(text.contains("# Which [backends.other]\nlabel"), "{text}");
    }

    #[test]
    fn no_text_of_a_plugin_breaks_out_of_its_place() {
        let hostile = [
            "\"\n[backends.evil]\nplugin = \"x\"\n#",
            "'''\n[backends.evil]",
            "\"\"\"\n[backends.evil]\n",
            "\\",
            "\\\"]\n[backends.evil]",
            "]\n\n[backends.evil]",
            "\r[backends.evil]",
            "\u{2028}[backends.evil]",
            "\u{7f}\u{0}\u{1b}[2J",
            "# x",
            "",
        ];
        for text in hostile {
            let grants = json!({
                text: text, "env": [text], "nested": {text: {text: [text, [text]]}},
                "programs": {text: {"path": text, text: text, "words": {text: text}}, "sh": text},
                "null": null, "huge": 18_446_744_073_709_551_615_u64,
            });
            let schema = json!({"properties": {
                text: {"type": text, "default": text, "description": text},
                "other": {"type": text, "description": text},
            }});
            let manifest = manifest(schema, grants);
            let (shown, table) = read(&manifest);
            let backends = table["backends"].as_object().unwrap();
            assert!(backends.len() == 1 && table.as_object().unwrap().len() == 1, "{shown}");
            // If nothing of it is accepted, only comments are left.
            let refused = super::table("mine", &[("plugin", "x")], &manifest, |_| Some(text.to_owned()));
            let left: Value = serde_json::to_value(toml::from_str::<toml::Table>(&refused).unwrap()).unwrap();
            assert_eq!(left, json!({"backends": {"mine": {"plugin": "x"}}}), "{refused}");
        }
    }

    #[test]
    fn a_crowd_of_wishes_is_cut_and_counted() {
        let grants: Map<String, Value> = (0..1_000).map(|number| (format!("key-{number}"), json!(1))).collect();
        let (text, _) = read(&manifest(json!({}), Value::Object(grants)));
        assert!(text.lines().count() < 100, "{text}");
        assert!(text.ends_with("# It asks for 936 more things.\n"), "{text}");
    }
}
