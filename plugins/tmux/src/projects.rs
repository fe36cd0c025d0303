//! The projects in the granted directories, and where a new session starts.

use std::collections::BTreeSet;

use berth_plugin::files::{self, Kind, Slice};
use berth_plugin::{Error, NewSession, Project, ProjectPage, Result};

/// What makes a directory a project.
const SIGNS: [&str; 2] = [".git", ".claude"];
/// How much of `.git/HEAD` is read, in bytes.
const HEAD_MAX: u32 = 1024;

/// Lists the directories directly below the granted ones, those with a sign of a project first. A granted directory that
/// cannot be read does not hide the others.
pub(crate) fn list() -> ProjectPage {
    let mut all = Found::default();
    for root in files::roots() {
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

/// The directory in which a new session starts: the one asked for, the project's, or the first granted one.
pub(crate) fn start_directory(request: &NewSession) -> Result<String> {
    match (&request.directory, &request.project) {
        (Some(_), Some(_)) => Err(Error::Invalid("give `project` or `working_dir`, not both".to_owned())),
        (Some(path), None) | (None, Some(path)) if path.starts_with('/') => plain_path(path).map(str::to_owned),
        (Some(path), None) | (None, Some(path)) => below_a_root(path),
        (None, None) => files::roots().into_iter().next().ok_or_else(no_roots),
    }
}

fn no_roots() -> Error {
    Error::Denied("no directory is granted: name one in `directories` of this backend's table".to_owned())
}

/// A project's name, or a path below one of the granted directories: the first that has it.
fn below_a_root(path: &str) -> Result<String> {
    let path = plain_path(path)?.trim_end_matches('/');
    let roots = files::roots();
    if roots.is_empty() {
        return Err(no_roots());
    }
    for root in &roots {
        if let Some(directory) = at(root, path)? {
            return Ok(directory);
        }
    }
    if let Some(directory) = in_other_case(&roots, path)? {
        return Ok(directory);
    }
    Err(Error::Invalid(format!(
        "there is no directory {path:?} in the granted ones ({}): list_projects shows what there is",
        roots.join(", ")
    )))
}

/// The directory `path` in `root`, if it is there. Where that is not known, it may be the one that is meant, so no later
/// root is looked at.
fn at(root: &str, path: &str) -> Result<Option<String>> {
    let directory = join(root, path);
    let unknown = |error| {
        Error::Refused(format!(
            "it is not known whether {path:?} is in {root} ({error}): give working_dir, the whole path of the directory"
        ))
    };
    match files::entries(&directory) {
        Ok(_) => Ok(Some(directory)),
        Err(Error::NotFound(_)) => files::entries(root).map(|_| None).map_err(unknown),
        Err(error) => Err(unknown(error)),
    }
}

/// The only directory in `roots` whose name is `name` but for capital and small letters.
fn in_other_case(roots: &[String], name: &str) -> Result<Option<String>> {
    let wanted = name.to_lowercase();
    let mut found = Vec::new();
    for root in roots {
        let same = files::entries(root)?
            .into_iter()
            .filter(|entry| entry.kind == Kind::Directory && entry.name.to_lowercase() == wanted);
        found.extend(same.map(|entry| join(root, &entry.name)));
    }
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.clone())),
        several => Err(Error::Invalid(format!(
            "{name:?} may be {}: write it as it is",
            several.join(" or ")
        ))),
    }
}

fn plain_path(path: &str) -> Result<&str> {
    let steps_out = path.split('/').any(|part| part == "..");
    if path.trim().is_empty() || steps_out || path.starts_with('~') || path.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "the directory {path:?} must be a path without `..`, `~` and control characters: a project's name, or an absolute path in a granted directory"
        )));
    }
    Ok(path)
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
pub(crate) fn branches<'a>(directories: impl Iterator<Item = &'a str>) -> Vec<Option<String>> {
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
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;
    use crate::fake;

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
    fn a_session_starts_in_a_project_by_its_name_or_in_the_first_granted_directory() {
        let host = Host::new();
        host.file("app/x", "");
        let root = host.directory().display().to_string();
        let start = |project: Option<&str>, directory: Option<&str>| {
            start_directory(&NewSession {
                project: project.map(str::to_owned),
                directory: directory.map(str::to_owned),
                ..fake::request("1")
            })
        };
        assert_eq!(start(None, None), Ok(root.clone()));
        assert_eq!(start(Some("app"), None), Ok(format!("{root}/app")));
        assert_eq!(start(Some("App"), None), Ok(format!("{root}/app")));
        assert_eq!(start(None, Some("/anywhere")), Ok("/anywhere".to_owned()));
        for (project, directory) in [(Some("none"), None), (Some("app"), Some("/x")), (Some(".."), None)] {
            assert!(matches!(start(project, directory), Err(Error::Invalid(_))));
        }
    }

    #[test]
    fn a_name_in_another_case_is_taken_only_where_it_is_the_only_one() {
        let host = Host::new();
        host.file("App/x", "");
        host.file("aPP/x", "");
        let Err(Error::Invalid(why)) = below_a_root("app") else {
            panic!("it is not refused")
        };
        assert!(why.contains("/App") && why.contains("/aPP"), "{why}");
        assert!(below_a_root("App").is_ok_and(|found| found.ends_with("/App")));
    }

    #[test]
    fn a_project_that_may_be_in_a_directory_that_is_away_is_not_taken_from_a_later_one() {
        let host = Host::new();
        host.file("app/x", "");
        let root = host.directory().display().to_string();
        assert_eq!(at(&root, "app"), Ok(Some(format!("{root}/app"))));
        assert_eq!(at(&root, "none"), Ok(None));
        std::fs::remove_dir_all(host.directory()).unwrap();
        let Err(Error::Refused(why)) = below_a_root("app") else {
            panic!("it is not refused")
        };
        assert!(why.contains(&root) && why.contains("working_dir"), "{why}");
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
    fn the_root_directory_is_never_a_granted_one() {
        let host = Host::new();
        host.file("app/x", "");
        let request = NewSession {
            project: Some("/".to_owned()),
            ..fake::request("1")
        };
        assert_eq!(start_directory(&request), Ok("/".to_owned()), "the host denies it");
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

    #[test]
    fn a_path_never_steps_out() {
        for path in ["..", "a/../b", "/p/..", "~/x", "", " ", "a\nb"] {
            assert!(matches!(plain_path(path), Err(Error::Invalid(_))), "{path:?}");
        }
        assert_eq!(plain_path("a/b..c").unwrap(), "a/b..c");
    }
}
