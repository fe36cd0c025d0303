//! The contract's records, made from what each needs, with the rest set by name.

/// Functions of a record that set one field each. A `text` is whatever becomes a string, `yes` sets a flag.
macro_rules! setters {
    ($record:ty { $($(#[$about:meta])* $field:ident: $kind:tt,)+ }) => {
        impl $record {
            $(setters!(@ $(#[$about])* $field $kind);)+
        }
    };
    (@ $(#[$about:meta])* $field:ident (text)) => {
        $(#[$about])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<String>) -> Self {
            self.$field = $field.into();
            self
        }
    };
    (@ $(#[$about:meta])* $field:ident (some text)) => {
        $(#[$about])*
        #[must_use]
        pub fn $field(mut self, $field: impl Into<String>) -> Self {
            self.$field = Some($field.into());
            self
        }
    };
    (@ $(#[$about:meta])* $field:ident (some $kind:ty)) => {
        $(#[$about])*
        #[must_use]
        pub fn $field(mut self, $field: $kind) -> Self {
            self.$field = Some($field);
            self
        }
    };
    (@ $(#[$about:meta])* $field:ident (yes)) => {
        $(#[$about])*
        #[must_use]
        pub fn $field(mut self) -> Self {
            self.$field = true;
            self
        }
    };
    (@ $(#[$about:meta])* $field:ident ($kind:ty)) => {
        $(#[$about])*
        #[must_use]
        pub fn $field(mut self, $field: $kind) -> Self {
            self.$field = $field;
            self
        }
    };
}

/// The function that adds to a record's `facts`.
macro_rules! facts {
    ($($record:ty),+) => {
        $(impl $record {
            /// Adds a further fact.
            #[must_use]
            pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.facts.push((name.into(), value.into()));
                self
            }
        })+
    };
}

mod delivery;
mod description;
mod log_page;
mod project;
mod prompt;
mod session;
mod session_page;
mod tool;
mod turn;
mod upkept;
