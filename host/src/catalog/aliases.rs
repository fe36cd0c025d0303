//! Tools under another name, with some arguments set beforehand or renamed: what config adds to the others.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::own::{CollisionError, NAME_FAULT, is_name};
use super::{Mistake, Tool, View};
use crate::config::Alias;

/// The aliases, by name.
pub(crate) struct Aliases(BTreeMap<String, Alias>);

impl Aliases {
    /// Adds the tools of `aliases` to `tools`, of which these are all where `is_whole`; their schemas lack what is preset, and
    /// have what is renamed by its new name. An alias of a tool that may still come is left out.
    pub(crate) fn new(
        aliases: &BTreeMap<String, Alias>,
        tools: &mut Vec<Tool>,
        is_whole: bool,
    ) -> Result<Self, CollisionError> {
        for (name, alias) in aliases {
            let fault = |fault: String| CollisionError::Alias {
                alias: name.clone(),
                fault,
            };
            if !is_name(name) {
                return Err(fault(NAME_FAULT.into()));
            }
            if tools.iter().any(|tool| tool.name == *name) {
                return Err(fault("has the name of a tool; choose another".into()));
            }
            let mut targets = tools.iter().filter(|tool| !aliases.contains_key(&tool.name));
            let Some(tool) = targets.find(|tool| tool.name == alias.tool) else {
                match is_whole {
                    true => return Err(fault(no_target(&alias.tool, tools, aliases))),
                    false => continue,
                }
            };
            let input = without(&tool.input, &alias.arguments).map_err(fault)?;
            let input = renamed(input, &alias.names).map_err(fault)?;
            let tool = Tool {
                name: name.clone(),
                input,
                ..tool.clone()
            };
            tools.push(tool);
        }
        Ok(Self(aliases.clone()))
    }

    /// The alias called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Alias> {
        self.0.get(name)
    }

    /// The tool that `name` stands for: itself if it is not an alias.
    pub(crate) fn target<'a>(&'a self, name: &'a str) -> &'a str {
        self.get(name).map_or(name, |alias| &alias.tool)
    }

    /// Whether an alias presets a backend, or a session of one, that is hidden from `view`.
    pub(crate) fn leads_out_of(&self, name: &str, view: View<'_>) -> bool {
        let preset = |argument| self.get(name)?.arguments.get(argument)?.as_str();
        let of_session = |argument| Some(preset(argument)?.split_once('/')?.0);
        let named = [preset("backend"), of_session("session_id"), of_session("id")];
        named.into_iter().flatten().any(|backend| view.hides(backend))
    }

    /// The tool that `name` stands for, and the arguments with those of the alias.
    pub(crate) fn resolve<'a>(
        &'a self,
        name: &'a str,
        mut given: Map<String, Value>,
    ) -> Result<(&'a str, Map<String, Value>), Mistake> {
        let Some(alias) = self.0.get(name) else {
            return Ok((name, given));
        };
        for (written, argument) in &alias.names {
            if given.contains_key(argument) {
                return Err(Mistake::new(format!("{name}: `{argument}` is called `{written}` here")));
            }
            if let Some(value) = given.remove(written) {
                given.insert(argument.clone(), value);
            }
        }
        for (argument, value) in &alias.arguments {
            if given.insert(argument.clone(), value.clone()).is_some() {
                return Err(Mistake::new(format!(
                    "{name}: `{argument}` is set by the operator; leave it out"
                )));
            }
        }
        Ok((&alias.tool, given))
    }
}

impl Alias {
    /// How it calls this argument of its tool, if not by the tool's own name.
    pub(super) fn name_of(&self, argument: &str) -> Option<&str> {
        let name = self.names.iter().find(|(_, of_tool)| *of_tool == argument);
        name.map(|(written, _)| written.as_str())
    }
}

fn no_target(name: &str, tools: &[Tool], aliases: &BTreeMap<String, Alias>) -> String {
    let all = tools.iter().map(|tool| tool.name.as_str());
    let names: Vec<&str> = all.filter(|name| !aliases.contains_key(*name)).collect();
    format!("names no tool: `{name}`; there are: {}", names.join(", "))
}

fn without(schema: &Map<String, Value>, preset: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut rest = schema.clone();
    for argument in preset.keys() {
        let properties = rest.get_mut("properties").and_then(Value::as_object_mut);
        if properties.and_then(|properties| properties.remove(argument)).is_none() {
            return Err(format!(
                "sets `{argument}`, which its tool does not take; it takes: {}",
                arguments(schema)
            ));
        }
        if let Some(Value::Array(required)) = rest.get_mut("required") {
            required.retain(|name| name != argument);
        }
    }
    Ok(rest)
}

/// The schema with these names for arguments instead of its own.
fn renamed(mut schema: Map<String, Value>, names: &BTreeMap<String, String>) -> Result<Map<String, Value>, String> {
    let takes = arguments(&schema);
    for (written, argument) in names {
        if argument == "backend" {
            return Err("renames `backend`, which has this name everywhere; set it in `arguments`".into());
        }
        let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else {
            return Err(format!(
                "renames `{argument}`, which its tool does not take; it takes: {takes}"
            ));
        };
        if properties.contains_key(written) {
            return Err(format!(
                "renames `{argument}` to `{written}`, which is another argument; choose another name"
            ));
        }
        let Some(property) = properties.remove(argument) else {
            return Err(format!(
                "renames `{argument}`, which its tool does not take; it takes: {takes}"
            ));
        };
        properties.insert(written.clone(), property);
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            let of_it = required.iter_mut().filter(|name| *name == argument);
            of_it.for_each(|name| *name = written.clone().into());
        }
    }
    Ok(schema)
}

fn arguments(schema: &Map<String, Value>) -> String {
    let properties = schema.get("properties").and_then(Value::as_object);
    let names: Vec<String> = properties
        .into_iter()
        .flatten()
        .map(|(name, _)| name.escape_debug().to_string())
        .collect();
    match names.is_empty() {
        true => "nothing".into(),
        false => names.join(", "),
    }
}
