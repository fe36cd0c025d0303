//! What a component is made of, for `berth plugin inspect`: looked at without granting it anything.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::load::{self, LoadError, Plugin};
use super::{Backend, Engine, Limits, in_words, manifest};
use crate::capability::files::Directories;
use crate::capability::jobs;
use crate::capability::process::Programs;
use crate::capability::store::Keeper;
use crate::capability::{Machine, Powers, Site, Sites};
use crate::session::{Description, Error, Manifest};

/// The name of a component that is called without powers.
const NAME: &str = "inspect";

/// The limits of its calls: the defaults of a backend.
const LIMITS: Limits = Limits {
    memory: 64 << 20,
    calls: 1,
    deadline: Duration::from_secs(5),
};

/// What there is to look at.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A component file.
    File(&'a Path),
    /// A plugin that the binary carries, by name.
    Bundled(&'a str),
}

/// A component as seen from outside.
pub struct Inspection {
    /// SHA-256 in hex, as config pins it.
    pub digest: String,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// What it says of itself without settings and grants, or why it does not.
    pub description: Result<Description, String>,
    /// What it asks for, if it says that, or why that cannot be known.
    pub manifest: Result<Option<Manifest>, String>,
}

/// Loads a component and asks it to describe itself, with no powers at all.
///
/// # Errors
/// It cannot be read, or is not a component that this berth could load.
pub async fn inspect(engine: &Engine, subject: Subject<'_>) -> Result<Inspection, LoadError> {
    let (origin, bytes) = match subject {
        Subject::File(file) => (file.display().to_string(), Cow::from(load::read(file)?)),
        Subject::Bundled(name) => (format!("bundled plugin {name}"), Cow::from(load::built_in(name)?.bytes)),
    };
    let digest = load::digest(&bytes);
    let component = load::compiled(engine, &origin, &bytes, &digest)?;
    let shape = component.component_type();
    let imports = shape.imports(&engine.inner).map(|(name, _)| name.to_owned()).collect();
    let exports = shape.exports(&engine.inner).map(|(name, _)| name.to_owned()).collect();
    let plugin = Plugin::link(engine, &origin, digest.clone(), &component)?;
    Ok(Inspection {
        digest,
        imports,
        exports,
        manifest: manifest::of(engine, &plugin).await.map_err(in_words),
        description: describe(engine, plugin).await.map_err(in_words),
    })
}

async fn describe(engine: &Engine, plugin: Plugin) -> Result<Description, Error> {
    let backend = Backend::start(engine, plugin, powerless()?, LIMITS).await?;
    Ok(backend.description)
}

impl Backend {
    /// `plugin` without settings, without grants, and not asked for anything yet.
    pub(super) fn bare(engine: &Engine, plugin: Plugin) -> Result<Self, Error> {
        Ok(Self::new(engine, plugin, powerless()?, LIMITS))
    }
}

fn powerless() -> Result<Powers, Error> {
    Ok(Powers {
        backend: NAME.into(),
        sites: Sites::One(Arc::new(nowhere()?)),
        settings: r#"{"settings":{},"agents":[],"host":null}"#.into(),
        keeper: Keeper::none(),
        jobs: jobs::Keeper::none(),
        lines: Default::default(),
    })
}

/// A machine of which nothing is granted.
fn nowhere() -> Result<Site, Error> {
    Ok(Site {
        backend: NAME.into(),
        machine: Machine::This,
        home: None,
        programs: Programs {
            grants: Default::default(),
            sockets: Default::default(),
            sockets_there: Default::default(),
            agents: Vec::new(),
            headless: Vec::new(),
            environment: Vec::new(),
            guest_env: Vec::new(),
            children: Arc::new(Semaphore::new(0)),
            own_children: Arc::new(Semaphore::new(0)),
        },
        directories: Directories::open(NAME, &[], &[], [].into()).map_err(|error| Error::Failed(error.to_string()))?,
        written: Vec::new(),
    })
}
