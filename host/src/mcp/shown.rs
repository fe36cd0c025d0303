//! The tools as clients see them, made once for each catalog.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::Tool;

use super::schema;
use crate::catalog::{self, Catalog};
use crate::text::{clean, clean_object};

/// A catalog, with its tools as clients see them.
pub(super) struct Shown {
    pub(super) catalog: Arc<Catalog>,
    tools: Vec<Tool>,
}

impl Shown {
    fn of(catalog: Arc<Catalog>) -> Self {
        Self {
            tools: catalog.tools().iter().map(describe).collect(),
            catalog,
        }
    }

    /// The tool called `name`, but for its hints.
    pub(super) fn tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }
}

/// What was made last. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Latest(Arc<Mutex<Option<Arc<Shown>>>>);

impl Latest {
    /// `catalog` as it is shown.
    pub(super) fn of(&self, catalog: Arc<Catalog>) -> Arc<Shown> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some(shown) if Arc::ptr_eq(&shown.catalog, &catalog) => shown.clone(),
            _ => latest.insert(Arc::new(Shown::of(catalog))).clone(),
        }
    }
}

/// A tool as clients see it, but for its hints. Names, descriptions and schemas of plugins are foreign text as well.
fn describe(tool: &catalog::Tool) -> Tool {
    let input = schema::body_only(clean_object(tool.input.clone()));
    let mut described =
        Tool::new(tool.name.clone(), clean(&tool.description), Arc::new(input)).with_title(clean(&tool.title));
    if let Some(output) = &tool.output {
        described = described.with_raw_output_schema(Arc::new(clean_object(output.clone())));
    }
    described
}
