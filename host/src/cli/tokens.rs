//! `berth tokens`: personal tokens for scripts, and all that has access.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::bail;
use berth::assemble::Setup;
use berth::principal::{Backends, Meaning, Scope};
use berth::store::audit::Event;
use berth::store::{AccessRecords, Family};
use serde_json::{Value, json};

use super::{access, print};

/// The longest that a personal token lasts.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// The most characters of a token's name.
const NAME: usize = 64;

#[derive(clap::Subcommand)]
pub(crate) enum Options {
    /// List everything that has access: apps that were approved, and personal tokens
    List {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a personal token and print it, alone, on standard output
    Create(Create),
    /// End the access of one line of the list, or all access
    Revoke {
        /// Its id, as `berth tokens list` shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<i64>,
        /// End the access of every app and every personal token
        #[arg(long)]
        all: bool,
    },
}

#[derive(clap::Args)]
pub(crate) struct Create {
    /// What it is for, to tell it from others
    #[arg(default_value = "personal", value_parser = name)]
    name: String,
    /// The most that it may do: sessions:read or sessions:control
    #[arg(long, default_value_t = Scope::Read)]
    scope: Scope,
    /// A backend that it may know of; may be given several times. Without it: all
    #[arg(long = "backend", value_name = "NAME")]
    backends: Vec<String>,
    /// How long it lasts, such as 30d or 12h; at most 366d
    #[arg(long, default_value = "30d", value_parser = lifetime)]
    expires: Duration,
}

pub(crate) fn run(setup: &Setup, options: &Options) -> anyhow::Result<ExitCode> {
    let access = access::open(setup)?;
    match options {
        Options::List { json } => list(setup, &access, *json)?,
        Options::Create(options) => create(setup, &access, options)?,
        Options::Revoke { id: Some(id), .. } => revoke(setup, &access, *id)?,
        Options::Revoke { id: None, .. } => {
            let ended = access.revoke_all()?;
            access::record(setup, Event::Revoked, &format!("all, {ended} in number"));
            access::wait_until_noticed();
            print::line(&format!("Only the local token has access now; ended: {ended}."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(setup: &Setup, access: &AccessRecords, as_json: bool) -> anyhow::Result<()> {
    let (families, meanings) = (access.families(SystemTime::now())?, setup.meanings());
    if as_json {
        let families: Vec<Value> = families.iter().map(|family| object(family, &meanings)).collect();
        print::line(&serde_json::to_string_pretty(&families)?);
        return Ok(());
    }
    if families.is_empty() {
        print::note("Only the local token has access. berth tokens create makes a token for a script.");
    }
    let columns = [
        "id", "kind", "name", "scope", "backends", "created", "expires", "last use", "from",
    ];
    let rows: Vec<_> = families.iter().map(|family| row(family, &meanings)).collect();
    print::table(&columns, &rows);
    if families
        .iter()
        .any(|family| !meaning_other(family, &meanings).is_empty())
    {
        print::note(
            "A backend with (!) means another plugin now, is on other machines, or is gone, and is not approved: make the \
             token, or connect the app, again.",
        );
    }
    Ok(())
}

/// Those backends of `family` that do not mean now what they meant when it was approved.
fn meaning_other<'f>(family: &'f Family, meanings: &BTreeMap<String, Meaning>) -> Vec<&'f str> {
    let Backends::Only(approved) = &family.backends else {
        return Vec::new();
    };
    let other = approved
        .iter()
        .filter(|(name, meaning)| meanings.get(*name) != Some(meaning));
    other.map(|(name, _)| name.as_str()).collect()
}

/// The backends of `family`, where those that are not approved any more have a mark.
fn backends_of(family: &Family, meanings: &BTreeMap<String, Meaning>) -> String {
    let Backends::Only(approved) = &family.backends else {
        return family.backends.to_string();
    };
    let other = meaning_other(family, meanings);
    let shown = approved.keys().map(|name| match other.contains(&name.as_str()) {
        true => format!("{name} (!)"),
        false => name.clone(),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn row(family: &Family, meanings: &BTreeMap<String, Meaning>) -> Vec<String> {
    vec![
        family.id.to_string(),
        family.kind.name().to_owned(),
        family.name.clone(),
        family.scope.to_string(),
        backends_of(family, meanings),
        access::moment(Some(family.created)),
        access::moment(Some(family.expires)),
        access::moment(family.last_used),
        family
            .last_address
            .map_or_else(String::new, |address| address.to_string()),
    ]
}

fn object(family: &Family, meanings: &BTreeMap<String, Meaning>) -> Value {
    json!({
        "id": family.id,
        "kind": family.kind.name(),
        "name": print::safe(&family.name),
        "client_id": family.client_id.as_deref().map(print::safe),
        "scope": family.scope.name(),
        "backends": match &family.backends {
            Backends::All => json!("all"),
            Backends::Only(names) => json!(names.keys().collect::<Vec<_>>()),
        },
        "backends_that_mean_another_plugin": meaning_other(family, meanings),
        "resource": family.resource,
        "created": access::moment(Some(family.created)),
        "expires": access::moment(Some(family.expires)),
        "last_used": family.last_used.map(|at| access::moment(Some(at))),
        "last_address": family.last_address,
    })
}

fn create(setup: &Setup, access: &AccessRecords, options: &Create) -> anyhow::Result<()> {
    let backends = backends(setup, &options.backends)?;
    let now = SystemTime::now();
    let token = access.create_token(&options.name, options.scope, &backends, options.expires, now)?;
    // The token exists, and is shown in any case.
    let made = access.verify(token.reveal(), now).ok().flatten();
    let holder = made.as_ref().map_or(options.name.as_str(), |made| made.principal.id());
    let detail = format!("{holder}: {}, backends: {backends}", options.scope);
    access::record(setup, Event::TokenCreated, &detail);
    print::note(&format!(
        "Token {} with {} on backends: {}, until {}. It is shown only now; a program sends it as Authorization: Bearer TOKEN.",
        options.name,
        options.scope,
        backends,
        access::moment(Some(now + options.expires)),
    ));
    if let Some(made) = made {
        print::note(&format!("To end it: berth tokens revoke {}", made.family));
    }
    print::line(token.reveal());
    Ok(())
}

fn backends(setup: &Setup, named: &[String]) -> anyhow::Result<Backends> {
    if named.is_empty() {
        return Ok(Backends::All);
    }
    if let Some(unknown) = named.iter().find(|name| !setup.backends.contains_key(*name)) {
        let known: Vec<&str> = setup.backends.keys().map(String::as_str).collect();
        bail!(
            "there is no backend {unknown:?}; name one of the configuration: {}",
            known.join(", ")
        );
    }
    let mut meanings = setup.meanings();
    meanings.retain(|name, _| named.contains(name));
    Ok(Backends::Only(meanings))
}

fn revoke(setup: &Setup, access: &AccessRecords, id: i64) -> anyhow::Result<()> {
    if !access.revoke_family(id)? {
        bail!("nothing has the id {id}; berth tokens list shows what has access");
    }
    access::record(setup, Event::Revoked, &format!("#{id}"));
    access::wait_until_noticed();
    print::line(&format!("{id} no longer has access."));
    Ok(())
}

fn name(text: &str) -> Result<String, String> {
    let characters = text.chars().count();
    if text.trim().is_empty() || characters > NAME || text.contains(char::is_control) {
        return Err(format!("a name has 1 to {NAME} characters, all of them visible"));
    }
    Ok(text.to_owned())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = humantime::parse_duration(text).map_err(|_| "write it like 30d or 12h")?;
    if lifetime < Duration::from_secs(1) || lifetime > LONGEST {
        return Err("choose from 1s to 366d".to_owned());
    }
    Ok(lifetime)
}
