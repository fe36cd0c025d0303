//! The projects in the granted directories: the directories directly below them.

use std::collections::BTreeSet;

use crate::files::{self, Entry, Kind, Listing, Slice};
use crate::ssh::{self, Look, Part};
use crate::{Error, Project, ProjectPage, Result};

/// What makes a directory a project.
const SIGNS: [&str; 2] = [".git", ".claude"];
/// How much of `.git/HEAD` is read, in bytes.
const HEAD_MAX: u32 = 1024;
/// What is not known where the granted directories are not.
const UNKNOWN: &str = "the projects are not known";

/// Lists the directories directly below the granted ones, those with a sign of a project first. A granted directory that
/// cannot be read does not hide the others.
#[must_use]
pub fn list() -> ProjectPage {
    let mut all = Found::default();
    let roots = files::roots().unwrap_or_else(|error| {
        all.problems.push((UNKNOWN.to_owned(), error));
        Vec::new()
    });
    let mut entries = files::entries_all(roots.iter().flat_map(|root| listings(root))).into_iter();
    for root in &roots {
        all.extend(Found::at(root, next(&mut entries)));
    }
    let branches = branches(all.directories());
    all.add_branches(&mut branches.into_iter());
    all.page()
}

/// The same of each of these hosts, in their order: all of them are asked at the same time.
#[must_use]
pub fn list_on(hosts: &[String]) -> Vec<ProjectPage> {
    let roots = ssh::roots(hosts.iter().cloned());
    let looks = hosts.iter().zip(&roots).flat_map(|(host, roots)| {
        let listings = roots.iter().flatten().flat_map(|root| listings(root));
        listings.map(|listing| Look {
            host: host.clone(),
            listing,
        })
    });
    let mut entries = ssh::entries(looks).into_iter();
    let mut found: Vec<Found> = Vec::new();
    for roots in roots {
        let mut all = Found::default();
        match roots {
            Ok(roots) => {
                for root in roots {
                    all.extend(Found::at(&root, next(&mut entries)));
                }
            }
            Err(error) => all.problems.push((UNKNOWN.to_owned(), error)),
        }
        found.push(all);
    }
    let directories: Vec<&str> = found.iter().flat_map(Found::directories).collect();
    let places: Vec<&String> = hosts
        .iter()
        .zip(&found)
        .flat_map(|(host, found)| found.signed.iter().map(move |_| host))
        .collect();
    let branches = known_branches(&directories, |asked| {
        ssh::read_all(asked.into_iter().map(|(place, slice)| Part {
            host: places[place].clone(),
            slice,
        }))
    });
    let mut branches = branches.into_iter();
    let pages = found.into_iter().map(|mut found| {
        found.add_branches(&mut branches);
        found.page()
    });
    pages.collect()
}

/// Adds their branches to the projects of a page, and to its problems that some are not known.
pub fn add_branches(page: &mut ProjectPage) {
    let branches = branches(page.projects.iter().map(|project| project.directory.as_str()));
    page.problems
        .extend(told(&mut page.projects, &mut branches.into_iter()));
}

/// The branch of each of these directories, where it is a git checkout with git's own directory in it; an error means that
/// this is not known. git is not run: it would run what the project configures.
#[must_use]
pub fn branches<'a>(directories: impl IntoIterator<Item = &'a str>) -> Vec<Result<Option<String>>> {
    let directories: Vec<&str> = directories.into_iter().collect();
    known_branches(&directories, |asked| {
        files::read_all(asked.into_iter().map(|(_, slice)| slice))
    })
}

/// Which of several hosts have a directory.
#[derive(Debug, PartialEq)]
pub struct OnHosts<T> {
    /// Those that have it, each with what was meant there.
    pub has: Vec<(String, T)>,
    /// Those of which it is not known, each with why.
    pub unknown: Vec<(String, Error)>,
    /// Why it is none of what the first of the others grants; `None`: those have no such directory.
    pub lacks: Option<Error>,
}

/// Looks on which of these hosts a directory is: of those that are `meant` on a host with these granted directories, the
/// first one that is there. All hosts are asked at the same time.
pub fn on_hosts<T>(
    hosts: &[String],
    meant: impl Fn(&[String]) -> Result<Vec<T>>,
    directory: impl Fn(&T) -> &str,
) -> OnHosts<T> {
    let roots = ssh::roots(hosts.iter().cloned());
    let meant: Vec<Result<Vec<T>>> = roots.into_iter().map(|roots| meant(&roots?)).collect();
    let looks = hosts.iter().zip(&meant).flat_map(|(host, places)| {
        let listings = places.iter().flatten().map(|place| Listing::new(directory(place)));
        listings.map(|listing| Look {
            host: host.clone(),
            listing,
        })
    });
    let mut answers = ssh::entries(looks).into_iter();
    let mut all = OnHosts {
        has: Vec::new(),
        unknown: Vec::new(),
        lacks: None,
    };
    for (host, places) in hosts.iter().zip(meant) {
        let found = places.and_then(|places| {
            let answered: Vec<_> = places.into_iter().zip(answers.by_ref()).collect();
            first(answered)
        });
        match found {
            Ok(Some(place)) => all.has.push((host.clone(), place)),
            Ok(None) => {}
            Err(error) if is_final(&error) => all.lacks = all.lacks.or(Some(error)),
            Err(error) => all.unknown.push((host.clone(), error)),
        }
    }
    all
}

/// The first of these that is there; an error means that none is, or that it is not known.
fn first<T>(answered: Vec<(T, Result<Vec<Entry>>)>) -> Result<Option<T>> {
    let mut lacks = None;
    for (place, answer) in answered {
        match answer {
            Ok(_) => return Ok(Some(place)),
            Err(Error::NotFound(_)) => {}
            Err(error) if is_final(&error) => lacks = Some(error),
            Err(error) => return Err(error),
        }
    }
    lacks.map_or(Ok(None), Err)
}

/// Whether asking again would not help.
fn is_final(error: &Error) -> bool {
    matches!(error, Error::Invalid(_) | Error::Denied(_) | Error::Refused(_))
}

/// What is asked of a granted directory: what has a sign of a project, and all of it.
fn listings(root: &str) -> [Listing; 2] {
    let all = Listing::new(root);
    let signed = Listing {
        having: SIGNS.map(str::to_owned).to_vec(),
        ..all.clone()
    };
    [signed, all]
}

/// The answer to the next two [`listings`].
fn next(entries: &mut impl Iterator<Item = Result<Vec<Entry>>>) -> Result<Entries> {
    let mut next = || {
        entries
            .next()
            .unwrap_or_else(|| Err(Error::Failed("the host gave no answer".to_owned())))
    };
    let (signed, all) = (next(), next());
    Ok((signed?, all?))
}

/// What is in granted directories.
#[derive(Default)]
struct Found {
    /// Directories with a sign of a project.
    signed: Vec<Project>,
    others: Vec<Project>,
    problems: Vec<(String, Error)>,
}

/// Entries with a sign of a project, and all of them.
type Entries = (Vec<Entry>, Vec<Entry>);

impl Found {
    /// What is in `root`, except hidden directories that are not projects.
    fn at(root: &str, entries: Result<Entries>) -> Self {
        let mut found = Self::default();
        let (signed, entries) = match entries {
            Ok(entries) => entries,
            Err(error) => {
                found.problems.push((unknown(root), error));
                return found;
            }
        };
        let signed: BTreeSet<String> = signed.into_iter().map(|entry| entry.name).collect();
        for entry in entries {
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
        found
    }

    fn extend(&mut self, other: Self) {
        self.signed.extend(other.signed);
        self.others.extend(other.others);
        self.problems.extend(other.problems);
    }

    /// Those with a sign of a project.
    fn directories(&self) -> Vec<&str> {
        self.signed.iter().map(|project| project.directory.as_str()).collect()
    }

    /// Adds the next branches, one for each of these directories.
    fn add_branches(&mut self, branches: &mut impl Iterator<Item = Result<Option<String>>>) {
        self.problems.extend(told(&mut self.signed, branches));
    }

    fn page(mut self) -> ProjectPage {
        for projects in [&mut self.signed, &mut self.others] {
            projects.sort_by(|a, b| (&a.name, &a.directory).cmp(&(&b.name, &b.directory)));
        }
        let mut page = ProjectPage::of(self.signed.into_iter().chain(self.others).collect::<Vec<_>>());
        page.problems = self.problems;
        page
    }
}

/// The words before the reason why a granted directory could not be looked at.
fn unknown(root: &str) -> String {
    format!("the projects in {root} are not known")
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

/// Adds the next branch to each of these. Those that are not known are one problem together.
fn told(
    projects: &mut [Project],
    branches: &mut impl Iterator<Item = Result<Option<String>>>,
) -> Option<(String, Error)> {
    let mut unread: Vec<(&str, Error)> = Vec::new();
    for (project, branch) in projects.iter_mut().zip(branches) {
        match branch {
            Ok(branch) => project.branch = branch,
            Err(error) => unread.push((&project.name, error)),
        }
    }
    let others = unread.len().saturating_sub(1);
    let (name, error) = unread.into_iter().next()?;
    let what = match others {
        0 => format!("the branch of {name} is not known"),
        _ => format!("the branches of {name} and {others} more are not known"),
    };
    Some((what, error))
}

/// As [`branches`]. `read` answers parts of files in these directories, each with the directory's place in the list.
fn known_branches(
    directories: &[&str],
    read: impl Fn(Vec<(usize, Slice)>) -> Vec<Result<Vec<u8>>>,
) -> Vec<Result<Option<String>>> {
    let mut heads = read(directories.iter().copied().map(head).enumerate().collect());
    // In a linked checkout `.git` is a file, below which nothing can be read.
    let is_failed = |place: &usize| matches!(heads.get(*place), Some(Err(Error::Failed(_))));
    let failed: Vec<usize> = (0..directories.len()).filter(is_failed).collect();
    if !failed.is_empty() {
        let links = read(failed.iter().map(|&place| (place, link(directories[place]))).collect());
        for (place, link) in failed.into_iter().zip(links) {
            if link.is_ok() {
                heads[place] = Ok(Vec::new());
            }
        }
    }
    let known = heads.into_iter().map(|head| match head {
        Ok(head) => Ok(branch(&head)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    });
    known.collect()
}

fn head(directory: &str) -> Slice {
    part(format!("{directory}/.git/HEAD"))
}

fn link(directory: &str) -> Slice {
    part(format!("{directory}/.git"))
}

fn part(path: String) -> Slice {
    Slice {
        path,
        start: 0,
        max: HEAD_MAX,
    }
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
    fn the_projects_of_several_hosts_are_listed_and_one_that_is_away_hides_no_other() {
        let host = Host::new();
        host.hosts(["mac", "box", "linux"]);
        host.file_on("mac", "web/.git/HEAD", "ref: refs/heads/main\n");
        host.file_on("mac", "notes/x", "");
        host.file_on("linux", "app/.git/HEAD", "ref: refs/heads/dev\n");
        host.is_away("box", "it does not answer");
        let pages = list_on(&ssh::hosts());
        let told: Vec<Vec<_>> = pages
            .iter()
            .map(|page| {
                page.projects
                    .iter()
                    .map(|project| (project.name.as_str(), project.branch.as_deref()))
                    .collect()
            })
            .collect();
        let expected = [
            vec![("web", Some("main")), ("notes", None)],
            vec![],
            vec![("app", Some("dev"))],
        ];
        assert_eq!(told, expected);
        assert!(matches!(pages[1].problems.as_slice(), [(_, Error::Unavailable(_))]));
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
    fn branches_that_cannot_be_read_are_one_problem_of_their_host_and_what_has_none_is_no_problem() {
        let host = Host::new();
        host.hosts(["mac", "linux"]);
        for (label, file) in [
            ("mac", "a/.git/HEAD/x"),
            ("mac", "b/.git/HEAD/x"),
            ("linux", "linked/.git"),
            ("linux", "notes/.claude/x"),
            ("linux", "web/.git/HEAD"),
        ] {
            host.file_on(label, file, "ref: refs/heads/main\n");
        }
        host.file("c/.git/HEAD/x", "");
        let pages = list_on(&ssh::hosts());
        let told: Vec<_> = pages[0].problems.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(told, ["the branches of a and 1 more are not known"]);
        assert_eq!(pages[1].problems, []);
        assert_eq!(pages[1].projects[2].branch.as_deref(), Some("main"));
        let page = list();
        assert!(
            matches!(page.problems.as_slice(), [(what, Error::Invalid(_))] if what == "the branch of c is not known"),
            "{:?}",
            page.problems
        );
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
