//! Whether a component has the contract's types, in the contract's names.
//!
//! A component's own types carry no names of records, and wasmtime looks at a function only when it is called. So the
//! contract's text is walked beside the component, once at load.

mod walk;
mod words;

use anyhow::Context as _;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, types};
use wit_parser::{Interface, InterfaceId, PackageId, PackageName, Resolve, WorldItem};

use self::walk::Walk;
use self::words::short;

/// The contract's text, parsed.
pub(crate) struct Contract {
    resolve: Resolve,
    package: PackageId,
    /// Its version, and the line of versions that fit each other: `0.1` for `0.1.0`.
    version: String,
    line: String,
    /// What every plugin exports.
    required: Vec<InterfaceId>,
}

impl Contract {
    /// Reads the contract's `text`. Every plugin exports what `world` of it exports.
    ///
    /// # Errors
    /// The text is not WIT, names no version, or has no such world.
    pub(crate) fn parse(text: &str, world: &str) -> anyhow::Result<Self> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("backend.wit", text)?;
        let world = resolve.select_world(&[package], Some(world))?;
        let exports = resolve.worlds[world].exports.values();
        let required = exports.filter_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        });
        let required = required.collect();
        let version = resolve.packages[package].name.version.as_ref();
        let version = version.context("the contract names no version")?;
        Ok(Self {
            line: PackageName::version_compat_track_string(version),
            version: version.to_string(),
            resolve,
            package,
            required,
        })
    }

    /// Where `component` differs from the contract: one sentence of fewer than 200 characters for each difference. If
    /// there is none, it fits. Additional exports, and additional functions of an exported interface, are not
    /// differences.
    pub(crate) fn faults(&self, engine: &Engine, component: &Component) -> Vec<String> {
        let shape = component.component_type();
        let mut walk = Walk::new(&self.resolve, &self.version);
        self.exports(engine, &shape, &mut walk);
        self.imports(engine, &shape, &mut walk);
        walk.faults
    }

    fn exports(&self, engine: &Engine, shape: &types::Component, walk: &mut Walk<'_>) {
        let exports: Vec<_> = self.named(shape.exports(engine)).collect();
        for export in &exports {
            let Some(interface) = self.interface(export.interface) else {
                continue;
            };
            // One that is built for two contracts has here what it needs.
            let fits = |other: &Named<'_>| other.interface == export.interface && self.speaks(other.version);
            match &export.instance {
                _ if !self.speaks(export.version) => {
                    if !exports.iter().any(fits) {
                        walk.fault(self.other_version(export.version));
                    }
                }
                Some(instance) => exported(engine, instance, export.interface, interface, walk),
                None => walk.fault(format!(
                    "its `{}` is not an interface, as in contract {}",
                    export.interface, self.version
                )),
            }
        }
        for id in &self.required {
            let name = self.resolve.interfaces[*id].name.as_deref().unwrap_or_default();
            if !exports.iter().any(|export| export.interface == name) {
                let full = self.resolve.id_of(*id).unwrap_or_default();
                walk.fault(format!("it does not export `{full}`"));
            }
        }
    }

    fn imports(&self, engine: &Engine, shape: &types::Component, walk: &mut Walk<'_>) {
        for import in self.named(shape.imports(engine)) {
            if !self.speaks(import.version) {
                walk.fault(self.other_version(import.version));
                continue;
            }
            match (self.interface(import.interface), &import.instance) {
                (Some(interface), Some(instance)) => imported(engine, instance, import.interface, interface, walk),
                _ => walk.lacking(import.interface),
            }
        }
    }

    /// Those of `items` that are named after this contract, of whatever version.
    fn named<'a>(
        &'a self,
        items: impl Iterator<Item = (&'a str, types::ComponentExtern<'a>)>,
    ) -> impl Iterator<Item = Named<'a>> {
        let package = &self.resolve.packages[self.package].name;
        items.filter_map(|(name, item)| {
            let name = name.strip_prefix(&package.namespace)?.strip_prefix(':')?;
            let name = name.strip_prefix(&package.name)?.strip_prefix('/')?;
            let (interface, version) = name.split_once('@').unwrap_or((name, ""));
            let instance = match item.ty {
                ComponentItem::ComponentInstance(instance) => Some(instance),
                _ => None,
            };
            Some(Named {
                interface,
                version,
                instance,
            })
        })
    }

    fn interface(&self, name: &str) -> Option<&Interface> {
        let id = self.resolve.packages[self.package].interfaces.get(name)?;
        Some(&self.resolve.interfaces[*id])
    }

    /// The same rule by which the linker finds an import, and a call its export.
    fn speaks(&self, version: &str) -> bool {
        let line = version
            .parse()
            .map(|version| PackageName::version_compat_track_string(&version));
        line.is_ok_and(|line| line == self.line)
    }

    fn other_version(&self, version: &str) -> String {
        match version {
            "" => format!(
                "it is built for a contract without a version; this berth speaks {}",
                self.line
            ),
            version => format!(
                "it is built for contract {}; this berth speaks {}",
                short(version),
                self.line
            ),
        }
    }
}

/// An import or an export that is named after the contract.
struct Named<'a> {
    interface: &'a str,
    version: &'a str,
    /// What has this name, if that is an interface.
    instance: Option<ComponentInstance>,
}

/// What the plugin exports has all functions that `wanted` has.
fn exported(engine: &Engine, found: &ComponentInstance, name: &str, wanted: &Interface, walk: &mut Walk<'_>) {
    let mut missing = Vec::new();
    for function in wanted.functions.values() {
        match found.get_export(engine, &function.name).map(|export| export.ty) {
            Some(ComponentItem::ComponentFunc(found)) => walk.function(name, function, &found),
            _ => missing.push(function.name.as_str()),
        }
    }
    if !missing.is_empty() {
        walk.missing(&format!("its `{name}`"), "function", &missing);
    }
}

/// What the plugin asks for is in `offered`.
fn imported(engine: &Engine, found: &ComponentInstance, name: &str, offered: &Interface, walk: &mut Walk<'_>) {
    for (verb, item) in found.exports(engine) {
        // Definitions that no function uses do not matter.
        let ComponentItem::ComponentFunc(found) = item.ty else {
            continue;
        };
        match offered.functions.get(verb) {
            Some(function) => walk.function(name, function, &found),
            None => walk.lacking(&format!("{name}.{verb}")),
        }
    }
}

#[cfg(test)]
mod tests;
