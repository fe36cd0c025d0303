//! What this backend says of itself.

use berth_headless::{ask, sessions as runs};
use berth_panes::arguments::takes_value;
use berth_plugin::settings::Agent;
use berth_plugin::{Creation, Description, OptionSpec, ssh};

use crate::log::VIEWS;
use crate::place::HOST;
use crate::setup::{OWN, Setup};

/// How often the hosts are asked while a caller waits.
const POLL_MS: u32 = 2000;

pub(crate) fn describe(setup: &Setup) -> Description {
    let about = "Claude Code on other machines: remote control, whose sessions a person opens at claude.ai or in its app, and \
                 tasks for an agent there, by ask_claude";
    let mut description = Description::new(about, env!("CARGO_PKG_VERSION"));
    description.poll_ms = Some(POLL_MS);
    let views = VIEWS.map(str::to_owned).into_iter();
    description.views = views.chain(runs::views()).collect();
    if setup.runs.has_agent() {
        description.tools.push(ask::tool());
    }
    let Some(server) = &setup.server else {
        return description;
    };
    let mut creation = Creation::CREATE | Creation::WORKTREE;
    creation.set(Creation::FIRST_MESSAGE, setup.talk.is_some());
    let host =
        OptionSpec::new(HOST, "the machine; it may be left out where only one has the project").values(ssh::hosts());
    description.options = std::iter::once(host).chain(options(server)).collect();
    description.creation(creation)
}

/// The options that a caller may choose.
fn options(agent: &Agent) -> impl Iterator<Item = OptionSpec> {
    let chosen = agent.options.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    chosen.map(|(name, arguments)| {
        let spec = OptionSpec::new(name, format!("adds `{}`", arguments.join(" ")));
        if takes_value(arguments) {
            return spec;
        }
        spec.values(["true"])
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::Backend as _;
    use serde_json::json;

    use super::*;
    use crate::Plugin;
    use crate::fake::{Fake, everything};

    #[test]
    fn the_hosts_are_an_option_and_what_the_plugin_sets_itself_is_none() {
        let fake = Fake::new();
        let description = Plugin::describe().unwrap();
        let told: Vec<_> = description
            .options
            .iter()
            .map(|option| (option.name.as_str(), option.values.len()))
            .collect();
        assert_eq!(told, [("host", 3), ("permission_mode", 0)]);
        assert_eq!(
            description.creation,
            Creation::CREATE | Creation::WORKTREE | Creation::FIRST_MESSAGE
        );
        assert_eq!(description.views, ["screen", "scrollback", "output", "errors"]);
        assert_eq!(description.tools[0].name, "ask_claude");
        assert_eq!(fake.runs("mac"), 0, "it reaches nothing");
    }

    #[test]
    fn what_no_agent_can_do_is_not_offered() {
        let fake = Fake::new();
        fake.host.agents(
            json!([{"name": "claude", "command": ["env", "claude"], "headless": ["env", "claude"], "installed": true}]),
        );
        let description = Plugin::describe().unwrap();
        assert_eq!(
            (description.creation, description.options.len()),
            (Creation::empty(), 0)
        );
        assert_eq!(description.tools.len(), 1);
        assert_eq!(Plugin::list_sessions(everything()).unwrap().problems, []);
        assert_eq!(
            fake.runs("mac"),
            0,
            "where there is no remote control, tmux is not asked"
        );
        fake.host
            .agents(json!([{"name": "rc", "command": ["env", "claude"], "options": {"spawn": ["--spawn=<spawn>"]}}]));
        assert_eq!(Plugin::describe().unwrap().tools, []);
    }
}
