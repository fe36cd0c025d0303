//! What a host has for the backends on it, found as they find it when they start.

use std::collections::BTreeSet;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use super::hosts::Host;
use super::located::{Asked, Seen, clock, elsewhere, version_fault};
use super::{Granted, Links, Setup};
use crate::capability::process::grant::{CONF_MARKER, Grant, SOCKET_MARKER};
use crate::config::Agent;
use crate::machine::sh::{self, Around, Fault, Found, Place, Program, Run, Way};
use crate::machine::{Ended, Output, Trouble};
use crate::text;

/// How long what is asked there may take once a session is open.
const ASKING: Duration = Duration::from_secs(20);
/// How long each program may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(8);
/// Bytes of what a program says.
const OUTPUT: u64 = 16 << 10;
/// Characters of what others say.
const SAID: usize = 200;
/// Characters of a version.
const VERSION: usize = 24;
/// Kilobytes for which its home directory must have room: less is as good as none.
const ROOM: u64 = 1 << 10;
/// Who asks, instead of a backend.
const ASKS: &str = "hosts";

/// What was found on a host that lets us in.
#[derive(Debug, Default)]
pub struct Survey {
    /// How long a line takes there and back.
    pub round_trip: Duration,
    /// The programs of its backends that are there and tell their version.
    pub programs: Vec<Version>,
    /// The agents of its backends that are there.
    pub agents: Vec<Version>,
    /// What keeps a backend down, each with its fix.
    pub faults: Vec<String>,
    /// What is wrong beside that, each with its fix.
    pub warnings: Vec<String>,
}

/// A program or an agent, and its version if it tells one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Its name in the configuration.
    pub name: String,
    /// A word that begins with a digit.
    pub version: Option<String>,
}

/// Logs in on `host` and looks for what the backends of `setup` need there: in two requests, beside the one that measures.
///
/// # Errors
/// A [`Trouble`] if it cannot be reached, or what else is in the way.
pub async fn survey(setup: &Setup, host: &Host, links: &Links) -> anyhow::Result<Survey> {
    let link = links.to(host)?;
    let mut survey = Survey {
        round_trip: link.round_trip(Instant::now() + host.written.connect_timeout).await?,
        ..Survey::default()
    };
    let way: Arc<dyn Way> = Arc::new(link);
    let (until, name) = (Instant::now() + ASKING, &host.written.name);
    let backends: Vec<&Granted> = setup.on(name).collect();
    let around = around(host, &backends);
    let asked: Vec<Asked> = backends.iter().map(|backend| Asked::of(setup, backend)).collect();
    let all = asked.iter().fold(Asked::default(), Asked::with);
    let found = sh::find(&way, &around, until, &all.programs, &all.directories).await;
    let found = found.map_err(|fault| in_the_way(&fault, name))?;
    survey.warnings.extend(clock_warning(&found, name));
    let mut questions = vec![Question::room(&found)];
    for seen in seen(name, &backends, &asked, &all, &found) {
        questions.extend(survey.take_seen(setup, &seen));
    }
    let runs = questions.iter().map(Question::run).collect();
    for (question, told) in questions.iter().zip(sh::run(&way, &around, until, runs).await) {
        match told {
            Ok(told) => survey.take_answer(question, told, name),
            Err(fault @ (Fault::Unopened(_) | Fault::Silent { .. } | Fault::Hung { .. } | Fault::Lost)) => {
                return Err(in_the_way(&fault, name));
            }
            Err(fault) => survey.warnings.extend(question.unanswered(&fault, name)),
        }
    }
    survey.keep_each_once();
    Ok(survey)
}

/// What the programs that are asked here have around them.
fn around(host: &Host, backends: &[&Granted]) -> Around {
    let kept = backends.iter().flat_map(|backend| &backend.written.env);
    let variables = host.variables();
    Around {
        environment: kept.cloned().collect(),
        path: host.written.path.clone(),
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        backend: ASKS.to_owned(),
    }
}

/// What was found for each of `backends`, which `asked` for it; `all` was looked for together.
fn seen<'a>(host: &'a str, backends: &[&'a Granted], asked: &[Asked], all: &Asked, found: &Found) -> Vec<Seen<'a>> {
    let mut places = found.directories.iter();
    let seen = |(backend, asked): (&&'a Granted, &Asked)| Seen {
        backend,
        host,
        found: Found {
            directories: places.by_ref().take(asked.directories.len()).cloned().collect(),
            ..found.clone()
        },
        programs: all.programs.clone(),
    };
    backends.iter().zip(asked).map(seen).collect()
}

impl Survey {
    /// Takes in what is known of one backend, and answers what is still to be asked for it.
    fn take_seen(&mut self, setup: &Setup, seen: &Seen<'_>) -> Vec<Question> {
        let mut questions = Vec::new();
        let directories = seen.each_directory().filter_map(Result::err);
        self.faults.extend(directories.map(|fault| fault.to_string()));
        self.faults.extend(seen.place_faults());
        self.faults.extend(seen.socket_fault());
        for (name, grant) in &seen.backend.programs {
            match seen.found_program(name, grant) {
                Ok(path) => questions.extend(Question::of_program(grant, &path.to_string_lossy())),
                Err(fault) => self.faults.push(fault.to_string()),
            }
        }
        let (mut names, mut are_somewhere) = (Vec::new(), false);
        for (name, agent) in setup.agents_of(seen.backend) {
            names.push(name.as_str());
            let needed = agent.requires.as_ref().map(|program| program.written.as_str());
            match needed.map(|program| (program, seen.program(program))) {
                None => self.agents.push(Version::unknown(name)),
                Some((_, Some(Program::Here(path)))) => match Question::of_agent(name, agent, path) {
                    Some(question) => questions.push(question),
                    None => self.agents.push(Version::unknown(name)),
                },
                // What is named by its path is there or not.
                Some((program, Some(Program::Elsewhere(path)))) if !program.contains('/') => {
                    self.warnings
                        .push(elsewhere(program, seen.host, path, &seen.found.home));
                }
                Some(_) => continue,
            }
            are_somewhere = true;
        }
        if !are_somewhere && !names.is_empty() {
            self.warnings.push(format!(
                "no agent of [backends.{}] ({}) is on the PATH of the host {}, nor where programs usually are: install one \
                 there, or write its folder as path = [...] into [hosts.{2}]",
                seen.backend.written.name,
                names.join(", "),
                seen.host
            ));
        }
        questions
    }

    /// Takes in what the answer to a question tells.
    fn take_answer(&mut self, question: &Question, told: Ended, host: &str) {
        let output = match told {
            Ended::Finished(output) => output,
            Ended::TimedOut(after) => {
                self.warnings.push(format!(
                    "`{}` on the host {host} did not answer within {after:.0?}: run it there to see why",
                    question.shown()
                ));
                return;
            }
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let told = Version {
            name: question.name.clone(),
            version: version(&said),
        };
        match &question.of {
            Of::Room { of } => self.faults.extend(room_faults(&said, of, host)),
            Of::Program { least: Some(least) } => {
                let fault = version_fault(&question.name, least, &output, host);
                self.faults.extend(fault.map(|fault| fault.to_string()));
                self.programs.push(told);
            }
            Of::Program { least: None } => {
                self.warnings.extend(question.failure(&output, host));
                self.programs.push(told);
            }
            Of::Agent => {
                self.warnings.extend(question.failure(&output, host));
                self.agents.push(told);
            }
        }
    }

    /// Several backends on one host need the same.
    fn keep_each_once(&mut self) {
        for texts in [&mut self.faults, &mut self.warnings] {
            texts.sort();
            texts.dedup();
        }
        for versions in [&mut self.programs, &mut self.agents] {
            versions.sort();
            versions.dedup();
        }
    }
}

impl Version {
    fn unknown(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: None,
        }
    }
}

/// What a program there is asked.
struct Question {
    /// The name of the program or agent.
    name: String,
    program: String,
    args: Vec<String>,
    of: Of,
}

/// What is asked for.
enum Of {
    /// The room on the disks with these, in words.
    Room {
        of: Vec<String>,
    },
    /// The version, and what it has to be at least.
    Program {
        least: Option<String>,
    },
    Agent,
}

impl Question {
    fn room(found: &Found) -> Self {
        let granted = found.directories.iter().filter_map(|place| match place {
            Place::There(path) => Some(path),
            _ => None,
        });
        let granted: BTreeSet<&String> = granted.collect();
        let shown = granted.iter().map(|path| format!("{:?}", text::short_line(path, SAID)));
        let of = iter::once("the home directory".to_owned()).chain(shown).collect();
        let options = ["-Pk", "--", &found.home].map(str::to_owned);
        Self {
            name: "df".to_owned(),
            program: "df".to_owned(),
            args: options.into_iter().chain(granted.into_iter().cloned()).collect(),
            of: Of::Room { of },
        }
    }

    /// None if it does not tell its version, or needs places of berth's own for that.
    fn of_program(grant: &Grant, path: &str) -> Option<Self> {
        let needs_place = |word: &String| word.contains(CONF_MARKER) || word.contains(SOCKET_MARKER);
        let args = grant.doctor.first().filter(|args| !args.iter().any(needs_place))?;
        Some(Self {
            name: grant.program.clone(),
            program: path.to_owned(),
            args: args.clone(),
            of: Of::Program {
                least: grant.least_version.clone(),
            },
        })
    }

    /// The first question of the doctor's that its own program answers.
    fn of_agent(name: &str, agent: &Agent, path: &str) -> Option<Self> {
        let needed = &agent.requires.as_ref()?.written;
        let questions = agent
            .doctor
            .iter()
            .filter_map(|question| question.command.split_first());
        let (_, args) = questions.into_iter().find(|(program, _)| *program == needed)?;
        Some(Self {
            name: name.to_owned(),
            program: path.to_owned(),
            args: args.to_vec(),
            of: Of::Agent,
        })
    }

    fn run(&self) -> Run {
        Run {
            program: self.program.clone(),
            args: self.args.clone(),
            env: Vec::new(),
            directory: None,
            held: Vec::new(),
            stdin: Vec::new(),
            deadline: ANSWERS_WITHIN,
            output: OUTPUT,
            lingers: false,
            socket: None,
        }
    }

    fn shown(&self) -> String {
        text::short_line(&format!("{} {}", self.program, self.args.join(" ")), SAID)
    }

    /// What is wrong where nothing can be asked. How much room there is then stays unknown.
    fn unanswered(&self, fault: &Fault, host: &str) -> Option<String> {
        match self.of {
            Of::Room { .. } => None,
            Of::Program { .. } | Of::Agent => Some(format!(
                "`{}` on the host {host} did not tell its version ({fault}): run it there to see why",
                self.shown()
            )),
        }
    }

    /// What is wrong if it failed.
    fn failure(&self, output: &Output, host: &str) -> Option<String> {
        let said = [&output.stderr, &output.stdout].map(|said| String::from_utf8_lossy(said));
        let said = said.iter().find(|said| !said.trim().is_empty());
        (output.status != Some(0)).then(|| {
            format!(
                "`{}` fails on the host {host} and says {:?}: run it there, and do what it asks",
                self.shown(),
                said.map_or_else(|| "nothing".to_owned(), |said| text::short_line(said.trim(), SAID))
            )
        })
    }
}

/// The first word with a dot and a digit in what a program says, from its first digit on.
fn version(said: &str) -> Option<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '+' | '_');
    let mut words = said.split(|letter| !is_part(letter)).filter(|word| word.contains('.'));
    words.find_map(|word| {
        let from = word.find(|letter: char| letter.is_ascii_digit())?;
        let word = word[from..].trim_end_matches('.');
        Some(word.chars().take(VERSION).collect())
    })
}

/// What is wrong if the table of `df -Pk` shows that nothing more can be written. It has a line for each that is named in `of`.
fn room_faults(said: &str, of: &[String], host: &str) -> Vec<String> {
    let lines: Vec<&str> = said.lines().skip(1).collect();
    // Otherwise nobody knows which line is of which.
    let of = if lines.len() == of.len() {
        of
    } else {
        &of[..of.len().min(1)]
    };
    let fault = |(line, of): (&&str, &String)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The name of a file system may hold blanks.
        let share = words.iter().position(|word| word.ends_with('%') && word.len() > 1)?;
        let free: u64 = words.get(share.checked_sub(1)?)?.parse().ok()?;
        let is_full = free < ROOM;
        is_full.then(|| format!("the disk with {of} on the host {host} is full ({free} KiB are free): make room there"))
    };
    lines.iter().zip(of).filter_map(fault).collect()
}

fn clock_warning(found: &Found, host: &str) -> Option<String> {
    let minutes = clock(found)?.as_secs() / 60;
    Some(format!(
        "the clock of the host {host} is off by {}: set one of the two, as ages and deadlines there are by that clock",
        humantime::format_duration(Duration::from_secs(minutes * 60))
    ))
}

/// Why a request was not done.
fn in_the_way(fault: &Fault, host: &str) -> anyhow::Error {
    match fault {
        Fault::Unopened(why) => match why.downcast_ref::<Trouble>() {
            Some(trouble) => trouble.clone().into(),
            None => anyhow!("{why}"),
        },
        Fault::Silent { said } => anyhow!(
            "the host {host} lets you in, but its shell does not answer, and says {:?}: see that it has a POSIX /bin/sh, and \
             that nothing in the files of the login there ends it",
            text::short_line(said.trim(), SAID)
        ),
        Fault::Hung { said } if !said.trim().is_empty() => anyhow!(
            "the host {host} lets you in, but {fault}; it says {:?}",
            text::short_line(said.trim(), SAID)
        ),
        Fault::Hung { .. } => anyhow!("the host {host} lets you in, but {fault}"),
        fault => anyhow!("the host {host} lets you in, but {fault}: try again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_a_word_with_a_dot_and_nothing_else_of_what_is_said() {
        for (said, found) in [
            ("mux 3.5a\n", Some("3.5a")),
            ("mux next-3.6", Some("3.6")),
            ("2.1.14 (An Agent)", Some("2.1.14")),
            ("agent-cli v0.30.0-beta.1, see https://x.y", Some("0.30.0-beta.1")),
            ("agent 5 is here.\n\u{1b}[2J", None),
            ("1.23456789012345678901234567890", Some("1.2345678901234567890123")),
            ("", None),
        ] {
            assert_eq!(version(said).as_deref(), found, "{said:?}");
        }
    }

    #[test]
    fn a_disk_is_full_where_the_table_says_so_and_only_there() {
        let table = |line: &str| format!("Filesystem 1024-blocks Used Available Capacity Mounted on\n{line}\n");
        let faults = |said: &str| room_faults(said, &["the home directory".to_owned(), "\"/data\"".to_owned()], "mac");
        let full = "/dev/disk 1 one 488245288 488245200 88 100% /home/50% off";
        let room = "/dev/sda1 100000 60 90000 1% /";
        for said in [table(full), table(&format!("{full}\n{room}"))] {
            let faults = faults(&said);
            assert!(
                matches!(&*faults, [fault] if fault.contains("home") && fault.contains("88 KiB") && fault.contains("make room")),
                "{faults:?}"
            );
        }
        let second = faults(&table(&format!("{room}\n{full}")));
        assert!(matches!(&*second, [fault] if fault.contains("/data")), "{second:?}");
        for other in [room, "tmpfs - - - - /", "", "100%", "% 1"] {
            assert_eq!(faults(&table(other)), Vec::<String>::new(), "{other}");
        }
    }
}
