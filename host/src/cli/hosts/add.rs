//! `berth hosts add`: a host and a backend on it, at the end of the operator's file.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use berth::assemble::{Setup, Texts};
use berth::config::{Config, Installation, NewHost, destination_fault, is_name};
use berth::principal::Principal;
use berth::shell;
use berth::store::DataDirectory;
use berth::store::audit::{Entry, Event};

use super::answer;
use super::state::State;
use crate::cli::{access, print};

#[derive(clap::Args)]
pub(super) struct Add {
    /// The name of the host, and of the backend on it
    #[arg(value_parser = name)]
    name: String,
    /// Where ssh goes, as in `ssh DESTINATION`: a host, user@host, or a name of ~/.ssh/config
    #[arg(value_parser = destination, allow_hyphen_values = true)]
    destination: String,
    /// The port there, if it is not the one that ssh finds
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The file of the key to log in with, if it is not one that ssh finds
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
    /// The backend whose keys count for the new one, instead of the default one
    #[arg(long, value_name = "BACKEND")]
    like: Option<String>,
}

pub(super) async fn run(
    options: &Add,
    path: Option<&Path>,
    installation: Installation<'_>,
) -> anyhow::Result<ExitCode> {
    super::ensure_person("berth hosts add", super::WHERE)?;
    let texts = Texts::find(path, installation)?;
    let new = wanted(options, &texts.config()?)?;
    let text = new.added_to(texts.yours());
    let whole = texts
        .with(&text)
        .and_then(|(config, grants)| Ok((Setup::of(config)?, grants)));
    let (setup, grants) = whole.context("nothing was written, since the whole would not be valid")?;
    let found = setup.hosts.get(&new.name).context("the host is not in the whole")?;
    let host = &found.written;
    let (place, data) = (texts.place()?, texts.data()?);
    print::line(&format!(
        "To be added to {}:\n",
        print::safe(&place.display().to_string())
    ));
    print::line(&new.tables());
    let answer = answer::ask(found, &texts.around().home, &data).await?;
    let (what, fix) = answer::words(host, &answer);
    print::line(&format!("Tried {}: {what}.", host.machine()));
    if !print::agrees("Add this?")? {
        bail!("nothing was added, and the configuration stays as it was");
    }
    let mut audit = data.audit(false)?.with_grants(grants);
    audit.try_writing()?;
    texts.replace(&text)?;
    let entry = Entry::at_door(Event::HostAdded, Principal::local().id(), &new.name);
    access::note_unrecorded(audit.append(&[entry]));
    print::line(
        "Added. It counts from the next start of berth, or when the one that runs reloads it (`berth reload`).",
    );
    match fix {
        Some(fix) => print::line(&format!("Before that, {fix}.")),
        None => look(&new.name, path, installation, &data).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Logs in on the new host, and tells what its backend misses there.
async fn look(
    name: &str,
    path: Option<&Path>,
    installation: Installation<'_>,
    data: &DataDirectory,
) -> anyhow::Result<()> {
    let setup = Setup::load(path, &installation)?;
    let states = State::of_all(&setup, data).await;
    let state = states.iter().find(|state| state.host.written.name == name);
    let wrong = state.map(State::lines).unwrap_or_default();
    match wrong.is_empty() {
        true => print::line("It lets you in, and has what the backend needs there."),
        false => print::line("Before it can be used, this has to be put right:"),
    }
    wrong.iter().for_each(|line| print::line(&print::safe(line)));
    Ok(())
}

/// What `options` ask for, if `config` has room for it.
fn wanted(options: &Add, config: &Config) -> anyhow::Result<NewHost> {
    let name = &options.name;
    if config.hosts.contains_key(name) {
        bail!("there is a host `{name}` already: change its table [hosts.{name}], or choose another name");
    }
    if config.backends.contains_key(name) {
        bail!("there is a backend `{name}` already, and the new one has the name of the host: choose another name");
    }
    let like = options.like.as_ref().unwrap_or(&config.default_backend);
    if !config.backends.contains_key(like) {
        let known = config.backends.keys().map(String::as_str).collect::<Vec<_>>();
        bail!(
            "there is no backend `{}` (there are: {}): name one of them with --like",
            print::safe(like),
            known.join(", ")
        );
    }
    Ok(NewHost {
        name: name.clone(),
        destination: options.destination.clone(),
        port: options.port,
        identity_file: options.identity_file.as_deref().map(key).transpose()?,
        like: like.clone(),
    })
}

/// The whole path of a key that ssh would use.
fn key(written: &Path) -> anyhow::Result<String> {
    let path = std::path::absolute(written)?;
    let shown = print::safe(&path.display().to_string());
    let found = path
        .metadata()
        .with_context(|| format!("{shown} cannot be read: name the file of your key"))?;
    if !found.is_file() {
        bail!("{shown} is not a regular file: name the file of your key");
    }
    if path.extension().is_some_and(|extension| extension == "pub") {
        bail!("{shown} is the public half of a key: name the file of the other one, which has no .pub");
    }
    if found.mode() & 0o077 != 0 {
        let word = shell::word(&path);
        bail!(
            "{shown} has mode {:04o}, and ssh uses no key that others may read: chmod 600 {word}",
            found.mode() & 0o7777
        );
    }
    File::open(&path).with_context(|| format!("{shown} cannot be read: name a key of your own"))?;
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    Ok(text
        .with_context(|| format!("{shown} cannot be written into a configuration: rename it"))?
        .to_owned())
}

fn name(written: &str) -> Result<String, &'static str> {
    match is_name(written) {
        true => Ok(written.to_owned()),
        false => Err("use at most 32 of a-z, 0-9, _ and -, with a letter or digit first"),
    }
}

fn destination(written: &str) -> Result<String, String> {
    match destination_fault(written) {
        None => Ok(written.to_owned()),
        Some(fault) => Err(format!(
            "it {fault}: write it as for ssh, like me@mac.local, or a name of ~/.ssh/config"
        )),
    }
}
