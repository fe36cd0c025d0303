//! `berth config show`: the effective configuration.

use berth::assemble::Texts;
use berth::config::SHIPPED;

use crate::cli::print;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Print the shipped configuration instead, with each key explained
    #[arg(long)]
    shipped: bool,
}

pub(super) fn run(texts: &Texts<'_>, options: &Options) -> anyhow::Result<()> {
    if options.shipped {
        print::line(SHIPPED.trim_end());
        return Ok(());
    }
    super::diff::damage(texts);
    let yours = texts
        .file
        .as_ref()
        .map_or("no configuration of yours".to_owned(), |file| {
            format!("yours, {}", print::safe(&file.display().to_string()))
        });
    print::line(&format!(
        "# The effective configuration: {yours}, over what berth {} ships.",
        env!("CARGO_PKG_VERSION")
    ));
    print::line(&format!(
        "# Digest of what is granted, as entries of the record have it: {}",
        hex::encode(texts.layers().grants()?)
    ));
    let waiting = texts.layers().waiting()?.len();
    if waiting > 0 {
        print::line(&format!(
            "# {waiting} lines wait until you accept them: berth config diff"
        ));
    }
    print::line(&format!("\n{}", texts.layers().shown()?.trim_end()));
    Ok(())
}
