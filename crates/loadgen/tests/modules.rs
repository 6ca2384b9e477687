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

/// The names of the types that a file defines outside of its tests.
fn types(path: &Path) -> Vec<String> {
    let source = fs::read_to_string(path).expect("a source file");
    let source = source.split("#[cfg(test)]\nmod tests").next().expect("the first part");
    let words =
        source.lines().filter(|line| !line.starts_with([' ', '/'])).map(|line| line.split([' ', '<', '(', ';', '{']));
    let names = words.filter_map(|mut words| {
        words.find(|word| ["struct", "enum", "trait", "type"].contains(word))?;
        words.next().map(str::to_owned)
    });
    names.collect()
}

#[test]
fn type_names_are_unique_in_the_crate() {
    let (mut folders, mut places) = (vec![src()], BTreeMap::<String, Vec<PathBuf>>::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder of modules").map(|entry| entry.expect("an entry").path()) {
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            match path.is_dir() {
                true => folders.push(path),
                false => types(&path).into_iter().for_each(|name| places.entry(name).or_default().push(path.clone())),
            }
        }
    }
    assert!(places.len() > 100, "types are found: {places:?}");
    let twice: Vec<_> = places.iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(twice.is_empty(), "defined more than once: {twice:#?}");
}
