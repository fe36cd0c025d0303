//! The arguments that an agent's declared options add to its command.

use std::collections::BTreeMap;

use berth_plugin::{Error, Result};

/// The arguments of this option of the agent called `agent`, with `value` where they have their `<word>`.
///
/// # Errors
/// It has no such option, or the option does not take this value.
pub fn option(agent: &str, options: &BTreeMap<String, Vec<String>>, name: &str, value: &str) -> Result<Vec<String>> {
    let Some(group) = options.get(name) else {
        let names: Vec<_> = options.keys().map(String::as_str).collect();
        let known = if names.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        return Err(Error::Invalid(format!("agent {agent} has no option `{name}`: {known}")));
    };
    if value.is_empty() || value.starts_with('-') || value.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "option `{name}`: a value must not be empty or begin with `-`"
        )));
    }
    if !takes_value(group) && value != "true" {
        return Err(Error::Invalid(format!(
            "option `{name}` takes no value: give it as \"true\" or leave it out"
        )));
    }
    Ok(group.iter().map(|arg| fill(arg, value)).collect())
}

/// Whether an option of these arguments takes a value.
#[must_use]
pub fn takes_value(group: &[String]) -> bool {
    group.iter().any(|arg| word(arg).is_some())
}

/// An argument with this value as its `<word>`.
#[must_use]
pub fn fill(arg: &str, value: &str) -> String {
    word(arg).map_or_else(
        || arg.to_owned(),
        |(from, to)| format!("{}{value}{}", &arg[..from], &arg[to..]),
    )
}

/// The place where a declared argument has its `<word>`.
fn word(arg: &str) -> Option<(usize, usize)> {
    let from = arg.find('<')?;
    let to = from + arg[from..].find('>')? + 1;
    Some((from, to))
}
