//! This crate's modules have no cycles; and the reader that finds them, tried on small crates.

#[path = "support/module_graph.rs"]
mod module_graph;

use std::fs;
use std::path::{Path, PathBuf};

use module_graph::ModuleGraph;

#[test]
fn top_level_modules_have_no_cycle() {
    ModuleGraph::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).assert_acyclic();
}

/// Writes a crate's sources, pairs of a file's name and its text, into a folder.
fn crate_of(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let src = Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules").join(name);
    for (file, source) in files {
        let path = src.join(file);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder can be made");
        fs::write(path, source).expect("a file can be written");
    }
    src
}

fn arrows(graph: &ModuleGraph) -> Vec<String> {
    graph.arrows().map(ToString::to_string).collect()
}

#[test]
fn every_form_of_a_path_makes_an_arrow() {
    let src = crate_of(
        "paths",
        &[
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\nmod e { pub(super) fn f() { super::a::f() } }"),
            (
                "a.rs",
                "use crate::b;\npub use super::c::{\n    self,\n    nested::{X as Y, *},\n};\nuse crate::{\n    b::X,\n    d::X,\n};",
            ),
            ("b/mod.rs", "mod inner;\nuse std::c::X;\nfn f() -> impl Fn() + use<> { crate::c::f::<crate::d::X> }"),
            ("b/inner.rs", "use super::X;\nfn f() { super::super::d::f(self::X) }"),
            ("c.rs", "pub(in crate::a) fn f(&self) {}\nmod inline {\n    mod deep;\n    use super::super::d;\n}"),
            ("c/inline/deep.rs", "type X = crate::e::X;"),
            ("d.rs", "r#\"\n\"#; '\\''; '\"'; fn f<'a>() { crate::e::f() }"),
        ],
    );
    let expected = [
        "a -> b (a.rs:1)",
        "a -> b (a.rs:7)",
        "a -> c (a.rs:3)",
        "a -> c (a.rs:4)",
        "a -> d (a.rs:8)",
        "b -> c (b/mod.rs:3)",
        "b -> d (b/inner.rs:2)",
        "b -> d (b/mod.rs:3)",
        "c -> d (c.rs:4)",
        "c -> e (c/inline/deep.rs:1)",
        "d -> e (d.rs:2)",
        "e -> a (lib.rs:5)",
    ];
    assert_eq!(arrows(&ModuleGraph::read(&src)), expected);
}

#[test]
fn comments_literals_and_test_code_make_no_arrow() {
    let a = r##"
        //! `use crate::b;`
        /* use crate::b;
        crate::b::f() */
        const TEXTS: [&str; 3] = ["crate::b::f()", "\"crate::b::f()", r#""crate::b::f()"#];
        const QUOTES: [char; 2] = ['"', '\''];
        #[cfg(test)]
        use crate::{b::X, b::{Y, Z}};
        #[cfg(test)]
        #[allow(dead_code)]
        fn f() { crate::b::f() }
        #[cfg(all(test, unix))]
        mod unix { use crate::b; }
        #[cfg(test)]
        mod tests;
        #[cfg(not(test))]
        fn g() { crate::c::f() }
    "##;
    let src = crate_of("unused", &[("lib.rs", "mod a; mod b; mod c;"), ("a.rs", a), ("b.rs", ""), ("c.rs", "")]);
    assert_eq!(arrows(&ModuleGraph::read(&src)), ["a -> c (a.rs:17)"]);
}

#[test]
fn names_of_the_root_count_for_the_modules_that_they_come_from() {
    let lib = "mod a; mod b; mod c; mod d;\npub use b::{X as Renamed, Y};\nuse crate::c::Z;\npub struct Own;";
    let a = "use crate::{Own, Renamed};\nuse super::Z;\nfn f() { crate::Y::new() }";
    let src = crate_of("root", &[("lib.rs", lib), ("a.rs", a), ("b.rs", ""), ("c.rs", ""), ("d.rs", "use crate::X;")]);
    assert_eq!(arrows(&ModuleGraph::read(&src)), ["a -> b (a.rs:1)", "a -> b (a.rs:3)", "a -> c (a.rs:2)"]);
}

#[test]
fn cycle_is_a_shortest_one() {
    let files = |last| {
        [
            ("lib.rs", "mod a; mod b; mod c; mod d;"),
            ("a.rs", "use crate::b::X;\nuse crate::b::Y;"),
            ("b.rs", "use crate::c;"),
            ("c.rs", "use crate::d;"),
            ("d.rs", last),
        ]
    };
    assert_eq!(ModuleGraph::read(&crate_of("acyclic", &files(""))).cycle(), None);
    let graph = ModuleGraph::read(&crate_of("cyclic", &files("\nuse crate::a;\nuse crate::b;")));
    let cycle: Vec<String> = graph.cycle().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(cycle, ["b -> c (b.rs:1)", "c -> d (c.rs:1)", "d -> b (d.rs:3)"]);
}

#[test]
fn children_of_a_module_have_a_graph() {
    let files = [
        ("lib.rs", "pub mod engine; mod other;\npub use engine::link::Link;"),
        ("engine/mod.rs", "mod link; mod task; mod timer;\nuse self::timer::Timer;\nuse crate::other;\nstruct Own;"),
        ("engine/link.rs", "mod codec; mod frame;\nuse crate::engine::task;\nuse crate::other::X;"),
        ("engine/link/codec.rs", "use super::frame::F;\nuse super::super::Timer;"),
        ("engine/link/frame.rs", ""),
        ("engine/task.rs", "use super::{Own, Timer};\nuse crate::Link;"),
        ("engine/timer.rs", ""),
        ("other.rs", "use crate::engine::link;"),
    ];
    let src = crate_of("children", &files);
    let expected = [
        "link -> task (engine/link.rs:2)",
        "link -> timer (engine/link/codec.rs:2)",
        "task -> link (engine/task.rs:2)",
        "task -> timer (engine/task.rs:1)",
    ];
    assert_eq!(arrows(&ModuleGraph::read_children(&src, "engine")), expected);
    let of_link = ModuleGraph::read_children(&src, "engine::link");
    assert_eq!(arrows(&of_link), ["codec -> frame (engine/link/codec.rs:1)"]);
}

#[test]
#[should_panic(expected = "in a cycle: a -> b -> a\n    a -> b (a.rs:1)\n    b -> a (b.rs:2)")]
fn cycle_is_shown_with_the_place_of_each_arrow() {
    let files = [("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b;"), ("b.rs", "\nuse crate::a;")];
    ModuleGraph::read(&crate_of("shown", &files)).assert_acyclic();
}

#[test]
#[should_panic(expected = "a.rs:1: `*` hides which modules are used")]
fn glob_import_of_the_root_is_refused() {
    ModuleGraph::read(&crate_of("glob", &[("lib.rs", "mod a;"), ("a.rs", "use super::*;")]));
}
