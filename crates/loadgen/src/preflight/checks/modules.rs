//! Checks that the modules exist that the apps need.

use super::{Answers, CheckInput, Finding, Need};

pub(super) fn queries(need: &Need, _: &Answers) -> Vec<String> {
    need.modules.keys().map(|module| question(module)).collect()
}

fn question(module: &str) -> String {
    format!("module_exists {module}")
}

pub(super) fn evaluate(subject: &CheckInput<'_>) -> Vec<Finding> {
    let missing = subject.need.modules.iter().filter(|(module, _)| {
        subject.answers.successful(&question(module)).is_some_and(|there| there.trim() == "false")
    });
    missing
        .map(|(module, apps)| {
            subject.error(
                format!("module {module} is not loaded, which {}", apps.with("needs", "need")),
                format!("load {module}   (for good: <load module={module:?}/> in modules.conf.xml)"),
            )
        })
        .collect()
}
