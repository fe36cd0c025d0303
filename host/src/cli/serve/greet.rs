//! What the operator is told at the start: what is served, by which address, and what to paste where.

use std::io::{IsTerminal, stdout};

use berth::assemble::Setup;
use berth::desk::Condition;
use berth::owner::Owner;
use berth::shell;

use super::super::{config, print};
use super::qr;

/// Prints it. `base` is the origin by which this machine calls.
pub(super) async fn greet(setup: &Setup, owner: &Owner, base: &str) {
    print::heading(&format!("berth {} listens on {base}/mcp", env!("CARGO_PKG_VERSION")));
    owner.desk.present().started().await;
    what_is_served(setup, owner);
    if let Some(url) = &setup.server.public_url {
        from_elsewhere(url);
    }
    print::line("\nTo use it from Claude Code on this machine, paste:\n");
    print::line(&format!("  {}\n", claude_line(setup, base)));
    // Last, so that what a person needs comes first on a terminal.
    owner.recorder.log_head();
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
    let generation = owner.desk.present();
    for (name, condition) in generation.conditions() {
        print::line(&match condition {
            Condition::Up(member) => format!(
                "Backend {name}: {}; agents: {}",
                print::safe(&member.watched.backend.description.about),
                match member.agents.is_empty() {
                    true => "none installed".to_owned(),
                    false => member.agents.join(", "),
                }
            ),
            Condition::ComingUp => format!("Backend {name} is coming up"),
            Condition::Down { why, .. } => format!("Backend {name} is down, and is tried again: {}", print::safe(&why)),
        });
    }
    let catalog = generation.catalog();
    let tools: Vec<&str> = catalog.tools().iter().map(|tool| tool.name.as_str()).collect();
    print::line(&format!("Tools: {}", tools.join(", ")));
    if setup.hosts.is_empty() {
        print::line(
            "Hosts: none. `berth hosts add NAME DESTINATION` adds one, for sessions there and for Claude Code's remote control \
             (plugin `ssh`)",
        );
    }
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

Each opens a page of berth's own, which asks for your passphrase and what the
app may do. Approve only what you have just asked for yourself."
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
