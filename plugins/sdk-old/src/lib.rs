//! What the plugins here depend on until they move to `berth-plugin`: `/wit/backend.wit` as Rust.
//!
//! Implement [`Backend`] for a type of your own and name it in [`export!`]; the granted capabilities are the modules
//! [`settings`], [`process`] and [`files`], the records are in [`types`].
//!
//! Build for `wasm32-wasip2` as a `cdylib`; the result is the component that `[backends.NAME] plugin` names.

// The generated code holds the one kind of unsafe that a component needs: its exported entry points.
#[allow(unsafe_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]
mod contract {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "backend",
        pub_export_macro: true,
        default_bindings_module: "berth_plugin",
        export_macro_name: "export",
        additional_derives: [PartialEq],
    });
}

pub use contract::berth::backend::{files, process, settings, types};
pub use contract::export;
pub use contract::exports;
pub use contract::exports::berth::backend::session_backend::Guest as Backend;
