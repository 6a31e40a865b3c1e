//! `herald check DIR`: all that is wrong with a directory of manifests.

use std::path::Path;

use crate::file;
use crate::problem::Problem;
use crate::translate::Options;

/// What is wrong with the manifests in `directory`, by file and line; nothing is changed. The
/// directory is right exactly if no problem [is an error](Problem::is_error).
pub fn check(directory: &Path, options: &Options) -> Vec<Problem> {
    match file::read(directory, options) {
        Ok(snapshot) => snapshot.problems,
        Err(problem) => vec![*problem],
    }
}
