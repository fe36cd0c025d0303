//! Variables of a host's environment that switch remote control off. Only their names are read.

use berth_plugin::settings::Agent;
use berth_plugin::{Error, Result, run, ssh};

/// The name of the granted program.
const PROGRAM: &str = "awk";
/// Prints which of these variables are set, never a value.
pub(crate) const NAMES: &str = "BEGIN { n = split(\"ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL CLAUDE_CODE_OAUTH_TOKEN CLAUDE_CODE_USE_BEDROCK CLAUDE_CODE_USE_VERTEX CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC DISABLE_GROWTHBOOK DISABLE_TELEMETRY DO_NOT_TRACK\", names, \" \"); for (i = 1; i <= n; i++) if (ENVIRON[names[i]] != \"\") print names[i] }";
/// With these, only some versions of Claude Code switch remote control off.
const PERHAPS: [&str; 2] = ["DISABLE_TELEMETRY", "DO_NOT_TRACK"];

/// Makes sure that nothing on this host is known to switch remote control off for this agent. Answers what may.
///
/// # Errors
/// Something is, or it could not be looked at.
pub(crate) fn check(host: &str, agent: &Agent) -> Result<Vec<String>> {
    let set = ssh::on(host, || run(PROGRAM, [NAMES])).and_then(berth_plugin::Output::text)?;
    let passed_on = set
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty() && !is_unset(agent, name));
    let (perhaps, off): (Vec<_>, Vec<_>) = passed_on
        .map(str::to_owned)
        .partition(|name| PERHAPS.contains(&name.as_str()));
    if off.is_empty() {
        return Ok(perhaps);
    }
    Err(Error::Refused(format!(
        "on {host} {} set, with which Claude Code switches remote control off, so nothing was started: take it out of \
         `env` and `env_file` of this backend, or add \"-u\" and its name to `command` of [agents.{}]",
        are(&off),
        agent.name
    )))
}

/// `A and B are`
pub(crate) fn are(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}

/// Whether its command begins with `env -u NAME`.
fn is_unset(agent: &Agent, name: &str) -> bool {
    agent
        .command
        .windows(2)
        .any(|words| words[0] == "-u" && words[1] == name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fake::Fake;
    use crate::setup::Setup;

    #[test]
    fn what_switches_it_off_is_named_before_anything_is_started() {
        let fake = Fake::new();
        let agent = Setup::of_host().unwrap().server.unwrap();
        assert_eq!(check("mac", &agent), Ok(Vec::new()));
        fake.on("mac").sets(&["DISABLE_TELEMETRY"]);
        assert_eq!(check("mac", &agent), Ok(vec!["DISABLE_TELEMETRY".to_owned()]));
        fake.on("mac").sets(&["ANTHROPIC_API_KEY", "DISABLE_GROWTHBOOK"]);
        let Err(Error::Refused(why)) = check("mac", &agent) else {
            panic!("it is not refused")
        };
        assert!(
            why.contains("ANTHROPIC_API_KEY and DISABLE_GROWTHBOOK are set"),
            "{why}"
        );
        let mut agent = agent;
        let unset = ["-u", "ANTHROPIC_API_KEY"].map(str::to_owned);
        drop(agent.command.splice(1..1, unset));
        assert!(
            matches!(check("mac", &agent), Err(Error::Refused(why)) if why.contains("on mac DISABLE_GROWTHBOOK is"))
        );
    }
}
