//! The macro that makes a component from a plugin, and the advice if a trait was forgotten in it.

/// Exports a plugin as a component that serves these interfaces and no other: `export!(Plugin)` for [`Backend`] alone,
/// `export!(Plugin: Control, Projects)` for [`Control`] and [`Projects`] beside it.
///
/// Outside of WebAssembly it exports nothing, so that `cargo test` can link the crate.
///
/// If a trait is implemented but not named here, the crate does not compile, because the host would never see it:
///
/// ```compile_fail
#[doc = include_str!("../tests/snippets/looks.rs")]
/// impl berth_plugin::Control for Looks {}
///
/// berth_plugin::export!(Looks);
/// ```
///
/// Named, it does:
///
/// ```
#[doc = include_str!("../tests/snippets/looks.rs")]
/// impl berth_plugin::Control for Looks {}
///
/// berth_plugin::export!(Looks: Control);
/// ```
///
/// The crate also does not compile if a trait is named but not implemented:
///
/// ```compile_fail
#[doc = include_str!("../tests/snippets/looks.rs")]
/// berth_plugin::export!(Looks: Control);
/// ```
///
/// [`Backend`]: crate::Backend
/// [`Control`]: crate::Control
/// [`Projects`]: crate::Projects
#[macro_export]
macro_rules! export {
    ($plugin:ident $(: $($part:ident),+ $(,)?)?) => {
        const _: () = {
            const fn serves<T: $crate::Backend>() {}
            serves::<$plugin>();
        };
        $($(
            impl $crate::expansion::Named<$crate::expansion::tag::$part> for $plugin {}
            const _: () = {
                const fn serves<T: $crate::$part>() {}
                serves::<$plugin>();
            };
        )+)?

        // Natively the crate is built for its tests, and a linker cannot handle a component's export names.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::expansion::exported::session_backend::export_session_backend!(
                $plugin with_types_in $crate::expansion::exported::session_backend
            );
            $($($crate::export_part!($part $plugin);)+)?
        };
    };
}

/// The interface for each name that `export!` takes.
#[doc(hidden)]
#[macro_export]
macro_rules! export_part {
    (Control $plugin:ident) => {
        $crate::expansion::exported::session_control::export_session_control!(
            $plugin with_types_in $crate::expansion::exported::session_control
        );
    };
    (Options $plugin:ident) => {
        $crate::expansion::exported::session_options::export_session_options!(
            $plugin with_types_in $crate::expansion::exported::session_options
        );
    };
    (Transcripts $plugin:ident) => {
        $crate::expansion::exported::transcripts::export_transcripts!(
            $plugin with_types_in $crate::expansion::exported::transcripts
        );
    };
    (Changes $plugin:ident) => {
        $crate::expansion::exported::changes::export_changes!(
            $plugin with_types_in $crate::expansion::exported::changes
        );
    };
    (Projects $plugin:ident) => {
        $crate::expansion::exported::projects::export_projects!(
            $plugin with_types_in $crate::expansion::exported::projects
        );
    };
    (OwnTools $plugin:ident) => {
        $crate::expansion::exported::own_tools::export_own_tools!(
            $plugin with_types_in $crate::expansion::exported::own_tools
        );
    };
    (Upkeep $plugin:ident) => {
        $crate::expansion::exported::upkeep::export_upkeep!(
            $plugin with_types_in $crate::expansion::exported::upkeep
        );
    };
    (Manifest $plugin:ident) => {
        $crate::expansion::exported::manifest::export_manifest!(
            $plugin with_types_in $crate::expansion::exported::manifest
        );
    };
}
