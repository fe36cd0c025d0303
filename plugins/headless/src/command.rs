//! The command of an agent without a terminal, with its options.

use berth_plugin::settings::Agent;
use berth_plugin::{Command, Error, Result};

use crate::limits::Left;

/// The grant that runs agents.
const PROGRAM: &str = "agent";

/// What an agent is started for.
pub(crate) struct Start<'a> {
    pub(crate) agent: &'a Agent,
    pub(crate) conversation: &'a str,
    /// The agent knows it, or may.
    pub(crate) is_known: bool,
    pub(crate) left: Left,
    pub(crate) tools: &'a [String],
    /// The project's own settings count.
    pub(crate) trusted: bool,
}

impl Start<'_> {
    /// The command.
    ///
    /// # Errors
    /// `Denied` if the agent lacks an option that is needed.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut args = self.agent.headless.clone().unwrap_or_default();
        let way = if self.is_known { "resume" } else { "session" };
        args.extend(self.option(way, self.conversation)?);
        if let Some(turns) = self.left.turns {
            args.extend(self.option("turns", &turns.to_string())?);
        }
        if let Some(usd) = self.left.usd {
            args.extend(self.option("budget", &format!("{:.2}", (usd * 100.0).floor() / 100.0))?);
        }
        // An option counts once, and no tool has a comma in it.
        if !self.tools.is_empty() {
            args.extend(self.option("tools", &self.tools.join(","))?);
        }
        let sources = if self.trusted { "user,project,local" } else { "user" };
        args.extend(self.option("sources", sources)?);
        Ok(Command::new(PROGRAM, args))
    }

    fn option(&self, name: &str, value: &str) -> Result<Vec<String>> {
        let own = self.agent.headless_options.as_ref();
        let declared = own
            .and_then(|own| own.get(name))
            .or_else(|| self.agent.options.get(name));
        let declared = declared.ok_or_else(|| {
            Error::Denied(format!(
                "agent {0} has no option `{name}`, which a run needs; [agents.{0}.headless_options] would declare it",
                self.agent.name
            ))
        })?;
        Ok(declared.iter().map(|arg| fill(arg, value)).collect())
    }
}

/// An argument with the value in the place of its `<word>`.
fn fill(arg: &str, value: &str) -> String {
    let place = arg
        .find('<')
        .and_then(|from| Some((from, from + arg[from..].find('>')? + 1)));
    place.map_or_else(
        || arg.to_owned(),
        |(from, to)| format!("{}{value}{}", &arg[..from], &arg[to..]),
    )
}
