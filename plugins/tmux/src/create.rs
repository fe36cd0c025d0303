//! Starting an agent in a new session.

use berth_plugin::types::{Error, NewSession, Session};

use crate::projects;
use crate::sessions;
use crate::setup::{Entry, Setup};
use crate::tmux::{Reply, words};

/// How much of a name is kept in a session's id, in characters.
const NAME_MAX: usize = 41;
/// Random characters at the end of an id, so that none is used twice.
const RANDOM: usize = 6;

/// Starts a session and answers what it is right after.
pub(crate) fn create(setup: &Setup, request: &NewSession) -> Result<Session, Error> {
    if request.worktree == Some(true) {
        return Err(Error::Invalid(
            "this backend makes no worktrees: leave `worktree` out".to_owned(),
        ));
    }
    if request.message.is_some() {
        return Err(Error::Invalid(
            "this backend takes no first message: send it once the session is idle".to_owned(),
        ));
    }
    let entry = agent(setup, request.agent.as_deref())?;
    let options = options(entry, request)?;
    let directory = projects::start_directory(request)?;
    let title = request.name.as_deref().unwrap_or(&directory);
    let id = format!("{}-{}", slug(title), random_word(RANDOM)?);
    let (columns, rows) = (setup.columns.to_string(), setup.rows.to_string());
    let mut args = words(&[
        "new-session",
        "-d",
        "-s",
        &id,
        "-n",
        &entry.name,
        "-x",
        &columns,
        "-y",
        &rows,
        "--",
    ]);
    args.extend(entry.command.iter().cloned());
    args.extend(options);
    let started = setup.tmux.run_with(args, Vec::new(), Some(directory.clone()));
    let started = started.and_then(Reply::whole);
    match (started, sessions::get(setup, &id)) {
        (_, Ok(session)) => Ok(session),
        // It is there, whatever a look at it says.
        (Ok(_), Err(_)) => Ok(sessions::just_started(&id, entry, directory)),
        (Err(error), Err(Error::NotFound(_))) => Err(not_started(error)),
        // By this id it can be looked for.
        (Err(Error::TimedOut(why) | Error::Failed(why)), Err(_)) => {
            Ok(sessions::perhaps_started(&id, entry, directory, &why))
        }
        (Err(error), Err(_)) => Err(error),
    }
}

/// A session that is seen not to be there after its start failed.
fn not_started(error: Error) -> Error {
    match error {
        Error::TimedOut(why) | Error::Failed(why) => Error::Refused(format!("{why}; no session was started")),
        other => other,
    }
}

/// The agent asked for, or the first that is installed.
fn agent<'a>(setup: &'a Setup, wanted: Option<&str>) -> Result<&'a Entry, Error> {
    let mut installed = setup.agents.iter().filter(|entry| entry.installed);
    let found = match wanted {
        None => installed.next(),
        Some(name) => installed.find(|entry| entry.name == name),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = setup
            .agents
            .iter()
            .filter(|entry| entry.installed)
            .map(|entry| entry.name.as_str())
            .collect();
        match (wanted, names.as_slice()) {
            (_, []) => {
                Error::Invalid("no agent of this backend is installed: install one that `agents` names".to_owned())
            }
            (Some(name), _) if setup.agent(name).is_some() => Error::Invalid(format!(
                "agent {name:?} is not installed: use one of {}",
                names.join(", ")
            )),
            (name, _) => Error::Invalid(format!(
                "there is no agent {:?}: use one of {}",
                name.unwrap_or_default(),
                names.join(", ")
            )),
        }
    })
}

/// The arguments for the options asked for, `resume` among them.
fn options(entry: &Entry, request: &NewSession) -> Result<Vec<String>, Error> {
    let resume = request.resume.iter().map(|value| ("resume", value.as_str()));
    let named = request
        .options
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut asked: Vec<(&str, &str)> = Vec::new();
    for (name, value) in resume.chain(named) {
        if asked.iter().any(|(known, _)| *known == name) {
            return Err(Error::Invalid(format!("option `{name}` is given twice")));
        }
        asked.push((name, value));
    }
    let arguments = asked.into_iter().map(|(name, value)| option(entry, name, value));
    Ok(arguments.collect::<Result<Vec<_>, _>>()?.concat())
}

fn option(entry: &Entry, name: &str, value: &str) -> Result<Vec<String>, Error> {
    let Some(group) = entry.options.get(name) else {
        let names: Vec<_> = entry.options.keys().map(String::as_str).collect();
        let known = if names.is_empty() {
            "it has none".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        return Err(Error::Invalid(format!(
            "agent {} has no option `{name}`: {known}",
            entry.name
        )));
    };
    if value.is_empty() || value.starts_with('-') || value.chars().any(char::is_control) {
        return Err(Error::Invalid(format!(
            "option `{name}`: a value must not be empty or begin with `-`"
        )));
    }
    let takes_value = group.iter().any(|arg| word(arg).is_some());
    if !takes_value && value != "true" {
        return Err(Error::Invalid(format!(
            "option `{name}` takes no value: give it as \"true\" or leave it out"
        )));
    }
    Ok(group.iter().map(|arg| fill(arg, value)).collect())
}

fn fill(arg: &str, value: &str) -> String {
    word(arg).map_or_else(
        || arg.to_owned(),
        |(from, to)| format!("{}{value}{}", &arg[..from], &arg[to..]),
    )
}

/// Where a declared argument has its `<word>`.
fn word(arg: &str) -> Option<(usize, usize)> {
    let from = arg.find('<')?;
    let to = from + arg[from..].find('>')? + 1;
    Some((from, to))
}

/// A name as a session's id begins with it: `[A-Za-z0-9][A-Za-z0-9_-]*`.
fn slug(title: &str) -> String {
    let last = title.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut slug = String::new();
    for character in last.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            slug.push(character);
        } else if !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug: String = slug.trim_start_matches(['-', '_']).chars().take(NAME_MAX).collect();
    match slug.trim_end_matches('-') {
        "" => "session".to_owned(),
        slug => slug.to_owned(),
    }
}

/// Random letters and digits.
pub(crate) fn random_word(length: usize) -> Result<String, Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).map_err(|error| Error::Failed(format!("no randomness: {error}")))?;
    Ok(bytes
        .into_iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::setup::tests::two_agents;

    fn request(options: &[(&str, &str)], resume: Option<&str>) -> NewSession {
        let options = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        NewSession {
            name: None,
            project: None,
            directory: None,
            agent: None,
            message: None,
            resume: resume.map(str::to_owned),
            worktree: None,
            options,
        }
    }

    fn built(options_given: &[(&str, &str)], resume: Option<&str>) -> Result<Vec<String>, Error> {
        options(two_agents().agent("claude").unwrap(), &request(options_given, resume))
    }

    #[test]
    fn a_name_becomes_a_plain_id() {
        for (title, id) in [
            ("My App!", "My-App"),
            ("/home/me/projects/berth/", "berth"),
            ("--x", "x"),
            ("#(touch x)", "touch-x"),
            ("日本", "session"),
            ("a\nb", "a-b"),
        ] {
            assert_eq!(slug(title), id);
        }
        assert_eq!(slug(&"x".repeat(99)).len(), NAME_MAX);
    }

    #[test]
    fn declared_options_are_filled_in() {
        assert_eq!(
            built(&[("model", "opus")], Some("abc")).unwrap(),
            ["--resume", "abc", "--model=opus"]
        );
        assert_eq!(built(&[("fast", "true")], None).unwrap(), ["--fast"]);
    }

    #[test]
    fn refuses_options_that_are_unknown_doubled_or_flags() {
        for (options, resume, word) in [
            (&[("settings", "x")][..], None, "model, resume"),
            (&[("model", "--settings=x")], None, "begin with"),
            (&[("model", "a\nb")], None, "must not"),
            (&[("resume", "a")], Some("b"), "twice"),
            (&[("fast", "x")], None, "takes no value"),
        ] {
            match built(options, resume) {
                Err(Error::Invalid(why)) => assert!(why.contains(word), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn names_the_agents_there_are() {
        let setup = two_agents();
        assert_eq!(agent(&setup, None).map(|entry| entry.name.as_str()).ok(), Some("toy"));
        for (wanted, words) in [
            ("claude", "not installed: use one of toy"),
            ("x", "no agent \"x\": use one of toy"),
        ] {
            match agent(&setup, Some(wanted)) {
                Err(Error::Invalid(why)) => assert!(why.contains(words), "{why}"),
                _ => panic!("{wanted} is not refused"),
            }
        }
    }

    #[test]
    fn random_words_differ() {
        assert_ne!(random_word(20).unwrap(), random_word(20).unwrap());
    }
}
