//! A directory of manifests, watched, as a source of the World.
//!
//! Read are `*.yaml`, `*.yml` and `*.json`, also in subdirectories and through symbolic links (as
//! in a mounted ConfigMap); names that begin with a dot are not. Each change ends in a new
//! [`Snapshot`], whole. What cannot be read, or no longer, keeps its last valid version; what is
//! deleted is gone.

mod directory;
mod scan;
mod watcher;

use std::path::Path;
use std::sync::Arc;

use crate::manifest::schema::Schemas;
use crate::problem::Problem;
use crate::record::Assignments;
pub use crate::snapshot::Snapshot;
use crate::translate::Options;
use directory::Directory;

pub use scan::{MAX_FILE, MAX_FILES};
pub use watcher::Source;

/// What the directory says now.
///
/// # Errors
/// The directory cannot be read.
pub fn read(directory: &Path, options: &Options) -> Result<Snapshot, Box<Problem>> {
    let mut state = Directory::new(directory, options.clone());
    state.refresh(false)?;
    Ok(state.snapshot(&Arc::default()))
}

/// What files with these names and texts would say.
pub fn from_texts(
    files: &[(&str, &str)],
    options: &Options,
    assignments: &Assignments,
) -> Snapshot {
    let mut state = Directory::new(Path::new(""), options.clone());
    let schemas = Schemas::new();
    for (name, text) in files {
        state.take(Arc::from(*name), (*text).to_owned(), &schemas);
    }
    state.snapshot(&Arc::new(assignments.clone()))
}
