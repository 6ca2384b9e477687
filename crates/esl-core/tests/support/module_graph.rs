//! The graph of a crate's modules: an arrow from each module to those that it uses, for tests that keep it free of cycles.
//!
//! An arrow comes from a path in the source: a `use`, or a path in the code that begins with `crate`, `self` or `super`.
//! Test code (`#[cfg(test)]`) makes no arrows. A name that an enclosing module only re-exports counts for the module that
//! it comes from; a name that an enclosing module defines itself makes no arrow between that module's children.
//!
//! The reader knows tokens, not the language: it does not expand macros.

mod tokens;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use tokens::{Tokens, is_word};

/// The children of one module, and which of them use which. What is inside a child counts as the child.
#[derive(Debug)]
pub(crate) struct ModuleGraph {
    arrows: BTreeSet<Arrow>,
}

/// One use of a module by another, displayed as `from -> to (place)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: String,
    pub(crate) to: String,
    /// `file:line`, where the file's path is relative to `src`.
    pub(crate) place: String,
}

impl ModuleGraph {
    /// The graph of a crate's top-level modules. `src` holds `lib.rs`.
    ///
    /// # Panics
    /// A source file cannot be read, or a module imports everything from the crate's root.
    pub(crate) fn read(src: &Path) -> Self {
        Self::read_children(src, "")
    }

    /// The graph of one module's children: `engine`, or `engine::link`.
    ///
    /// # Panics
    /// A source file cannot be read, there is no such module, or a child imports everything from it or from a module
    /// around it.
    pub(crate) fn read_children(src: &Path, module: &str) -> Self {
        let mut sources = Sources { src, modules: BTreeMap::new() };
        sources.read(Vec::new());
        let parent: ModulePath = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        assert!(sources.modules.contains_key(&parent), "no module `{module}` in {}", src.display());
        Self { arrows: sources.arrows(&parent) }
    }

    /// Every use, ordered by its two modules and its place.
    pub(crate) fn arrows(&self) -> impl Iterator<Item = &Arrow> {
        self.arrows.iter()
    }

    /// A shortest cycle: each arrow begins where the one before it ends, the first one where the last one ends.
    pub(crate) fn cycle(&self) -> Option<Vec<Arrow>> {
        let modules: BTreeSet<&str> = self.arrows().map(|arrow| &*arrow.from).collect();
        modules.into_iter().filter_map(|module| self.cycle_through(module)).min_by_key(Vec::len)
    }

    /// # Panics
    /// There is a cycle. The message has a line for each of its arrows.
    pub(crate) fn assert_acyclic(&self) {
        if let Some(cycle) = self.cycle() {
            let names: String = cycle.iter().map(|arrow| format!("{} -> ", arrow.from)).collect();
            let arrows: String = cycle.iter().map(|arrow| format!("\n    {arrow}")).collect();
            panic!("modules use each other in a cycle: {names}{}{arrows}", cycle[0].from);
        }
    }

    fn cycle_through(&self, start: &str) -> Option<Vec<Arrow>> {
        let mut reached_by: BTreeMap<&str, &Arrow> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(module) = queue.pop_front() {
            for arrow in self.arrows().filter(|arrow| arrow.from == module) {
                if !reached_by.contains_key(&*arrow.to) {
                    reached_by.insert(&arrow.to, arrow);
                    queue.push_back(&arrow.to);
                }
            }
        }
        let mut cycle = vec![(*reached_by.get(start)?).clone()];
        while cycle[0].from != start {
            cycle.insert(0, reached_by[&*cycle[0].from].clone());
        }
        Some(cycle)
    }
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({})", self.from, self.to, self.place)
    }
}

/// A path from the crate's root: empty for the root itself.
type ModulePath = Vec<String>;

#[derive(Default)]
struct Module {
    children: BTreeSet<String>,
    /// What each name stands for that a `use` brings in.
    imports: BTreeMap<String, ModulePath>,
    /// The paths into this crate, with their places.
    uses: Vec<(ModulePath, String)>,
}

struct Sources<'a> {
    src: &'a Path,
    modules: BTreeMap<ModulePath, Module>,
}

impl Sources<'_> {
    /// Reads a module that has a file to itself, and all below it.
    fn read(&mut self, module: ModulePath) {
        let path: PathBuf = if module.is_empty() { "lib".into() } else { module.iter().collect() };
        let candidates = [path.with_extension("rs"), path.join("mod.rs")];
        let Some(file) = candidates.iter().find(|file| self.src.join(file).exists()) else {
            panic!("no {candidates:?} in {}", self.src.display());
        };
        let source = fs::read_to_string(self.src.join(file)).expect("a source file can be read");
        self.scan(module, &file.display().to_string(), &mut Tokens::new(&source));
    }

    /// Reads a module's tokens up to the brace that closes it, or to the end of its file.
    fn scan(&mut self, path: ModulePath, file: &str, tokens: &mut Tokens<'_>) {
        let (mut module, mut imports, mut depth) = (Module::default(), Vec::new(), 0);
        while let Some(token) = tokens.next() {
            let place = format!("{file}:{}", tokens.line());
            match token {
                "{" => depth += 1,
                "}" if depth == 0 => break,
                "}" => depth -= 1,
                "#" if tokens.are_next(&["[", "cfg", "(", "test"]) => tokens.skip_item(),
                "#" if tokens.are_next(&["[", "cfg", "(", "all", "(", "test"]) => tokens.skip_item(),
                // The path in `pub(in path)` names those who may use an item.
                "pub" if tokens.are_next(&["(", "in"]) => while tokens.next().is_some_and(|token| token != ")") {},
                "mod" if [";", "{"].contains(&tokens.peek(1)) => {
                    let name = tokens.next().unwrap_or_default().to_owned();
                    let child = path.iter().chain([&name]).cloned().collect();
                    module.children.insert(name);
                    match tokens.next() {
                        Some("{") => self.scan(child, file, tokens),
                        _ => self.read(child),
                    }
                }
                // `impl Trait + use<'a>` imports nothing.
                "use" if !tokens.are_next(&["<"]) => use_tree(tokens, Vec::new(), &mut imports),
                "crate" | "self" | "super" => {
                    let mut written = vec![token.to_owned()];
                    while tokens.are_next(&["::"]) && is_word(tokens.peek(1)) {
                        tokens.next();
                        written.extend(tokens.next().map(str::to_owned));
                    }
                    module.uses.extend(absolute(&path, &written).map(|used| (used, place)));
                }
                _ => {}
            }
        }
        for Import { name, mut written, line } in imports {
            if module.children.contains(&written[0]) {
                written.insert(0, "self".to_owned());
            }
            if let Some(used) = absolute(&path, &written) {
                module.uses.push((used.clone(), format!("{file}:{line}")));
                module.imports.insert(name, used);
            }
        }
        self.modules.insert(path, module);
    }

    fn arrows(&self, parent: &[String]) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (path, module) in &self.modules {
            let Some([from, ..]) = path.strip_prefix(parent) else { continue };
            for (used, place) in &module.uses {
                if let Some(to) = self.child_of(parent, used.clone(), place).filter(|to| to != from) {
                    arrows.insert(Arrow { from: from.clone(), to, place: place.clone() });
                }
            }
        }
        arrows
    }

    /// The child of `parent` that a path leads into, by way of what `parent` and the modules around it import.
    fn child_of(&self, parent: &[String], mut used: ModulePath, place: &str) -> Option<String> {
        let mut depth = 0;
        while depth <= parent.len() && parent.starts_with(&used[..depth]) {
            let (module, name) = (&self.modules[&used[..depth]], used.get(depth)?);
            assert!(name != "*", "{place}: `*` hides which modules are used, name what is imported");
            if !module.children.contains(name) {
                let target = module.imports.get(name).filter(|&target| *target != used[..=depth])?.clone();
                used.splice(..=depth, target);
                depth = 0;
            } else if depth == parent.len() {
                return Some(name.clone());
            } else {
                depth += 1;
            }
        }
        None
    }
}

/// The path from the crate's root for one that is written in `module`; `None` for a path into another crate.
fn absolute(module: &[String], written: &[String]) -> Option<ModulePath> {
    let mut path = match &*written[0] {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    for segment in written {
        match &**segment {
            "crate" | "self" => {}
            "super" => drop(path.pop()),
            _ => path.push(segment.clone()),
        }
    }
    Some(path)
}

/// A name that a `use` brings in, and the path that is written for it.
struct Import {
    name: String,
    written: Vec<String>,
    line: usize,
}

/// Reads what comes after `use`; within its braces, one branch, which continues `path`.
fn use_tree(tokens: &mut Tokens<'_>, mut path: Vec<String>, imports: &mut Vec<Import>) {
    while !matches!(tokens.peek(0), ";" | "," | "}" | "") {
        match tokens.next().unwrap_or_default() {
            "{" => loop {
                if tokens.peek(0) != "}" {
                    use_tree(tokens, path.clone(), imports);
                }
                if tokens.next() != Some(",") {
                    return;
                }
            },
            "as" => break,
            "::" => {}
            "self" if !path.is_empty() => {}
            segment => path.push(segment.to_owned()),
        }
    }
    // After `as` stands another name.
    let is_renamed = is_word(tokens.peek(0));
    let name = if is_renamed { tokens.next().map(str::to_owned) } else { path.last().cloned() };
    imports.extend(name.map(|name| Import { name, written: path, line: tokens.line() }));
}
