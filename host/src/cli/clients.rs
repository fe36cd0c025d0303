//! `berth clients`: the apps that may ask for access, and what they have.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{anyhow, bail};
use berth::config::{self, Config};
use berth::principal::{Backends, Scope};
use berth::store::audit::Event;
use berth::store::{Access, Family, Secret};

use super::{access, print};

#[derive(clap::Subcommand)]
pub(crate) enum Options {
    /// List the apps that registered, those of the configuration, and those that have access
    List,
    /// Make a secret for an app into which one types an id and a secret, and the table for the configuration
    Create(Create),
    /// End all access of an app, and forget it if it registered itself
    Revoke {
        /// Its id, as `berth clients list` shows it
        id: String,
    },
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// The id to type into the app
    name: String,
    /// Where the app sends people back to, as it shows it; may be given several times
    #[arg(long = "redirect", value_name = "URL", required = true)]
    redirects: Vec<String>,
}

pub(crate) fn run(config: &Config, options: &Options) -> anyhow::Result<ExitCode> {
    let access = access::open(config)?;
    match options {
        Options::List => list(config, &access)?,
        Options::Create(options) => create(config, options)?,
        Options::Revoke { id } => revoke(config, &access, id)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// An app, and what it has at present.
struct Listed {
    kind: &'static str,
    name: String,
    last_used: Option<SystemTime>,
    scope: Option<Scope>,
    backends: Option<Backends>,
}

fn list(config: &Config, access: &Access) -> anyhow::Result<()> {
    let mut apps = BTreeMap::new();
    for client in access.clients()? {
        let listed = Listed::new("registered", client.name, client.last_used);
        apps.insert(client.id, listed);
    }
    for name in config.oauth.clients.keys() {
        apps.insert(name.clone(), Listed::new("configured", name.clone(), None));
    }
    for family in access.families(SystemTime::now())? {
        let Some(id) = &family.client_id else { continue };
        // It names itself by the address of a document, or has left the configuration.
        let unknown = || Listed::new("document", family.name.clone(), None);
        apps.entry(id.clone()).or_insert_with(unknown).add(&family);
    }
    if apps.is_empty() {
        print::note("No app has registered or been approved. One appears here when you add berth's address to it.");
    }
    let rows: Vec<Vec<String>> = apps.iter().map(|(id, listed)| listed.row(id)).collect();
    print::table(&["id", "kind", "name", "last use", "scope", "backends"], &rows);
    Ok(())
}

impl Listed {
    fn new(kind: &'static str, name: String, last_used: Option<SystemTime>) -> Self {
        Self {
            kind,
            name,
            last_used,
            scope: None,
            backends: None,
        }
    }

    /// Counts in what it was given by one approval.
    fn add(&mut self, family: &Family) {
        self.last_used = self.last_used.max(family.last_used);
        self.scope = self.scope.max(Some(family.scope));
        self.backends = Some(match (self.backends.take(), &family.backends) {
            (None, backends) => backends.clone(),
            (Some(Backends::Only(names)), Backends::Only(more)) => Backends::Only(names.union(more).cloned().collect()),
            _ => Backends::All,
        });
    }

    fn row(&self, id: &str) -> Vec<String> {
        let none = || "no access".to_owned();
        vec![
            id.to_owned(),
            self.kind.to_owned(),
            self.name.clone(),
            access::moment(self.last_used),
            self.scope.map_or_else(none, |scope| scope.to_string()),
            self.backends.as_ref().map_or_else(String::new, Backends::to_string),
        ]
    }
}

fn create(config: &Config, options: &Create) -> anyhow::Result<()> {
    let name = &options.name;
    if !config::is_name(name) {
        bail!("{name:?} is no name: use at most 32 of a-z, 0-9, _ and -, with a letter or digit first");
    }
    if config.oauth.clients.contains_key(name) {
        bail!(
            "[oauth.clients.{name}] is there already; take another name, or delete that table from {}",
            file(config)
        );
    }
    for redirect in &options.redirects {
        config::parse_redirect(redirect).map_err(|fault| {
            anyhow!("--redirect {redirect:?} {fault}: write it as the app shows it, like https://app.example/callback")
        })?;
    }
    let secret = Secret::random()?;
    let digest: String = secret.digest().iter().map(|byte| format!("{byte:02x}")).collect();
    print::line(&format!("The id is {name}, and the secret, which is shown only now:"));
    print::line(&format!("\n{}\n", secret.reveal()));
    print::line(&format!("Add this to {}, and start berth again:", file(config)));
    print::line(&format!(
        "\n[oauth.clients.{name}]\nsecret_sha256 = {digest:?}\nredirects = {:?}",
        options.redirects
    ));
    Ok(())
}

fn revoke(config: &Config, access: &Access, id: &str) -> anyhow::Result<()> {
    let registered = access.client(id)?.is_some();
    let configured = config.oauth.clients.contains_key(id);
    let ended = access.remove_client(id)?;
    if !ended && !configured {
        bail!("there is no app {id:?}; berth clients list shows the ids");
    }
    access::record(config, Event::AppRemoved, id);
    access::wait_until_heeded();
    print::line(&format!("{} has no access any more.", print::safe(id)));
    if configured {
        print::line(&format!(
            "It may ask you again until you delete [oauth.clients.{id}] from {} and start berth again.",
            file(config)
        ));
    } else if registered {
        print::line("It is forgotten, and must register anew before it can ask you again.");
    } else {
        print::line("It may ask you again.");
    }
    Ok(())
}

/// The file to change.
fn file(config: &Config) -> String {
    let file = config.file.as_ref().map(|file| file.display().to_string());
    file.unwrap_or_else(|| "~/.config/berth/config.toml".to_owned())
}
