//! `berth login`: the owner's passphrase, which approves apps.

use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, bail};
use berth::assemble::Setup;
use berth::store::audit::Event;
use berth::store::{AccessRecords, passphrase};

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
