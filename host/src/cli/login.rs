//! `berth login`: the owner's passphrase, which approves apps, and the browsers in which the owner is logged in.

use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use berth::assemble::Setup;
use berth::store::audit::Event;
use berth::store::{AccessRecords, Login, passphrase};
use serde_json::{Value, json};

use super::{access, print};

/// The most that is read of a piped passphrase, in bytes: more than a passphrase may have, so that the error can say
/// it.
const PIPED: u64 = 4 << 10;

#[derive(clap::Subcommand)]
pub(crate) enum Options {
    /// Set the passphrase that approves apps; asked for on the terminal, or one line of standard input
    Set,
    /// Show whether a passphrase is set, and since when
    Status,
    /// List the browsers in which you are logged in
    List {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// End the login of one browser, or of all
    Revoke {
        /// Its id, as `berth login list` shows it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<i64>,
        /// End every login
        #[arg(long)]
        all: bool,
    },
}

pub(crate) fn run(setup: &Setup, options: &Options) -> anyhow::Result<ExitCode> {
    let access = access::open(setup)?;
    match options {
        Options::Set => {
            set(setup, &access)?;
            print::line("The passphrase is set, and whoever was logged in is logged out. Apps keep what was approved.");
            print::line(&next(setup));
        }
        Options::Status => match access.passphrase_since()? {
            Some(since) => print::line(&format!("The passphrase was set at {}.", access::moment(Some(since)))),
            None => print::line("No passphrase is set, so no app can be approved: run berth login set."),
        },
        Options::List { json } => list(&access, *json)?,
        Options::Revoke { id: Some(id), .. } => {
            ensure!(
                access.end_login(*id)?,
                "no login has the id {id}; berth login list shows all"
            );
            access::record(setup, Event::Revoked, &format!("login #{id}"));
            print::line(&format!("Login {id} has ended."));
        }
        Options::Revoke { id: None, .. } => {
            let ended = access.end_logins()?;
            access::record(setup, Event::Revoked, &format!("all logins, {ended} in number"));
            print::line(&format!("No browser is logged in now; ended: {ended}."));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for a passphrase, on the terminal or as one line of standard input, and sets it.
pub(crate) fn set(setup: &Setup, access: &AccessRecords) -> anyhow::Result<()> {
    let given = if stdin().is_terminal() { typed()? } else { piped()? };
    access.set_passphrase(&passphrase::hash(&given)?, SystemTime::now())?;
    access::record(setup, Event::PassphraseSet, "");
    Ok(())
}

fn typed() -> anyhow::Result<String> {
    let ask = |prompt| rpassword::prompt_password(prompt).context("the passphrase cannot be read from the terminal");
    let given = ask("Passphrase (12 characters or more, not shown): ")?;
    if ask("The same again: ")? != given {
        bail!("the two differ, so nothing was changed; run berth login set again");
    }
    Ok(given)
}

fn piped() -> anyhow::Result<String> {
    let mut line = String::new();
    let read = stdin().lock().take(PIPED).read_line(&mut line);
    read.context("the passphrase on standard input cannot be read; give it as one line of UTF-8")?;
    let given = line.strip_suffix('\n').unwrap_or(&line);
    let given = given.strip_suffix('\r').unwrap_or(given);
    if given.is_empty() {
        bail!("standard input holds no passphrase; run berth login set on a terminal, or give it as one line");
    }
    Ok(given.to_owned())
}

fn list(access: &AccessRecords, as_json: bool) -> anyhow::Result<()> {
    let logins = access.logins(SystemTime::now())?;
    let columns = ["id", "address of berth", "logged in", "last use", "from", "ends"];
    let rows: Vec<[String; 6]> = logins.iter().map(row).collect();
    if as_json {
        let object = |row: &[String; 6]| {
            let [id, origin, created, used, from, ends] = row;
            json!({"id": id.parse::<i64>().ok(), "origin": origin, "created": created, "last_use": used, "from": from, "ends": ends})
        };
        let objects: Vec<Value> = rows.iter().map(object).collect();
        print::line(&serde_json::to_string_pretty(&objects)?);
        return Ok(());
    }
    if rows.is_empty() {
        print::note("No browser is logged in.");
    }
    print::table(&columns, &rows.into_iter().map(Vec::from).collect::<Vec<_>>());
    Ok(())
}

/// A login that is not used ends by itself.
fn row(login: &Login) -> [String; 6] {
    [
        login.id.to_string(),
        login.origin.clone(),
        access::moment(Some(login.created)),
        access::moment(Some(login.used)),
        login.address.map(|address| address.to_string()).unwrap_or_default(),
        access::moment(Some(login.used + Login::LASTS)),
    ]
}

/// What to do with a passphrase.
fn next(setup: &Setup) -> String {
    match &setup.server.public_url {
        Some(url) => format!("Next: run berth serve, give your app the address {url}/mcp, and log in when it asks."),
        None => {
            "Next: set public_url under [server] to reach berth from elsewhere, run berth serve, give your app the \
                 address that it prints, and log in when it asks."
                .to_owned()
        }
    }
}
