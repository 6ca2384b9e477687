//! What a number that is called does: the server's own extensions, and before them those of its configuration
//! (mod_dialplan_xml.c).

mod built_in;
mod extension;
mod table;

use std::{collections::HashMap, sync::LazyLock};

pub use extension::Extension;
pub(crate) use table::extensions;

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

/// A call's variables and fields while extensions are looked at: what inline applications have set is seen behind them.
pub(crate) struct Seen<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    set: HashMap<String, String>,
}

impl Seen<'_> {
    fn value(&self, name: &str) -> String {
        match self.set.get(name) {
            Some(value) => value.clone(),
            None => (self.variable)(name).unwrap_or_default(),
        }
    }

    fn note(&mut self, application: &Application) {
        if let ("set" | "export", Some((name, value))) = (application.name.as_str(), application.data.split_once('=')) {
            self.set.insert(name.to_owned(), value.to_owned());
        }
    }
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
        self.route_by(&channel.profile.context, &channel.profile.destination, &|name| {
            channel.variable(name).map(str::to_owned)
        })
    }

    /// The same for a call of the channel to another number.
    pub(crate) fn route_to(&self, channel: &Channel, context: &str, number: &str) -> Option<Route> {
        self.route_by(context, number, &|name| channel.variable(name).map(str::to_owned))
    }

    fn route_by(&self, context: &str, number: &str, variable: &dyn Fn(&str) -> Option<String>) -> Option<Route> {
        let mut route = Route::default();
        let mut seen = Seen { variable, set: HashMap::new() };
        let mut taken = false;
        for (index, extension) in self.extensions().filter(|(_, extension)| extension.context == context) {
            let Some(steps) = extension.take(number, &mut seen) else { continue };
            taken = true;
            if steps.matched.is_some() {
                route.matched = steps.matched;
            }
            route.inline.extend(steps.inline);
            route.applications.extend(steps.applications);
            if extension.is_callee {
                route.callee = route.callee.or(Some(index));
            }
            if steps.is_its_own && !extension.goes_on {
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
        Dialplan::default().route_by(context, number, &|_| None)
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
            let route = dialplan.route_by("default", number, &|_| None).unwrap_or_default();
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
            let variable = |name: &str| (name == "caller_id_number").then(|| caller.to_owned());
            let route = dialplan.route_by("default", "123", &variable).expect("a route");
            assert_eq!(route.inline, [Application::new("set", "kind=1")]);
            route.applications.into_iter().map(|application| application.name).collect::<Vec<_>>()
        };
        assert_eq!(run("5566"), ["ring_ready", "answer"]);
        assert_eq!(run("66"), ["ring_ready", "hangup"]);
    }

    fn read(text: &str) -> Dialplan {
        let mut table: std::collections::BTreeMap<String, Vec<Extension>> = toml::from_str(text).expect("a dialplan");
        Dialplan::new(table.remove("dialplan").expect("there"))
    }

    /// What a call from `caller` to 712 runs.
    fn run(dialplan: &Dialplan, caller: &str) -> Option<(String, Option<String>)> {
        let variable = |name: &str| (name == "caller_id_number").then(|| caller.to_owned());
        let route = dialplan.route_by("default", "712", &variable)?;
        let told: Vec<String> = route.applications.iter().map(|a| a.name.clone() + " " + &a.data).collect();
        Some((told.join(";"), route.matched))
    }

    #[test]
    fn a_condition_that_breaks_says_whether_those_behind_it_are_looked_at() {
        for (breaks, met, not_met) in [
            ("on-false", Some("answer ;park "), Some("echo ")),
            ("on-true", Some("answer "), Some("echo ;park ")),
            ("always", Some("answer "), Some("echo ")),
            ("never", Some("answer ;park "), Some("echo ;park ")),
        ] {
            let dialplan = read(&format!(
                r#"
                [[dialplan]]
                number = "^712$"
                when = {{ caller_id_number = "^1" }}
                break = "{breaks}"
                do = ["answer"]
                else = ["echo"]
                [[dialplan.conditions]]
                do = ["park"]
                "#
            ));
            let told = |caller: &str| run(&dialplan, caller).map(|(told, _)| told);
            assert_eq!((told("1").as_deref(), told("2").as_deref()), (met, not_met), "{breaks}");
        }
    }

    #[test]
    fn the_last_condition_that_is_looked_at_says_whose_the_call_is() {
        let dialplan = |breaks: &str, last: &str| {
            read(&format!(
                r#"
                [[dialplan]]
                number = "^712$"
                do = ["answer"]
                [[dialplan.conditions]]
                field = "caller_id_number"
                expression = "^1"
                {breaks}
                {last}
                [[dialplan]]
                number = "712"
                do = ["hangup"]
                "#
            ))
        };
        let told = |breaks: &str, last: &str, caller: &str| run(&dialplan(breaks, last), caller).map(|(told, _)| told);
        // What was added before stays, as with mod_dialplan_xml.
        assert_eq!(told("", "do = [\"park\"]", "2").as_deref(), Some("answer ;hangup "));
        assert_eq!(told("break = \"never\"", "do = [\"park\"]", "2").as_deref(), Some("answer ;hangup "));
        assert_eq!(told("", "do = [\"park\"]", "1").as_deref(), Some("answer ;park "));
        assert_eq!(told("", "else = [\"echo\"]", "2").as_deref(), Some("answer ;echo "));
        assert_eq!(told("", "else = [\"echo\"]", "1").as_deref(), Some("answer "), "met, with nothing to run");
    }

    #[test]
    fn each_condition_has_its_own_groups() {
        let dialplan = read(
            r#"
            [[dialplan]]
            number = "^7(\\d)"
            do = ["set a=$1", { application = "set", data = "kind=$1", inline = true }]
            [[dialplan.conditions]]
            field = "caller_id_number"
            expression = "^(\\d)(\\d)"
            break = "never"
            do = ["set b=$2$1"]
            [[dialplan.conditions]]
            field = "${kind}"
            expression = "^1$"
            do = ["set c=$1"]
            "#,
        );
        let told = |caller: &str| run(&dialplan, caller).expect("a route");
        assert_eq!(told("23"), ("set a=1;set b=32;set c=$1".to_owned(), Some("ARRAY::23|:2|:3".to_owned())));
        assert_eq!(told("x"), ("set a=1;set c=$1".to_owned(), Some("ARRAY::71|:1".to_owned())));
    }

    #[test]
    fn what_no_extension_can_be_is_refused() {
        let error = |text: &str| toml::from_str::<Extension>(text).expect_err(text).message().to_owned();
        for (text, reason) in [
            ("number = \"1\"", "missing field `do`"),
            (
                "number = \"1\"\ndo = [\"park\"]\nbreak = \"maybe\"",
                "expected one of `on-false`, `on-true`, `always`, `never`",
            ),
            (
                "number = \"1\"\ndo = [\"park\"]\nconditions = [{ field = \"x\" }]",
                "a condition has a field and an expression, or neither",
            ),
            ("number = \"1\"\ndo = [\"park\"]\nconditions = [{ if = \"x\" }]", "unknown field `if`"),
            ("number = \"1\"\ndo = [\"park\"]\nabout = \"a\\nb\"", "no control characters"),
            ("number = \"1\"\ndo = [3]", "\"application argument\", or {"),
        ] {
            let told = error(text);
            assert!(told.contains(reason), "{text}: {told}");
        }
        let about = |length: usize| format!("number = \"1\"\ndo = [\"park\"]\nabout = \"{}\"", "x".repeat(length));
        assert!(toml::from_str::<Extension>(&about(200)).is_ok());
        assert!(error(&about(201)).contains("at most 200 characters"));
        let many = |what: &str, each: &str, count: usize| format!("number = \"1\"\n{what} = [{}]", each.repeat(count));
        assert!(toml::from_str::<Extension>(&many("do", "\"park\",", 1_000)).is_ok());
        assert_eq!(error(&many("do", "\"park\",", 1_001)), "1001 applications are too many: there may be 1000");
        let conditions = many("conditions", "{ do = [\"park\"] },", 101);
        assert_eq!(error(&conditions), "101 conditions are too many: there may be 100");
        let table = |count: usize| format!("dialplan = [{}]", "{ number = \"1\", do = [\"park\"] },".repeat(count));
        assert!(toml::from_str::<crate::ServerTable>(&table(10_000)).is_ok());
        let told = toml::from_str::<crate::ServerTable>(&table(10_001)).expect_err("too many");
        assert_eq!(told.message(), "10001 extensions are too many: there may be 10000");
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
