//! The tools that the configuration names. A name with a typing error would leave a tool shown, or acting.

use std::collections::{BTreeMap, BTreeSet};

use super::{CollisionError, is_name};
use crate::catalog::{Backends, Offer, tools};
use crate::config::Tools;

/// Whether every name in `hide` and in the backends' `read_tools` is that of a tool, or could be one of a backend that is
/// not up.
pub(super) fn check(
    offers: &BTreeMap<String, Offer>,
    backends: &Backends,
    settings: &Tools,
) -> Result<(), CollisionError> {
    for name in &settings.hide {
        hidden(offers, backends, settings, name).map_err(|fault| CollisionError::NoTool {
            key: "[tools] hide".into(),
            fault,
        })?;
    }
    for (backend, offer) in offers {
        for tool in &offer.read_tools {
            own(backend, offer, tool).map_err(|fault| CollisionError::NoTool {
                key: format!("[backends.{backend}] read_tools"),
                fault,
            })?;
        }
    }
    Ok(())
}

/// `name` is that of any tool, or `backend:tool` for the own tool of one backend.
fn hidden(offers: &BTreeMap<String, Offer>, backends: &Backends, settings: &Tools, name: &str) -> Result<(), String> {
    if let Some((backend, tool)) = name.split_once(':') {
        return match offers.get(backend) {
            Some(offer) => own(backend, offer, tool),
            None if backends.has(backend) => Ok(()),
            None => Err(format!(
                "there is no backend `{}`; there are: {}",
                backend.escape_debug(),
                listed(backends.names())
            )),
        };
    }
    let shared = tools::shared();
    let known = || {
        let shared = shared.iter().map(|tool| tool.name.as_str());
        let aliases = settings.alias.keys().map(String::as_str);
        shared.chain(offers.values().flat_map(own_names)).chain(aliases)
    };
    let is_whole = backends.names().all(|backend| offers.contains_key(backend));
    match !is_whole || known().any(|tool| tool == name) {
        true => Ok(()),
        false => Err(format!("there is no tool `{name}`; there are: {}", listed(known()))),
    }
}

fn own(backend: &str, offer: &Offer, tool: &str) -> Result<(), String> {
    match own_names(offer).any(|own| own == tool) {
        true => Ok(()),
        false => Err(format!(
            "backend `{backend}` has no tool `{tool}` of its own; it has: {}",
            listed(own_names(offer))
        )),
    }
}

fn own_names(offer: &Offer) -> impl Iterator<Item = &str> {
    let tools = &offer.tools;
    tools.iter().map(|tool| tool.name.as_str())
}

/// Each name once; those that no client would take are left out, since nobody could name them.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.filter(|name| is_name(name)).collect();
    match names.is_empty() {
        true => "none".into(),
        false => names.into_iter().collect::<Vec<_>>().join(", "),
    }
}
