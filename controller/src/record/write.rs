//! Replacing a file so that a crash at any moment leaves the old one or the new one.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{MAX_FILE, RecordError};

/// The steps of a replacement, in order. A crash can come before each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making `FILE.tmp` in the same directory.
    Create,
    /// Writing the first half, so that a crash can leave half a file.
    WriteHalf,
    /// Writing the rest.
    WriteRest,
    /// Getting it to disk.
    Sync,
    /// Renaming it to `FILE`.
    Rename,
    /// Getting the directory to disk: only now is the rename sure to outlive the machine.
    SyncDirectory,
}

/// Replaces the file at `path` with `bytes`. `before` is asked before each step, and its error ends
/// the replacement there.
pub fn replace(
    path: &Path,
    bytes: &[u8],
    before: &mut dyn FnMut(Step) -> io::Result<()>,
) -> Result<(), RecordError> {
    let temporary = beside(path, "tmp");
    let failed = |action| {
        move |source| RecordError::Io {
            path: path.to_owned(),
            action,
            source,
        }
    };
    before(Step::Create).map_err(failed("create"))?;
    let mut options = OpenOptions::new();
    // A speaker's files hold passwords and keys.
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&temporary).map_err(failed("create"))?;
    // One that was there already has the mode that it was made with.
    let owner_only = Permissions::from_mode(0o600);
    file.set_permissions(owner_only)
        .map_err(failed("protect"))?;
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    for (step, part) in [(Step::WriteHalf, first), (Step::WriteRest, rest)] {
        before(step)
            .and_then(|()| file.write_all(part))
            .map_err(failed("write"))?;
    }
    before(Step::Sync)
        .and_then(|()| file.sync_all())
        .map_err(failed("sync"))?;
    before(Step::Rename)
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(failed("rename"))?;
    before(Step::SyncDirectory)
        .and_then(|()| File::open(directory(path))?.sync_all())
        .map_err(failed("sync the directory of"))
}

/// The file's content; `None` where there is no file.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, RecordError> {
    let failed = |source| RecordError::Io {
        path: path.to_owned(),
        action: "read",
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        let reason = format!("it is over {MAX_FILE} octets");
        return Err(RecordError::Damaged {
            path: path.to_owned(),
            reason,
        });
    }
    Ok(Some(bytes))
}

/// Locks `FILE.lock`, which is never renamed. The lock lasts as long as the handle, or the process.
pub fn lock(path: &Path) -> Result<File, RecordError> {
    let failed = |source| RecordError::Io {
        path: path.to_owned(),
        action: "lock",
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside(path, "lock"))
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RecordError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// `FILE.suffix`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 6] = [
        Step::Create,
        Step::WriteHalf,
        Step::WriteRest,
        Step::Sync,
        Step::Rename,
        Step::SyncDirectory,
    ];

    #[test]
    fn a_crash_before_any_step_leaves_the_old_file_or_the_new_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        replace(&path, b"old content", &mut |_| Ok(())).expect("written");
        for crash in STEPS {
            let result = replace(&path, b"the new content", &mut |step| {
                if step == crash {
                    Err(io::Error::other("crash"))
                } else {
                    Ok(())
                }
            });
            assert!(result.is_err(), "{crash:?}");
            let expected: &[u8] = if crash == Step::SyncDirectory {
                b"the new content"
            } else {
                b"old content"
            };
            assert_eq!(
                read(&path).expect("readable").as_deref(),
                Some(expected),
                "{crash:?}"
            );
        }
        replace(&path, b"after", &mut |_| Ok(())).expect("a half file is in nobody's way");
        assert_eq!(
            read(&path).expect("readable").as_deref(),
            Some(&b"after"[..])
        );
    }

    #[test]
    fn what_others_may_read_is_replaced_by_what_only_the_owner_may() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        for path in [&path, &beside(&path, "tmp")] {
            std::fs::write(path, b"left behind").expect("written");
            std::fs::set_permissions(path, Permissions::from_mode(0o644)).expect("changed");
        }
        replace(&path, b"secret", &mut |_| Ok(())).expect("written");
        let mode = std::fs::metadata(&path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_path_without_a_directory_is_in_the_current_one() {
        assert_eq!(directory(Path::new("state.json")), Path::new("."));
        assert_eq!(
            directory(Path::new("/var/lib/herald/state")),
            Path::new("/var/lib/herald")
        );
    }
}
