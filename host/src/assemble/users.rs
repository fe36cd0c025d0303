//! Users of this machine, by number.

use crate::config::{At, ConfigError, User};

/// Where the system lists its users. Users of a directory service are not in it, and can be named by number.
const USERS: &str = "/etc/passwd";

/// The numbers of the users in the list at `at`.
pub(super) fn find(written: &[User], at: &At) -> Result<Vec<u32>, ConfigError> {
    let known = match written.is_empty() {
        true => String::new(),
        false => std::fs::read_to_string(USERS).unwrap_or_default(),
    };
    let number = |(index, user): (usize, &User)| match user {
        User::Number(number) => Ok(*number),
        User::Name(name) => number_of(name, &known).ok_or_else(|| {
            at.item(index).error(format!(
                "there is no user {name:?} in {USERS}: correct the name, or write the number that `id -u NAME` prints, \
                 without quotes"
            ))
        }),
    };
    written.iter().enumerate().map(number).collect()
}

/// The number of the user `name` in a list of users: name, a word, number and more, with colons between (passwd(5)).
fn number_of(name: &str, users: &str) -> Option<u32> {
    let mut users = users.lines().map(|line| line.split(':'));
    users.find_map(|mut fields| (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn a_user_is_found_by_the_whole_name_alone() {
        let users = "# a comment\nroot:x:0:0:root:/root:/bin/sh\ncaddy:x:998:997::/:/bin/false\nbroken\nodd:x:y:0\n";
        assert_eq!(number_of("caddy", users), Some(998));
        assert_eq!(number_of("root", users), Some(0));
        for nobody in ["cad", "caddyx", "x", "", "broken", "odd", "# a comment"] {
            assert_eq!(number_of(nobody, users), None, "{nobody}");
        }
    }
}
