//! `berth config init`: a configuration to start with.

use std::path::Path;

use berth::assemble::{Texts, write_first};
use berth::config::Installation;

use crate::cli::print;

/// It is valid as it is, and changes nothing.
const FIRST: &str = r#"# Your configuration of berth. It is laid over the shipped one: write here only what you want to change. Tables merge;
# a list, or any other value, replaces the shipped one; a program's table replaces the whole shipped table.
#
#   berth config show --shipped   the shipped configuration, with each key explained
#   berth config show             the effective configuration
#   berth check                   whether it is valid, and what each backend may do
#
# Remove the # from the lines that you need.

# [server]
# listen = "127.0.0.1:8787"
# public_url = "https://berth.example.org"

# [backends.local]
# directories = ["~/projects"]
# agents = ["claude"]

# A shipped backend that you do not want:
# [backends.NAME]
# enabled = false
"#;

pub(super) fn run(path: Option<&Path>, installation: Installation<'_>) -> anyhow::Result<()> {
    // An operator without a configuration begins with the whole shipped one, as a first start does.
    let first = Texts::find(None, installation).ok().filter(Texts::is_first_start);
    let place = write_first(path, installation, FIRST)?;
    if let Some(texts) = first {
        texts.accept()?;
    }
    print::line(&format!(
        "{} is written. Edit it, and then run berth check.",
        place.display()
    ));
    Ok(())
}
