//! Enums over the names that AWS gives states, where a name of tomorrow must not be an error.

/// An enum of these states and `Unknown`, read from AWS's names and shown by them.
macro_rules! states {
    ($(#[$about:meta])* $Enum:ident { $($(#[$doc:meta])* $name:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        #[non_exhaustive]
        pub enum $Enum {
            $($(#[$doc])* #[doc = concat!("`", $text, "`")] $name,)*
            /// One that this version does not know.
            Unknown,
        }

        impl $Enum {
            /// Every state that this version knows.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// AWS's name of it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown => "an unknown state",
                }
            }
        }

        impl std::str::FromStr for $Enum {
            type Err = std::convert::Infallible;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Ok(Self::ALL.iter().copied().find(|state| state.as_str() == text).unwrap_or(Self::Unknown))
            }
        }

        impl std::fmt::Display for $Enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

pub(crate) use states;
