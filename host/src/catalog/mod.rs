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

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use thiserror::Error;

pub use self::backends::{Backends, Offer};
pub use self::own::CollisionError;
pub use self::tools::Tool;

pub(crate) use self::backends::View;
pub(crate) use self::own::OwnCall;
pub(crate) use self::request::Request;

use self::aliases::Aliases;
use self::own::OwnTools;
use crate::config::Tools as ToolSettings;
use crate::principal::{Lineage, Principal, Scope};
use crate::text;

/// A call that makes no sense, or is not allowed. Says why and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct Mistake {
    text: String,
    /// The same as data, where a program has a use for it.
    pub(crate) data: Option<Value>,
}

impl Mistake {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            data: None,
        }
    }

    /// A run that is as deep as runs of `backend` may be would start another.
    fn too_deep(name: &str, backend: &str, lineage: &Lineage, limit: u32) -> Self {
        let depth = lineage.depth;
        let text = format!(
            "recursion_limit_exceeded: `{name}` could start a run at depth {}, and runs of backend `{backend}` go to depth \
             {limit}; the chain is {lineage}. Do the work yourself, or ask the person to start it (`nested = true` in \
             [backends.{backend}] would allow runs to start some)",
            depth.saturating_add(1)
        );
        let data = json!({
            "error": "recursion_limit_exceeded", "depth": depth, "limit": limit, "chain": lineage.jobs, "message": text,
        });
        Self { text, data: Some(data) }
    }
}

/// All tools of all backends that are up.
pub struct Catalog {
    backends: Arc<Backends>,
    /// What is hidden from clients or added for them.
    settings: Arc<ToolSettings>,
    /// What those bring that are up, by their names.
    offers: BTreeMap<String, Offer>,
    /// Those that are not up: which tools they have is not known.
    missing: BTreeSet<String>,
    tools: Vec<Tool>,
    own: OwnTools,
    aliases: Aliases,
}

impl Catalog {
    /// The catalog while none of `backends` is up. What `settings` name that only a backend could make right counts as right.
    ///
    /// # Errors
    /// Another name in `settings`: it says which, and how to fix it.
    pub fn new(backends: Backends, settings: ToolSettings) -> Result<Self, CollisionError> {
        Self::merge(Arc::new(backends), Arc::new(settings), BTreeMap::new())
    }

    /// The same with what one more backend offers, which is up.
    ///
    /// # Errors
    /// It says which tools collide, or which name is that of no tool now, and how to fix it.
    pub fn with(&self, offer: Offer) -> Result<Self, CollisionError> {
        let mut offers = self.offers.clone();
        offers.insert(offer.backend.clone(), offer);
        Self::merge(self.backends.clone(), self.settings.clone(), offers)
    }

    fn merge(
        backends: Arc<Backends>,
        settings: Arc<ToolSettings>,
        offers: BTreeMap<String, Offer>,
    ) -> Result<Self, CollisionError> {
        let missing: BTreeSet<String> = backends
            .names()
            .filter(|name| !offers.contains_key(*name))
            .map(str::to_owned)
            .collect();
        let own = OwnTools::collect(&offers, &backends, &settings)?;
        let mut tools = tools::shared();
        tools.extend(own.tools());
        let aliases = Aliases::new(&settings.alias, &mut tools, missing.is_empty())?;
        tools.retain(|tool| !settings.hide.contains(&tool.name));
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            backends,
            settings,
            offers,
            missing,
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
        known.filter(|(tool, scope)| self.lets(principal, tool, *scope))
    }

    /// What `principal` lacks to call the tool called `name`; none also where there is no such tool for it.
    pub fn lacks(&self, principal: &Principal, name: &str) -> Option<Scope> {
        let tool = self.tool(name)?;
        let scope = self.needs(principal, tool)?;
        Some(scope).filter(|scope| !self.lets(principal, tool, *scope))
    }

    /// Whether `principal` may call `tool`, which needs `scope` of it: by its scope, or since it is a run that may start
    /// others.
    fn lets(&self, principal: &Principal, tool: &Tool, scope: Scope) -> bool {
        let lineage = principal.lineage();
        let goes_deeper = || {
            let limit = lineage.job().and_then(|(backend, _)| self.backends.depth(backend));
            limit.is_some_and(|limit| lineage.goes_deeper(limit))
        };
        principal.may(scope) || (self.starts(tool) && goes_deeper())
    }

    /// Whether `tool` may start a run: by which of its own tools a plugin does, only it knows.
    fn starts(&self, tool: &Tool) -> bool {
        let target = self.aliases.target(&tool.name);
        target == "create_session" || self.own.has(target)
    }

    /// Why `principal`, which is as deep in runs as it may be, does not start another by a call. It comes before the
    /// question of its scope, so that it is told the reason.
    fn too_deep(&self, principal: &Principal, name: &str, given: &Map<String, Value>) -> Option<Mistake> {
        let lineage = principal.lineage();
        let tool = self.tool(name).filter(|tool| lineage.depth > 0 && self.starts(tool))?;
        if self.needs(principal, tool)? == Scope::Read {
            return None;
        }
        let (named, _) = self.target(principal, name, given);
        let backend = lineage.job().map_or(named.as_str(), |(backend, _)| backend);
        let limit = self.backends.depth(backend)?;
        (!lineage.goes_deeper(limit)).then(|| Mistake::too_deep(name, backend, lineage, limit))
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
        if let Some(mistake) = self.too_deep(principal, name, &given) {
            return Err(mistake);
        }
        if let Some(scope) = self.lacks(principal, name) {
            return Err(Mistake::new(principal.refusal(name, scope)));
        }
        let Some(tool) = self.tool(name).filter(|tool| self.needs(principal, tool).is_some()) else {
            return Err(self.no_tool(principal, name));
        };
        let (name, given) = self.aliases.resolve(&tool.name, given)?;
        match self.own.has(name) {
            true => Ok(Request::Own(self.own.call(
                name,
                given,
                self.view(principal),
                &self.missing,
            )?)),
            false => Request::of_shared(name, given),
        }
    }

    fn no_tool(&self, principal: &Principal, name: &str) -> Mistake {
        let name = text::escaped(name, text::NAMED);
        let tools: Vec<&str> = self.tools_of(principal).map(|(tool, _)| tool.name.as_str()).collect();
        let tools = tools.join(", ");
        let missing: Vec<&str> = self.missing_in(self.view(principal)).collect();
        Mistake::new(match missing.is_empty() {
            true => format!("there is no tool `{name}`; there are: {tools}"),
            false => format!(
                "no tool `{name}` is known now; backends that are not up may have it: {}; there are: {tools}",
                missing.join(", ")
            ),
        })
    }

    fn missing_in<'a>(&'a self, view: View<'a>) -> impl Iterator<Item = &'a str> {
        let missing = self.missing.iter().map(String::as_str);
        missing.filter(move |name| view.holds(name))
    }

    /// The backends that are not up and on whose tools it depends what a call means.
    pub(crate) fn depends_on<'a>(
        &'a self,
        principal: &'a Principal,
        name: &str,
        given: &Map<String, Value>,
    ) -> Vec<&'a str> {
        let view = self.view(principal);
        if self.missing.is_empty() {
            return Vec::new();
        }
        let Some(tool) = self.tool(name).filter(|tool| self.needs(principal, tool).is_some()) else {
            return self.missing_in(view).collect();
        };
        if !self.own.has(self.aliases.target(&tool.name)) {
            return Vec::new();
        }
        let preset = self.aliases.get(name).and_then(|alias| alias.arguments.get("backend"));
        let asked = given.get("backend").or(preset).and_then(Value::as_str);
        let meant = asked.or_else(|| view.default());
        self.missing_in(view).filter(|name| meant == Some(name)).collect()
    }

    /// Whether a call may change something: it is let through to a tool that does.
    pub(crate) fn acts(&self, principal: &Principal, name: &str) -> bool {
        let tool = self.tool(name);
        tool.is_some_and(|tool| {
            self.needs(principal, tool) == Some(Scope::Control) && self.lets(principal, tool, Scope::Control)
        })
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
        let named = |key: &str| {
            alias
                .and_then(|alias| alias.name_of(key))
                .and_then(|name| given.get(name))
        };
        let argument = |key: &str| {
            given
                .get(key)
                .or_else(|| named(key))
                .or_else(|| alias?.arguments.get(key))
        };
        let text = |key: &str| argument(key).and_then(Value::as_str);
        let session = text(if tool == "fetch" { "id" } else { "session_id" }).unwrap_or_default();
        let backend = match (text("backend"), session.split_once('/')) {
            (Some(named), _) => Some(named.to_owned()),
            (None, Some((named, _))) => Some(named.to_owned()),
            (None, None) if tool == "create_session" => view.default().map(str::to_owned),
            (None, None) => self.own.backend(tool, view, &self.missing).map(str::to_owned),
        };
        (backend.unwrap_or_default(), session.to_owned())
    }

    /// Every backend, whether it is up or not.
    pub(crate) fn backends(&self) -> &Arc<Backends> {
        &self.backends
    }

    /// The backends as `principal` sees them.
    pub(crate) fn view<'a>(&'a self, principal: &'a Principal) -> View<'a> {
        self.backends.of(principal)
    }
}

#[cfg(test)]
mod tests;
