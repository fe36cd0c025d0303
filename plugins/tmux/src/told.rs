//! What is told of sessions beside what their screens show: project, branch, conversation, the last task and answer.

use berth_agents::{Said, Who};
use berth_plugin::{Result, Session, files, projects};

use crate::conversations::{self, Talk};
use crate::drafts;
use crate::found::Found;
use crate::setup::Setup;
use crate::transcript::whole_turns;

/// How much of the end of a conversation is read, and of how many sessions, the newest: one read takes no more.
const TAIL: u32 = 64 << 10;
const READ: usize = 50;
/// Characters of a paragraph.
const PARAGRAPH: usize = 500;

/// Adds that to each session.
pub(crate) fn add(setup: &Setup, all: &mut [(&Found<'_>, Session)]) {
    let founds: Vec<&Found<'_>> = all.iter().map(|(found, _)| *found).collect();
    let talks = conversations::of(setup, &founds);
    let tails = tails(&talks);
    let roots = files::roots().unwrap_or_default();
    let directories = founds.iter().map(|found| found.pane.directory.as_str());
    let branches = projects::branches(directories.filter(|directory| project(&roots, directory).is_some()));
    let mut branches = branches.into_iter();
    let written = drafts::known();
    for ((found, session), (talk, said)) in all.iter_mut().zip(talks.into_iter().zip(tails)) {
        if let Some(project) = project(&roots, &found.pane.directory) {
            session.project = Some(project.to_owned());
            session.facts.extend(branches.next().and_then(branch));
        }
        if let Some(talk) = talk.filter(|talk| talk.size > 0) {
            session.facts.push(("conversation".to_owned(), talk.id));
        }
        let last = |who: &[Who]| {
            said.iter()
                .rfind(|said| who.contains(&said.who))
                .map(|said| paragraph(&said.text))
        };
        let typed = || written.contains(&found.id).then(|| drafts::last(&found.id)).flatten();
        let task = last(&[Who::Person]).or_else(|| typed().map(|text| paragraph(&text)));
        session.task = task.or(session.task.take());
        session.last_output = last(&[Who::Agent, Who::System]).or(session.last_output.take());
    }
}

/// The last turns of each conversation.
fn tails(talks: &[Option<Talk>]) -> Vec<Vec<Said>> {
    let is_there = |(_, talk): &(usize, &Option<Talk>)| talk.as_ref().is_some_and(|talk| talk.size > 0);
    let read: Vec<_> = talks.iter().enumerate().rev().filter(is_there).take(READ).collect();
    let start = |talk: &Talk| talk.size.saturating_sub(TAIL.into());
    let slices = read
        .iter()
        .filter_map(|(_, talk)| talk.as_ref())
        .map(|talk| conversations::part(talk, start(talk), TAIL));
    let mut tails = vec![Vec::new(); talks.len()];
    for ((index, talk), bytes) in read.iter().zip(files::read_all(slices)) {
        if let (Some(talk), Ok(bytes)) = (talk, bytes) {
            tails[*index] = whole_turns(start(talk), &bytes);
        }
    }
    tails
}

/// The fact that tells it. That it is not known is never told as none.
fn branch(branch: Result<Option<String>>) -> Option<(String, String)> {
    match branch {
        Ok(branch) => Some(("branch".to_owned(), branch?)),
        Err(error) => Some(("note".to_owned(), format!("its branch is not known: {error}"))),
    }
}

/// The directory directly below a granted one in which `directory` lies, by its name.
fn project<'a>(roots: &[String], directory: &'a str) -> Option<&'a str> {
    let below = |root: &String| directory.strip_prefix(root.trim_end_matches('/'))?.strip_prefix('/');
    let below = roots.iter().find_map(below)?;
    below.split('/').next().filter(|name| !name.is_empty())
}

fn paragraph(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(PARAGRAPH) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use berth_panes::testing::pane;

    use super::*;
    use crate::fake;
    use crate::found::tests::found;

    #[test]
    fn a_branch_that_cannot_be_read_is_told_as_not_known_and_never_as_none() {
        let host = fake::host();
        host.file("app/.git/HEAD", "ref: refs/heads/main\n");
        host.file("web/.git/HEAD/x", "");
        host.file("linked/.git", "gitdir: /elsewhere\n");
        host.file("notes/x", "");
        let setup = Setup::of_host().unwrap();
        let told = |name: &str| {
            let mut pane = pane("%1", "a", "toy", "toy");
            pane.directory = host.directory().join(name).display().to_string();
            let found = found(&setup, pane);
            let mut all = [(&found, Session::new("a"))];
            add(&setup, &mut all);
            let [(_, session)] = all;
            assert_eq!(session.project.as_deref(), Some(name));
            session.facts
        };
        assert_eq!(told("app"), [("branch".to_owned(), "main".to_owned())]);
        let unknown = told("web");
        assert!(
            matches!(unknown.as_slice(), [(name, words)] if name == "note" && words.starts_with("its branch is not known: ")),
            "{unknown:?}"
        );
        for none in ["linked", "notes"] {
            assert_eq!(told(none), [], "{none}");
        }
    }
}
