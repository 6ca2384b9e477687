//! Where a leg goes: FreeSWITCH's endpoints, each with the parts that its module reads.

use std::fmt::Write;

use super::quoting::{ENTERPRISE, check, sequence};
use crate::error::CommandError;

/// What a leg calls.
///
/// ```
/// use esl_core::{Endpoint, Originate, Sofia};
/// use uuid::Uuid;
///
/// let to = Sofia::profile("external", "9196@example.net").via("sip:127.0.0.1:5080");
/// let command = Originate::new(Uuid::nil(), to, "park").command()?;
/// assert!(command.contains("}sofia/external/9196@example.net;fs_path=sip:127.0.0.1:5080 "));
///
/// let command = Originate::new(Uuid::nil(), Endpoint::user("1000", "example.net"), "park").command()?;
/// assert!(command.contains("}user/1000@example.net "));
/// # Ok::<(), esl_core::CommandError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// `sofia/…`: a call over SIP (`mod_sofia`).
    Sofia(Sofia),
    /// `loopback/<extension>/<context>`: into this server's own dialplan (`mod_loopback`).
    Loopback {
        /// What is dialled.
        extension: String,
        /// The dialplan's context.
        context: String,
    },
    /// `null/<name>`: a channel without anything behind it, answered at once (`mod_loopback`). A name such as
    /// `cause-USER_BUSY` makes a call that fails with that cause.
    Null(String),
    /// `user/<id>@<domain>`: a user of the directory, by the dial string there (`mod_dptools`).
    User {
        /// The user's id.
        id: String,
        /// The user's domain.
        domain: String,
    },
    /// Anything else, as it stands: one address, since a bare `,` or `|` would make it several.
    Raw(String),
}

/// A call over SIP: by a profile to an address, or by a gateway to a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sofia {
    by: By,
    /// A profile or a gateway.
    name: String,
    destination: String,
    proxy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Profile,
    Gateway,
}

impl Sofia {
    /// `sofia/<profile>/<destination>`: to `user@host:port`, or to a user who is registered with the profile.
    pub fn profile(profile: impl Into<String>, destination: impl Into<String>) -> Self {
        Self { by: By::Profile, name: profile.into(), destination: destination.into(), proxy: None }
    }

    /// `sofia/gateway/<name>/<number>`.
    pub fn gateway(name: impl Into<String>, number: impl Into<String>) -> Self {
        Self { by: By::Gateway, name: name.into(), destination: number.into(), proxy: None }
    }

    /// Sends the call to a proxy instead, such as `sip:127.0.0.1:5060`, whatever the destination says (`;fs_path=`).
    #[must_use]
    pub fn via(mut self, proxy: impl Into<String>) -> Self {
        self.proxy = Some(proxy.into());
        self
    }

    fn text(&self) -> Result<String, CommandError> {
        let mut text = match self.by {
            By::Profile => {
                check("a SIP profile", &self.name, |c| unfit(c) || "/^<>\"".contains(c))?;
                if self.name.eq_ignore_ascii_case("gateway") {
                    return Err(sequence("a SIP profile", &self.name, "gateway"));
                }
                format!("sofia/{}/", self.name)
            }
            By::Gateway => {
                check("a gateway", &self.name, |c| unfit(c) || "/^<>\"".contains(c))?;
                format!("sofia/gateway/{}/", self.name)
            }
        };
        // What follows a `^` would become the To header.
        check("a SIP destination", &self.destination, |c| unfit(c) || "^<>\"".contains(c))?;
        if self.destination.contains("fs_path=") {
            return Err(sequence("a SIP destination", &self.destination, "fs_path="));
        }
        text.push_str(&self.destination);
        if let Some(proxy) = &self.proxy {
            check("a SIP proxy", proxy, |c| c.is_control() || c.is_whitespace())?;
            text.push_str(";fs_path=");
            percent_encode(proxy, &mut text);
        }
        Ok(text)
    }
}

impl Endpoint {
    /// `loopback/<extension>/<context>`.
    pub fn loopback(extension: impl Into<String>, context: impl Into<String>) -> Self {
        Self::Loopback { extension: extension.into(), context: context.into() }
    }

    /// `null/<name>`.
    pub fn null(name: impl Into<String>) -> Self {
        Self::Null(name.into())
    }

    /// `user/<id>@<domain>`.
    pub fn user(id: impl Into<String>, domain: impl Into<String>) -> Self {
        Self::User { id: id.into(), domain: domain.into() }
    }

    /// The endpoint as it stands in an originate.
    pub(super) fn text(&self) -> Result<String, CommandError> {
        let text = match self {
            Self::Sofia(sofia) => sofia.text()?,
            Self::Loopback { extension, context } => {
                check("a loopback's extension", extension, |c| unfit(c) || c == '/')?;
                // It would run an application instead.
                if extension.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("app=")) {
                    return Err(sequence("a loopback's extension", extension, "app="));
                }
                check("a loopback's context", context, |c| unfit(c) || c == '/')?;
                format!("loopback/{extension}/{context}")
            }
            Self::Null(name) => {
                check("a null endpoint's name", name, unfit)?;
                format!("null/{name}")
            }
            Self::User { id, domain } => {
                check("a user's id", id, |c| unfit(c) || "@/".contains(c))?;
                check("a user's domain", domain, |c| unfit(c) || "@/".contains(c))?;
                format!("user/{id}@{domain}")
            }
            Self::Raw(address) => {
                check("an address to call", address, unfit)?;
                address.clone()
            }
        };
        // At its beginning these would be read as variables, or as a choice of separator.
        if let Some(unfit) = text.chars().next().filter(|c| "[<".contains(*c)) {
            return Err(CommandError::Originate { place: "an address to call", text, unfit });
        }
        if text.starts_with("^^") {
            return Err(sequence("an address to call", &text, "^^"));
        }
        if text.contains(ENTERPRISE) {
            return Err(sequence("an address to call", &text, ENTERPRISE));
        }
        Ok(text)
    }
}

/// What no address can have: a comma or a bar would fork the call, a space end the word.
fn unfit(c: char) -> bool {
    c.is_control() || " '\\{},|".contains(c)
}

/// FreeSWITCH takes a proxy up to a `;`, and decodes it then.
fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b":.-_~@[]+=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

impl From<Sofia> for Endpoint {
    fn from(sofia: Sofia) -> Self {
        Self::Sofia(sofia)
    }
}

impl From<String> for Endpoint {
    fn from(address: String) -> Self {
        Self::Raw(address)
    }
}

impl From<&String> for Endpoint {
    fn from(address: &String) -> Self {
        Self::Raw(address.clone())
    }
}

impl From<&str> for Endpoint {
    fn from(address: &str) -> Self {
        Self::Raw(address.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_as_their_modules_read_them() {
        let cases: [(Endpoint, &str); 8] = [
            (Sofia::profile("external", "9196@127.0.0.1:5080").into(), "sofia/external/9196@127.0.0.1:5080"),
            (Sofia::profile("v6", "9196@[::1]:5080").into(), "sofia/v6/9196@[::1]:5080"),
            (Sofia::gateway("carrier", "+4930123").into(), "sofia/gateway/carrier/+4930123"),
            (Sofia::profile("p", "a@b").via("sip:c:5;lr").into(), "sofia/p/a@b;fs_path=sip:c:5%3Blr"),
            (Endpoint::loopback("9196", "default"), "loopback/9196/default"),
            (Endpoint::null("x"), "null/x"),
            (Endpoint::user("1000", "example.net"), "user/1000@example.net"),
            ("error/USER_BUSY".into(), "error/USER_BUSY"),
        ];
        for (endpoint, text) in cases {
            assert_eq!(endpoint.text().as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_would_be_something_else_is_refused() {
        let cases: [Endpoint; 20] = [
            "".into(),
            "null/x,null/y".into(),
            "null/x|null/y".into(),
            "null/x:_:null/y".into(),
            "[n=1]null/x".into(),
            "<n=1>null/x".into(),
            "{n=1}null/x".into(),
            "^^;null/x".into(),
            "null/x\\".into(),
            "null/it's".into(),
            "null/x &park()".into(),
            Sofia::profile("gateway", "x").into(),
            Sofia::profile("a/b", "x").into(),
            Sofia::profile("a", "x^y").into(),
            Sofia::profile("a", "x;fs_path=y").into(),
            Sofia::profile("a", "x").via("").into(),
            Sofia::gateway("", "1").into(),
            Endpoint::loopback("app=park", "default"),
            Endpoint::loopback("9196/default", "x"),
            Endpoint::user("a@b", "c"),
        ];
        for endpoint in cases {
            assert!(endpoint.text().is_err(), "{endpoint:?}");
        }
    }
}
