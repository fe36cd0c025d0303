//! What a backend says about itself, and the options of its sessions.

use crate::{Creation, Description, OptionSpec, OptionState, Tool};

impl Description {
    /// A backend that only shows sessions so far. The version is the plugin's own:
    /// `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn new(about: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            about: about.into(),
            version: version.into(),
            creation: Creation::empty(),
            options: Vec::new(),
            views: Vec::new(),
            tools: Vec::new(),
            poll_ms: None,
            facts: Vec::new(),
        }
    }

    /// Adds an option of `create-session`.
    #[must_use]
    pub fn option(mut self, option: OptionSpec) -> Self {
        self.options.push(option);
        self
    }

    /// Adds a view of the log; the first one is the usual one.
    #[must_use]
    pub fn view(mut self, view: impl Into<String>) -> Self {
        self.views.push(view.into());
        self
    }

    /// Adds a tool that only this backend has.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }
}

setters!(Description {
    /// Which parts of a request for a new session it takes.
    creation: (Creation),
    /// The shortest time between two polls by the host, in milliseconds.
    poll_ms: (some u32),
});
facts!(Description);

impl OptionSpec {
    /// An option for all agents, with any value that the operator's words allow.
    #[must_use]
    pub fn new(name: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            about: about.into(),
            agent: None,
            values: Vec::new(),
            initial: None,
        }
    }

    /// Takes these values only.
    #[must_use]
    pub fn values<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.values = values.into_iter().map(Into::into).collect();
        self
    }
}

setters!(OptionSpec {
    /// Is for this agent only.
    agent: (some text),
    /// Has this value if none is given.
    initial: (some text),
});

impl OptionState {
    /// An option of a session. Known names: model, mode, effort, name.
    #[must_use]
    pub fn new(name: impl Into<String>, about: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            about: about.into(),
            values: Vec::new(),
            value: None,
        }
    }

    /// Takes these values only.
    #[must_use]
    pub fn values<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        self.values = values.into_iter().map(Into::into).collect();
        self
    }
}

setters!(OptionState {
    /// Has this value now.
    value: (some text),
});
