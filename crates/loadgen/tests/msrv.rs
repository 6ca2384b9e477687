//! The declared minimum Rust version is what the dependencies allow: not lower, and not higher than it has to be.

use std::process::Command;

use serde_json::Value;

fn version(text: &str) -> (u64, u64) {
    let mut parts = text.split('.').map(|part| part.parse::<u64>().expect("a version"));
    (parts.next().expect("major"), parts.next().unwrap_or(0))
}

#[test]
fn the_declared_rust_version_is_the_highest_of_the_dependencies() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .output()
        .expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let named = |id: &Value| packages.iter().find(|package| package["id"] == *id).expect("a package");

    // What is built into the program: the dependencies of the workspace's members that are not for tests, and theirs.
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let mut wanted: Vec<&Value> = metadata["workspace_members"].as_array().expect("members").iter().collect();
    let mut seen: Vec<&Value> = Vec::new();
    while let Some(id) = wanted.pop() {
        if seen.contains(&id) {
            continue;
        }
        seen.push(id);
        let node = nodes.iter().find(|node| node["id"] == *id).expect("a node");
        let built = node["deps"].as_array().expect("deps").iter().filter(|dependency| {
            dependency["dep_kinds"].as_array().expect("kinds").iter().any(|kind| kind["kind"] != "dev")
        });
        wanted.extend(built.map(|dependency| &dependency["pkg"]));
    }

    let declared = packages.iter().find(|package| package["name"] == "loadgen").expect("loadgen");
    let declared = version(declared["rust_version"].as_str().expect("a declared version"));
    let highest = seen
        .iter()
        .map(|id| named(id))
        .filter(|package| !package["source"].is_null())
        .filter_map(|package| Some((version(package["rust_version"].as_str()?), package["name"].as_str()?)))
        .max()
        .expect("dependencies");
    assert_eq!(declared, highest.0, "{} asks for it", highest.1);
}
