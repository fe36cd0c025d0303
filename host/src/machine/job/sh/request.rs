//! Writes a request: checked values as quoted words, and bytes in pieces.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::super::about::About;
use super::super::output::Channel;
use super::super::spec::Spec;
use super::answer::{Fault, Item, items};

/// What both scripts begin with.
const FACTS: &str = include_str!("facts.sh");
const SUPERVISE: &str = include_str!("supervise.sh");
const REQUESTS: &str = include_str!("requests.sh");

/// Bytes of one piece. A shell holds one of them at a time.
const PIECE: usize = 64 << 10;
/// Bytes of all variables, as for a job here.
const ENVIRONMENT: usize = 2 << 20;
/// Characters of a name of a job or an installation.
const NAME: usize = 64;
/// Variables that a shell does not let anybody set, or that say how it reads.
const OF_SHELLS: [&str; 9] = [
    "BASHOPTS",
    "BASH_VERSINFO",
    "BERTH_SUPERVISOR",
    "EUID",
    "GROUPS",
    "POSIXLY_CORRECT",
    "PPID",
    "SHELLOPTS",
    "UID",
];

/// A value that cannot be sent. Then nothing was.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Unfit {
    /// It would be cut off there.
    #[error("{0} holds a NUL character, which no shell can take: remove it")]
    Nul(&'static str),
    /// It is not a name of a job or of an installation.
    #[error("`{0}` is not a name on a host: use 1 to 64 letters, digits and `-`")]
    Name(String),
    /// It is not a variable that a shell can set.
    #[error("`{0}` cannot be the name of a variable for a job on a host")]
    Variable(String),
    /// It is not a pattern of names of variables.
    #[error("`{0}` is not a pattern of variables: use letters, digits, `_`, `*` and `?`")]
    Pattern(String),
    /// It cannot stand in a list of paths.
    #[error("`{0}` cannot be a path for programs: write an absolute one, or one that begins with `~/`, without `:`")]
    Path(String),
    /// It is not where a program can be.
    #[error("`{0}` is not a program by an absolute path, which a job on a host needs")]
    Program(String),
    /// Its variables and their values do not belong together.
    #[error("the job names {names} variables and has {values} values")]
    Values {
        /// How many it names.
        names: usize,
        /// How many there are.
        values: usize,
    },
    /// All its variables together are too long.
    #[error("the variables of the job take more than {ENVIRONMENT} bytes: give it less")]
    TooMuch,
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// A directory in one that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Within {
    /// What was granted: an absolute path without links, as it was found, or one that begins with `~/`.
    pub root: String,
    /// Below it; empty: it itself.
    pub below: String,
}

/// The start of a job.
#[derive(Debug)]
pub struct Begin<'a> {
    /// What it runs.
    pub spec: &'a Spec,
    /// What it is, for another installation that takes it over.
    pub about: &'a About,
    /// The beginning of its standard input.
    pub input: &'a [u8],
    /// Nothing is added to that.
    pub whole: bool,
    /// Where the program begins; none: in the root directory.
    pub directory: Option<&'a Within>,
    /// Which variables of the login it gets, by patterns like `LC_*`. It always gets `PATH`.
    pub keep: &'a [String],
    /// Directories of programs, before those of the login: absolute, or beginning with `~/`.
    pub paths: &'a [String],
    /// The values of the variables that `spec` names, in its order. They are in no file and no list of arguments.
    pub values: &'a [String],
}

/// A request about the jobs of one installation on a host: any number of calls, which are made one after another.
#[derive(Debug)]
pub struct Request {
    nonce: String,
    text: String,
    /// What each answer is about: a job, or none.
    asked: Vec<Option<String>>,
}

impl Request {
    /// One without a call. `shell` is the POSIX shell there by its path, and `installation` whose jobs these are: it sees
    /// no others.
    ///
    /// # Errors
    /// If one of these cannot be sent.
    pub fn new(shell: &str, installation: &str) -> Result<Self, Unfit> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| Unfit::Random)?;
        let nonce = hex::encode(random);
        let mut request = Self {
            text: [FACTS, REQUESTS].concat(),
            nonce: nonce.clone(),
            asked: Vec::new(),
        };
        request.call("at", &[&nonce, plain("the shell", shell)?, name(installation)?]);
        Ok(request)
    }

    /// Sends the script of supervisors, which a start asks for with [`Answer::Wanted`](super::Answer::Wanted).
    pub fn install(&mut self) {
        let script = supervisor();
        self.call("make_place", &[]);
        self.draft(script.as_bytes());
        self.call("install", &[&digest(&script), &checksum(script.as_bytes())]);
        self.asked.push(None);
    }

    /// Makes a job and starts its supervisor. A job that a supervisor has is left as it is.
    ///
    /// # Errors
    /// If something of it cannot be sent; then the request is as it was.
    pub fn start(&mut self, begin: &Begin<'_>) -> Result<(), Unfit> {
        let spec = begin.spec;
        let id = name(&spec.id)?;
        for argument in &spec.argv {
            plain("an argument", argument)?;
        }
        let program = spec.argv.first().map_or("", String::as_str);
        if !program.starts_with('/') {
            return Err(Unfit::Program(program.to_owned()));
        }
        let (root, below) = match begin.directory {
            Some(Within { root, below }) => (plain("a directory", root)?, plain("a directory", below)?),
            None => ("", ""),
        };
        let values = values(spec, begin.values)?;
        let (keep, paths) = (patterns(begin.keep)?, directories(begin.paths)?);
        plain("the directory", spec.directory.as_deref().unwrap_or_default())?;

        // No shell takes this character, and no job is refused for it.
        let about = begin.about.text().replace('\0', "\u{fffd}");

        let script = supervisor();
        let whole = if begin.whole { "whole" } else { "open" };
        self.call("make_place", &[]);
        self.draft(begin.input);
        let bytes = begin.input.len().to_string();
        self.call("make", &[id, &spec.text(), &about, &bytes, whole]);
        let (digest, checksum) = (digest(&script), checksum(script.as_bytes()));
        self.call("start", &[id, &digest, &checksum, root, below, &keep, &paths, &values]);
        self.asked.push(Some(id.to_owned()));
        Ok(())
    }

    /// Adds `bytes` to a job's input, all or none, if it has `expect` bytes now.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn append(&mut self, id: &str, bytes: &[u8], expect: Option<u64>) -> Result<(), Unfit> {
        let expect = expect.map_or_else(|| "-".to_owned(), |expect| expect.to_string());
        let id = name(id)?;
        self.draft(bytes);
        self.call("append", &[id, &expect, &bytes.len().to_string()]);
        self.asked.push(Some(id.to_owned()));
        Ok(())
    }

    /// Ends a job's input.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn close(&mut self, id: &str) -> Result<(), Unfit> {
        self.about("close", id)
    }

    /// Asks for a job's end: TERM to its group, and KILL after 5 seconds.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn cancel(&mut self, id: &str) -> Result<(), Unfit> {
        self.about("cancel", id)
    }

    /// The same for a job of which nobody knows whether a start has come there: that finds it cancelled.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn forestall(&mut self, id: &str) -> Result<(), Unfit> {
        self.call("make_place", &[]);
        self.about("forestall", id)
    }

    /// Asks how a job stands.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn status(&mut self, id: &str) -> Result<(), Unfit> {
        self.about("status", id)
    }

    /// The same, and if its supervisor was killed or its directory is gone, what is left of it is ended first.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn settle(&mut self, id: &str) -> Result<(), Unfit> {
        self.about("settle", id)
    }

    /// Asks for at most `most` bytes of a job's output from its byte `start` on, or from the first later one that is kept.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn output(&mut self, id: &str, channel: Channel, start: u64, most: u64) -> Result<(), Unfit> {
        let channel = match channel {
            Channel::Output => "out",
            Channel::Errors => "err",
        };
        // More is neither printed nor counted by a shell.
        let number = |number: u64| number.min(999_999_999_999_999).to_string();
        self.call("read_output", &[name(id)?, channel, &number(start), &number(most)]);
        self.asked.push(Some(id.to_owned()));
        Ok(())
    }

    /// Asks which jobs there are.
    pub fn list(&mut self) {
        self.call("list", &[]);
        self.asked.push(None);
    }

    /// Removes a job that does not run.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn remove(&mut self, id: &str) -> Result<(), Unfit> {
        self.about("remove", id)
    }

    /// Asks which installations have jobs there.
    pub fn installations(&mut self) {
        self.call("installations", &[]);
        self.asked.push(None);
    }

    /// Asks what an installation has left with a job for another one.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn describe(&mut self, id: &str) -> Result<(), Unfit> {
        self.about("describe", id)
    }

    /// Gives a job to another installation. One that this has is left as it is.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn take(&mut self, id: &str, installation: &str) -> Result<(), Unfit> {
        self.call("take", &[name(id)?, name(installation)?]);
        self.asked.push(Some(id.to_owned()));
        Ok(())
    }

    /// Asks which jobs another installation has taken.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn taken_by(&mut self, installation: &str) -> Result<(), Unfit> {
        self.call("taken_by", &[name(installation)?]);
        self.asked.push(None);
        Ok(())
    }

    /// The script: standard input for the shell. It may hold secrets.
    pub fn script(&self) -> String {
        format!("{}over\n", self.text)
    }

    /// What came back on the shell's standard output, whatever stood before it: an item for each call, about what that asked for.
    ///
    /// # Errors
    /// If it was cut off, is not an answer to this, or says that nothing was done.
    pub fn answers(&self, output: &[u8]) -> Result<Vec<Item>, Fault> {
        let items = items(&self.nonce, output)?;
        match items.iter().map(|item| &item.id).eq(&self.asked) {
            true => Ok(items),
            false => Err(Fault::Unasked),
        }
    }

    fn about(&mut self, call: &str, id: &str) -> Result<(), Unfit> {
        self.call(call, &[name(id)?]);
        self.asked.push(Some(id.to_owned()));
        Ok(())
    }

    fn call(&mut self, call: &str, words: &[&str]) {
        self.text.push_str(call);
        for word in words {
            self.text.push(' ');
            self.quoted(word);
        }
        self.text.push('\n');
    }

    /// Bytes that the next call takes. Any byte may be in them.
    fn draft(&mut self, bytes: &[u8]) {
        self.call("draft", &[]);
        for piece in bytes.chunks(PIECE) {
            let mut escaped = String::with_capacity(piece.len());
            for &byte in piece {
                match byte {
                    b'\\' => escaped.push_str("\\\\"),
                    1..0x80 => escaped.push(byte.into()),
                    _ => escaped.push_str(&format!("\\0{byte:03o}")),
                }
            }
            self.call("put", &[&escaped]);
        }
    }

    /// In single quotes everything stands for itself, except the quote.
    fn quoted(&mut self, word: &str) {
        self.text.extend(["'", &word.replace('\'', "'\\''"), "'"]);
    }
}

/// The script of supervisors, which never changes by what is asked.
pub(super) fn supervisor() -> String {
    [FACTS, SUPERVISE].concat()
}

/// A changed script has another name.
pub(super) fn digest(script: &str) -> String {
    hex::encode(Sha256::digest(script))
}

/// What `cksum` prints, which every system has: a script that was cut off is sent again.
pub(super) fn checksum(bytes: &[u8]) -> String {
    let lengths = bytes.len().to_le_bytes();
    let used = lengths.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let all = bytes.iter().chain(&lengths[..used]);
    let sum = all.fold(0_u32, |sum, byte| {
        (0..8).fold(sum ^ (u32::from(*byte) << 24), |sum, _| {
            let next = sum << 1;
            if sum >> 31 == 1 { next ^ 0x04c1_1db7 } else { next }
        })
    });
    format!("{} {}", !sum, bytes.len())
}

fn plain<'v>(what: &'static str, value: &'v str) -> Result<&'v str, Unfit> {
    match value.contains('\0') {
        true => Err(Unfit::Nul(what)),
        false => Ok(value),
    }
}

fn name(value: &str) -> Result<&str, Unfit> {
    let fits = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // The first character also keeps it from being taken for an option.
    let begins = value.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    match fits && begins && value.len() <= NAME {
        true => Ok(value),
        false => Err(Unfit::Name(value.to_owned())),
    }
}

/// A line for each variable.
fn values(spec: &Spec, values: &[String]) -> Result<String, Unfit> {
    if spec.variables.len() != values.len() {
        return Err(Unfit::Values {
            names: spec.variables.len(),
            values: values.len(),
        });
    }
    let mut lines = Vec::new();
    for (name, value) in spec.variables.iter().zip(values) {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if !is_plain || !begins || OF_SHELLS.contains(&&**name) || name.starts_with("berth__") {
            return Err(Unfit::Variable(name.clone()));
        }
        let value = plain("a variable", value)?;
        lines.push(format!("{name}={}", value.replace('\\', "\\\\").replace('\n', "\\n")));
    }
    let lines = lines.join("\n");
    match lines.len() > ENVIRONMENT {
        true => Err(Unfit::TooMuch),
        false => Ok(lines),
    }
}

fn patterns(patterns: &[String]) -> Result<String, Unfit> {
    for pattern in patterns {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_*?".contains(&byte);
        if pattern.is_empty() || !pattern.bytes().all(fits) {
            return Err(Unfit::Pattern(pattern.clone()));
        }
    }
    Ok(patterns.join(" "))
}

fn directories(paths: &[String]) -> Result<String, Unfit> {
    for path in paths {
        let is_of_home = path == "~" || path.starts_with("~/");
        if !(is_of_home || path.starts_with('/')) || path.contains([':', '\0', '\n']) {
            return Err(Unfit::Path(path.clone()));
        }
    }
    Ok(paths.join(":"))
}
