//! `berth serve`: the HTTP server, and what to do with it.

use std::process::ExitCode;

use anyhow::Context;
use berth::config::Config;
use berth::http::{self, Door};
use berth::mcp::{self, Server};
use berth::owner::Owner;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::print;

pub(crate) async fn run(config: &Config, shutdown: CancellationToken) -> anyhow::Result<ExitCode> {
    let wanted = config.server.listen;
    let listener = TcpListener::bind(wanted).await.with_context(|| {
        format!("{wanted} cannot be listened on; end what uses it, or set another `listen` in [server]")
    })?;
    let base = format!("http://{}", listener.local_addr()?);
    let owner = Owner::start(config, "serve", base.clone(), &shutdown).await?;
    owner.serve_socket()?;
    let token = owner.data.local_token()?;
    greet(config, &owner, &base);
    let max_body = usize::try_from(config.server.max_body)?;
    let door = Door {
        token,
        open_on_loopback: config.server.open_on_loopback,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        max_requests: config.server.max_requests,
        max_body,
    };
    let server = Server::new(owner.catalog.clone(), shutdown.clone());
    let service = mcp::http_service(server, max_body, Vec::new(), vec![base]);
    let served = http::run(listener, service, door, shutdown).await;
    owner.end().await;
    served?;
    Ok(ExitCode::SUCCESS)
}

fn greet(config: &Config, owner: &Owner, base: &str) {
    let from = config
        .file
        .as_ref()
        .map_or("the shipped configuration".into(), |file| file.display().to_string());
    print::heading(&format!("berth {} listens on {base}/mcp", env!("CARGO_PKG_VERSION")));
    print::line(&format!("Configuration: {from}"));
    for backend in owner.catalog.backends() {
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
    let tools: Vec<&str> = owner.catalog.tools().iter().map(|tool| tool.name.as_str()).collect();
    print::line(&format!("Tools: {}", tools.join(", ")));
    print::line("\nTo use it from Claude Code, paste:\n");
    print::line(&format!("  {}\n", claude_line(config, base)));
}

/// A line for a shell; the token itself is not in it, so it stays out of this terminal's scrollback.
fn claude_line(config: &Config, base: &str) -> String {
    if config.server.open_on_loopback {
        return format!("claude mcp add --transport http berth {base}/mcp");
    }
    let berth = std::env::current_exe().map_or("berth".into(), |path| path.display().to_string());
    let with = config
        .file
        .as_ref()
        .map_or(String::new(), |file| format!(" --config '{}'", file.display()));
    format!(
        "claude mcp add --transport http berth {base}/mcp --header \"Authorization: Bearer $('{berth}' token{with})\""
    )
}
