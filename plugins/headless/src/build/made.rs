//! What came of a build: facts that git says, and how the branch reached its project.

use berth_plugin::git::{self, Fetched};
use berth_plugin::{ChangedFile, Result, log};

use super::words;
use crate::cut::cut;
use crate::kept::built::{File, Made, Plan};

/// Files that are kept, of those that differ and of those that are left, and characters of a path.
const FILES: usize = 100;
const PATH: usize = 300;

impl Made {
    /// Looks at the clone, and brings what was committed there to the project. `run` names the build.
    pub(crate) fn look(plan: &Plan, run: &str, answer: &str) -> Self {
        let mut made = Self {
            tests: words::tests(answer),
            ..Self::default()
        };
        match made.committed(plan, run) {
            Ok(is_fetched) => made.is_spent = is_fetched && made.is_clean(plan),
            Err(error) => made.trouble(format!("What was committed is not known as a whole: {error}.")),
        }
        made
    }

    /// Whether all that was committed is in the project.
    fn committed(&mut self, plan: &Plan, run: &str) -> Result<bool> {
        let clone = plan.directory();
        git::confined(&clone)?;
        let Some(head) = git::commit(&clone, &plan.branch.reference())? else {
            self.trouble(format!("The branch {} is not in the clone any more.", plan.branch));
            return Ok(false);
        };
        if head != plan.base {
            self.sha = Some(head.clone());
            let fetched = git::fetch_back(&plan.project, &clone, &head, &plan.branch, run);
            self.reference = match fetched {
                Ok(Fetched::Branch) => Some(plan.branch.reference()),
                Ok(Fetched::Aside(reference)) => {
                    self.trouble(format!(
                        "The project's branch {} has gone another way, or is checked out, so the work is at {reference}.",
                        plan.branch
                    ));
                    Some(reference)
                }
                Err(error) => {
                    self.trouble(format!(
                        "The branch could not be fetched into the project, and is in {clone}: {error}."
                    ));
                    return Ok(false);
                }
            };
            let work = git::work(&clone, &plan.base, &head)?;
            self.commits = work.commits;
            self.count(work.files);
        } else {
            self.trouble("Nothing was committed.".to_owned());
        }
        let left = git::unfetched(&plan.project, &clone)?;
        if left > 0 {
            self.trouble(format!(
                "{left} branches or tags have commits that are not in the project, and stay in {clone}."
            ));
        }
        Ok(left == 0)
    }

    fn count(&mut self, files: Vec<ChangedFile>) {
        self.changed = files.len();
        (self.added, self.removed) = files.iter().fold((0, 0), |(added, removed), file| {
            (added + u64::from(file.added), removed + u64::from(file.removed))
        });
        let file = |file: ChangedFile| File {
            path: cut(&file.path, PATH),
            added: file.added,
            removed: file.removed,
        };
        self.files = files.into_iter().take(FILES).map(file).collect();
    }

    fn is_clean(&mut self, plan: &Plan) -> bool {
        match git::leftovers(&plan.directory()) {
            Ok(left) => {
                self.leftovers = left.iter().take(FILES).map(|path| cut(path, PATH)).collect();
                if !left.is_empty() {
                    self.trouble(format!(
                        "Some files are not committed, and stay in {}.",
                        plan.directory()
                    ));
                }
                left.is_empty()
            }
            Err(error) => {
                self.trouble(format!("It is not known whether all is committed: {error}."));
                false
            }
        }
    }

    /// Why it failed although its agent did not: what it committed is not in the project.
    pub(crate) fn failure(&self) -> Option<String> {
        let is_lost = self.sha.is_some() && self.reference.is_none();
        is_lost.then(|| self.problems.join(" "))
    }

    fn trouble(&mut self, words: String) {
        self.problems.push(words);
    }

    /// Removes a clone that holds nothing more.
    pub(crate) fn tidy(&self, plan: &Plan) {
        if !self.is_spent || !plan.is_there() {
            return;
        }
        match plan.remove() {
            Ok(true) => {}
            Ok(false) => log::warn(format_args!(
                "the clone {} could not be removed as a whole",
                plan.directory()
            )),
            Err(error) => log::warn(format_args!("the clone {} was not removed: {error}", plan.directory())),
        }
    }
}
