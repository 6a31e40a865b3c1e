//! The manifests in `deploy/` that are made from the code are as the code makes them.
//!
//! `cargo xtask crds` writes them anew, by `UPDATE_GOLDEN=1`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use controller::deploy;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

#[test]
fn the_generated_manifests_are_those_of_the_code() {
    let files = deploy::files().expect("generated");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        write(&files);
    }
    let is_other = |file: &&deploy::File| {
        fs::read_to_string(root().join(&file.path)).ok().as_deref() != Some(&file.text)
    };
    let others: Vec<&str> = files
        .iter()
        .filter(is_other)
        .map(|file| file.path.as_str())
        .collect();
    let hint = "run `cargo xtask crds`";
    assert!(others.is_empty(), "deploy/: {others:?} differ; {hint}");
    let made: BTreeSet<String> = files.into_iter().map(|file| file.path).collect();
    assert_eq!(present(), made, "{hint}");
}

/// The files that are in the generated folders.
fn present() -> BTreeSet<String> {
    let mut present = BTreeSet::new();
    for folder in deploy::FOLDERS {
        for entry in fs::read_dir(root().join(folder)).into_iter().flatten() {
            let name = entry.expect("readable").file_name();
            present.insert(format!("{folder}/{}", name.to_string_lossy()));
        }
    }
    present
}

fn write(files: &[deploy::File]) {
    for folder in deploy::FOLDERS {
        // What was made before, and is no more, goes too.
        let _ = fs::remove_dir_all(root().join(folder));
        fs::create_dir_all(root().join(folder)).expect("a folder");
    }
    for file in files {
        fs::write(root().join(&file.path), &file.text).expect("written");
    }
}
