//! What the modules of the recorded server offer: API commands, applications, codecs and the rest, each with its words.
//!
//! `show`, `help` and the completion of a command line read this list, and so do the `-USAGE` answers.

use std::sync::LazyLock;

/// Kind, name, module, description and arguments on each line, apart by tabs, in the order of `show interfaces`.
const LIST: &str = include_str!("interfaces.tsv");

/// Where the modules of a server lie that was built without a prefix of its own.
const MODULES_FOLDER: &str = "/usr/local/freeswitch/lib/freeswitch/mod";

/// One thing that a module offers.
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) kind: &'static str,
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    pub(crate) description: String,
    pub(crate) syntax: String,
}

static ALL: LazyLock<Vec<Interface>> = LazyLock::new(|| LIST.lines().map(Interface::parse).collect());

impl Interface {
    fn parse(line: &'static str) -> Interface {
        let mut fields = line.split('\t');
        let mut next = || fields.next().unwrap_or_default();
        let (kind, name, module) = (next(), next(), next());
        let words = |text: &str| text.replace("\\n", "\n").replace("\\t", "\t");
        Interface { kind, name, module, description: words(next()), syntax: words(next()) }
    }

    /// The file that it comes from; what is part of the server itself has one in name only.
    pub(crate) fn file(&self) -> String {
        let folder = if self.module.starts_with("CORE_") { "" } else { MODULES_FOLDER };
        format!("{folder}/{}.so", self.module)
    }
}

/// All of them, by kind and name.
pub(crate) fn all() -> &'static [Interface] {
    &ALL
}

/// The API commands.
pub(crate) fn commands() -> impl Iterator<Item = &'static Interface> {
    all().iter().filter(|interface| interface.kind == "api")
}

/// Whether a module is there, by its name as it is written.
pub(crate) fn has_module(name: &str) -> bool {
    all().iter().any(|interface| interface.module == name)
}

/// `-USAGE:` and the arguments of an API command.
pub(crate) fn usage(command: &str) -> String {
    let syntax = commands().find(|known| known.name == command).map_or("", |known| &known.syntax);
    format!("-USAGE: {syntax}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_whole() {
        assert_eq!(all().len(), 391);
        assert_eq!(commands().count(), 174);
        assert_eq!(usage("uuid_kill"), "-USAGE: <uuid> [cause]\n");
        assert!(has_module("mod_sofia") && !has_module("sofia"));
    }
}
