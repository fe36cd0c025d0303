//! The merge: all backends behind one small set of tools. Plain data in, plain data out: it says which tools there are
//! for whom and what a call of one means, and does nothing itself.

mod aliases;
pub(crate) mod answers;
pub(crate) mod arguments;
mod backends;
mod own;
mod request;
mod schema;
mod tools;

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use thiserror::Error;

pub use self::backends::Offer;
pub use self::own::CollisionError;
pub use self::tools::Tool;

pub(crate) use self::backends::View;
pub(crate) use self::own::OwnCall;
pub(crate) use self::request::Request;

use self::aliases::Aliases;
use self::backends::Backends;
use self::own::OwnTools;
use crate::config::Tools as ToolSettings;
use crate::principal::{Principal, Scope};
use crate::text;

/// A call that makes no sense, or is not allowed. Says why and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Mistake(String);

impl Mistake {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// All tools of all backends.
pub struct Catalog {
    backends: Backends,
    tools: Vec<Tool>,
    own: OwnTools,
    aliases: Aliases,
}

impl Catalog {
    /// Merges what backends offer. An error says which tools collide, or which name is that of no tool, and how to fix
    /// it.
    pub fn new(offers: Vec<Offer>, default_backend: String, settings: &ToolSettings) -> Result<Self, CollisionError> {
        let offers: BTreeMap<String, Offer> = offers.into_iter().map(|offer| (offer.backend.clone(), offer)).collect();
        let own = OwnTools::collect(&offers, settings)?;
        let mut tools = tools::shared();
        tools.extend(own.tools());
        let aliases = Aliases::new(&settings.alias, &mut tools)?;
        tools.retain(|tool| !settings.hide.contains(&tool.name));
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            backends: Backends::new(offers, default_backend),
            tools,
            own,
            aliases,
        })
    }

    /// Every tool, by name.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    /// The tools that `principal` may call, by name, and what each needs of it: a tool of several backends may only
    /// read in those that exist for it, and do more in others.
    pub fn tools_of(&self, principal: &Principal) -> impl Iterator<Item = (&Tool, Scope)> {
        let known = self
            .tools
            .iter()
            .filter_map(|tool| Some((tool, self.needs(principal, tool)?)));
        known.filter(|(_, scope)| principal.may(*scope))
    }

    /// What `principal` lacks to call the tool called `name`; none also where there is no such tool for it.
    pub fn lacks(&self, principal: &Principal, name: &str) -> Option<Scope> {
        let scope = self.needs(principal, self.tool(name)?)?;
        Some(scope).filter(|scope| !principal.may(*scope))
    }

    /// Whether a tool called `name` exists for `principal`: not where only backends have it that do not.
    pub fn knows(&self, principal: &Principal, name: &str) -> bool {
        self.tool(name).and_then(|tool| self.needs(principal, tool)).is_some()
    }

    /// What `principal` needs to call `tool`. None: it does not exist for it.
    fn needs(&self, principal: &Principal, tool: &Tool) -> Option<Scope> {
        let view = self.view(principal);
        match self.aliases.leads_out_of(&tool.name, view) {
            true => None,
            false => self.own.scope(self.aliases.target(&tool.name), tool, view),
        }
    }

    /// The tool called `name`.
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        let place = self.tools.binary_search_by(|tool| tool.name.as_str().cmp(name)).ok()?;
        self.tools.get(place)
    }

    /// What a call means.
    ///
    /// # Errors
    /// It means nothing to `principal`, or has arguments that its tool does not take.
    pub(crate) fn read(
        &self,
        principal: &Principal,
        name: &str,
        given: Map<String, Value>,
    ) -> Result<Request<'_>, Mistake> {
        if let Some(scope) = self.lacks(principal, name) {
            return Err(Mistake::new(principal.refusal(name, scope)));
        }
        let Some(tool) = self.tool(name).filter(|tool| self.needs(principal, tool).is_some()) else {
            let names: Vec<&str> = self.tools_of(principal).map(|(tool, _)| tool.name.as_str()).collect();
            let name = text::escaped(name, text::NAMED);
            return Err(Mistake::new(format!(
                "there is no tool `{name}`; there are: {}",
                names.join(", ")
            )));
        };
        let (name, given) = self.aliases.resolve(&tool.name, given)?;
        match self.own.has(name) {
            true => Ok(Request::Own(self.own.call(name, given, self.view(principal))?)),
            false => Request::of_shared(name, given),
        }
    }

    /// Whether a call may change something: it is let through to a tool that does.
    pub(crate) fn acts(&self, principal: &Principal, name: &str) -> bool {
        let needed = self.tool(name).and_then(|tool| self.needs(principal, tool));
        needed == Some(Scope::Control) && principal.may(Scope::Control)
    }

    /// Whether the data that the tool `name` answers may have a note of ours: nobody has said how it looks, or it is one
    /// of ours that has notes.
    pub(crate) fn has_notes(&self, name: &str) -> bool {
        match self.tool(name).and_then(|tool| tool.output.as_ref()) {
            None => true,
            Some(schema) => !self.own.has(self.aliases.target(name)) && schema["properties"].get("note").is_some(),
        }
    }

    /// The backend and the session that a call is meant for; each is empty where there is none, or not only one.
    pub(crate) fn target(&self, principal: &Principal, name: &str, given: &Map<String, Value>) -> (String, String) {
        let view = self.view(principal);
        let alias = self.aliases.get(name);
        let tool = alias.map_or(name, |alias| &alias.tool);
        let argument = |key: &str| given.get(key).or_else(|| alias?.arguments.get(key));
        let text = |key: &str| argument(key).and_then(Value::as_str);
        let session = text(if tool == "fetch" { "id" } else { "session_id" }).unwrap_or_default();
        let backend = match (text("backend"), session.split_once('/')) {
            (Some(named), _) => Some(named.to_owned()),
            (None, Some((named, _))) => Some(named.to_owned()),
            (None, None) if tool == "create_session" => view.default().map(str::to_owned),
            (None, None) => self.own.backend(tool, None, view).map(str::to_owned),
        };
        (backend.unwrap_or_default(), session.to_owned())
    }

    /// The backends as `principal` sees them.
    pub(crate) fn view<'a>(&'a self, principal: &'a Principal) -> View<'a> {
        self.backends.of(principal)
    }
}

#[cfg(test)]
mod tests;
