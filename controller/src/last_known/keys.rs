//! The keys by which speakers know each other, as a speaker last read them from their Secret: `FILE.keys`
//! beside its state file, so that it takes part in L2 mode when it is started anew while the API
//! server is away.
//!
//! The content is that of the Secret's entry, octet by octet. Only the owner may read the file. No
//! error has anything of its content.

use std::path::{Path, PathBuf};

use crate::record::{RecordError, write};

/// Where the keys are, beside this state file.
pub fn beside(state: &Path) -> PathBuf {
    write::beside(state, "keys")
}

/// Replaces the file at `path`; a crash at any moment leaves the old one or the new one.
///
/// # Errors
/// It cannot be written.
pub fn save(path: &Path, keys: &[u8]) -> Result<(), RecordError> {
    write::replace(path, keys, &mut |_| Ok(()))
}

/// What is in the file; `None` where there is no file.
///
/// # Errors
/// It cannot be read.
pub fn load(path: &Path) -> Result<Option<Vec<u8>>, RecordError> {
    write::read(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_come_back_as_they_were_and_nobody_else_may_read_them() {
        let home = tempfile::tempdir().expect("a directory");
        let path = beside(&home.path().join("speaker.json"));
        assert_eq!(path, home.path().join("speaker.json.keys"));
        assert_eq!(load(&path).expect("no file is no error"), None);
        for keys in [&b"one key\n"[..], b"another\nand the old one"] {
            save(&path, keys).expect("saved");
            assert_eq!(load(&path).expect("read").as_deref(), Some(keys));
            let metadata = std::fs::metadata(&path).expect("a file");
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
    }
}
