//! The projects in the granted directories: the directories directly below them.

use std::collections::BTreeSet;

use crate::files::{self, Kind, Slice};
use crate::{Error, Project, ProjectPage, Result};

/// What makes a directory a project.
const SIGNS: [&str; 2] = [".git", ".claude"];
/// How much of `.git/HEAD` is read, in bytes.
const HEAD_MAX: u32 = 1024;

/// Lists the directories directly below the granted ones, those with a sign of a project first. A granted directory that
/// cannot be read does not hide the others.
#[must_use]
pub fn list() -> ProjectPage {
    let mut all = Found::default();
    let roots = files::roots().unwrap_or_else(|error| {
        all.problems.push(("the projects are not known".to_owned(), error));
        Vec::new()
    });
    for root in roots {
        match below(&root) {
            Ok(found) => all.extend(found),
            Err(error) => all.problems.push((unknown(&root), error)),
        }
    }
    add_branches(&mut all.signed);
    for projects in [&mut all.signed, &mut all.others] {
        projects.sort_by(|a, b| (&a.name, &a.directory).cmp(&(&b.name, &b.directory)));
    }
    let mut page = ProjectPage::of(all.signed.into_iter().chain(all.others).collect::<Vec<_>>());
    page.problems = all.problems;
    page
}

/// What is in granted directories.
#[derive(Default)]
struct Found {
    /// Directories with a sign of a project.
    signed: Vec<Project>,
    others: Vec<Project>,
    problems: Vec<(String, Error)>,
}

impl Found {
    fn extend(&mut self, other: Self) {
        self.signed.extend(other.signed);
        self.others.extend(other.others);
        self.problems.extend(other.problems);
    }
}

/// The words before the reason why a granted directory could not be looked at.
fn unknown(root: &str) -> String {
    format!("the projects in {root} are not known")
}

/// The directories in `root`, except hidden ones that are not projects.
fn below(root: &str) -> Result<Found> {
    let signed: BTreeSet<String> = files::entries_having(root, SIGNS)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    let mut found = Found::default();
    for entry in files::entries(root)? {
        let is_signed = signed.contains(&entry.name);
        if entry.kind != Kind::Directory || (entry.name.starts_with('.') && !is_signed) {
            continue;
        }
        if !is_plain(&entry.name) {
            found.problems.push(left_out(root, &entry.name));
            continue;
        }
        let directory = join(root, &entry.name);
        let among = if is_signed {
            &mut found.signed
        } else {
            &mut found.others
        };
        among.push(Project::new(entry.name, directory));
    }
    Ok(found)
}

/// What is told of a project whose name could be taken for something else.
fn left_out(root: &str, name: &str) -> (String, Error) {
    let why = "its name begins with `-`, or has control characters, `#{` or `#(`: rename it";
    (
        format!("the project {name:?} in {root} is left out"),
        Error::Invalid(why.to_owned()),
    )
}

fn join(root: &str, name: &str) -> String {
    format!("{}/{name}", root.trim_end_matches('/'))
}

/// A name that cannot be a flag or a format.
fn is_plain(name: &str) -> bool {
    !name.starts_with('-') && !name.chars().any(char::is_control) && !name.contains("#{") && !name.contains("#(")
}

fn add_branches(projects: &mut [Project]) {
    let branches = branches(projects.iter().map(|project| project.directory.as_str()));
    for (project, branch) in projects.iter_mut().zip(branches) {
        project.branch = branch;
    }
}

/// The branch of each of these directories that is a git checkout. git is not run: it would run what the project
/// configures.
#[must_use]
pub fn branches<'a>(directories: impl Iterator<Item = &'a str>) -> Vec<Option<String>> {
    let head = |directory: &str| Slice {
        path: format!("{directory}/.git/HEAD"),
        start: 0,
        max: HEAD_MAX,
    };
    let heads = files::read_all(directories.map(head));
    heads.into_iter().map(|head| branch(&head.ok()?)).collect()
}

fn branch(head: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(head)
        .ok()?
        .strip_prefix("ref: refs/heads/")?
        .strip_suffix('\n')?;
    let plain = !name.is_empty() && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    plain.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    #[test]
    fn all_folders_are_listed_and_checkouts_come_first_with_their_branches() {
        let host = Host::new();
        host.file("web/.git/HEAD", "ref: refs/heads/main\n");
        host.file("app/.claude/settings.json", "{}");
        host.file("notes/todo", "");
        host.file(".cache/x", "");
        host.file("a-file", "");
        let page = list();
        let found: Vec<_> = page
            .projects
            .iter()
            .map(|project| (project.name.as_str(), project.branch.as_deref()))
            .collect();
        assert_eq!(found, [("app", None), ("web", Some("main")), ("notes", None)]);
        assert_eq!(
            page.projects[0].directory,
            host.directory().join("app").display().to_string()
        );
        assert_eq!(page.problems, []);
    }

    #[test]
    fn a_directory_that_cannot_be_read_is_a_problem_and_never_told_as_empty() {
        let host = Host::new();
        let root = host.directory().display().to_string();
        std::fs::remove_dir(host.directory()).unwrap();
        let page = list();
        assert_eq!(page.projects, []);
        assert!(matches!(page.problems.as_slice(), [(what, Error::NotFound(_))] if *what == unknown(&root)));
    }

    #[test]
    fn a_project_whose_name_cannot_be_used_is_told_and_not_listed() {
        let host = Host::new();
        host.file("app/.git/HEAD", "");
        host.file("-x/.git/HEAD", "");
        let page = list();
        assert_eq!(page.projects.len(), 1);
        assert!(
            matches!(page.problems.as_slice(), [(what, Error::Invalid(_))] if what.contains("\"-x\"")),
            "{:?}",
            page.problems
        );
    }

    #[test]
    fn hostile_names_are_no_projects() {
        for name in ["-x", "a\nb", "#{E:#{a:35}(touch M)}", "a#(b)", "\u{1b}[2J", "a\tb"] {
            assert!(!is_plain(name), "{name:?}");
        }
        assert!(is_plain("my app") && is_plain("ü#1"));
    }

    #[test]
    fn a_branch_is_read_only_from_a_plain_head() {
        assert_eq!(branch(b"ref: refs/heads/feature/x\n").as_deref(), Some("feature/x"));
        for head in [
            &b"ref: refs/heads/a\nb\n"[..],
            b"0123abc\n",
            b"ref: refs/heads/\n",
            b"ref: refs/heads/\xff\n",
            b"",
        ] {
            assert_eq!(branch(head), None);
        }
    }
}
