//! The contract's side: what a guest may ask to be run, and how much of it.

use super::run::Tried;
use crate::capability::Call;
use crate::contract::process::{Command, Host, Output};
use crate::contract::types::Error;

/// Programs that one call may start in total.
const STARTS_PER_CALL: usize = 256;
/// Bytes that the programs of one call may print in total.
const OUTPUT_PER_CALL: u64 = 32 << 20;
/// Commands that one `run` may hold.
const COMMANDS_PER_RUN: usize = 64;

impl Host for Call {
    async fn run(&mut self, commands: Vec<Command>) -> wasmtime::Result<Vec<Result<Output, Error>>> {
        let refused = |why: Error| Ok(commands.iter().map(|_| Err(why.clone())).collect());
        let output = match self.take_starts(commands.len()) {
            Ok(output) => output,
            Err(refusal) => return refused(refusal),
        };
        let powers = self.powers.clone();
        let site = match powers.site() {
            Ok(site) => site,
            Err(denial) => return refused(denial),
        };
        let had_acted = self.allowance.acted.ran();
        let tried = site
            .run(&self.allowance, self.allowance.deadline, commands, output)
            .await;
        let acted = self.has_acted(had_acted, &tried);
        let outcomes: Vec<_> = tried.into_iter().map(|tried| site.told(tried, acted)).collect();
        self.note_printed(&outcomes);
        Ok(outcomes)
    }
}

impl Call {
    /// Counts `count` programs that are to start, and answers how much each of them may print: an equal part of what the call
    /// may still keep.
    pub(in crate::capability) fn take_starts(&mut self, count: usize) -> Result<u64, Error> {
        if count > COMMANDS_PER_RUN || self.started + count > STARTS_PER_CALL {
            return Err(Error::Limited((
                format!("one call may start {STARTS_PER_CALL} programs, {COMMANDS_PER_RUN} at a time"),
                None,
            )));
        }
        self.started += count;
        Ok(OUTPUT_PER_CALL.saturating_sub(self.printed) / count.max(1) as u64)
    }

    /// Whether the call has acted, which `had_acted` before all of `tried`: what is said to have been done at the most is
    /// what was.
    pub(in crate::capability) fn has_acted<'t>(
        &self,
        had_acted: bool,
        tried: impl IntoIterator<Item = &'t Tried>,
    ) -> bool {
        if !had_acted && !tried.into_iter().any(Tried::may_have_acted) {
            self.allowance.acted.unset_ran();
        }
        self.allowance.acted.ran()
    }

    pub(in crate::capability) fn note_printed(&mut self, outcomes: &[Result<Output, Error>]) {
        let printed = |output: &Output| (output.stdout.len() + output.stderr.len()) as u64;
        self.printed += outcomes.iter().flatten().map(printed).sum::<u64>();
    }
}
