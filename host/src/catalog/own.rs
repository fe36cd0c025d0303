//! Tools that only one plugin has: what plugins add to the shared tools.

mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::schema::takes;
use super::{Backends, Mistake, Offer, Tool, View, tools};
use crate::config::Tools;
use crate::principal::Scope;
use crate::schema::Schema;
use crate::session;

/// Bytes of a tool's description.
const DESCRIPTION: usize = 1_024;
/// What is wrong with other names: MCP lets a client refuse them.
pub(super) const NAME_FAULT: &str = "has a name that is not 1 to 64 letters, digits, _ or -";

/// Tools that cannot stand beside each other, that no client would take, or that do not exist. Says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CollisionError {
    /// A plugin's tool has the name of a shared tool.
    #[error("{origin} has a tool `{tool}`, as berth itself does; hide it with [tools] hide = [\"{backend}:{tool}\"]")]
    Shared {
        /// The plugin.
        origin: String,
        /// A backend of it.
        backend: String,
        /// The tool.
        tool: String,
    },
    /// Two plugins have a tool of one name, or one with two schemas.
    #[error(
        "backends `{one}` and `{other}` both have a tool `{tool}`, but not the same one; hide one of them with \
         [tools] hide = [\"{other}:{tool}\"]"
    )]
    Own {
        /// The first backend.
        one: String,
        /// The second.
        other: String,
        /// The tool.
        tool: String,
    },
    /// A tool whose name no client would take.
    #[error("{origin}: tool `{tool}` {NAME_FAULT}, which clients refuse; the plugin must rename it")]
    Name {
        /// The plugin.
        origin: String,
        /// The tool.
        tool: String,
    },
    /// A tool that breaks another rule.
    #[error("{origin}: tool `{tool}` {fault}; hide it with [tools] hide = [\"{backend}:{tool}\"]")]
    Malformed {
        /// The plugin.
        origin: String,
        /// A backend of it.
        backend: String,
        /// The tool.
        tool: String,
        /// What is wrong.
        fault: String,
    },
    /// A list of the configuration names a tool that does not exist.
    #[error("{key}: {fault}; correct the name or remove it")]
    NoTool {
        /// The table and the key in it.
        key: String,
        /// What is wrong, and the tools there are.
        fault: String,
    },
    /// An alias of nothing, or named like a tool.
    #[error("[tools.alias.{alias}] {fault}")]
    Alias {
        /// Its name.
        alias: String,
        /// What is wrong.
        fault: String,
    },
}

/// The own tools of all plugins.
pub(crate) struct OwnTools(BTreeMap<String, OwnTool>);

/// A call of an own tool.
#[derive(Debug)]
pub(crate) struct OwnCall<'a> {
    /// The tool.
    pub(crate) tool: &'a str,
    /// The backend that it goes to.
    pub(crate) backend: &'a str,
    /// What it asks of who calls it there.
    pub(crate) scope: Scope,
    /// Its arguments without `backend`, which match its input schema.
    pub(crate) arguments: Map<String, Value>,
    /// What its data must fit.
    pub(crate) output: Option<Arc<Schema>>,
}

struct OwnTool {
    /// Digest of the plugin, and the tool as it described it.
    source: (String, session::Tool),
    /// What each backend that has it asks of who calls it there.
    backends: BTreeMap<String, Scope>,
    input: Schema,
    output: Option<Arc<Schema>>,
    tool: Tool,
}

impl OwnTools {
    /// Gathers them from `offers` of some of `backends`, but for those that `settings` hide as `backend:tool`.
    pub(crate) fn collect(
        offers: &BTreeMap<String, Offer>,
        backends: &Backends,
        settings: &Tools,
    ) -> Result<Self, CollisionError> {
        names::check(offers, backends, settings)?;
        let taken: Vec<String> = tools::shared().into_iter().map(|tool| tool.name).collect();
        let mut own: BTreeMap<String, OwnTool> = BTreeMap::new();
        for (backend, offer) in offers {
            for described in &offer.tools {
                if settings.hide.contains(&format!("{backend}:{}", described.name)) {
                    continue;
                }
                if taken.contains(&described.name) {
                    return Err(CollisionError::Shared {
                        origin: offer.origin.clone(),
                        backend: backend.clone(),
                        tool: described.name.clone(),
                    });
                }
                let source = (offer.digest.clone(), described.clone());
                match own.get_mut(&described.name) {
                    Some(known) if known.source == source => known.join(offer),
                    Some(known) => {
                        return Err(CollisionError::Own {
                            one: known.backends.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
                            other: backend.clone(),
                            tool: described.name.clone(),
                        });
                    }
                    None => {
                        let tool = OwnTool::new(offer, source)?;
                        own.insert(described.name.clone(), tool);
                    }
                }
            }
        }
        Ok(Self(own))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn tools(&self) -> impl Iterator<Item = Tool> {
        self.0.values().map(|own| own.tool.clone())
    }

    /// What `tool` needs of who sees `view`: the most that one of its backends there asks for, for others say nothing.
    /// None: no backend there has it. `name` is what it is called where it is an own tool.
    pub(crate) fn scope(&self, name: &str, tool: &Tool, view: View<'_>) -> Option<Scope> {
        match self.0.get(name) {
            Some(own) => own
                .backends_in(view)
                .filter_map(|backend| own.backends.get(backend))
                .max()
                .copied(),
            None => Some(tool.scope()),
        }
    }

    /// The backend of `view` that a call of `name` goes to which names none, if it goes to any. Those that are `missing`
    /// are not up.
    pub(crate) fn backend(&self, name: &str, view: View<'_>, missing: &BTreeSet<String>) -> Option<&str> {
        self.0.get(name)?.backend(name, None, view, missing).ok()
    }

    /// What a call of the own tool `name` means to who sees `view`. Backends that are `missing` are not up.
    pub(crate) fn call<'a>(
        &'a self,
        name: &str,
        mut given: Map<String, Value>,
        view: View<'_>,
        missing: &BTreeSet<String>,
    ) -> Result<OwnCall<'a>, Mistake> {
        let (tool, own) = self
            .0
            .get_key_value(name)
            .ok_or_else(|| Mistake::new(format!("there is no tool `{name}`")))?;
        let backend = own.backend(name, given.remove("backend"), view, missing)?;
        let given = Value::Object(given);
        if let Some(fault) = own.input.fault(&given) {
            return Err(Mistake::new(format!(
                "{name}: {fault}. It takes: {}",
                takes(&own.tool.input)
            )));
        }
        let Value::Object(given) = given else {
            return Err(Mistake::new(format!("{name}: its arguments are not an object")));
        };
        Ok(OwnCall {
            tool,
            backend,
            scope: own.backends.get(backend).copied().unwrap_or(Scope::Control),
            arguments: given,
            output: own.output.clone(),
        })
    }
}

impl OwnTool {
    fn new(offer: &Offer, source: (String, session::Tool)) -> Result<Self, CollisionError> {
        let described = &source.1;
        let malformed = |fault: String| CollisionError::Malformed {
            origin: offer.origin.clone(),
            backend: offer.backend.clone(),
            tool: described.name.clone(),
            fault,
        };
        if !is_name(&described.name) {
            return Err(CollisionError::Name {
                origin: offer.origin.clone(),
                tool: described.name.escape_debug().to_string(),
            });
        }
        if described.description.len() > DESCRIPTION || described.title.len() > DESCRIPTION {
            return Err(malformed(format!(
                "has a title or description of more than {DESCRIPTION} bytes"
            )));
        }
        let input = Schema::read(&described.input_schema).map_err(malformed)?;
        let output = described.output_schema.as_deref().map(Schema::read);
        let output = output.transpose().map_err(malformed)?;
        let reads = scope(offer, described) == Scope::Read;
        Ok(Self {
            tool: Tool {
                name: described.name.clone(),
                title: described.title.clone(),
                description: described.description.clone(),
                input: with_backend(input.fields.clone()).map_err(malformed)?,
                output: output.as_ref().map(|output| output.fields.clone()),
                read_only: reads,
                destructive: described.destructive && !reads,
                idempotent: described.idempotent,
                open_world: described.open_world,
                answers: false,
            },
            backends: [(offer.backend.clone(), scope(offer, described))].into(),
            input,
            output: output.map(Arc::new),
            source,
        })
    }

    /// A further backend of the plugin. The tool only reads where that is so in all of them.
    fn join(&mut self, offer: &Offer) {
        let described = &self.source.1;
        self.tool.read_only &= scope(offer, described) == Scope::Read;
        self.tool.destructive = described.destructive && !self.tool.read_only;
        self.backends.insert(offer.backend.clone(), scope(offer, described));
    }
}

/// What a tool asks of who calls it in this backend: both its plugin and the operator must say that it only reads.
fn scope(offer: &Offer, tool: &session::Tool) -> Scope {
    let reads = tool.only_reads && offer.read_tools.contains(&tool.name);
    if reads { Scope::Read } else { Scope::Control }
}

pub(super) fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Every own tool takes `backend`, whether one backend has it or ten: so another one changes no schema.
fn with_backend(mut schema: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    let Value::Object(properties) = properties else {
        return Err("has a schema whose properties are not an object".into());
    };
    let backend = json!({"type": "string", "description": "Which backend to use, if several have this tool."});
    if properties.insert("backend".into(), backend).is_some() {
        return Err("has an argument `backend`, which berth adds itself".into());
    }
    schema.entry("type").or_insert_with(|| "object".into());
    Ok(schema)
}

impl OwnTool {
    /// The backend of `view` to call: the one asked for, otherwise the only one, otherwise the default one if it has
    /// the tool. One that is `missing` may have it as well: no other is called in its place.
    fn backend(
        &self,
        name: &str,
        asked: Option<Value>,
        view: View<'_>,
        missing: &BTreeSet<String>,
    ) -> Result<&str, Mistake> {
        let have: Vec<&str> = self.backends_in(view).collect();
        let absent = |backend: &str| {
            Mistake::new(format!(
                "{name}: backend `{backend}` is not up, so it is not known whether it has this tool; list_projects shows \
                 why. Backends that have it: {}",
                have.join(", ")
            ))
        };
        let is_missing = |backend: &str| missing.contains(backend) && view.holds(backend);
        match asked {
            Some(asked) => match have.iter().find(|backend| asked == **backend) {
                Some(backend) => Ok(backend),
                None if asked.as_str().is_some_and(is_missing) => Err(absent(asked.as_str().unwrap_or_default())),
                None => Err(Mistake::new(format!(
                    "{name}: backend must be one of: {}",
                    have.join(", ")
                ))),
            },
            None => match (have.as_slice(), view.default()) {
                (_, Some(default)) if is_missing(default) => Err(absent(default)),
                ([only], _) => Ok(only),
                (several, default) => match several.iter().find(|backend| default == Some(backend)) {
                    Some(default) => Ok(default),
                    None => Err(Mistake::new(format!("{name}: say which backend: {}", have.join(", ")))),
                },
            },
        }
    }

    fn backends_in(&self, view: View<'_>) -> impl Iterator<Item = &str> {
        let named = self.backends.keys().map(String::as_str);
        named.filter(move |backend| view.holds(backend))
    }
}
