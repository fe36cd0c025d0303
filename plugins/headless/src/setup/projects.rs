//! The projects in which agents run: those that the operator lists, in the configuration or in the file that an earlier
//! tool read; without both, the directories in the granted ones.

use std::collections::{BTreeMap, BTreeSet};

use berth_plugin::projects::{add_branches, list};
use berth_plugin::{Error, Project, ProjectPage, Result, files, settings};
use serde_json::{Value, json};

use crate::setup::Setup;

/// Bytes of the file.
const FILE: u32 = 1 << 20;
/// The longest name, in bytes: it is the name of a queue too.
const NAME: usize = 200;
/// Names that an error shows.
const NAMED: usize = 20;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) directory: String,
    /// Its own settings, hooks and servers count.
    pub(crate) trusted: bool,
}

/// The project of this name.
///
/// # Errors
/// `Invalid` if there is none, with those that there are.
pub(crate) fn find(setup: &Setup, name: &str) -> Result<Place> {
    let (places, problems) = all(setup);
    if let Some(place) = places.iter().find(|place| place.name == name) {
        return Ok(place.clone());
    }
    if let (true, Some((what, error))) = (places.is_empty(), problems.into_iter().next()) {
        return Err(Error::Unavailable(format!(
            "the projects are not known; {what}: {error}"
        )));
    }
    let names: Vec<_> = places.iter().take(NAMED).map(|place| place.name.as_str()).collect();
    Err(Error::Invalid(match names.as_slice() {
        [] => format!("unknown project {name:?}: there is none in the granted directories, and none is listed"),
        names => format!(
            "unknown project {name:?}: claude_list_projects shows them, such as {}",
            names.join(", ")
        ),
    }))
}

/// The project with this directory, or the directory in one of the granted ones as a project of its own name.
///
/// # Errors
/// `Denied` if it is not in a granted directory.
pub(crate) fn at(setup: &Setup, directory: &str) -> Result<Place> {
    let directory = granted(directory)?;
    files::entries(&directory)?;
    let (places, _) = all(setup);
    if let Some(place) = places.iter().find(|place| place.directory == directory) {
        return Ok(place.clone());
    }
    // What lies in a project is part of it, and is trusted no more than by its own table.
    let within = places.into_iter().find(|place| {
        let rest = directory.strip_prefix(&place.directory);
        rest.is_some_and(|rest| rest.starts_with('/'))
    });
    let own = directory.rsplit('/').next().unwrap_or_default().to_owned();
    Ok(Place {
        name: within.map_or(own, |place| place.name),
        directory,
        trusted: false,
    })
}

/// All projects with their branches, and what could not be looked at.
pub(crate) fn page(setup: &Setup) -> ProjectPage {
    if !is_listed(setup) {
        let mut page = unlisted();
        for project in &mut page.projects {
            project.facts.push(("trusted".to_owned(), false.to_string()));
        }
        return page;
    }
    let (places, problems) = listed(setup);
    let project = |place: Place| Project::new(place.name, place.directory).fact("trusted", place.trusted.to_string());
    let mut page = ProjectPage {
        projects: places.into_iter().map(project).collect(),
        problems,
    };
    add_branches(&mut page);
    page
}

/// The same as callers of `claude_list_projects` know it.
pub(crate) fn told(setup: &Setup) -> Value {
    let page = page(setup);
    let project = |project: Project| {
        let trusted = project
            .facts
            .iter()
            .any(|(name, value)| name == "trusted" && value == "true");
        let mut told = json!({"name": project.name, "path": project.directory, "trusted": trusted});
        if let Some(branch) = project.branch {
            told["branch"] = json!(branch);
        }
        told
    };
    let projects: Vec<_> = page.projects.into_iter().map(project).collect();
    let errors: Vec<_> = page
        .problems
        .iter()
        .map(|(what, error)| format!("{what}: {error}"))
        .collect();
    match errors.is_empty() {
        true => json!({"projects": projects}),
        false => json!({"projects": projects, "errors": errors}),
    }
}

type Problems = Vec<(String, Error)>;

fn all(setup: &Setup) -> (Vec<Place>, Problems) {
    if is_listed(setup) {
        return listed(setup);
    }
    let page = unlisted();
    let place = |project: Project| Place {
        name: project.name,
        directory: project.directory,
        trusted: false,
    };
    (page.projects.into_iter().map(place).collect(), page.problems)
}

/// Whether the operator says which there are.
fn is_listed(setup: &Setup) -> bool {
    !setup.settings.projects.is_empty() || setup.settings.projects_file.is_some()
}

fn listed(setup: &Setup) -> (Vec<Place>, Problems) {
    let settings = &setup.settings;
    let (mut listed, mut problems) = match &settings.projects_file {
        Some(path) => in_file(path),
        None => Default::default(),
    };
    for (name, project) in &settings.projects {
        match usable(name, &project.path) {
            Ok(directory) => {
                let place = Place {
                    name: name.clone(),
                    directory,
                    trusted: project.trusted,
                };
                listed.insert(name.clone(), place);
            }
            Err(error) => problems.push((format!("project {name:?} in [backends.NAME.settings.projects]"), error)),
        }
    }
    (listed.into_values().collect(), problems)
}

/// The directories in the granted ones. Of two with one name the first one counts.
fn unlisted() -> ProjectPage {
    let mut page = list();
    let mut names = BTreeSet::new();
    page.projects.retain(|project| names.insert(project.name.clone()));
    page
}

/// Those in a file of the earlier tool: an object of names, each with a path or an object with a `path`, or a list of
/// objects with `name` and `path`; either may stand under `projects`. What is wrong is named and passed over.
fn in_file(path: &str) -> (BTreeMap<String, Place>, Problems) {
    let (mut places, mut problems) = (BTreeMap::new(), Problems::new());
    let entries = match read(path) {
        Ok(entries) => entries,
        Err(error) => return (places, vec![(format!("projects_file {path}"), error)]),
    };
    for (name, entry) in entries {
        let found = entry
            .ok_or_else(|| Error::Invalid("it has no name or no path".to_owned()))
            .and_then(|path| usable(&name, &path));
        match found {
            Ok(directory) => {
                let place = Place {
                    name: name.clone(),
                    directory,
                    trusted: false,
                };
                places.insert(name, place);
            }
            Err(error) => problems.push((format!("project {name:?} in {path}"), error)),
        }
    }
    (places, problems)
}

/// The names in the file, each with its path if it has one.
fn read(path: &str) -> Result<Vec<(String, Option<String>)>> {
    let bytes = files::read(
        at_home(path, settings::files()?.into_iter().map(|folder| folder.under)),
        FILE,
    )?;
    let whole: Value =
        serde_json::from_slice(&bytes).map_err(|error| Error::Invalid(format!("it is not JSON: {error}")))?;
    let listed = match whole.get("projects") {
        Some(listed @ (Value::Object(_) | Value::Array(_))) if !listed["path"].is_string() => listed,
        _ => &whole,
    };
    let path = |entry: &Value| entry.as_str().or_else(|| entry["path"].as_str()).map(str::to_owned);
    match listed {
        Value::Object(listed) => Ok(listed.iter().map(|(name, entry)| (name.clone(), path(entry))).collect()),
        Value::Array(listed) => {
            let name = |(number, entry): (usize, &Value)| match entry["name"].as_str() {
                Some(name) => (name.to_owned(), path(entry)),
                None => (format!("number {}", number + 1), None),
            };
            Ok(listed.iter().enumerate().map(name).collect())
        }
        _ => Err(Error::Invalid(
            "it is not an object of projects, or a list of them".to_owned(),
        )),
    }
}

/// The directory of a listed project; the host holds it to the granted directories when an agent starts there.
fn usable(name: &str, path: &str) -> Result<String> {
    let is_name = !name.trim().is_empty() && name.len() <= NAME && !name.chars().any(char::is_control);
    if !is_name {
        return Err(Error::Invalid(format!(
            "a name has 1 to {NAME} bytes, and no control characters"
        )));
    }
    granted(path)
}

/// A path in a granted directory, made whole.
pub(crate) fn granted(path: &str) -> Result<String> {
    granted_in(&files::roots()?, path)
}

/// The same where the granted directories are these.
pub(crate) fn granted_in(roots: &[String], path: &str) -> Result<String> {
    let path = at_home(path, roots.iter().cloned());
    let path = path.trim_end_matches('/');
    let leads_out = path.split('/').any(|part| part == ".." || part == ".") || path.chars().any(char::is_control);
    if !path.starts_with('/') || leads_out {
        return Err(Error::Invalid(format!("{path:?} is not an absolute path without `..`")));
    }
    let is_below = |root: &String| {
        let root = root.trim_end_matches('/');
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match roots.iter().any(is_below) {
        true => Ok(path.to_owned()),
        false => Err(Error::Denied(format!(
            "{path} is not in a granted directory: add it to `directories` in [backends.NAME]"
        ))),
    }
}

/// A path that begins with `~/`, made whole by a granted folder whose end it shares: a plugin does not know its home.
fn at_home(path: &str, mut granted: impl Iterator<Item = String>) -> String {
    let Some(rest) = path.strip_prefix("~/") else {
        return path.to_owned();
    };
    let whole = granted.find_map(|folder| {
        let mut ends = rest.match_indices('/').map(|(end, _)| &rest[..end]).chain([rest]);
        let end = ends.find(|end| folder.strip_suffix(*end).is_some_and(|home| home.ends_with('/')))?;
        Some(format!("{}{}", folder.strip_suffix(end)?, rest))
    });
    whole.unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::testing::Host;

    use super::*;

    fn names(setup: &Setup) -> Vec<String> {
        all(setup).0.into_iter().map(|place| place.name).collect()
    }

    fn setup() -> Setup {
        Setup::of_host().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn without_a_list_they_are_the_directories_in_the_granted_ones() {
        let host = Host::new();
        host.file("app/.git/HEAD", "ref: refs/heads/main\n");
        host.file("web/x", "");
        let page = page(&setup());
        assert_eq!(page.projects[0].branch.as_deref(), Some("main"));
        assert_eq!(names(&setup()), ["app", "web"]);
        assert!(!find(&setup(), "app").unwrap().trusted);
    }

    #[test]
    fn a_branch_that_cannot_be_read_is_a_problem_and_never_told_as_none() {
        let host = Host::new();
        let root = host.directory().display().to_string();
        host.file("app/.git/HEAD/x", "");
        host.file("web/.git/HEAD", "ref: refs/heads/main\n");
        let listed =
            json!({"projects": {"app": {"path": format!("{root}/app")}, "web": {"path": format!("{root}/web")}}});
        for settings in [json!({}), listed] {
            host.settings(settings.clone());
            let told = told(&setup());
            let [error] = told["errors"].as_array().unwrap().as_slice() else {
                panic!("{settings}: {told}")
            };
            let why = error.as_str().unwrap();
            assert!(why.starts_with("the branch of app is not known: "), "{settings}: {why}");
            assert_eq!(told["projects"][1]["branch"], "main", "{settings}: {told}");
        }
    }

    #[test]
    fn an_unknown_project_is_refused_with_those_that_there_are() {
        let host = Host::new();
        host.file("app/x", "");
        let Err(Error::Invalid(why)) = find(&setup(), "nope") else {
            panic!()
        };
        assert!(why.contains("unknown project \"nope\"") && why.contains("app"), "{why}");
        for name in ["", "..", "/", "app/", "App"] {
            assert!(matches!(find(&setup(), name), Err(Error::Invalid(_))), "{name:?}");
        }
    }

    #[test]
    fn the_file_of_the_earlier_tool_is_read_in_each_of_its_forms_and_a_bad_entry_is_named() {
        let host = Host::new();
        let root = host.directory().display().to_string();
        let (app, web) = (format!("{root}/app"), format!("{root}/web"));
        for listed in [
            json!({"app": app, "web": web}),
            json!({"app": {"path": app, "more": 1}, "web": {"path": web}}),
            json!({"projects": {"app": app, "web": {"path": web}}}),
            json!({"projects": [{"name": "app", "path": app}, {"name": "web", "path": web}]}),
            json!([{"name": "app", "path": app}, {"name": "web", "path": web}]),
        ] {
            let path = host.file("projects.json", listed.to_string());
            host.settings(json!({"projects_file": path}));
            assert_eq!(names(&setup()), ["app", "web"], "{listed}");
            assert_eq!(all(&setup()).1, [], "{listed}");
        }
        let bad = json!({"app": app, "out": "/etc", "up": format!("{root}/../x"), "none": 7, "": web, "relative": "x"});
        let path = host.file("projects.json", bad.to_string());
        host.settings(json!({"projects_file": path}));
        let (places, problems) = all(&setup());
        assert_eq!(places.len(), 1);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(
            problems.iter().any(|(what, _)| what.contains("\"out\"")),
            "{problems:?}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_problem_and_never_told_as_no_projects() {
        let host = Host::new();
        let path = host.file("projects.json", "{");
        host.settings(json!({"projects_file": path}));
        assert!(matches!(find(&setup(), "app"), Err(Error::Unavailable(_))));
        host.settings(json!({"projects_file": host.directory().join("none.json")}));
        assert!(matches!(find(&setup(), "app"), Err(Error::Unavailable(_))));
    }

    #[test]
    fn the_table_counts_over_the_file_and_only_there_a_project_is_trusted() {
        let host = Host::new();
        let root = host.directory().display().to_string();
        let path = host.file(
            "projects.json",
            json!({"app": {"path": format!("{root}/old"), "trusted": true}, "web": format!("{root}/web")}).to_string(),
        );
        host.settings(json!({
            "projects_file": path,
            "projects": {"app": {"path": format!("{root}/app"), "trusted": true}},
        }));
        let app = find(&setup(), "app").unwrap();
        assert_eq!((app.directory, app.trusted), (format!("{root}/app"), true));
        assert!(!find(&setup(), "web").unwrap().trusted);
    }

    #[test]
    fn a_path_in_the_home_is_made_whole_by_what_is_granted() {
        let granted = || ["/srv/work", "/home/me/projects"].map(str::to_owned).into_iter();
        for (path, whole) in [
            ("~/projects/app", "/home/me/projects/app"),
            ("~/projects", "/home/me/projects"),
            ("~/other/app", "~/other/app"),
            ("~/ects/app", "~/ects/app"),
            ("/x", "/x"),
        ] {
            assert_eq!(at_home(path, granted()), whole);
        }
    }
}
