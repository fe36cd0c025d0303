//! The smallest plugin: one own tool, which does nothing. It shows what a call itself costs.

use berth_plugin::Backend;
use berth_plugin::types::{
    Access, Answer, Delivery, Description, Error, LogPage, LogQuery, NewSession, Project, Session, Timestamp, Tool,
    ToolOutput, Verbs,
};

struct Noop;

impl Backend for Noop {
    fn describe() -> Result<Description, Error> {
        let tool = Tool {
            name: "noop".into(),
            title: "Nothing".into(),
            description: "Does nothing.".into(),
            input_schema: r#"{"type": "object"}"#.into(),
            output_schema: None,
            access: Access::Read,
            destructive: false,
            idempotent: true,
        };
        Ok(Description {
            about: "a plugin that does nothing".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            verbs: Verbs::empty(),
            tools: vec![tool],
        })
    }

    fn list_sessions() -> Result<Vec<Session>, Error> {
        Ok(Vec::new())
    }

    fn get_session(_: String) -> Result<Session, Error> {
        Err(Error::NotFound("there are no sessions here".into()))
    }

    fn read_log(_: String, _: LogQuery) -> Result<LogPage, Error> {
        Err(Error::NotFound("there are no sessions here".into()))
    }

    fn create_session(_: NewSession) -> Result<Session, Error> {
        Err(Error::Unsupported)
    }

    fn send_message(_: String, _: String) -> Result<Delivery, Error> {
        Err(Error::Unsupported)
    }

    fn respond(_: String, _: String, _: Answer) -> Result<(), Error> {
        Err(Error::Unsupported)
    }

    fn interrupt(_: String) -> Result<(), Error> {
        Err(Error::Unsupported)
    }

    fn terminate(_: String) -> Result<(), Error> {
        Err(Error::Unsupported)
    }

    fn list_projects() -> Result<Vec<Project>, Error> {
        Err(Error::Unsupported)
    }

    fn call_tool(_: String, _: String) -> Result<ToolOutput, Error> {
        Ok(ToolOutput {
            text: "done".into(),
            structured: None,
            failed: false,
            session: None,
        })
    }

    fn upkeep() -> Result<Option<Timestamp>, Error> {
        Ok(None)
    }
}

berth_plugin::export!(Noop);
