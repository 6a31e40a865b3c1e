//! `cargo xtask claims`: each file and folder of this tree that a document names exists.
//!
//! A path is what stands in backticks and begins with a folder at the top of the tree, such as
//! `plan/src`. Capital letters (`src/NAME.rs`) are for the reader to fill in.

use std::collections::BTreeSet;

use crate::run::{Outcome, root, tracked_files};

/// Lists every path that leads nowhere.
pub fn check() -> Outcome {
    let files: BTreeSet<String> = tracked_files()?.into_iter().collect();
    let (mut count, mut wrong) = (0, Vec::new());
    for document in files.iter().filter(|file| file.ends_with(".md")) {
        let text = std::fs::read_to_string(root().join(document))
            .map_err(|error| format!("{document}: {error}"))?;
        for (line, path) in paths(&text, &files) {
            count += 1;
            if !exists(path, &files) {
                wrong.push(format!("{document}:{line}: there is no {path}"));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n  "));
    }
    println!("docs: {count} paths lead to files and folders");
    Ok(())
}

/// What is named as a path, with its line; not in fenced blocks, which are for other machines.
fn paths<'a>(text: &'a str, files: &BTreeSet<String>) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.starts_with("```");
        if fenced {
            continue;
        }
        let quoted = line.split('`').skip(1).step_by(2);
        let named = quoted.filter(|text| is_path(text, files));
        found.extend(named.map(|path| (index + 1, path.trim_end_matches('/'))));
    }
    found
}

fn is_path(text: &str, files: &BTreeSet<String>) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "/._-".contains(c);
    let Some((top, _)) = text.split_once('/') else {
        return false;
    };
    !top.is_empty() && text.chars().all(plain) && exists(top, files)
}

fn exists(path: &str, files: &BTreeSet<String>) -> bool {
    let folder = format!("{path}/");
    let behind = files.range(folder.clone()..).next();
    files.contains(path) || behind.is_some_and(|file| file.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_a_folder_of_the_tree_and_lead_somewhere() {
        let files = BTreeSet::from(["plan/src/a.rs", "README.md"].map(str::to_owned));
        let text = "`plan/src`, `plan/src/b.rs` `plan/`\n`plan/NAME.rs` `v1/x` `a::b` `/plan`\n\
                    ```sh\n`plan/x`\n```\n`plan/src/a.rs`\n";
        let found = paths(text, &files);
        let expected = [
            (1, "plan/src"),
            (1, "plan/src/b.rs"),
            (1, "plan"),
            (6, "plan/src/a.rs"),
        ];
        assert_eq!(found, expected);
        let there: Vec<bool> = found.iter().map(|(_, path)| exists(path, &files)).collect();
        assert_eq!(there, [true, false, true, true]);
    }
}
