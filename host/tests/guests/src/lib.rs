//! The test plugins, built.

use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve};

/// The path of a component whose own tools are misdeeds: `misbehaving/src/misdeeds.rs` says which.
pub const MISBEHAVING: &str = env!("MISBEHAVING");

/// The path of the smallest component: its own tool `noop` does nothing.
pub const NOOP: &str = env!("NOOP");

/// A component that has the types of `world` in the WIT text `contract`, and does nothing: each of its functions traps.
///
/// # Panics
/// The text is not WIT, or has no such world.
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
pub fn dummy(contract: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("backend.wit", contract).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let encoder = ComponentEncoder::default().module(&module).unwrap();
    encoder.validate(true).encode().unwrap()
}
