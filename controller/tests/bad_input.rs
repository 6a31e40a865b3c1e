//! What is said of wrong manifests, word for word: `data/bad/NAME.yaml` and `NAME.txt`.
//!
//! With `UPDATE_GOLDEN=1` the texts are written anew; read the difference before it is committed.

use std::fs;
use std::path::{Path, PathBuf};

use controller::record::Assignments;
use controller::{Options, file};

#[test]
fn each_wrong_manifest_is_told_with_what_would_be_right() {
    let cases = cases();
    assert!(cases.len() >= 25, "the cases are there: {}", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| difference(case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What differs from the golden text, if anything does.
fn difference(case: &Path) -> Option<String> {
    let name = case.file_name()?.to_str()?;
    let text = fs::read_to_string(case).expect("readable");
    let snapshot = file::from_texts(
        &[(name, text.as_str())],
        &Options::default(),
        &Assignments::new(),
    );
    let lines: Vec<String> = snapshot
        .problems
        .iter()
        .map(|problem| format!("{problem}\n"))
        .collect();
    let (said, golden) = (lines.concat(), case.with_extension("txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&golden, &said).expect("writable");
    }
    let expected = fs::read_to_string(&golden).unwrap_or_default();
    (said != expected).then(|| format!("{name}: said\n{said}expected\n{expected}"))
}

fn cases() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bad");
    let mut cases: Vec<PathBuf> = fs::read_dir(directory)
        .expect("readable")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    cases.sort();
    cases
}
