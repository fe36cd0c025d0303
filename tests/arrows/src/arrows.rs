//! What one room names of another, against the arrows that are allowed.

use std::collections::BTreeSet;

use crate::source::File;

/// What is allowed: the rooms, each with those that it may name, and the arrows that still lead the wrong way, by file and
/// room, with a reason.
pub(crate) struct Allowed<'a> {
    pub(crate) rooms: Vec<(&'a str, Vec<&'a str>)>,
    pub(crate) wrong: &'a [(&'a str, &'a str, &'a str)],
}

impl Allowed<'_> {
    /// What is wrong with `files`, a line each: rooms that must not be named, and whatever is allowed in vain.
    pub(crate) fn faults(&self, files: &[File]) -> Vec<String> {
        let mut unused = self.all();
        let mut faults = Vec::new();
        for file in files.iter().filter(|file| file.room() != "lib") {
            for named in self.named_by(file) {
                let arrow = (file.room().to_owned(), named.clone());
                let excuse = (file.path.clone(), named);
                if !unused.remove(&excuse) && !unused.remove(&arrow) && !self.all().contains(&arrow) {
                    faults.push(format!("{}: {}", file.path, fault(&arrow)));
                }
            }
        }
        let in_vain =
            |(from, to): &(String, String)| format!("{from} no longer names {to}: remove that from what is allowed");
        faults.extend(unused.iter().map(in_vain));
        faults
    }

    fn all(&self) -> BTreeSet<(String, String)> {
        let arrows = self
            .rooms
            .iter()
            .flat_map(|(room, may)| may.iter().map(move |other| (*room, *other)));
        let wrong = self.wrong.iter().map(|(file, room, _)| (*file, *room));
        arrows
            .chain(wrong)
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
            .collect()
    }

    /// The other rooms that `file` names.
    fn named_by(&self, file: &File) -> BTreeSet<String> {
        let first = file
            .names
            .iter()
            .map(|name| name.path.first().map_or("*", String::as_str));
        // At the root, other crates are named as rooms are.
        let is_room = |named: &&str| !file.module.is_empty() || self.rooms.iter().any(|(room, _)| room == named);
        first
            .filter(is_room)
            .filter(|named| *named != file.room())
            .map(str::to_owned)
            .collect()
    }
}

fn fault((room, named): &(String, String)) -> String {
    match named.as_str() {
        "*" => "it names the crate as a whole, which hides what it names: name each room".to_owned(),
        _ => format!("`{room}` must not name `{named}`"),
    }
}
