//! `own-tools`: tools that only this backend has.

use crate::contract::exported::own_tools::exports::berth::backend::own_tools::Guest;
use crate::named::{Named, tag};
use crate::{Backend, Result, ToolCall, ToolOutput};

/// The tools that `describe` names.
pub trait OwnTools: Backend + Named<tag::OwnTools> {
    /// Carries out a call; [`ToolCall::arguments`] reads its arguments. If the tool itself failed, return an output
    /// with `failed`; an error is for calls that did nothing.
    fn call_tool(call: ToolCall) -> Result<ToolOutput>;
}

impl<T: OwnTools> Guest for T {
    fn call_tool(call: ToolCall) -> Result<ToolOutput> {
        <T as OwnTools>::call_tool(call)
    }
}
