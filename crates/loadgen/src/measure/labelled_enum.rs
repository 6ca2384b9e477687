//! Enumerations whose variants are labels in reports and metrics.

/// Defines a fieldless enum with a label for each variant: `ALL`, `COUNT`, and `as_str` for the label.
macro_rules! labelled_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every variant, in the order of their discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The number of variants.
            pub const COUNT: usize = Self::ALL.len();

            /// The label in reports and metrics.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}

pub(super) use labelled_enum;
