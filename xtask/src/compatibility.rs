//! `cargo xtask claims`: each test that `docs/compatibility.md` names in a column `test`
//! exists, so that the document cannot claim what nothing shows.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::{Outcome, root, tracked_files};

const DOCUMENT: &str = "docs/compatibility.md";
/// What `WORD: name` stands for: a function in a file or folder that begins so.
const PLACES: &[(&str, &str)] = &[
    ("adj_out", "bgp/tests/adj_out"),
    ("cluster", "integration/tests/cluster/"),
    ("elect", "plan/tests/elect/"),
    ("kube", "integration/tests/kube/"),
    ("l2", "integration/tests/l2/"),
    ("lab", "integration/tests/lab/"),
    ("pair", "bgp/tests/pair"),
    ("read", "controller/tests/good_input"),
    ("run", "daemon/tests/run/"),
    ("seeds", "integration/tests/seeds/"),
    ("sessions", "bgp/tests/sessions/"),
];
/// What `WORD/name` and `scenario: name` stand for: a file with this ending in this folder.
const BAD: &str = "controller/tests/data/bad/";
const SCENARIOS: &str = "plan/tests/scenarios/";
const CORPUS: &str = "fuzz/corpus/";

/// Lists every row that names what is not there.
pub fn check() -> Outcome {
    let tree = Tree::read()?;
    let text = std::fs::read_to_string(root().join(DOCUMENT))
        .map_err(|error| format!("{DOCUMENT}: {error}"))?;
    let (mut count, mut wrong) = (0, Vec::new());
    for (line, row, cell) in cells(&text) {
        count += 1;
        let mut here = tree.wrong_in(&cell);
        if cell.is_empty() {
            here.push("no test is named".to_owned());
        }
        wrong.extend(here.into_iter().map(|what| {
            let first = row.split('|').nth(1).unwrap_or_default().trim();
            format!("{DOCUMENT}:{line}: {what} (row {first})")
        }));
    }
    match (count, wrong.is_empty()) {
        (0, _) => Err(format!("{DOCUMENT} has no table with a column `test`")),
        (_, false) => Err(wrong.join("\n  ")),
        (_, true) => {
            println!("docs: {count} rows of {DOCUMENT} name tests that exist");
            Ok(())
        }
    }
}

/// The cells of the columns `test`: the line's number, the line, the cell.
fn cells(text: &str) -> Vec<(usize, &str, String)> {
    let mut found = Vec::new();
    // Of the table that we are in, which column that is; `None` outside of tables.
    let mut column: Option<Option<usize>> = None;
    for (index, line) in text.lines().enumerate() {
        if !line.starts_with('|') {
            column = None;
            continue;
        }
        // A bar in a cell is written `\|`.
        let plain = line.replace("\\|", "\u{0}");
        let row: Vec<&str> = plain.split('|').map(str::trim).collect();
        let Some(known) = column else {
            column = Some(row.iter().position(|name| *name == "test"));
            continue;
        };
        let cell = known.and_then(|column| row.get(column));
        if let Some(cell) = cell.filter(|cell| !cell.starts_with("---")) {
            found.push((index + 1, line, (*cell).to_owned()));
        }
    }
    found
}

/// What tests can be in.
struct Tree {
    files: BTreeSet<String>,
    /// Names of functions, and the files that have one of that name.
    functions: BTreeMap<String, BTreeSet<String>>,
}

impl Tree {
    fn read() -> Result<Tree, String> {
        let files: BTreeSet<String> = tracked_files()?.into_iter().collect();
        let mut tree = Tree {
            files: BTreeSet::new(),
            functions: BTreeMap::new(),
        };
        for file in files.iter().filter(|file| file.ends_with(".rs")) {
            let text = std::fs::read_to_string(root().join(file))
                .map_err(|error| format!("{file}: {error}"))?;
            tree.add_source(file, &text);
        }
        tree.files = files;
        Ok(tree)
    }

    fn add_source(&mut self, file: &str, text: &str) {
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let (before, after) = line.split_once("fn ").unwrap_or_default();
            let end = after.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &after[..end.unwrap_or(after.len())];
            let whole_word = before.is_empty() || before.ends_with(' ') || before.ends_with('(');
            if whole_word && !name.is_empty() {
                let files = self.functions.entry(name.to_owned()).or_default();
                files.insert(file.to_owned());
            }
        }
    }

    /// What a cell names and is not there. What is in backticks is a name; a path behind the name
    /// of a test says where that is.
    fn wrong_in(&self, cell: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut last = None;
        for name in cell.split('`').skip(1).step_by(2) {
            let is_path = name.ends_with(".rs");
            let there = match (is_path, last) {
                (true, Some(function)) => self.has_function(function, name),
                (true, None) => self.files.contains(name),
                (false, _) => self.has(name),
            };
            match (there, last) {
                (true, _) => {}
                (false, Some(test)) if is_path => wrong.push(format!("`{test}` is not in {name}")),
                (false, _) => wrong.push(format!("there is no `{name}`")),
            }
            last = (!is_path).then_some(name);
        }
        wrong
    }

    fn has(&self, name: &str) -> bool {
        let file = |folder: &str, name: &str, ending: &str| {
            self.files.contains(&format!("{folder}{name}{ending}"))
        };
        if let Some((place, name)) = name.split_once(": ") {
            let known = PLACES.iter().find(|(word, _)| *word == place);
            return match known {
                Some((_, within)) => self.has_function(name, within),
                None => place == "scenario" && file(SCENARIOS, name, ".yaml"),
            };
        }
        match name.strip_prefix("bad/") {
            Some(name) => [".yaml", ".txt"]
                .iter()
                .all(|ending| file(BAD, name, ending)),
            None if name.contains('/') => file(CORPUS, name, ""),
            None => self.functions.contains_key(name) || self.is_suite(name),
        }
    }

    /// Whether a function of that name is in a file whose path begins so.
    fn has_function(&self, name: &str, within: &str) -> bool {
        let mut files = self.functions.get(name).into_iter().flatten();
        files.any(|file| file.starts_with(within))
    }

    /// Whether all of a crate's `tests/NAME` is meant.
    fn is_suite(&self, name: &str) -> bool {
        let ends = [
            format!("/tests/{name}.rs"),
            format!("/tests/{name}/main.rs"),
        ];
        let mut files = self.files.iter();
        files.any(|file| ends.iter().any(|end| file.ends_with(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_the_column_test_are_found_in_whatever_column_it_is() {
        let text = "| a | test |\n|---|---|\n| `x\\|y` | `one` |\n| z | |\n\n\
                    | test | a |\n|---|---|\n| `two` | b |\n\n| a | b |\n|---|---|\n| c | d |\n";
        let found = cells(text);
        let found: Vec<(usize, &str)> = found.iter().map(|(n, _, cell)| (*n, &**cell)).collect();
        assert_eq!(found, [(3, "`one`"), (4, ""), (8, "`two`")]);
    }

    #[test]
    fn a_name_without_its_test_is_told_and_others_are_not() {
        let tree = tree();
        let right = [
            "",
            "`lab: it_works`",
            "`bad/asn`, `scenario: one`, `vectors`",
            "`it_is_read` (`controller/tests/x.rs`), `it_works`",
            "fuzz corpus `open/plain`",
        ];
        for cell in right {
            assert_eq!(tree.wrong_in(cell), Vec::<String>::new(), "{cell}");
        }
        let wrong = [
            ("`it_is_gone`", "there is no `it_is_gone`"),
            (
                "`it_works`, `lab: it_is_read`",
                "there is no `lab: it_is_read`",
            ),
            ("`elsewhere: it_works`", "there is no `elsewhere: it_works`"),
            ("`bad/other`", "there is no `bad/other`"),
            ("`scenario: two`", "there is no `scenario: two`"),
            ("`open/other`", "there is no `open/other`"),
            ("`it_was_read`", "there is no `it_was_read`"),
            (
                "`it_works` (`controller/tests/x.rs`)",
                "`it_works` is not in controller/tests/x.rs",
            ),
        ];
        for (cell, told) in wrong {
            assert_eq!(tree.wrong_in(cell), [told], "{cell}");
        }
    }

    fn tree() -> Tree {
        let files = [
            "bgp/tests/vectors/main.rs",
            "controller/tests/data/bad/asn.yaml",
            "controller/tests/data/bad/asn.txt",
            "controller/tests/data/bad/other.yaml",
            "plan/tests/scenarios/one.yaml",
            "fuzz/corpus/open/plain",
        ];
        let mut tree = Tree {
            files: files.map(str::to_owned).into(),
            functions: BTreeMap::new(),
        };
        let lab = "pub fn it_works<R: Router>() {\n";
        tree.add_source("integration/tests/lab/cases/y.rs", lab);
        let read = "#[test]\n    fn it_is_read() {\n// fn it_was_read() {\n";
        tree.add_source("controller/tests/x.rs", read);
        tree
    }
}
