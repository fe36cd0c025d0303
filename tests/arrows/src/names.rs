//! What a source file names of its own crate: every module that it has, every path of a `use` in all its forms, and every path that begins with
//! `crate`, `super` or `self`, in macros too. Comments and strings name nothing.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// Something that is named.
#[derive(Debug)]
pub(crate) struct Name {
    /// The module in which it is named, as a path from the crate's root.
    pub(crate) within: Vec<String>,
    /// What is named, likewise; `*` stands for all that is there.
    pub(crate) path: Vec<String>,
}

/// What the file of `module` names of its crate, whose root it also calls `root`.
///
/// # Errors
/// Why the text cannot be read as Rust.
pub(crate) fn of(text: &str, module: &[String], root: &str) -> Result<Vec<Name>, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut reader = Reader {
        root,
        module: module.to_vec(),
        found: Vec::new(),
    };
    reader.read(&tokens.into_iter().collect::<Vec<_>>())?;
    Ok(reader.found)
}

struct Reader<'a> {
    root: &'a str,
    /// The module in which it reads.
    module: Vec<String>,
    found: Vec<Name>,
}

impl Reader<'_> {
    fn read(&mut self, tokens: &[TokenTree]) -> Result<(), String> {
        let mut rest = tokens;
        while let [token, after @ ..] = rest {
            rest = match (word(token).as_deref(), after) {
                (Some("mod"), [name, TokenTree::Group(body), after @ ..]) => {
                    self.module.push(name.to_string());
                    self.read(&inside(body))?;
                    self.module.pop();
                    after
                }
                (Some("mod"), [name, after @ ..]) => {
                    self.add([&self.module[..], &[name.to_string()]].concat());
                    after
                }
                // By another name, all of it could be reached unseen.
                (Some("extern"), [_crate, name, after @ ..]) if is(name, "self") => {
                    self.add(Vec::new());
                    after
                }
                (Some("use"), _) => self.path(after_colons(after).unwrap_or(after))?,
                (Some("crate"), [next, ..]) if is(next, "as") => self.path(rest)?,
                (Some(name), _) if self.is_beginning(name) && after_colons(after).is_some() => self.path(rest)?,
                _ => {
                    if let TokenTree::Group(group) = token {
                        self.read(&inside(group))?;
                    }
                    after
                }
            };
        }
        Ok(())
    }

    fn is_beginning(&self, name: &str) -> bool {
        ["crate", "super", "self", self.root].contains(&name)
    }

    /// Reads a path. What follows it is the answer.
    fn path<'t>(&mut self, tokens: &'t [TokenTree]) -> Result<&'t [TokenTree], String> {
        self.onto(self.module.clone(), tokens)
    }

    /// Reads the rest of a path, or of several that begin with `before`.
    fn onto<'t>(&mut self, mut before: Vec<String>, tokens: &'t [TokenTree]) -> Result<&'t [TokenTree], String> {
        let [token, after @ ..] = tokens else {
            self.add(before);
            return Ok(tokens);
        };
        match (word(token).as_deref(), token) {
            (Some("self"), _) => {}
            (Some("super"), _) => drop(before.pop().ok_or("`super` leaves the crate")?),
            (Some(name), _) if self.is_beginning(name) => before.clear(),
            (Some(name), _) => before.push(name.to_owned()),
            (None, TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                for part in inside(group)
                    .split(|token| is(token, ","))
                    .filter(|part| !part.is_empty())
                {
                    self.onto(before.clone(), part)?;
                }
                return Ok(after);
            }
            (None, _) if is(token, "*") => before.push("*".to_owned()),
            // The types of a generic, as in `crate::one::<crate::Two>`.
            (None, _) => {
                self.add(before);
                return Ok(tokens);
            }
        }
        match after_colons(after) {
            Some(after) => self.onto(before, after),
            None => {
                self.add(before);
                Ok(after)
            }
        }
    }

    fn add(&mut self, path: Vec<String>) {
        let within = self.module.clone();
        self.found.push(Name { within, path });
    }
}

fn after_colons(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [one, two, after @ ..] if is(one, ":") && is(two, ":") => Some(after),
        _ => None,
    }
}

fn inside(group: &Group) -> Vec<TokenTree> {
    group.stream().into_iter().collect()
}

fn word(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

fn is(token: &TokenTree, text: &str) -> bool {
    matches!(token, TokenTree::Ident(_) | TokenTree::Punct(_)) && token.to_string() == text
}
