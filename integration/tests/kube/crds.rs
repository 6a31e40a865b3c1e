//! The generated definitions at a real API server.

use std::path::{Path, PathBuf};

use integration::kube::shared::Shared;

/// A folder of `deploy/`.
pub fn deploy(folder: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("../deploy").join(folder)
}

#[test]
fn every_definition_is_accepted_and_established() {
    let Some(cluster) = Shared::join() else {
        return;
    };
    cluster.apply_files(&deploy("crds"));
}
