//! What this backend says of itself.

use berth_plugin::{Creation, Description, OptionSpec};

use crate::create::{FORK, RESUME};
use crate::log::VIEWS;
use crate::setup::{Entry, Setup};

pub(crate) fn describe(setup: &Setup) -> Description {
    let about = "Coding agents in tmux sessions, which a person can attach to as well";
    let mut description = Description::new(about, env!("CARGO_PKG_VERSION")).creation(creation(&setup.agents));
    description.views = VIEWS.map(str::to_owned).to_vec();
    description.options = setup.agents.iter().flat_map(options).collect();
    description
}

fn creation(agents: &[Entry]) -> Creation {
    let any = |option: &str| agents.iter().any(|entry| entry.options.contains_key(option));
    let mut creation = Creation::CREATE;
    creation.set(Creation::RESUME, any(RESUME));
    creation.set(Creation::FORK, any(RESUME) && any(FORK));
    creation
}

/// The options of an agent, except those that have places of their own in a request.
fn options(entry: &Entry) -> impl Iterator<Item = OptionSpec> {
    let own = entry
        .options
        .iter()
        .filter(|(name, _)| ![RESUME, FORK].contains(&name.as_str()));
    own.map(|(name, arguments)| {
        let spec = OptionSpec::new(name, format!("adds `{}`", arguments.join(" "))).agent(&entry.name);
        if arguments.iter().any(|argument| argument.contains('<')) {
            return spec;
        }
        spec.values(["true"])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Backend as _;

    use super::*;
    use crate::Plugin;
    use crate::fake::host;

    #[test]
    fn the_options_of_each_agent_are_told_and_what_a_request_has_a_place_for_is_not_among_them() {
        let host = host();
        let description = Plugin::describe().unwrap();
        let told: Vec<_> = description
            .options
            .iter()
            .map(|option| (option.agent.as_deref(), option.name.as_str(), option.values.len()))
            .collect();
        assert_eq!(told, [(Some("claude"), "fast", 1), (Some("claude"), "model", 0)]);
        assert_eq!(description.creation, Creation::CREATE | Creation::RESUME);
        assert_eq!(description.views, ["scrollback", "screen"]);
        assert!(host.commands().is_empty(), "it runs no program");
    }
}
