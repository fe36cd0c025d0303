//! The findings of `berth check`, for people.

use std::collections::BTreeMap;

use berth::config::Prompts;
use bytesize::ByteSize;

use super::findings::{AgentFindings, BackendFindings, Findings, LimitFindings, ProgramFindings};
use crate::cli::print;

/// Prints what each backend is, in a few lines.
pub(super) fn brief(findings: &Findings<'_>) {
    let file = findings.file.as_deref().unwrap_or("the shipped configuration");
    print::line(&format!("{file} is valid."));
    for backend in &findings.backends {
        print::line(&format!("Backend {}: {}", backend.name, print::safe(backend.about)));
        host(backend);
        agents(backend);
        print::line(&format!("  directories: {}", list(&backend.directories)));
        if !backend.pinned {
            print::line(&format!(
                "  not pinned: write this into its table: sha256 = \"{}\"",
                backend.sha256
            ));
        }
        for asked in backend.asks_for_more {
            print::line(&format!("  asks for more than is granted: {}", print::safe(asked)));
        }
    }
    print::line(&prompts(findings.prompts));
    print::line("All that is granted: berth check --grants");
}

/// Its agents that are installed, or on several hosts all of them.
fn agents(backend: &BackendFindings<'_>) {
    let names = |agents: &mut dyn Iterator<Item = &AgentFindings<'_>>| {
        let names: Vec<&str> = agents.map(|agent| agent.name).collect();
        list(&names)
    };
    let agents = || backend.agents.iter();
    print::line(&match backend.hosts.is_empty() {
        true => format!(
            "  installed agents: {}",
            names(&mut agents().filter(|agent| agent.installed == Some(true)))
        ),
        false => format!(
            "  agents: {}; which of them each host has: berth hosts",
            names(&mut agents())
        ),
    });
}

/// Prints all of `findings` except what concerns a start.
pub(super) fn grants(findings: &Findings<'_>) {
    let file = findings.file.as_deref().unwrap_or("the shipped configuration");
    print::line(&format!("{file} is valid."));
    findings.backends.iter().for_each(backend);
    print::heading("\nTools");
    print::line(&format!("  {}", list(&findings.tools)));
    print::heading("\nPrompts");
    print::line(&format!("  {}", prompts(findings.prompts)));
}

/// Who approves what sessions ask for, in a line.
fn prompts(prompts: &Prompts) -> String {
    let effects: Vec<&str> = prompts.remote_effects.iter().map(|effect| effect.name()).collect();
    format!(
        "Prompts: confirm = {:?}; what a client's answer may do: {}",
        prompts.confirm.name(),
        list(&effects)
    )
}

fn backend(backend: &BackendFindings<'_>) {
    print::heading(&format!("\nBackend {}", backend.name));
    print::line(&format!("  {}: {}", backend.plugin, print::safe(backend.about)));
    print::line(&format!("  sha256 {}", backend.sha256));
    host(backend);
    if !backend.pinned {
        print::line("  not pinned: write this sha256 into its table, and another file is refused");
    }
    for asked in backend.asks_for_more {
        print::line(&format!("  asks for more than is granted: {}", print::safe(asked)));
    }
    print::line(&format!("  directories: {}", list(&backend.directories)));
    print::line(&format!("  files that are only read: {}", list(&backend.files)));
    print::line(&format!("  environment: {}", list(backend.environment)));
    print::line(&format!(
        "  secrets: {}; set by the plugin: {}",
        list(&backend.secrets),
        list(backend.guest_env)
    ));
    print::line(&format!(
        "  own tools: {}; of them only read: {}",
        list(&backend.own_tools),
        list(backend.read_tools)
    ));
    print::line(match backend.remote_trust {
        true => "  a question whether to trust a directory: clients may answer it",
        false => "  a question whether to trust a directory: answered on a terminal alone",
    });
    if let Some(depth) = backend.nested {
        print::line(&format!("  nested: its runs may start others, down to depth {depth}"));
    }
    limits(&backend.limits);
    if backend.programs.iter().any(|program| !program.job.is_empty()) {
        jobs(&backend.limits);
    }
    backend.agents.iter().for_each(agent);
    backend.programs.iter().for_each(program);
}

fn host(backend: &BackendFindings<'_>) {
    if let Some(host) = &backend.host {
        print::line(&format!("  on the host {}", print::safe(host)));
    }
    if !backend.hosts.is_empty() {
        print::line(&format!("  on the hosts {}", print::safe(&backend.hosts.join(", "))));
    }
}

fn limits(limits: &LimitFindings) {
    print::line(&format!(
        "  limits: {} of memory a call, {} calls and {} programs at once, {} for a call",
        size(limits.memory),
        limits.calls,
        limits.processes,
        limits.deadline
    ));
}

fn jobs(limits: &LimitFindings) {
    print::line(&format!(
        "  jobs: {} at once, and {} that take input; kept {} after their end, {} in all",
        limits.jobs,
        limits.interactive_jobs,
        limits.keep_jobs,
        size(limits.jobs_size)
    ));
}

fn agent(agent: &AgentFindings<'_>) {
    let installed = match (agent.installed, agent.requires) {
        (Some(true) | None, _) => String::new(),
        (Some(false), requires) => format!(" (not installed: {} is not found)", requires.unwrap_or(agent.name)),
    };
    print::line(&format!(
        "  agent {}{installed}: {}",
        agent.name,
        print::safe(&agent.command.join(" "))
    ));
    for (name, arguments) in agent.options {
        print::line(&format!("    option {}: {}", print::safe(name), pattern(arguments)));
    }
    if let Some(headless) = &agent.headless {
        print::line(&format!("    as a job: {}", print::safe(&headless.command.join(" "))));
        for (name, arguments) in headless.options {
            print::line(&format!(
                "    option of a job {}: {}",
                print::safe(name),
                pattern(arguments)
            ));
        }
    }
    for (name, values) in agent.widens_unless.into_iter().flatten() {
        print::line(&format!(
            "    widens: {}, unless it is one of: {}",
            print::safe(name),
            list(values)
        ));
    }
    words(agent.words);
}

fn program(program: &ProgramFindings<'_>) {
    print::line(&format!("  program {}: {}", program.name, print::safe(&program.path)));
    print::line(&format!(
        "    a run: at most {}, and {} of output",
        program.timeout,
        size(program.output)
    ));
    if program.lingers {
        print::line("    lingers: what it leaves running goes on, without bounds, after berth too");
    }
    print::line(&format!("    always first: {}", list(program.fixed)));
    if let Some(conf) = program.conf {
        print::line(&format!("    @conf: a file of {} lines", conf.lines().count()));
    }
    if let Some(separator) = program.separator {
        print::line(&format!("    separator: {separator:?}"));
    }
    if !program.job.is_empty() {
        print::line(&format!(
            "    a job: at most {}, and {} kept of each output; it goes on without berth",
            program.job_timeout,
            size(program.job_output)
        ));
    }
    let lists = [
        ("read", &program.read),
        ("control", &program.control),
        ("job", &program.job),
    ];
    for (access, patterns) in lists {
        patterns
            .iter()
            .for_each(|arguments| print::line(&format!("    {access}: {}", pattern(arguments))));
    }
    if let Some(arguments) = program.attach {
        print::line(&format!("    attach: {}", pattern(arguments)));
    }
    words(program.words);
}

fn words(words: &BTreeMap<String, String>) {
    for (name, expression) in words {
        print::line(&format!("    <{name}>: {}", print::safe(expression)));
    }
}

fn pattern(arguments: &[String]) -> String {
    print::safe(&format!("{arguments:?}"))
}

fn list(items: &[impl AsRef<str>]) -> String {
    if items.is_empty() {
        return "none".to_owned();
    }
    let items: Vec<String> = items.iter().map(|item| print::safe(item.as_ref())).collect();
    items.join(", ")
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}
