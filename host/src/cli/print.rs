//! What the commands print: tables and colours on a terminal, plain lines otherwise.

use std::io::{BufRead as _, IsTerminal, Write, stdin, stdout};

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use berth::text;
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, ContentArrangement, Row, Table};

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

/// One line.
pub(crate) fn line(text: &str) {
    // A reader that closed our output has read enough.
    let _ = writeln!(anstream::stdout(), "{text}");
}

/// One line beside the output, for the person who reads it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// A heading.
pub(crate) fn heading(text: &str) {
    line(&format!("{BOLD}{text}{BOLD:#}"));
}

/// Rows under `columns`; without a terminal one line for each row, fields separated by tabs.
pub(crate) fn table(columns: &[&str], rows: &[Vec<String>]) {
    tabulate(columns, rows, None);
}

/// The same with one line for each row, also where that cuts what is in it.
pub(crate) fn rows(columns: &[&str], rows: &[Vec<String>]) {
    tabulate(columns, rows, Some(1));
}

fn tabulate(columns: &[&str], rows: &[Vec<String>], lines: Option<usize>) {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|field| safe(field)).collect())
        .collect();
    if !stdout().is_terminal() {
        rows.iter().for_each(|row| line(&row.join("\t")));
        return;
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(
            columns
                .iter()
                .map(|column| Cell::new(column).add_attribute(Attribute::Bold)),
        )
        .add_rows(rows.into_iter().map(|fields| {
            let mut row = Row::from(fields);
            if let Some(lines) = lines {
                row.max_height(lines);
            }
            row
        }));
    line(&table.to_string());
}

/// Asks the person at the terminal. Answers the line, without blanks around it.
pub(crate) fn question(text: &str) -> anyhow::Result<String> {
    let _ = write!(anstream::stdout(), "{text}");
    stdout().flush()?;
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    read.context("the answer cannot be read")?;
    Ok(answer.trim().to_owned())
}

/// The same for a question whose answer is yes or no; anything that is not yes is no.
pub(crate) fn agrees(text: &str) -> anyhow::Result<bool> {
    let answer = question(&format!("{text} [y/N] "))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What ended the command, with all its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let _ = writeln!(anstream::stderr(), "{RED}berth:{RED:#} {}", text::clean(&causes(error)));
}

/// An error with all its causes, each text once: what other libraries say often holds the cause that follows.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if said.is_empty() {
            said = cause;
        } else if !said.contains(&cause) {
            said = said + ": " + &cause;
        }
    }
    said
}

/// Foreign text on the operator's terminal: on one line, without characters that control it.
pub(crate) fn safe(text: &str) -> String {
    text::clean(text).replace('\n', "\\n").replace('\t', " ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn causes_are_told_once_each_and_in_their_order() {
        let disk = anyhow!("disk is full");
        let said = disk.context("cannot write: disk is full").context("not recorded");
        assert_eq!(causes(&said), "not recorded: cannot write: disk is full");
        let twice = anyhow!("full").context("full").context("the database");
        assert_eq!(causes(&twice), "the database: full");
        assert_eq!(causes(&anyhow!("alone")), "alone");
    }
}
