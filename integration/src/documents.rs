//! Commands of documents that tests run, so that they cannot go stale.
//!
//! A fenced block whose info string is `sh cluster` is a script for a cluster. It runs at the top of
//! the checkout, and kubectl on its PATH is the cluster's administrator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const OPENING: &str = "```sh cluster";
const CLOSING: &str = "```";

/// The top of the checkout.
pub fn checkout() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// The scripts of a document, by the heading that each is under.
///
/// # Panics
///
/// If there is no such document.
pub fn scripts(document: &str) -> BTreeMap<String, String> {
    let path = checkout().join(document);
    let text = std::fs::read_to_string(&path);
    scripts_of(&text.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn scripts_of(text: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let (mut heading, mut inside) = ("", false);
    for line in text.lines() {
        match line {
            OPENING => inside = true,
            CLOSING => inside = false,
            line if inside => {
                let script = found.entry(heading.to_owned()).or_default();
                script.push_str(line);
                script.push('\n');
            }
            line if line.starts_with('#') => heading = line.trim_start_matches('#').trim(),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_for_a_cluster_are_found_each_under_its_heading() {
        let text = "# A\n```sh\nrm x\n```\n## B c\ntext\n```sh cluster\n# why\nkubectl 1\n```\n\
                    ```sh cluster\nkubectl 2\n```\n";
        let found = scripts_of(text);
        let expected = ("B c".to_owned(), "# why\nkubectl 1\nkubectl 2\n".to_owned());
        assert_eq!(found, BTreeMap::from([expected]));
    }
}
