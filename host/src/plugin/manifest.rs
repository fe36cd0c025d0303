//! What a plugin says of itself before anything is granted to it.

use serde_json::{Map, Value};
use wasmtime::error::Context as _;

use super::exports::Interface;
use super::{Backend, Engine, Plugin};
use crate::capability::Access;
use crate::session::{Error, Manifest};
use crate::text;

/// Bytes of a manifest.
const BYTES: usize = 64 << 10;
/// Characters of what it says in a line.
const LINE: usize = 200;

impl Backend {
    /// The manifest of its plugin, which is called without the settings and grants of this backend; nothing if it has
    /// no manifest.
    ///
    /// # Errors
    /// The call failed, or its answer is not what a manifest is.
    pub async fn manifest(&self) -> Result<Option<Manifest>, Error> {
        of(&self.engine, &self.plugin).await
    }
}

/// The manifest of `plugin`, which is called without settings and grants; nothing if it has no manifest.
pub(super) async fn of(engine: &Engine, plugin: &Plugin) -> Result<Option<Manifest>, Error> {
    let Some(interface) = plugin.exports.get(Interface::Manifest) else {
        return Ok(None);
    };
    let bare = Backend::bare(engine, plugin.clone())?;
    let asked = bare.run(bare.allowance(Access::Read, None, true), async |store| {
        let instance = plugin.linked.instantiate_async(&mut *store).await?;
        let get = instance.get_export_index(&mut *store, Some(interface), "get");
        let get = get.context("the plugin lacks a function of the contract")?;
        let get = instance.get_typed_func::<(), (String,)>(&mut *store, get)?;
        let (text,) = get.call_async(store, ()).await?;
        Ok(Ok(text))
    });
    let read = read(&asked.await?);
    read.map(Some)
        .map_err(|fault| Error::Failed(format!("its manifest {fault}")))
}

/// Reads a manifest, whose texts are foreign and come out clean. Keys that this berth does not know are ignored. An
/// error says what is wrong with it, as the end of a sentence.
fn read(written: &str) -> Result<Manifest, String> {
    if written.len() > BYTES {
        return Err(format!("has more than {BYTES} bytes"));
    }
    let mut fields = match serde_json::from_str(written) {
        Ok(Value::Object(fields)) => text::clean_object(fields),
        Ok(_) => return Err("is not a JSON object".into()),
        Err(error) => return Err(format!("is not JSON: {error}")),
    };
    let mut table = |name: &str| match fields.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(table)) => Ok(table),
        Some(_) => Err(format!("has `{name}` that is not an object")),
    };
    let (settings, grants) = (table("settings")?, table("grants")?);
    let line = |name: &str| {
        let line = fields.get(name).and_then(Value::as_str);
        line.map(|line| text::short_line(line, LINE))
            .filter(|line| !line.is_empty())
    };
    Ok(Manifest {
        settings,
        grants,
        licence: line("licence"),
        homepage: line("homepage"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_manifest_says_comes_out_clean_and_what_is_not_known_is_passed_over() {
        let written = json!({
            "grants": {"env": ["A\u{202e}B", "C"], "pro\u{1b}[2Jgrams": {}},
            "licence": "MIT\n[backends.other]",
            "homepage": "x".repeat(1_000),
            "later": {"a": 1},
        });
        let manifest = read(&written.to_string()).unwrap();
        assert_eq!(
            Value::Object(manifest.grants),
            json!({"env": ["AB", "C"], "programs": {}})
        );
        assert_eq!(manifest.licence.unwrap(), "MIT [backends.other]");
        assert_eq!(manifest.homepage.unwrap().chars().count(), LINE);
        assert!(manifest.settings.is_empty());
        assert_eq!(read("{}").unwrap(), Manifest::default());
        assert_eq!(read(r#"{"grants": null}"#).unwrap(), Manifest::default());
    }

    #[test]
    fn what_is_no_manifest_is_said() {
        let long = format!("{{\"x\": \"{}\"}}", "x".repeat(BYTES));
        let deep = format!("{{\"grants\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        for (written, fault) in [
            ("", "is not JSON"),
            ("{", "is not JSON"),
            (&*deep, "is not JSON"),
            ("[]", "is not a JSON object"),
            (r#"{"grants": []}"#, "has `grants` that is not an object"),
            (r#"{"settings": "x"}"#, "has `settings` that is not an object"),
            (&*long, "has more than 65536 bytes"),
        ] {
            let found = read(written).unwrap_err();
            assert!(found.starts_with(fault), "{found}");
        }
    }
}
