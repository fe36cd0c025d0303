//! The files of a crate.

use std::fs;
use std::path::{Path, PathBuf};

use crate::names::{self, Name};

/// A source file.
pub(crate) struct File {
    /// Its path below `src`.
    pub(crate) path: String,
    /// Its module, as a path from the crate's root.
    pub(crate) module: Vec<String>,
    /// What it names of its own crate.
    pub(crate) names: Vec<Name>,
}

impl File {
    /// The file at `path` below `src`, with this text.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let module = module(path);
        let names = names::of(text, &module, root(path)).unwrap_or_else(|why| panic!("{path}: {why}"));
        let path = path.to_owned();
        Self { path, module, names }
    }

    /// The file or folder of `src` that it is or lies in.
    pub(crate) fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.trim_end_matches(".rs")
    }
}

/// All files of the crate whose sources lie in `folder` of this repository.
pub(crate) fn of(folder: &str) -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut files: Vec<File> = paths(&folder)
        .iter()
        .map(|path| {
            let below = path.strip_prefix(&folder).unwrap().to_str().unwrap();
            File::new(below, &fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!files.is_empty(), "{} has no sources", folder.display());
    files
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { paths(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// What a file calls the root of the rooms: the binary `berth` names the library of that name.
fn root(path: &str) -> &'static str {
    if path == "main.rs" || path.starts_with("cli/") {
        "berth"
    } else {
        "crate"
    }
}

fn module(path: &str) -> Vec<String> {
    let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    let is_root = module == ["lib"] || module == ["main"];
    if is_root || module.last().is_some_and(|last| last == "mod") {
        module.pop();
    }
    module
}
