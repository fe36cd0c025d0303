//! What the agent of a build is told, and what is read out of its answer.

use berth_plugin::git::{Branch, Commit};

use crate::cut::cut;

/// The line in which it says how the tests went.
const TESTS: &str = "TESTS:";
/// Characters of what is said of the tests.
const SAID: usize = 300;

/// The request, with what a build is before it.
pub(crate) fn request(spec: &str, branch: &Branch, base: &Commit, run_tests: bool) -> String {
    let tests = match run_tests {
        true => format!(
            " Run the project's tests when you are done, as far as you are allowed to, and say in the last line of your answer \
             how they went: `{TESTS} passed`, `{TESTS} failed` or `{TESTS} not run`, with a reason."
        ),
        false => String::new(),
    };
    format!(
        "You work in a clone of the project that was made for this task, on the branch `{branch}`, which begins at {base}. \
         Edit files only in here, and commit all you do on this branch with `git add` and `git commit`: what is not committed \
         is lost. Perhaps nobody is there to be asked meanwhile.{tests}\n\nThe task:\n\n{spec}"
    )
}

/// What the agent says of the tests, in the last line that does.
pub(crate) fn tests(answer: &str) -> Option<String> {
    let said = answer
        .lines()
        .rev()
        .find_map(|line| line.trim().trim_matches(['`', '*']).strip_prefix(TESTS))?;
    let said = said.trim();
    (!said.is_empty()).then(|| cut(said, SAID))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_the_agent_says_of_the_tests_is_its_last_word_of_them() {
        for (answer, said) in [
            (
                "TESTS: failed\nfixed\nTESTS: passed (12 of 12)\n",
                Some("passed (12 of 12)"),
            ),
            ("all good\n`TESTS: not run`", Some("not run`")),
            ("no word of it", None),
            ("TESTS:", None),
        ] {
            assert_eq!(
                tests(answer).as_deref().map(|said| said.trim_end_matches('`')),
                said.map(|said| said.trim_end_matches('`'))
            );
        }
    }
}
