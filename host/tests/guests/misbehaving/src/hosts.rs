//! What is asked of several hosts, by the contract itself, as tools whose arguments are JSON.

use berth_plugin::{Result, ToolOutput};
use serde_json::{Value, json};

use crate::misdeeds::{answered, command, errored, items, outcomes, said_with, string};
use crate::raw::files::{Listing, Slice};
use crate::raw::ssh::{self, Look, Order, Part};

/// The labels.
pub(crate) fn labels(_: &Value) -> Result<ToolOutput> {
    answered(json!({"hosts": ssh::hosts()}))
}

/// `orders`, all at once: each a command with a `host`. With `broken` what is answered is then no data.
pub(crate) fn run(arguments: &Value) -> Result<ToolOutput> {
    let order = |order: &Value| Order {
        host: string(order, "host"),
        command: command(order),
    };
    let orders: Vec<_> = items(arguments, "orders").iter().map(order).collect();
    let outcomes = outcomes(ssh::run(&orders));
    match arguments["broken"] == true {
        true => said_with("it is broken", "{"),
        false => answered(json!({"outcomes": outcomes})),
    }
}

/// The granted directories of `hosts`.
pub(crate) fn roots(arguments: &Value) -> Result<ToolOutput> {
    let hosts: Vec<String> = items(arguments, "hosts").iter().map(text).collect();
    let roots = ssh::roots(&hosts).into_iter();
    answered(json!({"roots": roots.map(|roots| roots.map_or_else(errored, |roots| json!(roots))).collect::<Vec<_>>()}))
}

/// The names in the directories of `listings`, each with its `host`; with `count` only how many.
pub(crate) fn entries(arguments: &Value) -> Result<ToolOutput> {
    let having = |listing: &Value| listing["having"].as_array().into_iter().flatten().map(text).collect();
    let look = |look: &Value| Look {
        host: string(look, "host"),
        listing: Listing {
            directory: string(look, "directory"),
            having: having(look),
        },
    };
    let looks: Vec<_> = items(arguments, "listings").iter().map(look).collect();
    let entries = ssh::entries(&looks).into_iter().map(|entries| match entries {
        Ok(entries) if arguments["count"] == true => json!(entries.len()),
        Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
        Err(why) => errored(why),
    });
    answered(json!({"entries": entries.collect::<Vec<_>>()}))
}

/// The text of `files`, each with its `host`.
pub(crate) fn read(arguments: &Value) -> Result<ToolOutput> {
    let part = |file: &Value| Part {
        host: string(file, "host"),
        slice: Slice {
            path: string(file, "path"),
            start: 0,
            max: 1_000,
        },
    };
    let parts: Vec<_> = items(arguments, "files").iter().map(part).collect();
    let texts = ssh::read(&parts).into_iter();
    let texts = texts.map(|bytes| bytes.map_or_else(errored, |bytes| String::from_utf8_lossy(&bytes).into()));
    answered(json!({"texts": texts.collect::<Vec<_>>()}))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}
