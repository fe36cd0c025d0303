//! The program's log, on standard error: how much of it `BERTH_LOG` says.

use std::env::VarError;

use anyhow::{anyhow, bail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable that says how much is logged.
const VARIABLE: &str = "BERTH_LOG";

/// What is logged where that says nothing.
const USUAL: &str = "berth=info,warn";

/// Starts it.
///
/// # Errors
/// If `BERTH_LOG` is not of the right form: whoever has set it wants to see something, and silence would be taken for it.
pub(super) fn start() -> anyhow::Result<()> {
    let filter = match std::env::var(VARIABLE) {
        Ok(written) => filter(&written)?,
        Err(VarError::NotPresent) => filter(USUAL)?,
        Err(VarError::NotUnicode(written)) => bail!(fault(&written.to_string_lossy())),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .init();
    Ok(())
}

fn filter(written: &str) -> anyhow::Result<EnvFilter> {
    if !written.split(',').all(is_directive) {
        bail!(fault(written));
    }
    let filter = EnvFilter::try_new(written).map_err(|_| anyhow!(fault(written)))?;
    // What rmcp logs below that holds whole calls, and so what people write.
    Ok(filter.add_directive("rmcp=error".parse()?))
}

/// Whether it is a level, or one for a part of the program. The filter itself takes any word for the name of a part, of
/// which everything is to be logged, and so a level that is misspelt.
fn is_directive(written: &str) -> bool {
    let (part, level) = written
        .rsplit_once('=')
        .map_or((None, written), |(part, level)| (Some(part), level));
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    level.starts_with(|c: char| c.is_ascii_alphabetic())
        && level.parse::<LevelFilter>().is_ok()
        && part.is_none_or(is_name)
}

fn fault(written: &str) -> String {
    format!(
        "{VARIABLE}={written:?} is not of the right form; write a level (off, error, warn, info, debug or trace), or levels \
         of parts of the program, such as {VARIABLE}=debug or {VARIABLE}={USUAL}, or leave it out"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn levels_are_taken_for_all_and_for_parts() {
        for written in [
            "debug",
            "WARN",
            "off",
            "berth=debug",
            "berth=info,warn",
            "berth::http=trace,rmcp=off",
            USUAL,
        ] {
            filter(written).unwrap();
        }
    }

    #[test]
    fn what_would_log_something_else_is_refused_with_the_right_form() {
        for written in [
            "",
            " ",
            "=",
            ",",
            "debgu",
            "berth",
            "berth=",
            "berth=debgu",
            "berth==info",
            "=info",
            "berth=info,",
            "berth=info warn",
            "berth = info",
            "berth=info, warn",
            "berth:info",
            "berth=info;warn",
            "info,berth=6",
            "7",
        ] {
            let told = filter(written).unwrap_err().to_string();
            assert!(
                told.contains("BERTH_LOG=debug") && told.contains("berth=info,warn"),
                "{written:?}: {told}"
            );
        }
    }
}
