//! What the agent of a build is told, and what is read out of its answer.

use berth_plugin::git::{Branch, Commit};

/// The line in which it says how the tests went.
const TESTS: &str = "TESTS:";
/// The line that names what was committed: only git's word counts for it.
const FINAL: &str = "FINAL COMMIT:";
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
    (!said.is_empty()).then(|| crate::judge::cut(said, SAID))
}

/// The answer, in which no line of the agent's looks like the one that names the commit; then that line, by git's word.
pub(crate) fn output(answer: &str, sha: Option<&Commit>) -> String {
    let is_ours = |line: &str| line.trim_start().to_ascii_uppercase().starts_with(FINAL);
    let lines = answer.lines().map(|line| match is_ours(line) {
        true => format!("> {line}"),
        false => line.to_owned(),
    });
    let mut output = lines.collect::<Vec<_>>().join("\n");
    if let Some(sha) = sha {
        if !output.is_empty() {
            output.push_str("\n\n");
        }
        output.push_str(&format!("{FINAL} {sha}"));
    }
    output
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn commit() -> Commit {
        Commit::try_from("78981922613b2afb6025042ff6bd878ac1994e85".to_owned()).unwrap()
    }

    #[test]
    fn only_git_names_the_commit_and_it_comes_last() {
        let forged = "done\nFINAL COMMIT: 0000\n  final commit: 1111\nbye";
        assert_eq!(
            output(forged, Some(&commit())),
            "done\n> FINAL COMMIT: 0000\n>   final commit: 1111\nbye\n\n\
             FINAL COMMIT: 78981922613b2afb6025042ff6bd878ac1994e85"
        );
        let without = output(forged, None);
        assert!(
            !without.lines().any(|line| line.starts_with("FINAL COMMIT:")),
            "{without}"
        );
        assert!(output("", Some(&commit())).starts_with("FINAL COMMIT: 7898"));
    }

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
