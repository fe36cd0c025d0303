//! The smallest plugin: one own tool, which does nothing. It shows what a call itself costs.

use berth_plugin::{
    Backend, Description, Error, LogPage, LogQuery, OwnTools, Result, SessionPage, SessionQuery, Tool, ToolCall,
    ToolOutput,
};

struct Noop;

impl Backend for Noop {
    fn describe() -> Result<Description> {
        let noop = Tool::new("noop", "Nothing", "Does nothing.").reads().stays_here();
        Ok(Description::new("a plugin that does nothing", env!("CARGO_PKG_VERSION")).tool(noop))
    }

    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        Ok(SessionPage::of(Vec::new(), &query))
    }

    fn read_log(_: &str, _: LogQuery) -> Result<LogPage> {
        Err(Error::NotFound("there are no sessions here".into()))
    }
}

impl OwnTools for Noop {
    fn call_tool(_: ToolCall) -> Result<ToolOutput> {
        Ok(ToolOutput::text("done"))
    }
}

berth_plugin::export!(Noop: OwnTools);
