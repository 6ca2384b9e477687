//! The modules of this crate use each other as the table in ARCHITECTURE.md has it, without a cycle at any depth.

#[path = "../../esl-core/tests/support/module_graph.rs"]
mod module_graph;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use module_graph::ModuleGraph;

const ARCHITECTURE: &str = include_str!("../../../ARCHITECTURE.md");

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The rows of the table of modules: each module with those that it uses, from the highest layer to the lowest.
fn documented() -> Vec<(&'static str, BTreeSet<&'static str>)> {
    let rows = ARCHITECTURE.lines().skip_while(|line| *line != "| module | contents | uses |").skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let [module, _, uses] = cells.as_slice() else { panic!("three cells: {line}") };
        (module.trim_matches([' ', '`']), uses.split([',', ' ']).filter(|name| !name.is_empty()).collect())
    });
    rows.collect()
}

#[test]
fn documented_modules_use_only_lower_layers() {
    let rows = documented();
    for (row, (module, uses)) in rows.iter().enumerate() {
        let lower: BTreeSet<&str> = rows[row + 1..].iter().map(|(lower, _)| *lower).collect();
        assert!(uses.is_subset(&lower), "`{module}` uses {:?}, which have no row below it", uses - &lower);
    }
}

#[test]
fn modules_use_what_the_table_in_architecture_has() {
    let documented: BTreeMap<&str, BTreeSet<&str>> = documented().into_iter().collect();
    let graph = ModuleGraph::read(&src());
    for arrow in graph.arrows() {
        let uses = documented.get(&*arrow.from).unwrap_or_else(|| panic!("`{}` has no row", arrow.from));
        assert!(uses.contains(&*arrow.to), "not in the table of ARCHITECTURE.md: {arrow}");
    }
    let arrows: BTreeSet<(&str, &str)> = graph.arrows().map(|arrow| (&*arrow.from, &*arrow.to)).collect();
    for (module, uses) in &documented {
        for used in uses {
            assert!(arrows.contains(&(module, used)), "ARCHITECTURE.md: `{module}` no longer uses `{used}`");
        }
    }
}

#[test]
fn every_module_folder_is_acyclic() {
    let mut folders = vec![src()];
    while let Some(folder) = folders.pop() {
        let module = folder.strip_prefix(src()).expect("below src").display().to_string().replace('/', "::");
        ModuleGraph::read_children(&src(), &module).assert_acyclic();
        let entries = fs::read_dir(&folder).expect("a folder of modules").map(|entry| entry.expect("an entry").path());
        folders.extend(entries.filter(|path| path.join("mod.rs").exists() && !path.ends_with("tests")));
    }
}
