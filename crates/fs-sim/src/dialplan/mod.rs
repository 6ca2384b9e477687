//! What a number that is called does: the server's own extensions, and before them those of its configuration
//! (mod_dialplan_xml.c).

mod built_in;
mod extension;
mod table;

use std::{collections::HashMap, sync::LazyLock};

pub use extension::Extension;

use crate::channel::Channel;

/// One application with its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Application {
    pub(crate) fn new(name: &str, data: &str) -> Application {
        Application { name: name.to_owned(), data: data.to_owned() }
    }
}

/// A number that a server answers to, for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// The context that has it: `default` is what is called on port 5080.
    pub context: String,
    /// The number, or a form of it.
    pub number: String,
    /// What it does.
    pub about: String,
}

/// What the extensions that take a call make of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Route {
    /// `DP_MATCH`: what the expression's groups matched, where it has groups.
    pub(crate) matched: Option<String>,
    /// What is run while the extensions are still being looked at.
    pub(crate) inline: Vec<Application>,
    pub(crate) applications: Vec<Application>,
    /// The extension whose callee behaves as the configuration says, if it is one of those.
    pub(crate) callee: Option<usize>,
}

/// All extensions of a server, in the order in which they are looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialplan {
    configured: Vec<Extension>,
}

static BUILT_IN: LazyLock<Vec<Extension>> = LazyLock::new(built_in::extensions);

impl Dialplan {
    pub(crate) fn new(configured: Vec<Extension>) -> Dialplan {
        Dialplan { configured }
    }

    fn extensions(&self) -> impl Iterator<Item = (usize, &Extension)> {
        self.configured.iter().chain(BUILT_IN.iter()).enumerate()
    }

    /// What the dialplan makes of a channel's call; nothing if no extension takes it.
    pub(crate) fn route(&self, channel: &Channel) -> Option<Route> {
        self.route_by(&channel.profile.context, &channel.profile.destination, |name| channel.variable(name))
    }

    fn route_by<'a>(&self, context: &str, number: &str, variable: impl Fn(&str) -> Option<&'a str>) -> Option<Route> {
        let mut route = Route::default();
        // What inline applications have set is seen by the extensions behind them.
        let mut set: HashMap<String, String> = HashMap::new();
        let mut taken = false;
        for (index, extension) in self.extensions().filter(|(_, extension)| extension.context == context) {
            let value = |name: &str| match set.get(name) {
                Some(value) => value.clone(),
                None => variable(name).unwrap_or_default().to_owned(),
            };
            let Some(steps) = extension.take(number, value) else { continue };
            taken = true;
            if steps.matched.is_some() {
                route.matched = steps.matched;
            }
            for application in &steps.inline {
                if let ("set" | "export", Some((name, value))) =
                    (application.name.as_str(), application.data.split_once('='))
                {
                    set.insert(name.to_owned(), value.to_owned());
                }
            }
            route.inline.extend(steps.inline);
            route.applications.extend(steps.applications);
            if extension.is_callee {
                route.callee = route.callee.or(Some(index));
            }
            if !extension.goes_on {
                break;
            }
        }
        taken.then_some(route)
    }

    /// The extension by whose callee a call to this number is going to be taken, known before the call is.
    pub(crate) fn callee(&self, context: &str, number: &str) -> Option<usize> {
        let mut extensions = self.extensions().filter(|(_, extension)| extension.context == context);
        extensions
            .find(|(_, extension)| extension.is_callee && extension.number.matches(number))
            .map(|(index, _)| index)
    }

    /// What it answers to.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Number> {
        self.extensions().map(|(_, extension)| extension.describe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(context: &str, number: &str) -> Option<Route> {
        Dialplan::default().route_by(context, number, |_| None)
    }

    fn configured(extensions: &[(&str, &[&str])]) -> Dialplan {
        let extension = |(number, run): &(&str, &[&str])| Extension::new("default", number, run).expect("an extension");
        Dialplan::new(extensions.iter().map(extension).collect())
    }

    #[test]
    fn the_recorded_numbers() {
        for number in ["9196", "9197", "486", "noanswer", "park", "ring700", "early300", "drop500"] {
            assert!(route("default", number).is_some(), "{number}");
        }
        for number in ["nobody", "ring", "ring7x", "700", "", "drop500@x", "91960", "x9196"] {
            assert_eq!(route("default", number), None, "{number}");
        }
        assert_eq!(route("nowhere", "9196"), None);
    }

    #[test]
    fn groups_show_in_dp_match() {
        let route = route("default", "ring700").expect("a route");
        assert_eq!(route.matched.as_deref(), Some("ARRAY::ring700|:700"));
        assert_eq!(route.applications[1], Application::new("sleep", "700"));
    }

    #[test]
    fn the_park_profile_parks_everything() {
        assert_eq!(
            super::tests::route("switchio", "any").expect("a route").applications,
            [Application::new("park", "")]
        );
    }

    #[test]
    fn those_that_answer_at_once_have_a_callee() {
        let dialplan = Dialplan::default();
        for (number, has) in [("9196", true), ("9197", true), ("park", true), ("ring5", false), ("nobody", false)] {
            assert_eq!(dialplan.callee("default", number).is_some(), has, "{number}");
            assert_eq!(route("default", number).is_some_and(|route| route.callee.is_some()), has, "{number}");
        }
    }

    #[test]
    fn the_configured_come_first_in_their_order() {
        let dialplan = configured(&[
            ("^7(\\d)(\\d*)$", &["answer", "playback $2-${1}-$0-$9-${x}-$"]),
            ("^.*7$", &["park"]),
            ("9196", &["hangup USER_BUSY"]),
        ]);
        let run = |number: &str| {
            let route = dialplan.route_by("default", number, |_| None).unwrap_or_default();
            let told: Vec<String> = route.applications.iter().map(|a| format!("{} {}", a.name, a.data)).collect();
            (told.join(";"), route.matched)
        };
        assert_eq!(run("712").0, "answer ;playback 2-1-712--${x}-$");
        assert_eq!(run("712").1.as_deref(), Some("ARRAY::712|:1|:2"));
        assert_eq!(run("77").0, "answer ;playback -7-77--${x}-$");
        assert_eq!(run("1237"), ("park ".to_owned(), None));
        assert_eq!(run("9196").0, "hangup USER_BUSY");
        assert_eq!(run("ring5").0.split(';').next(), Some("ring_ready "));
        assert_eq!(run("19196").0, "", "not a pattern: the whole number");
    }

    #[test]
    fn one_that_goes_on_adds_and_what_it_sets_at_once_is_seen_behind_it() {
        let dialplan: Vec<Extension> = toml::from_str::<std::collections::BTreeMap<String, Vec<Extension>>>(
            r#"
            dialplan = [
                { number = "^1", continue = true, do = [{ application = "set", data = "kind=$0", inline = true }, "ring_ready"] },
                { number = "^12", when = { kind = "^2$" }, do = ["park"] },
                { number = "^12", when = { "${kind}" = "^1$", caller_id_number = "^55" }, do = ["answer"], else = ["hangup"] },
            ]"#,
        )
        .expect("a dialplan")
        .remove("dialplan")
        .expect("there");
        let dialplan = Dialplan::new(dialplan);
        let run = |caller: &'static str| {
            let variable = |name: &str| (name == "caller_id_number").then_some(caller);
            let route = dialplan.route_by("default", "123", variable).expect("a route");
            assert_eq!(route.inline, [Application::new("set", "kind=1")]);
            route.applications.into_iter().map(|application| application.name).collect::<Vec<_>>()
        };
        assert_eq!(run("5566"), ["ring_ready", "answer"]);
        assert_eq!(run("66"), ["ring_ready", "hangup"]);
    }

    #[test]
    fn every_extension_tells_what_it_does() {
        let dialplan = configured(&[("^7", &["answer", "playback x"])]);
        let numbers: Vec<Number> = dialplan.numbers().collect();
        assert_eq!((numbers[0].number.as_str(), numbers[0].about.as_str()), ("^7", "answer, playback"));
        assert!(numbers.iter().any(|number| number.number == "ring<ms>"));
        assert!(numbers.iter().all(|number| !number.about.is_empty()));
    }
}
