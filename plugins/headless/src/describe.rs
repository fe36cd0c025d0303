//! What this backend says of itself.

use berth_plugin::Description;

use crate::log::VIEWS;
use crate::tools;

pub(crate) fn describe() -> Description {
    let about =
        "Coding agents without a terminal, one request at a time in each project; what they do goes on without berth";
    let mut description = Description::new(about, env!("CARGO_PKG_VERSION"));
    description.views = VIEWS.map(str::to_owned).to_vec();
    description.tools = tools::all();
    // What changes is told by `upkeep`, which events of jobs wake.
    description.poll_ms = Some(0);
    description
}
