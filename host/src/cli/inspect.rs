//! `berth plugin inspect`: what a component is, before it is granted anything.

mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use berth::assemble::Setup;
use berth::config::{ConfigError, is_name};
use berth::plugin::inspect::{Inspection, Subject, inspect};
use berth::plugin::{Engine, bundled};
use berth::session::{Manifest, Tool};
use berth::store::DataDirectory;
use serde_json::{Value, json};

use super::print;

/// Bytes of memory for a component that is only asked to describe itself.
const MEMORY: u64 = 64 << 20;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The component, a .wasm file, or the name of a bundled plugin
    plugin: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Looks at a plugin. The configuration need not be valid; if it is, what was compiled before is used.
pub(crate) async fn run(setup: Option<Setup>, options: Options) -> anyhow::Result<ExitCode> {
    let name = options.plugin.to_str().filter(|name| bundled::find(name).is_some());
    let seen = match name {
        Some(name) => Seen::Bundled(name),
        None => Seen::File(found(&options.plugin)?),
    };
    let cache = setup.as_ref().map(|setup| &setup.server);
    let cache = cache.and_then(|server| DataDirectory::open(&server.data, &server.cache).ok());
    let engine = Engine::new(1, MEMORY, cache.as_ref().map(DataDirectory::cache))?;
    let found = inspect(&engine, seen.subject()).await?;
    let table = seen.table(&found, setup.as_ref());
    if options.json {
        print::line(&serde_json::to_string_pretty(&as_json(&found, &table))?);
    } else {
        show(&seen.title(), &found, &table);
    }
    Ok(ExitCode::SUCCESS)
}

/// The file at `path`, without links.
fn found(path: &Path) -> anyhow::Result<PathBuf> {
    let names: Vec<&str> = bundled::ALL.iter().map(|plugin| plugin.name).collect();
    path.canonicalize().with_context(|| {
        format!(
            "{} is neither a file nor a bundled plugin (there are: {})",
            path.display(),
            names.join(", ")
        )
    })
}

/// What is looked at.
enum Seen<'a> {
    File(PathBuf),
    Bundled(&'a str),
}

impl Seen<'_> {
    fn subject(&self) -> Subject<'_> {
        match self {
            Self::File(file) => Subject::File(file),
            Self::Bundled(name) => Subject::Bundled(name),
        }
    }

    fn title(&self) -> String {
        match self {
            Self::File(file) => file.display().to_string(),
            Self::Bundled(name) => format!("bundled plugin {name}"),
        }
    }

    /// A name for a backend of it.
    fn backend(&self) -> String {
        let name = match self {
            Self::File(file) => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            Self::Bundled(name) => (*name).to_owned(),
        };
        let name = name.to_lowercase().replace(['.', ' '], "-");
        if is_name(&name) { name } else { "mine".to_owned() }
    }

    /// The table to paste.
    fn table(&self, found: &Inspection, setup: Option<&Setup>) -> String {
        let file;
        let head = match self {
            Self::File(path) => {
                file = path.display().to_string();
                vec![("plugin", file.as_str()), ("sha256", &found.digest)]
            }
            Self::Bundled(name) => vec![("plugin", *name)],
        };
        let name = self.backend();
        let table = |manifest: &Manifest| table::table(&name, &head, manifest, |table| fault(table, setup));
        match &found.manifest {
            Ok(Some(manifest)) => table(manifest),
            _ => table(&Manifest::default()) + &hints(&name, found),
        }
    }
}

/// What could be granted, as comments, for a plugin that does not say what it needs.
fn hints(name: &str, found: &Inspection) -> String {
    let imports = |interface: &str| {
        let prefix = format!("berth:backend/{interface}@");
        found.imports.iter().any(|import| import.starts_with(&prefix))
    };
    let mut hints = String::new();
    if imports("files") || imports("process") {
        hints.push_str("# Where it may read files and start programs:\n# directories = [\"~/projects\"]\n");
    }
    if imports("process") {
        hints.push_str(&format!(
            "# It runs programs. Grant each by a table like this, with the argument lists that it may use:\n\
             # [backends.{name}.programs.PROGRAM]\n\
             # read = [[\"--version\"]]\n"
        ));
    }
    hints
}

/// What is wrong with a configuration that has `table` beside the agents and places of `setup`.
fn fault(table: &str, setup: Option<&Setup>) -> Option<String> {
    let mut text = String::new();
    if let Some(setup) = setup {
        let (data, cache) = (&setup.server.data, &setup.server.cache);
        let place = |path: &Path| Value::from(path.display().to_string());
        text = format!("[server]\ndata = {}\ncache = {}\n", place(data), place(cache));
        for agent in setup.agents.keys() {
            text.push_str(&format!("[agents.{agent}]\ncommand = [\"env\", \"true\"]\n"));
        }
    }
    text.push_str(table);
    let file = setup
        .and_then(|setup| setup.file.clone())
        .unwrap_or_else(|| "/config.toml".into());
    let found = super::with_installation(|installation| Ok(Setup::of_text(&text, &file, &installation)?));
    let error = found.err()?;
    Some(match error.downcast_ref::<ConfigError>() {
        Some(fault) => fault.message.clone(),
        None => error.to_string(),
    })
}

fn as_json(found: &Inspection, table: &str) -> Value {
    let described = found.description.as_ref().ok();
    let tool = |tool: &Tool| json!({"name": tool.name, "title": tool.title, "description": tool.description});
    let manifest = found.manifest.as_ref().ok().and_then(Option::as_ref);
    json!({
        "sha256": found.digest,
        "imports": found.imports,
        "exports": found.exports,
        "about": described.map(|described| &described.about),
        "version": described.map(|described| &described.version),
        "tools": described.map(|described| described.tools.iter().map(tool).collect::<Vec<_>>()),
        "refusal": found.description.as_ref().err(),
        "manifest": manifest.map(|manifest| json!({
            "settings": manifest.settings,
            "grants": manifest.grants,
            "licence": manifest.licence,
            "homepage": manifest.homepage,
        })),
        "manifest_fault": found.manifest.as_ref().err(),
        "block": table,
    })
}

fn show(title: &str, found: &Inspection, table: &str) {
    print::heading(title);
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
    print::heading(&format!("\n{}\n", asking(&found.manifest)));
    print::line(table);
}

/// The text above the table.
fn asking(manifest: &Result<Option<Manifest>, String>) -> String {
    match manifest {
        Ok(Some(manifest)) => {
            let says = [("licence", &manifest.licence), ("page", &manifest.homepage)];
            says.into_iter()
                .filter_map(|(what, said)| Some(format!("Its {what}: {}\n", print::safe(said.as_deref()?))))
                .collect::<String>()
                + "To use it, add this to the configuration. These are the grants that it asks for: read them, and remove \
                   what you do not want to give."
        }
        Ok(None) => {
            "To use it, add this to the configuration, with the grants that you choose. It does not say what it needs."
                .into()
        }
        Err(why) => format!(
            "What it asks for is not known ({}). To use it, add this to the configuration, with the grants that you choose.",
            print::safe(why)
        ),
    }
}
