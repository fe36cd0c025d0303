//! Circles between the files of one folder. What a folder's own file passes on (`pub use child::Name`) leads to where it
//! comes from; the folder's own file itself is not part of a circle, and neither are tests.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::File;

/// The circles of a crate, each as `folder: files`. Between the rooms of `host` there are arrows.
pub(crate) fn of(files: &[File], with_root: bool) -> Vec<String> {
    let modules = files.iter().map(|file| &file.module);
    let modules: BTreeSet<Vec<String>> = modules
        .flat_map(|module| (0..=module.len()).map(|end| module[..end].to_vec()))
        .collect();
    let folders: BTreeSet<&[String]> = modules
        .iter()
        .filter_map(|module| Some(module.split_last()?.1))
        .collect();
    let folders = folders.into_iter().filter(|folder| with_root || !folder.is_empty());
    folders.flat_map(|folder| within(folder, files, &modules)).collect()
}

fn within(folder: &[String], files: &[File], modules: &BTreeSet<Vec<String>>) -> Vec<String> {
    let child = |path: &[String]| {
        let name = path.strip_prefix(folder)?.first()?;
        modules
            .contains([folder, std::slice::from_ref(name)].concat().as_slice())
            .then(|| name.clone())
    };
    let own_file = files.iter().filter(|file| file.module == folder);
    let passed_on: BTreeMap<&String, String> = own_file
        .flat_map(|file| &file.names)
        .filter_map(|name| Some((name.path.last()?, child(&name.path)?)))
        .collect();
    let mut leads: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let Some(from) = child(&file.module).filter(|from| from != "tests") else {
            continue;
        };
        let names = file
            .names
            .iter()
            .filter(|name| !name.within.iter().any(|module| module == "tests"));
        let to = names.filter_map(|name| {
            let given = || passed_on.get(name.path.strip_prefix(folder)?.first()?).cloned();
            child(&name.path).or_else(given)
        });
        leads
            .entry(from.clone())
            .or_default()
            .extend(to.filter(|to| *to != from));
    }
    let circles: BTreeSet<Vec<String>> = leads.keys().filter_map(|file| circle(file, &leads)).collect();
    let shown = |circle: &Vec<String>| format!("{}: {}", folder.join("/"), circle.join(", "));
    circles.iter().map(shown).collect()
}

/// The files that `file` leads to and that lead back to it.
fn circle(file: &str, leads: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let around = reached(file, leads);
    let back = |other: &String| reached(other, leads).contains(file);
    let circle: Vec<String> = around.into_iter().filter(back).collect();
    (!circle.is_empty()).then_some(circle)
}

fn reached(file: &str, leads: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![file.to_owned()];
    while let Some(next) = ahead.pop() {
        let further = leads.get(&next).into_iter().flatten();
        ahead.extend(
            further
                .filter(|to| reached.insert((*to).clone()))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    reached
}
