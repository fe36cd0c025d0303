//! Git where it is granted: its version, and what that is too old for.

use std::collections::BTreeSet;

use berth::assemble::Setup;
use berth::text;

use super::answer::answer;
use super::finding::{Finding, Mark};

/// The least version that shows the changes of a checkout which berth did not make, and runs nothing that this checkout
/// names.
const LEAST: &str = "2.41";

pub(super) async fn examine(setup: &Setup) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for backend in setup.backends.values().filter(|backend| backend.is_here()) {
        let environment = backend.environment();
        for grant in backend.programs.values() {
            if !grant.path.ends_with("git") || !seen.insert(grant.path.clone()) {
                continue;
            }
            let shown = grant.path.display().to_string();
            let fix = format!(
                "reinstall it, or correct [backends.{}.programs.{}]",
                grant.backend, grant.program
            );
            let arguments = ["--version".to_owned()];
            let found = answer("git", &shown, &grant.path, &arguments, &environment, &fix).await;
            findings.push(judged(found));
        }
    }
    findings
}

/// What it says of its version, with what follows.
fn judged(found: Finding) -> Finding {
    let said = found.what().rsplit(" says: ").next().unwrap_or_default();
    match found.mark == Mark::Ok && text::version(said) < text::version(LEAST) {
        true => Finding::warn(
            "git",
            format!(
                "{}, which is older than {LEAST}: the changes of a session are refused in a checkout that berth did not make",
                found.what()
            ),
            format!("install {LEAST} or newer if you want to see them"),
        ),
        false => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_git_that_is_too_old_for_foreign_checkouts_is_told_of() {
        for (version, mark) in [
            ("git version 2.39.5", Mark::Warn),
            ("git version 2.41.0", Mark::Ok),
            ("git version 2.47.1 (Apple Git-155)", Mark::Ok),
            ("git version 3.0", Mark::Ok),
        ] {
            let found = judged(Finding::ok("git", format!("`git --version` says: {version}")));
            assert_eq!(found.mark, mark, "{version}");
        }
    }
}
