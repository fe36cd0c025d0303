//! What this backend says of itself.

use berth_plugin::{Creation, Description, OptionSpec};

use crate::setup::Setup;
use crate::shown::log::VIEWS;
use crate::start::command::{OPTIONS, declares};
use crate::tools;

pub(crate) fn describe(setup: &Setup) -> Description {
    let about = "Coding agents without a terminal: requests, one at a time in each project, and conversations; what they do \
                 goes on without berth";
    let mut description = Description::new(about, env!("CARGO_PKG_VERSION"))
        .creation(Creation::CREATE | Creation::FIRST_MESSAGE | Creation::RESUME | Creation::FORK);
    for agent in setup.agents.iter().filter(|agent| agent.headless.is_some()) {
        for name in OPTIONS.into_iter().filter(|name| declares(agent, name)) {
            let about = format!("The {name} with which {} works", agent.name);
            description = description.option(OptionSpec::new(name, about).agent(&agent.name));
        }
    }
    description.views = VIEWS.map(str::to_owned).to_vec();
    description.tools = tools::all();
    // What changes is told by `upkeep`, which events of jobs wake.
    description.poll_ms = Some(0);
    description
}
