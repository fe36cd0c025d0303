//! What the operator is told at the start: what is served, by which address, and what to paste where.

use std::io::{IsTerminal, stdout};

use berth::assemble::Setup;
use berth::owner::Owner;
use berth::shell;

use super::super::{config, print};
use super::qr;

/// Prints it. `base` is the origin by which this machine calls.
pub(super) fn greet(setup: &Setup, owner: &Owner, base: &str) {
    print::heading(&format!("berth {} listens on {base}/mcp", env!("CARGO_PKG_VERSION")));
    what_is_served(setup, owner);
    if let Some(url) = &setup.server.public_url {
        from_elsewhere(url);
    }
    print::line("\nTo use it from Claude Code on this machine, paste:\n");
    print::line(&format!("  {}\n", claude_line(setup, base)));
}

fn what_is_served(setup: &Setup, owner: &Owner) {
    let from = setup
        .file
        .as_ref()
        .map_or("the shipped configuration".into(), |file| file.display().to_string());
    print::line(&format!("Configuration: {from}"));
    if let Some((what, fix)) = config::waiting(setup) {
        print::line(&format!("Waiting: {what}; {fix}"));
    }
    for backend in owner.desk.backends() {
        let agents = setup.backends.get(&backend.name).map(|backend| {
            let names = setup.agents_of(backend).map(|(name, _)| name.as_str());
            let installed: Vec<&str> = names.filter(|name| setup.is_installed(name)).collect();
            installed.join(", ")
        });
        print::line(&format!(
            "Backend {}: {}; agents: {}",
            backend.name,
            print::safe(&backend.description.about),
            agents
                .filter(|agents| !agents.is_empty())
                .unwrap_or("none installed".into())
        ));
    }
    let tools: Vec<&str> = owner
        .desk
        .catalog()
        .tools()
        .iter()
        .map(|tool| tool.name.as_str())
        .collect();
    print::line(&format!("Tools: {}", tools.join(", ")));
}

fn from_elsewhere(url: &str) {
    print::heading(&format!("\nFrom elsewhere it is reached at {url}/mcp"));
    if stdout().is_terminal() {
        print::line(&format!("\n{}", qr::code(&format!("{url}/mcp")).unwrap_or_default()));
    }
    print::line(&format!(
        "
  Claude.ai     Settings > Connectors > Add custom connector
                Name: berth. Remote MCP server URL: {url}/mcp
  ChatGPT       Settings > Apps & Connectors > Advanced settings > Developer mode: on; then Create
                Name: berth. MCP server URL: {url}/mcp. Authentication: OAuth
  Claude Code   claude mcp add --transport http berth {url}/mcp
                then /mcp in a session, to log in

Each opens a page of berth's own. It asks for your passphrase, and what the app may do. Approve only what you have just
asked for yourself."
    ));
}

/// A line for a shell; the token itself is not in it, so it stays out of this terminal's scrollback.
fn claude_line(setup: &Setup, base: &str) -> String {
    let berth = std::env::current_exe().map_or("berth".into(), shell::word);
    let with = setup
        .file
        .as_ref()
        .map_or(String::new(), |file| format!(" --config {}", shell::word(file)));
    if setup.server.tls.is_some() {
        // The certificate is for the public name, not for the one by which this machine would call.
        return format!("claude mcp add berth -- {berth} stdio{with}");
    }
    if setup.server.open_on_loopback {
        return format!("claude mcp add --transport http berth {base}/mcp");
    }
    format!(
        "claude mcp add --transport http berth {base}/mcp --header \"Authorization: Bearer $({berth} token{with})\""
    )
}
