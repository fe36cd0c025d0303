//! A plugin that serves all that there is, and nothing of use.

#![forbid(unsafe_code)]

use berth_plugin::{
    Backend, ChangePage, Changes, Control, Description, Error, Event, LogPage, LogQuery, Manifest, Needs, OptionState,
    Options, OwnTools, ProjectPage, Projects, Result, SessionPage, SessionQuery, ToolCall, ToolOutput, Transcripts,
    TurnPage, TurnQuery, Upkeep, Upkept, context, files, log, run, settings, store,
};

struct Whole;

impl Backend for Whole {
    fn describe() -> Result<Description> {
        let about = settings::<String>()?;
        Ok(Description::new(about, "1.0.0"))
    }
    fn list_sessions(query: SessionQuery) -> Result<SessionPage> {
        log::debug(format_args!("{:?} left", context::remaining()));
        Ok(SessionPage::of(Vec::new(), &query))
    }
    fn read_log(id: &str, query: LogQuery) -> Result<LogPage> {
        Ok(LogPage::of_text(&run("cat", [id])?.text()?, &query))
    }
}

impl Control for Whole {}

impl Options for Whole {
    fn list_options(_: &str) -> Result<Vec<OptionState>> {
        Ok(Vec::new())
    }
    fn set_option(_: &str, _: &str, _: &str) -> Result<()> {
        Err(Error::Unsupported)
    }
}

impl Transcripts for Whole {
    fn read_turns(_: &str, _: TurnQuery) -> Result<TurnPage> {
        Err(Error::Unsupported)
    }
}

impl Changes for Whole {
    fn get_changes(_: &str, _: Option<&str>, _: u32) -> Result<ChangePage> {
        Err(Error::Unsupported)
    }
}

impl Projects for Whole {
    fn list_projects() -> Result<ProjectPage> {
        files::entries("/")?;
        Ok(ProjectPage::of(Vec::new()))
    }
}

impl OwnTools for Whole {
    fn call_tool(_: ToolCall) -> Result<ToolOutput> {
        Ok(ToolOutput::text("done"))
    }
}

impl Upkeep for Whole {
    fn run(_: Vec<Event>) -> Result<Upkept> {
        store::update("runs", |runs: &mut u64| *runs += 1)?;
        Ok(Upkept::new())
    }
}

impl Manifest for Whole {
    fn needs() -> Needs {
        Needs::new()
    }
}

berth_plugin::export!(Whole: Control, Options, Transcripts, Changes, Projects, OwnTools, Upkeep, Manifest);
