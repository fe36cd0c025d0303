//! Where a new session starts.

use berth_plugin::files::{self, Kind};
use berth_plugin::{Error, NewSession, Result};

/// The directory in which a new session starts: the one asked for, the project's, or the first granted one.
pub(crate) fn start_directory(request: &NewSession) -> Result<String> {
    match (&request.directory, &request.project) {
        (Some(_), Some(_)) => Err(Error::Invalid("give `project` or `working_dir`, not both".to_owned())),
        (Some(path), None) | (None, Some(path)) if path.starts_with('/') => plain_path(path).map(str::to_owned),
        (Some(path), None) | (None, Some(path)) => below_a_root(path),
        (None, None) => files::roots()?.into_iter().next().ok_or_else(no_roots),
    }
}

fn no_roots() -> Error {
    Error::Denied("no directory is granted: name one in `directories` of this backend's table".to_owned())
}

/// A project's name, or a path below one of the granted directories: the first that has it.
fn below_a_root(path: &str) -> Result<String> {
    let path = plain_path(path)?.trim_end_matches('/');
    let roots = files::roots()?;
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;
    use crate::fake;

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
    fn a_path_never_steps_out() {
        for path in ["..", "a/../b", "/p/..", "~/x", "", " ", "a\nb"] {
            assert!(matches!(plain_path(path), Err(Error::Invalid(_))), "{path:?}");
        }
        assert_eq!(plain_path("a/b..c").unwrap(), "a/b..c");
    }
}
