//! `berth check`: proves a configuration without serving it.

use std::process::ExitCode;

use berth::capability::process::grant::Grant;
use berth::config::{self, Config, PluginSource};
use berth::owner;
use berth::plugin::Backend;
use berth::store::DataDirectory;
use serde_json::{Value, json};

use super::print;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(config: &Config, options: Options) -> anyhow::Result<ExitCode> {
    let data = DataDirectory::open(&config.server.data, &config.server.cache)?;
    let backends = owner::start_backends(config, &data).await?;
    let catalog = owner::merge(config, backends, String::new())?;
    let tools: Vec<&str> = catalog.tools().iter().map(|tool| tool.name.as_str()).collect();
    let backends = catalog.backends().map(|backend| describe(config, backend));
    if options.json {
        let findings = json!({"backends": backends.collect::<Vec<_>>(), "tools": tools});
        print::line(&serde_json::to_string_pretty(&findings)?);
        return Ok(ExitCode::SUCCESS);
    }
    let from = config
        .file
        .as_ref()
        .map_or("the shipped configuration".into(), |file| file.display().to_string());
    print::line(&format!("{from} holds."));
    backends.for_each(|backend| show(&backend));
    print::heading("\nTools");
    print::line(&format!("  {}", tools.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn describe(config: &Config, backend: &Backend) -> Value {
    let Some(settings) = config.backends.get(&backend.name) else {
        return Value::Null;
    };
    json!({
        "name": backend.name,
        "plugin": backend.plugin.origin,
        "sha256": backend.plugin.digest,
        "pinned": !matches!(settings.plugin, PluginSource::File { sha256: None, .. }),
        "about": backend.description.about,
        "own_tools": backend.description.tools.iter().map(|tool| &tool.name).collect::<Vec<_>>(),
        "directories": settings.directories,
        "environment": settings.env,
        "secrets": settings.env_file.iter().flat_map(|file| file.variables.iter().map(|(name, _)| name)).collect::<Vec<_>>(),
        "guest_env": settings.guest_env,
        "remote_trust": settings.remote_trust,
        "agents": settings.agents.iter().map(|name| agent(config, name)).collect::<Vec<_>>(),
        "programs": settings.programs.values().map(program).collect::<Vec<_>>(),
        "limits": limits(&settings.limits),
    })
}

fn agent(config: &Config, name: &str) -> Value {
    let agent = config.agents.get(name);
    json!({
        "name": name,
        "installed": agent.is_some_and(|agent| agent.installed),
        "command": agent.map(|agent| agent.command.join(" ")),
        "options": agent.map(|agent| agent.options.keys().collect::<Vec<_>>()),
    })
}

fn program(grant: &Grant) -> Value {
    let patterns = |patterns: &[_]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "name": grant.program,
        "path": grant.path,
        "fixed": grant.fixed,
        "read": patterns(&grant.read),
        "control": patterns(&grant.control),
        "timeout": format!("{:?}", grant.timeout),
        "output": grant.output,
    })
}

fn limits(limits: &config::Limits) -> Value {
    json!({
        "memory": limits.memory,
        "calls": limits.calls,
        "processes": limits.processes,
        "deadline": format!("{:?}", limits.deadline),
    })
}

fn show(backend: &Value) {
    let text = |value: &Value| print::safe(value.as_str().unwrap_or_default());
    let list = |value: &Value| match value.as_array().map(Vec::as_slice) {
        None | Some([]) => "none".to_owned(),
        Some(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
    };
    print::heading(&format!("\nBackend {}", text(&backend["name"])));
    print::line(&format!("  {}: {}", text(&backend["plugin"]), text(&backend["about"])));
    print::line(&format!("  sha256 {}", text(&backend["sha256"])));
    if backend["pinned"] == false {
        print::line("  not pinned: write this sha256 into its table, and another file is refused");
    }
    print::line(&format!("  directories: {}", list(&backend["directories"])));
    print::line(&format!("  environment: {}", list(&backend["environment"])));
    print::line(&format!(
        "  secrets: {}; set by the plugin: {}",
        list(&backend["secrets"]),
        list(&backend["guest_env"])
    ));
    print::line(&format!("  own tools: {}", list(&backend["own_tools"])));
    for agent in backend["agents"].as_array().into_iter().flatten() {
        let installed = if agent["installed"] == true {
            ""
        } else {
            " (not installed)"
        };
        print::line(&format!(
            "  agent {}{installed}: {}",
            text(&agent["name"]),
            text(&agent["command"])
        ));
    }
    for program in backend["programs"].as_array().into_iter().flatten() {
        print::line(&format!(
            "  program {}: {}",
            text(&program["name"]),
            text(&program["path"])
        ));
        print::line(&format!("    always first: {}", list(&program["fixed"])));
        for access in ["read", "control"] {
            for pattern in program[access].as_array().into_iter().flatten() {
                print::line(&format!("    {access}: {}", text(pattern)));
            }
        }
    }
}
