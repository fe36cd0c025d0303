//! Which interfaces of the contract a plugin exports: looked at once, at load.

use std::collections::BTreeMap;

use wasmtime::component::{Component, ComponentExportIndex};

/// An interface of the contract that a plugin exports; all but the first may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interface {
    /// Sessions can be looked at.
    Backend,
    /// They can be acted on.
    Control,
    /// Options of them can be set.
    Options,
    /// Conversations can be read as turns.
    Transcripts,
    /// What a session changed can be read.
    Changes,
    /// There are projects.
    Projects,
    /// There are tools of its own.
    OwnTools,
    /// It does something between calls.
    Upkeep,
    /// It says what it asks for.
    Manifest,
}

impl Interface {
    const ALL: [Self; 9] = [
        Self::Backend,
        Self::Control,
        Self::Options,
        Self::Transcripts,
        Self::Changes,
        Self::Projects,
        Self::OwnTools,
        Self::Upkeep,
        Self::Manifest,
    ];

    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backend => "session-backend",
            Self::Control => "session-control",
            Self::Options => "session-options",
            Self::Transcripts => "transcripts",
            Self::Changes => "changes",
            Self::Projects => "projects",
            Self::OwnTools => "own-tools",
            Self::Upkeep => "upkeep",
            Self::Manifest => "manifest",
        }
    }
}

/// The interfaces of one plugin.
#[derive(Clone)]
pub(crate) struct Exports(BTreeMap<Interface, ComponentExportIndex>);

impl Exports {
    /// Those of `component`, which fits the contract, so each interface that is there is complete. Interfaces of a
    /// later contract of the same line are found by this one's version.
    pub(crate) fn of(component: &Component) -> Self {
        let at = |interface: Interface| {
            let name = format!("berth:backend/{}@0.1.0", interface.name());
            Some((interface, component.get_export_index(None, &name)?))
        };
        Self(Interface::ALL.into_iter().filter_map(at).collect())
    }

    pub(crate) fn get(&self, interface: Interface) -> Option<&ComponentExportIndex> {
        self.0.get(&interface)
    }

    pub(crate) fn has(&self, interface: Interface) -> bool {
        self.0.contains_key(&interface)
    }
}
