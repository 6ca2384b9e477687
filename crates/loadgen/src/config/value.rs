//! The values of the file that are loadgen's own; numbers and times are those of a simulated server.

use secrecy::SecretString;
use serde::de::{self, Deserialize, Deserializer};

/// A password: text that no message and no log shows.
#[derive(Clone, Debug)]
pub struct Password(pub SecretString);

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whatever is wrong with it, the words are the same: serde's would show it.
        let text = String::deserialize(deserializer);
        text.map(|text| Self(text.into())).map_err(|_| de::Error::custom("a password must be text, in quotes"))
    }
}
