//! `berth plugin inspect`: what a component is, before it is granted anything.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use berth::plugin::Engine;
use berth::plugin::inspect::{Inspection, inspect};
use berth::session::Tool;
use serde_json::{Value, json};

use super::print;

/// Bytes of memory for a component that is only asked to describe itself.
const MEMORY: u64 = 64 << 20;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The component, a .wasm file
    file: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let file = options
        .file
        .canonicalize()
        .with_context(|| format!("{}", options.file.display()))?;
    let engine = Engine::new(1, MEMORY, None)?;
    let found = inspect(&engine, &file).await?;
    if options.json {
        print::line(&serde_json::to_string_pretty(&as_json(&file, &found))?);
    } else {
        show(&file, &found);
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(file: &Path, found: &Inspection) -> Value {
    let described = found.description.as_ref().ok();
    let tool = |tool: &Tool| json!({"name": tool.name, "title": tool.title, "description": tool.description});
    json!({
        "sha256": found.digest,
        "imports": found.imports,
        "exports": found.exports,
        "about": described.map(|described| &described.about),
        "version": described.map(|described| &described.version),
        "tools": described.map(|described| described.tools.iter().map(tool).collect::<Vec<_>>()),
        "refusal": found.description.as_ref().err(),
        "block": grant_block(file, found),
    })
}

fn show(file: &Path, found: &Inspection) {
    print::heading(&file.display().to_string());
    match &found.description {
        Ok(described) => {
            print::line(&format!(
                "  {} (version {})",
                print::safe(&described.about),
                print::safe(&described.version)
            ));
            for tool in &described.tools {
                print::line(&format!(
                    "  tool {}: {}",
                    print::safe(&tool.name),
                    print::safe(&tool.description)
                ));
            }
        }
        Err(why) => print::line(&format!("  without settings it does not start: {}", print::safe(why))),
    }
    print::line(&format!("  sha256 {}", found.digest));
    for (kind, names) in [("imports", &found.imports), ("exports", &found.exports)] {
        names
            .iter()
            .for_each(|name| print::line(&format!("  {kind} {}", print::safe(name))));
    }
    print::heading("\nTo use it, add this to the configuration, with the grants that you choose:\n");
    print::line(&grant_block(file, found));
}

/// A table to paste. It grants nothing: what the plugin could use stands there as comments.
fn grant_block(file: &Path, found: &Inspection) -> String {
    let imports = |interface: &str| {
        found
            .imports
            .iter()
            .any(|name| name.starts_with(&format!("berth:backend/{interface}@")))
    };
    let mut block = format!(
        "[backends.NAME]\nplugin = {:?}\nsha256 = \"{}\"\n",
        file.display().to_string(),
        found.digest
    );
    if imports("files") || imports("process") {
        block.push_str("directories = []  # where it may read files and start programs\n");
    }
    if imports("process") {
        block.push_str(
            "env = []          # variables that its programs inherit\n\n\
             # It runs programs. Grant each by a table like this, with the argument lists that it may use:\n\
             # [backends.NAME.programs.PROGRAM]\n\
             # path = \"PROGRAM\"\n\
             # read = [[\"--version\"]]\n",
        );
    }
    block
}
