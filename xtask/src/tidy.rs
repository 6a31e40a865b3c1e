//! `cargo xtask tidy`: rules of the tree that no compiler checks.

use std::collections::BTreeSet;
use std::path::Path;

use crate::run::{Outcome, root, tracked_files};

/// No source file is longer, in lines.
const LONGEST_FILE: usize = 1_000;
/// The only folder with unsafe code.
const UNSAFE_FOLDER: &str = "daemon/src/net/";

/// Lists every file that breaks a rule.
pub fn check() -> Outcome {
    let files = tracked_files()?;
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| file.ends_with(".rs")) {
        let text = std::fs::read_to_string(root().join(file))
            .map_err(|error| format!("{file}: {error}"))?;
        wrong.extend(wrong_in_source(file, &text));
    }
    wrong.extend(orphans(&files)?);
    if !wrong.is_empty() {
        return Err(wrong.join("\n  "));
    }
    println!("tidy: {} files", files.len());
    Ok(())
}

fn wrong_in_source(file: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        wrong.push(format!(
            "{file}: {lines} lines, at most {LONGEST_FILE} are allowed"
        ));
    }
    if has_unsafe_code(text) && !file.starts_with(UNSAFE_FOLDER) && !file.starts_with("xtask/") {
        wrong.push(format!("{file}: unsafe code belongs into {UNSAFE_FOLDER}"));
    }
    wrong
}

fn has_unsafe_code(text: &str) -> bool {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut code = code.map(|line| line.trim_start());
    code.any(|line| {
        ["unsafe {", "unsafe fn", "unsafe impl"]
            .iter()
            .any(|word| line.contains(word))
    })
}

/// Source files that no `mod` line names: they never compile, so their tests never run.
fn orphans(files: &[String]) -> Result<Vec<String>, String> {
    let sources: Vec<&String> = files
        .iter()
        .filter(|file| file.ends_with(".rs") && file.contains("/src/"))
        .collect();
    let mut named = BTreeSet::new();
    for file in &sources {
        let text = std::fs::read_to_string(root().join(file))
            .map_err(|error| format!("{file}: {error}"))?;
        for module in text.lines().filter_map(module_name) {
            named.insert(module_file(file, module));
        }
    }
    let is_root = |file: &str| {
        let name = Path::new(file).file_name().unwrap_or_default();
        name == "main.rs" || name == "lib.rs" || file.contains("/src/bin/")
    };
    let lost = sources
        .iter()
        .filter(|file| !is_root(file) && !named.contains(file.as_str()));
    Ok(lost
        .map(|file| format!("{file}: no `mod` line names it"))
        .collect())
}

/// The name in `mod name;`, whatever its visibility.
fn module_name(line: &str) -> Option<&str> {
    let line = line.trim().strip_suffix(';')?;
    let (before, name) = line.rsplit_once("mod ")?;
    let visibility = before.trim();
    (visibility.is_empty() || visibility.starts_with("pub")).then_some(name.trim())
}

/// Where `mod name;` in `file` leads. A module with files of its own is `name.rs` beside `name/`,
/// everywhere: a file called `mod.rs` is found by nobody who looks for a name.
fn module_file(file: &str, module: &str) -> String {
    let path = Path::new(file);
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let base = match stem.as_ref() {
        "main" | "lib" => folder.to_path_buf(),
        stem => folder.join(stem),
    };
    format!("{}/{module}.rs", base.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_line_leads_to_a_file_of_that_name() {
        assert_eq!(module_name("pub(crate) mod open;"), Some("open"));
        assert_eq!(module_name("    mod open;"), Some("open"));
        assert_eq!(module_name("mod tests {"), None);
        assert_eq!(
            module_file("bgp/src/lib.rs", "message"),
            "bgp/src/message.rs"
        );
        assert_eq!(
            module_file("bgp/src/message.rs", "open"),
            "bgp/src/message/open.rs"
        );
    }

    #[test]
    fn unsafe_code_outside_its_folder_and_long_files_are_named() {
        let code = concat!("fn f() { uns", "afe { g() } }\n");
        assert_eq!(wrong_in_source("plan/src/a.rs", code).len(), 1);
        assert!(wrong_in_source("daemon/src/net/a.rs", code).is_empty());
        assert!(wrong_in_source("plan/src/a.rs", "// uns\u{61}fe { }").is_empty());
        assert_eq!(
            wrong_in_source("plan/src/a.rs", &"\n".repeat(1_001)).len(),
            1
        );
    }
}
