//! The projects in the granted directories, and where a new session starts.

use berth_plugin::files::{self, Slice};
use berth_plugin::types::{Error, NewSession, Project};

/// What makes a directory a project.
const SIGNS: [&str; 2] = [".git", ".claude"];
/// How much of `.git/HEAD` is read, in bytes.
const HEAD_MAX: u32 = 1024;

/// Lists the directories of projects right below the granted ones.
pub(crate) fn list() -> Result<Vec<Project>, Error> {
    let found = files::roots().into_iter().map(|root| (below(&root), root));
    let (mut projects, unknown) = of_all(found);
    add_branches(&mut projects);
    projects.sort_by(|a, b| (&a.name, &a.directory).cmp(&(&b.name, &b.directory)));
    Ok(unknown.into_iter().chain(projects).collect())
}

/// The projects of all granted directories, and what of those could not be looked at, as the contract tells that.
fn of_all(found: impl Iterator<Item = (Result<Vec<Project>, Error>, String)>) -> (Vec<Project>, Vec<Project>) {
    let (mut projects, mut unknown) = (Vec::new(), Vec::new());
    for (found, root) in found {
        match found {
            Ok(found) => projects.extend(found),
            Err(error) => unknown.push(Project {
                name: format!("the projects in {root} are not known: {}", why(&error)),
                directory: String::new(),
                branch: None,
            }),
        }
    }
    (projects, unknown)
}

fn why(error: &Error) -> &str {
    match error {
        Error::NotFound(why)
        | Error::Invalid(why)
        | Error::Refused(why)
        | Error::Denied(why)
        | Error::TimedOut(why)
        | Error::Failed(why) => why,
        Error::Unsupported | Error::Busy => "it cannot be read",
    }
}

fn below(root: &str) -> Result<Vec<Project>, Error> {
    let entries = files::list(root, &SIGNS.map(str::to_owned))?;
    let projects = entries
        .into_iter()
        .filter(|entry| entry.kind == files::Kind::Directory && is_plain(&entry.name));
    Ok(projects
        .map(|entry| Project {
            directory: join(root, &entry.name),
            name: entry.name,
            branch: None,
        })
        .collect())
}

/// The directory in which a new session starts: the one asked for, the project's, or the first granted one.
pub(crate) fn start_directory(request: &NewSession) -> Result<String, Error> {
    match (&request.directory, &request.project) {
        (Some(_), Some(_)) => Err(Error::Invalid("give `project` or `working_dir`, not both".to_owned())),
        (Some(directory), None) if directory.starts_with('/') => plain_path(directory).map(str::to_owned),
        (Some(path), None) | (None, Some(path)) => below_a_root(path),
        (None, None) => files::roots().into_iter().next().ok_or_else(no_roots),
    }
}

fn no_roots() -> Error {
    Error::Denied("no directory is granted: name one in `directories` of this backend's table".to_owned())
}

/// A project's name, or a path below one of the granted directories: the first where it is.
fn below_a_root(path: &str) -> Result<String, Error> {
    let path = plain_path(path)?.trim_matches('/');
    let roots = files::roots();
    if roots.is_empty() {
        return Err(no_roots());
    }
    let looked = roots.iter().map(|root| {
        let directory = join(root, path);
        files::list(&directory, &[]).map(|_| directory)
    });
    first_there(looked)?.ok_or_else(|| {
        Error::Invalid(format!(
            "there is no directory {path:?} in the granted ones ({}): list_projects shows what there is",
            roots.join(", ")
        ))
    })
}

/// The first that is there. Where none is, one that could not be looked at is an error: it may be the one that is meant.
fn first_there(looked: impl Iterator<Item = Result<String, Error>>) -> Result<Option<String>, Error> {
    let mut unknown = None;
    for outcome in looked {
        match outcome {
            Ok(directory) => return Ok(Some(directory)),
            Err(Error::NotFound(_)) => {}
            Err(error) => unknown = unknown.or(Some(error)),
        }
    }
    unknown.map_or(Ok(None), Err)
}

fn plain_path(path: &str) -> Result<&str, Error> {
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

/// A name that nothing takes for a flag or a format.
fn is_plain(name: &str) -> bool {
    !name.starts_with('-') && !name.chars().any(char::is_control) && !name.contains("#{") && !name.contains("#(")
}

/// No git is run: it would run what the project configures.
fn add_branches(projects: &mut [Project]) {
    let head = |project: &Project| Slice {
        path: format!("{}/.git/HEAD", project.directory),
        from: 0,
        max: HEAD_MAX,
    };
    let slices: Vec<_> = projects.iter().map(head).collect();
    for (project, head) in projects.iter_mut().zip(files::read(&slices)) {
        project.branch = head.ok().as_deref().and_then(branch);
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
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn an_unreadable_directory_hides_no_projects_of_the_others_and_is_never_told_as_empty() {
        let project = |name: &str| Project {
            name: name.to_owned(),
            directory: format!("/p/{name}"),
            branch: None,
        };
        let some = |name| (Ok(vec![project(name)]), "/p".to_owned());
        let unreadable = |root: &str| (Err(Error::Failed("unreadable".to_owned())), root.to_owned());
        for (found, projects, unknown) in [
            (vec![some("a"), unreadable("/r"), some("b")], vec!["a", "b"], vec!["/r"]),
            (vec![unreadable("/r"), unreadable("/s")], vec![], vec!["/r", "/s"]),
            (
                vec![(Ok(Vec::new()), "/p".to_owned()), unreadable("/r")],
                vec![],
                vec!["/r"],
            ),
            (vec![(Ok(Vec::new()), "/p".to_owned())], vec![], vec![]),
            (vec![], vec![], vec![]),
        ] {
            let (known, told) = of_all(found.into_iter());
            let names: Vec<_> = known.iter().map(|project| project.name.as_str()).collect();
            assert_eq!(names, projects);
            assert_eq!(told.len(), unknown.len());
            for (row, root) in told.iter().zip(unknown) {
                assert_eq!(row.name, format!("the projects in {root} are not known: unreadable"));
                assert!(row.directory.is_empty());
            }
        }
    }

    #[test]
    fn a_directory_that_cannot_be_looked_at_is_not_told_as_missing() {
        let there = || Ok("/p/a".to_owned());
        let missing = || Err(Error::NotFound("missing".to_owned()));
        let unknown = || Err(Error::Denied("replaced".to_owned()));
        assert_eq!(
            first_there([unknown(), there()].into_iter()).unwrap(),
            Some("/p/a".to_owned())
        );
        assert_eq!(first_there([missing(), missing()].into_iter()).unwrap(), None);
        let error = first_there([missing(), unknown(), missing()].into_iter()).unwrap_err();
        assert!(matches!(error, Error::Denied(why) if why == "replaced"));
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
