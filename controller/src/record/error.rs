//! Why the state file cannot be used, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the state file cannot be used. `Display` says what to do.
#[derive(Debug)]
pub enum RecordError {
    /// Another process has it.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is of a version that this build does not know.
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// The file system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `write`, `rename`, …
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::InUse { path } => write!(
                f,
                "the state file {} is in use by another process; stop that one, or give this one \
                 another --state",
                path.display()
            ),
            RecordError::Damaged { path, reason } => write!(
                f,
                "the state file {} is damaged: {reason}; put back a copy of it, or move it away to \
                 begin anew, in which case Services may get other addresses",
                path.display()
            ),
            RecordError::UnknownVersion { path, version } => write!(
                f,
                "the state file {} is of version {version}, and this build reads version {}; use \
                 the build that wrote it, or move it away to begin anew, in which case Services may \
                 get other addresses",
                path.display(),
                super::format::VERSION
            ),
            RecordError::Io {
                path,
                action,
                source,
            } => write!(
                f,
                "cannot {action} the state file {}: {source}; see that its directory exists, is \
                 writable and has space",
                path.display()
            ),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecordError::Io { source, .. } => Some(source),
            RecordError::InUse { .. }
            | RecordError::Damaged { .. }
            | RecordError::UnknownVersion { .. } => None,
        }
    }
}
