//! The table of results.

use std::io::Write;

/// One measure.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: &'static str,
    /// Berth's figure; of times the median.
    pub(crate) berth: String,
    /// What one of a hundred times is longer than; empty where no single times are measured.
    pub(crate) p99: String,
    /// What it is compared with, and that one's figure.
    pub(crate) beside: String,
    /// What is held against the bound: a ratio, or berth's figure itself.
    pub(crate) value: f64,
    /// How `value` is shown.
    pub(crate) shown: String,
    /// What must hold for `value`.
    pub(crate) bound: Bound,
}

/// What must hold for a value.
pub(crate) enum Bound {
    /// At least this.
    AtLeast(f64),
    /// At most this, in the unit that follows.
    AtMost(f64, &'static str),
    /// Nothing; the value is for information.
    None,
}

impl Row {
    /// Whether the bound was kept.
    pub(crate) fn holds(&self) -> bool {
        match self.bound {
            Bound::AtLeast(least) => self.value >= least,
            Bound::AtMost(most, _) => self.value <= most,
            Bound::None => true,
        }
    }

    fn verdict(&self) -> String {
        let kept = if self.holds() { "kept" } else { "**missed**" };
        match self.bound {
            Bound::AtLeast(least) => format!("at least {least}: {kept}"),
            Bound::AtMost(most, unit) => format!("at most {most}{unit}: {kept}"),
            Bound::None => String::new(),
        }
    }
}

/// Prints the rows as a Markdown table.
pub(crate) fn print(rows: &[Row]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| measure | berth | p99 | beside | result | bound |")?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for row in rows {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            row.what,
            row.berth,
            row.p99,
            row.beside,
            row.shown,
            row.verdict()
        )?;
    }
    Ok(())
}
