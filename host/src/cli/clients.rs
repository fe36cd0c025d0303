//! `berth clients`: the apps that may ask for access, and what they have.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{anyhow, bail};
use berth::assemble::Setup;
use berth::config;
use berth::principal::{Backends, Scope};
use berth::store::audit::Event;
use berth::store::{AccessRecords, Family, Secret};

use super::{access, print};

#[derive(clap::Subcommand)]
pub(crate) enum Options {
    /// List the apps that registered, those of the configuration, and those that have access
    List,
    /// Make a secret for an app that asks for an id and a secret, and print the table for the configuration
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

pub(crate) fn run(setup: &Setup, options: &Options) -> anyhow::Result<ExitCode> {
    let access = access::open(setup)?;
    match options {
        Options::List => list(setup, &access)?,
        Options::Create(options) => create(setup, options)?,
        Options::Revoke { id } => revoke(setup, &access, id)?,
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

fn list(setup: &Setup, access: &AccessRecords) -> anyhow::Result<()> {
    let mut apps = BTreeMap::new();
    for app in access.apps()? {
        let listed = Listed::new("registered", app.name, app.last_used);
        apps.insert(app.id, listed);
    }
    for name in setup.oauth.clients.keys() {
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

    /// Adds what it was given by one approval.
    fn add(&mut self, family: &Family) {
        self.last_used = self.last_used.max(family.last_used);
        self.scope = self.scope.max(Some(family.scope));
        self.backends = Some(match (self.backends.take(), &family.backends) {
            (None, backends) => backends.clone(),
            (Some(Backends::Only(names)), Backends::Only(more)) => {
                Backends::Only(names.into_iter().chain(more.clone()).collect())
            }
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

fn create(setup: &Setup, options: &Create) -> anyhow::Result<()> {
    let name = &options.name;
    if !config::is_name(name) {
        bail!("{name:?} is not a name: use at most 32 of a-z, 0-9, _ and -, with a letter or digit first");
    }
    if setup.oauth.clients.contains_key(name) {
        bail!(
            "[oauth.clients.{name}] exists already; take another name, or delete that table from {}",
            file(setup)
        );
    }
    for redirect in &options.redirects {
        config::parse_redirect(redirect).map_err(|fault| {
            anyhow!("--redirect {redirect:?} {fault}: write it as the app shows it, like https://app.example/callback")
        })?;
    }
    let secret = Secret::random()?;
    let digest = hex::encode(secret.digest());
    print::line(&format!("The id is {name}, and the secret, which is shown only now:"));
    print::line(&format!("\n{}\n", secret.reveal()));
    print::line(&format!("Add this to {}, and start berth again:", file(setup)));
    print::line(&format!(
        "\n[oauth.clients.{name}]\nsecret_sha256 = {digest:?}\nredirects = {:?}",
        options.redirects
    ));
    Ok(())
}

fn revoke(setup: &Setup, access: &AccessRecords, id: &str) -> anyhow::Result<()> {
    let registered = access.app(id)?.is_some();
    let configured = setup.oauth.clients.contains_key(id);
    let ended = access.remove_app(id)?;
    if !ended && !configured {
        bail!("there is no app {id:?}; berth clients list shows the ids");
    }
    access::record(setup, Event::AppRemoved, id);
    access::wait_until_noticed();
    print::line(&format!("{} no longer has access.", print::safe(id)));
    if configured {
        print::line(&format!(
            "It may ask you again until you delete [oauth.clients.{id}] from {} and start berth again.",
            file(setup)
        ));
    } else if registered {
        print::line("It is forgotten, and must register again before it can ask you for access.");
    } else {
        print::line("It may ask you again.");
    }
    Ok(())
}

/// The file to change.
fn file(setup: &Setup) -> String {
    let file = setup.file.as_ref().map(|file| file.display().to_string());
    file.unwrap_or_else(|| "~/.config/berth/config.toml".to_owned())
}
