//! What the operator is told at the start: what is served, by which address, and what to paste where.

use std::io::{IsTerminal, stdout};

use berth::config::Config;
use berth::owner::Owner;
use berth::shell;

use super::super::print;
use super::qr;

/// Prints it. `base` is the origin by which this machine calls.
pub(super) fn greet(config: &Config, owner: &Owner, base: &str) {
    print::heading(&format!("berth {} listens on {base}/mcp", env!("CARGO_PKG_VERSION")));
    what_is_served(config, owner);
    if let Some(url) = &config.server.public_url {
        from_elsewhere(url);
    }
    print::line("\nTo use it from Claude Code on this machine, paste:\n");
    print::line(&format!("  {}\n", claude_line(config, base)));
}

fn what_is_served(config: &Config, owner: &Owner) {
    let from = config
        .file
        .as_ref()
        .map_or("the shipped configuration".into(), |file| file.display().to_string());
    print::line(&format!("Configuration: {from}"));
    for backend in owner.desk.backends() {
        let agents = config.backends.get(&backend.name).map(|backend| {
            let installed = |name: &&String| config.agents.get(*name).is_some_and(|agent| agent.installed);
            backend
                .agents
                .iter()
                .filter(installed)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
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
fn claude_line(config: &Config, base: &str) -> String {
    let berth = std::env::current_exe().map_or("berth".into(), shell::word);
    let with = config
        .file
        .as_ref()
        .map_or(String::new(), |file| format!(" --config {}", shell::word(file)));
    if config.server.tls.is_some() {
        // The certificate is for the public name, not for the one by which this machine would call.
        return format!("claude mcp add berth -- {berth} stdio{with}");
    }
    if config.server.open_on_loopback {
        return format!("claude mcp add --transport http berth {base}/mcp");
    }
    format!(
        "claude mcp add --transport http berth {base}/mcp --header \"Authorization: Bearer $({berth} token{with})\""
    )
}
