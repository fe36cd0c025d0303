//! Projects about which an agent asks first whether it may trust them.

use std::path::Path;

use berth::assemble::Setup;
use berth::config::Trust;
use berth::plugin::Backend;
use serde_json::Value;

use super::finding::Finding;
use crate::cli::print;

/// Projects that a finding names.
const NAMED: usize = 5;

/// For each agent that notes which folders it trusts, those of its backend's projects that are not among them.
pub(super) async fn examine(setup: &Setup, backend: &Backend) -> Vec<Finding> {
    let Some(granted) = setup.backends.get(&backend.name) else {
        return Vec::new();
    };
    let agents = setup
        .agents_of(granted)
        .filter(|(name, _)| granted.installed.contains(*name));
    let noting: Vec<_> = agents
        .filter_map(|(name, agent)| Some((name, agent.trust.as_ref()?)))
        .collect();
    if noting.is_empty() {
        return Vec::new();
    }
    // Whether it can list them is told elsewhere.
    let Ok(projects) = backend.list_projects().await else {
        return Vec::new();
    };
    let projects: Vec<String> = projects.items.into_iter().map(|project| project.directory).collect();
    noting
        .into_iter()
        .filter_map(|(name, trust)| {
            Some(Finding::ok(
                &format!("agent {name} of {}", backend.name),
                asks(trust, &projects)?,
            ))
        })
        .collect()
}

/// What is to be said of the projects about which an agent asks first.
fn asks(trust: &Trust, projects: &[String]) -> Option<String> {
    // Before its first start there is no file.
    let notes = std::fs::read(&trust.file).ok()?;
    let Ok(notes) = serde_json::from_slice::<Value>(&notes) else {
        let file = trust.file.display();
        return Some(format!("which folders it trusts is not known: {file} cannot be read"));
    };
    let first: Vec<&str> = projects
        .iter()
        .map(String::as_str)
        .filter(|project| !is_trusted(&notes, trust, Path::new(project)))
        .collect();
    let more = first.len().saturating_sub(NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let named = first.iter().take(NAMED).map(|name| print::safe(name));
    let named = named.collect::<Vec<_>>().join(", ");
    (!first.is_empty()).then(|| {
        format!(
            "before its first work in {named}{more} it asks whether it may trust that folder; `berth trust DIR` answers that \
             at the terminal"
                )
    })
}

/// Whether the folder or one above it has the sign of trust.
fn is_trusted(notes: &Value, trust: &Trust, folder: &Path) -> bool {
    let has_sign = |folder: &Path| {
        folder
            .to_str()
            .is_some_and(|name| notes[&trust.folders][name][&trust.sign] == true)
    };
    folder.ancestors().any(has_sign)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn told(notes: &str, projects: &[&str]) -> Option<String> {
        let place = tempfile::tempdir().unwrap();
        let trust = Trust {
            file: place.path().join("notes.json"),
            folders: "projects".into(),
            sign: "trusted".into(),
        };
        std::fs::write(&trust.file, notes).unwrap();
        let projects: Vec<String> = projects.iter().map(|&project| project.to_owned()).collect();
        asks(&trust, &projects)
    }

    #[test]
    fn projects_that_are_not_trusted_are_named_and_a_folder_above_counts() {
        let notes = r#"{"projects": {"/p/a": {"trusted": true}, "/p/b": {"trusted": false}, "/q": {"trusted": true}}}"#;
        let said = told(notes, &["/p/a", "/p/b", "/p/c", "/q/x/y", "/qq"]).unwrap();
        assert!(
            said.contains("in /p/b, /p/c, /qq it asks") && !said.contains("/p/a"),
            "{said}"
        );
        assert_eq!(told(notes, &["/p/a", "/q"]), None);
        let said = told("{}", &["/1", "/2", "/3", "/4", "/5", "/6", "/7"]).unwrap();
        assert!(said.contains("/5 and 2 more"), "{said}");
    }

    #[test]
    fn what_cannot_be_read_is_not_told_as_trust_nor_as_none() {
        assert!(told("{", &["/p"]).unwrap().contains("not known"));
        let nowhere = Trust {
            file: "/nonexistent/notes.json".into(),
            folders: String::new(),
            sign: String::new(),
        };
        assert!(asks(&nowhere, &["/p".to_owned()]).is_none());
    }
}
