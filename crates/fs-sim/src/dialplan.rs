//! The recorded server's dialplan: what a number that is called does.

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

/// What an extension makes of a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// `DP_MATCH`: what the expression's groups matched, where it has groups.
    pub(crate) matched: Option<String>,
    pub(crate) applications: Vec<Application>,
    /// Whether the number answers at once, so that a configured callee may behave otherwise.
    pub(crate) answers_at_once: bool,
}

/// The extension of `context` that takes `number`, if one does.
pub(crate) fn route(context: &str, number: &str) -> Option<Route> {
    let steps: Vec<(&str, &str)>;
    let mut group = None;
    match (context, number) {
        ("switchio", _) => {
            group = Some(number);
            steps = vec![("park", "")];
        }
        ("default", "9196") => steps = vec![("answer", ""), ("echo", "")],
        ("default", "9197") => steps = vec![("answer", ""), ("playback", "tone_stream://%(251,0,1004);loops=-1")],
        ("default", "486") => steps = vec![("respond", "486")],
        ("default", "noanswer") => steps = vec![("ring_ready", ""), ("sleep", "600000")],
        ("default", "park") => steps = vec![("park", "")],
        ("default", _) => {
            let (kind, digits) = number.split_at(number.find(|c: char| c.is_ascii_digit())?);
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            group = Some(digits);
            steps = match kind {
                "ring" => vec![("ring_ready", ""), ("sleep", digits), ("answer", ""), ("echo", "")],
                "early" => vec![("pre_answer", ""), ("sleep", digits), ("answer", ""), ("echo", "")],
                "drop" => vec![("answer", ""), ("sleep", digits), ("hangup", "NORMAL_CLEARING")],
                _ => return None,
            };
        }
        _ => return None,
    }
    Some(Route {
        matched: group.map(|group| format!("ARRAY::{number}|:{group}")),
        applications: steps.into_iter().map(|(name, data)| Application::new(name, data)).collect(),
        answers_at_once: context == "default" && matches!(number, "9196" | "9197" | "park"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_numbers() {
        for number in ["9196", "9197", "486", "noanswer", "park", "ring700", "early300", "drop500"] {
            assert!(route("default", number).is_some(), "{number}");
        }
        for number in ["nobody", "ring", "ring7x", "700", "", "drop500@x"] {
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
        assert_eq!(super::route("switchio", "anything").expect("a route").applications, [Application::new("park", "")]);
    }
}
