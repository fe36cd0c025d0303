//! Where a task is worked on: the directory that its caller means, and the host that has it.

use berth_plugin::projects::{self, OnHosts};
use berth_plugin::{Error, Result};

use crate::setup::Setup;
use crate::setup::projects::{Place, granted_in};

/// The host of these that has the project, and where that is; none: the first granted directory. All are asked at once.
///
/// # Errors
/// `Invalid` if none has it, or several do; `Unavailable` if that cannot be known.
pub(super) fn find(setup: &Setup, hosts: &[String], project: Option<&str>) -> Result<(String, Place)> {
    let meant = |roots: &[String]| meant(setup, roots, project);
    let OnHosts {
        mut has,
        mut unknown,
        lacks,
    } = projects::on_hosts(hosts, meant, |place| &place.directory);
    let named = project.unwrap_or_default();
    if has.len() > 1 {
        let hosts: Vec<_> = has.iter().map(|(host, _)| host.as_str()).collect();
        return Err(Error::Invalid(format!(
            "project {named:?} is on several hosts: say on which `host`: {}",
            hosts.join(", ")
        )));
    }
    match (unknown.pop(), has.pop()) {
        (None, Some(found)) => Ok(found),
        (Some((_, error)), _) if hosts.len() == 1 => Err(error),
        (Some((host, error)), _) => Err(Error::Unavailable(format!(
            "it is not known whether host {host} has project {named:?} ({error}): say on which `host` it is"
        ))),
        (None, None) => Err(lacks.unwrap_or_else(|| {
            Error::Invalid(match hosts {
                [] => "this backend has no hosts: name them as `hosts` in [backends.NAME]".to_owned(),
                hosts => format!(
                    "there is no project {named:?} on {}: give a directory relative to the granted ones; list_projects shows \
                     those there are",
                    hosts.join(" or ")
                ),
            })
        })),
    }
}

/// The places that a caller may mean on a host with these granted directories, the first of them first.
fn meant(setup: &Setup, roots: &[String], project: Option<&str>) -> Result<Vec<Place>> {
    let Some(project) = project else {
        let root = roots.first().ok_or_else(|| {
            Error::Refused("no directory is granted there: add one to `directories` in [backends.NAME]".to_owned())
        })?;
        return Ok(vec![place(setup, roots, root.clone())]);
    };
    if let Some(listed) = setup.settings.projects.get(project) {
        return Ok(vec![Place {
            name: project.to_owned(),
            directory: granted_in(roots, &listed.path)?,
            trusted: listed.trusted,
        }]);
    }
    if project.starts_with(['/', '~']) {
        return Ok(vec![place(setup, roots, granted_in(roots, project)?)]);
    }
    let below = |root: &String| {
        let directory = granted_in(roots, &format!("{}/{project}", root.trim_end_matches('/')));
        directory.map(|directory| place(setup, roots, directory))
    };
    let places: Result<Vec<Place>> = roots.iter().map(below).collect();
    places.map_err(|_| {
        Error::Invalid(format!(
            "`project` {project:?} must be a directory relative to the granted ones of the host, such as \"app\", without `..`"
        ))
    })
}

/// A directory as the project that is listed there, or else as a part of the one in which it lies.
fn place(setup: &Setup, roots: &[String], directory: String) -> Place {
    let listed = setup.settings.projects.iter();
    let listed: Vec<_> = listed
        .filter_map(|(name, project)| Some((name, granted_in(roots, &project.path).ok()?, project.trusted)))
        .collect();
    if let Some((name, _, trusted)) = listed.iter().find(|(_, path, _)| *path == directory) {
        let (name, trusted) = ((*name).clone(), *trusted);
        return Place {
            name,
            directory,
            trusted,
        };
    }
    let within = |folder: &str| {
        let rest = directory.strip_prefix(folder.trim_end_matches('/'))?;
        rest.strip_prefix('/')
            .filter(|rest| !rest.is_empty())
            .map(str::to_owned)
    };
    // What lies in a project is part of it, and is trusted no more than by its own table.
    let of_listed = listed
        .iter()
        .find(|(_, path, _)| within(path).is_some())
        .map(|(name, ..)| (*name).clone());
    let of_root = || {
        let rest = roots.iter().find_map(|root| within(root))?;
        rest.split('/').next().map(str::to_owned)
    };
    let own = || directory.rsplit('/').next().unwrap_or_default().to_owned();
    Place {
        name: of_listed.or_else(of_root).unwrap_or_else(own),
        directory,
        trusted: false,
    }
}
