//! The projects in the granted directories, and where a new session starts.

use berth_plugin::files::{self, Slice};
use berth_plugin::types::{Error, NewSession, Project};

/// What makes a directory a project.
const SIGNS: [&str; 2] = [".git", ".claude"];
/// How much of `.git/HEAD` is read, in bytes.
const HEAD_MAX: u32 = 1024;

/// Lists the directories of projects right below the granted ones.
pub(crate) fn list() -> Result<Vec<Project>, Error> {
    let mut projects = Vec::new();
    for root in files::roots() {
        for entry in files::list(&root, &SIGNS.map(str::to_owned))? {
            if entry.kind == files::Kind::Directory && is_plain(&entry.name) {
                let directory = join(&root, &entry.name);
                projects.push(Project {
                    name: entry.name,
                    directory,
                    branch: None,
                });
            }
        }
    }
    add_branches(&mut projects);
    projects.sort_by(|a, b| (&a.name, &a.directory).cmp(&(&b.name, &b.directory)));
    Ok(projects)
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
    let there = |directory: &String| files::list(directory, &[]).is_ok();
    roots.iter().map(|root| join(root, path)).find(there).ok_or_else(|| {
        Error::Invalid(format!(
            "there is no directory {path:?} in the granted ones ({}): list_projects shows what there is",
            roots.join(", ")
        ))
    })
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
