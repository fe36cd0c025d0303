//! A tool that only one backend has, its calls and its answers.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Access, Content, Error, Result, Tool, ToolCall, ToolOutput, json};

impl Tool {
    /// A tool without arguments. By default clients are told that it changes things, may destroy something, changes
    /// more with each call, and reaches beyond this machine.
    #[must_use]
    pub fn new(name: impl Into<String>, title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            title: title.into(),
            description: description.into(),
            input_schema: r#"{"type":"object"}"#.to_owned(),
            output_schema: None,
            access: Access::Control,
            destructive: true,
            idempotent: false,
            open_world: true,
        }
    }

    /// Takes arguments of this JSON Schema.
    #[must_use]
    pub fn input(self, schema: &Value) -> Self {
        Self {
            input_schema: schema.to_string(),
            ..self
        }
    }

    /// Answers `structured` of this JSON Schema.
    #[must_use]
    pub fn output(self, schema: &Value) -> Self {
        Self {
            output_schema: Some(schema.to_string()),
            ..self
        }
    }

    /// Changes nothing. This counts when the operator lists the tool in `read_tools`.
    #[must_use]
    pub fn reads(self) -> Self {
        Self {
            access: Access::Read,
            destructive: false,
            idempotent: true,
            ..self
        }
    }

    /// Only adds, and destroys nothing.
    #[must_use]
    pub fn only_adds(self) -> Self {
        Self {
            destructive: false,
            ..self
        }
    }

    /// Repeating it changes nothing more.
    #[must_use]
    pub fn repeatable(self) -> Self {
        Self {
            idempotent: true,
            ..self
        }
    }

    /// Reaches nothing beyond this backend's machine.
    #[must_use]
    pub fn stays_here(self) -> Self {
        Self {
            open_world: false,
            ..self
        }
    }
}

impl ToolCall {
    /// The arguments, read as this type. The error names the argument that does not fit.
    ///
    /// # Errors
    ///
    /// `Invalid` if they do not have the form of `T`.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T> {
        json::parse(&self.arguments).map_err(|why| Error::Invalid(format!("arguments of {}: {why}", self.name)))
    }
}

impl ToolOutput {
    /// An answer of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            content: vec![Content::Text(text.into())],
            structured: None,
            failed: false,
            session: None,
            facts: Vec::new(),
        }
    }

    /// Adds further content.
    #[must_use]
    pub fn content(mut self, content: Content) -> Self {
        self.content.push(content);
        self
    }

    /// Adds the same as data, which fits the tool's output schema.
    ///
    /// # Errors
    ///
    /// `Failed` if the value has no form in JSON or is not an object there.
    pub fn structured(mut self, value: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(value)
            .map_err(|error| Error::Failed(format!("the tool's answer cannot be written as JSON: {error}")))?;
        if !value.is_object() {
            return Err(Error::Failed(
                "the tool's structured answer must be a JSON object".to_owned(),
            ));
        }
        self.structured = Some(value.to_string());
        Ok(self)
    }
}

setters!(ToolOutput {
    /// The tool could not do what it was asked for.
    failed: (yes),
    /// The id of a session that continues the work.
    session: (some text),
});
facts!(ToolOutput);

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Asked {
        lines: u32,
    }

    fn call(arguments: &str) -> ToolCall {
        ToolCall {
            id: "1".into(),
            name: "look".into(),
            arguments: arguments.into(),
        }
    }

    #[test]
    fn arguments_are_read_and_the_one_that_does_not_fit_is_named() {
        assert_eq!(call(r#"{"lines": 3}"#).arguments(), Ok(Asked { lines: 3 }));
        for (given, named) in [
            (r#"{"lines": "3"}"#, "`lines`"),
            ("{}", "`lines`"),
            (r#"{"lines": -1}"#, "`lines`"),
        ] {
            let error = call(given).arguments::<Asked>().unwrap_err().to_string();
            assert!(error.contains("arguments of look") && error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_is_structured_is_an_object() {
        let output = ToolOutput::text("2 left").structured(&json!({"left": 2})).unwrap();
        assert_eq!(output.structured.as_deref(), Some(r#"{"left":2}"#));
        assert!(ToolOutput::text("").structured(&[1, 2]).is_err());
    }
}
