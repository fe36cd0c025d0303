//! What a component is made of, for `berth plugin inspect`: looked at without granting it anything.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::load::{self, LoadError, Plugin};
use super::{Backend, Engine, Limits, in_words};
use crate::capability::Powers;
use crate::capability::files::Directories;
use crate::capability::process::Programs;
use crate::capability::store::Keeper;
use crate::session::{Description, Error};

/// What a component that no backend uses yet is called.
const NAME: &str = "inspect";

/// A component as seen from outside.
pub struct Inspection {
    /// SHA-256 in hex, as config pins it.
    pub digest: String,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
    /// Interfaces that it exports.
    pub exports: Vec<String>,
    /// What it says of itself with no settings and no grants, or in words why it does not.
    pub description: Result<Description, String>,
}

/// Loads the component in `file` and asks it to describe itself, with no powers at all.
///
/// # Errors
/// The file cannot be read, or is not a component that this berth could load.
pub async fn inspect(engine: &Engine, file: &Path) -> Result<Inspection, LoadError> {
    let origin = file.display().to_string();
    let bytes = load::read(file.to_owned())?;
    let component = load::compile(engine, &origin, &bytes)?;
    let shape = component.component_type();
    let imports = shape.imports(&engine.inner).map(|(name, _)| name.to_owned()).collect();
    let exports = shape.exports(&engine.inner).map(|(name, _)| name.to_owned()).collect();
    let digest = load::digest(&bytes);
    let plugin = Plugin::link(engine, &origin, digest.clone(), &component)?;
    let description = describe(engine, plugin).await;
    Ok(Inspection {
        digest,
        imports,
        exports,
        description: description.map_err(in_words),
    })
}

async fn describe(engine: &Engine, plugin: Plugin) -> Result<Description, Error> {
    let powerless = Powers {
        backend: NAME.into(),
        settings: r#"{"settings":{},"agents":[],"host":null}"#.into(),
        programs: Programs {
            grants: Default::default(),
            sockets: Default::default(),
            agents: Vec::new(),
            environment: Vec::new(),
            guest_env: Vec::new(),
            children: Arc::new(Semaphore::new(0)),
            own_children: Arc::new(Semaphore::new(0)),
        },
        directories: Directories::open(NAME, &[], [].into()).map_err(|error| Error::Failed(error.to_string()))?,
        keeper: Keeper::none(),
        lines: Default::default(),
    };
    let limits = Limits {
        memory: 64 << 20,
        calls: 1,
        deadline: Duration::from_secs(5),
    };
    let backend = Backend::start(engine, plugin, powerless, limits).await?;
    Ok(backend.description)
}
