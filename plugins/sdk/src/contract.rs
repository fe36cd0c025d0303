//! `wit/backend.wit` as Rust: all code that is generated from it.
//!
//! One `generate!` for the records, one for what a plugin imports, and one for each interface that it can export, since
//! a component has to export just those interfaces that its plugin serves.

#![allow(
    unsafe_code,
    reason = "a component's entry points and the calls of its imports pass memory by address; the generator writes them"
)]
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

/// The records; the error is written by hand, because the generator would display it as `Debug` does.
mod records {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package berth:sdk; world records { import berth:backend/types@0.1.0; }",
        world: "berth:sdk/records",
        with: { "berth:backend/types@0.1.0/error": crate::error::Error },
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

mod imported {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package berth:sdk; world imports {
            import berth:backend/settings@0.1.0;
            import berth:backend/log@0.1.0;
            import berth:backend/store@0.1.0;
            import berth:backend/context@0.1.0;
            import berth:backend/process@0.1.0;
            import berth:backend/files@0.1.0;
            import berth:backend/ssh@0.1.0;
            import berth:backend/jobs@0.1.0;
        }",
        world: "berth:sdk/imports",
        with: { "berth:backend/types@0.1.0": crate::contract::types },
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
    });
}

#[cfg(target_arch = "wasm32")]
pub use imported::berth::backend::settings;
pub use imported::berth::backend::{context, files, jobs, log, process, ssh, store};

/// The records of the contract.
pub mod types {
    pub use super::records::berth::backend::types::*;
    pub use crate::error::Error;
}

/// One module for each interface: the trait `Guest`, and a macro that exports it for a type.
pub mod exported {
    macro_rules! exported {
        ($module:ident, $export:literal, $package:literal, $world:literal $(, $types:path)?) => {
            pub mod $module {
                wit_bindgen::generate!({
                    path: "wit",
                    inline: $package,
                    world: $world,
                    $(with: { "berth:backend/types@0.1.0": $types },)?
                    pub_export_macro: true,
                    export_macro_name: $export,
                });
            }
        };
    }

    exported!(
        session_backend,
        "export_session_backend",
        "package berth:sdk; world only-session-backend { export berth:backend/session-backend@0.1.0; }",
        "berth:sdk/only-session-backend",
        crate::contract::types
    );
    exported!(
        session_control,
        "export_session_control",
        "package berth:sdk; world only-session-control { export berth:backend/session-control@0.1.0; }",
        "berth:sdk/only-session-control",
        crate::contract::types
    );
    exported!(
        session_options,
        "export_session_options",
        "package berth:sdk; world only-session-options { export berth:backend/session-options@0.1.0; }",
        "berth:sdk/only-session-options",
        crate::contract::types
    );
    exported!(
        transcripts,
        "export_transcripts",
        "package berth:sdk; world only-transcripts { export berth:backend/transcripts@0.1.0; }",
        "berth:sdk/only-transcripts",
        crate::contract::types
    );
    exported!(
        changes,
        "export_changes",
        "package berth:sdk; world only-changes { export berth:backend/changes@0.1.0; }",
        "berth:sdk/only-changes",
        crate::contract::types
    );
    exported!(
        projects,
        "export_projects",
        "package berth:sdk; world only-projects { export berth:backend/projects@0.1.0; }",
        "berth:sdk/only-projects",
        crate::contract::types
    );
    exported!(
        own_tools,
        "export_own_tools",
        "package berth:sdk; world only-own-tools { export berth:backend/own-tools@0.1.0; }",
        "berth:sdk/only-own-tools",
        crate::contract::types
    );
    exported!(
        upkeep,
        "export_upkeep",
        "package berth:sdk; world only-upkeep { export berth:backend/upkeep@0.1.0; }",
        "berth:sdk/only-upkeep",
        crate::contract::types
    );
    exported!(
        manifest,
        "export_manifest",
        "package berth:sdk; world only-manifest { export berth:backend/manifest@0.1.0; }",
        "berth:sdk/only-manifest"
    );
}
