//! `berth config init`: a configuration to begin with.

use std::path::Path;

use berth::assemble::{Texts, write_first};
use berth::config::Installation;

use crate::cli::print;

/// It holds as it is, and changes nothing.
const FIRST: &str = r#"# Your configuration of berth. It lies over the shipped one: write here only what you want otherwise. Tables merge; a
# list, or any other value, takes the place of the shipped one; and so does a program's table, with all its keys.
#
#   berth config show --shipped   what is shipped, with each key explained
#   berth config show             the whole that counts
#   berth check                   whether it holds, and what each backend may do
#
# Take the # away where a line is for you.

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
    // Who has nothing yet begins with the whole of what is shipped, as a first start does.
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
