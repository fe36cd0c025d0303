//! The projects on all hosts: the directories directly below the granted ones.

use berth_plugin::{ProjectPage, projects, ssh};

/// Lists them, each with its machine, and of each machine those first that look like projects. A host that is away hides no
/// other.
pub(crate) fn list() -> ProjectPage {
    let hosts = ssh::hosts();
    let mut page = ProjectPage::of(Vec::new());
    for (host, of_host) in hosts.iter().zip(projects::list_on(&hosts)) {
        let named = of_host.projects.into_iter().map(|project| project.fact("host", host));
        page.projects.extend(named);
        let problems = of_host.problems.into_iter();
        page.problems
            .extend(problems.map(|(what, error)| (format!("{host}: {what}"), error)));
    }
    page
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use berth_plugin::{Error, Projects as _};

    use crate::Plugin;
    use crate::fake::Fake;

    #[test]
    fn each_project_has_its_machine_and_a_host_that_is_away_is_one_line() {
        let fake = Fake::new();
        fake.host.file_on("mac", "app/.git/HEAD", "ref: refs/heads/main\n");
        fake.host.file_on("box", "app/.claude/settings.json", "{}");
        fake.host.is_away("linux", "asleep");
        let page = Plugin::list_projects().unwrap();
        let told: Vec<_> = page
            .projects
            .iter()
            .map(|project| (project.name.as_str(), project.facts[0].1.as_str()))
            .collect();
        assert_eq!(told, [("app", "mac"), ("app", "box")]);
        assert_eq!(page.projects[0].branch.as_deref(), Some("main"));
        assert!(matches!(page.problems.as_slice(), [(what, Error::Unavailable(_))] if what.starts_with("linux: ")));
    }
}
