//! Which files a directory holds, and their text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Largest file that is read, octets.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Files that are read, at most.
pub const MAX_FILES: usize = 100_000;
/// Levels of subdirectories, at most.
const MAX_DEPTH: usize = 8;

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn new(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the file was written to within the last `window`, so that its writer may not be
    /// done.
    pub fn is_fresh(&self, window: Duration) -> bool {
        let (seconds, nanos) = self.modified;
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(seconds), u32::try_from(nanos)) else {
            return false;
        };
        let modified = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos));
        modified
            .and_then(|modified| SystemTime::now().duration_since(modified).ok())
            .is_some_and(|age| age < window)
    }
}

/// The manifests in a directory.
#[derive(Debug, Default)]
pub struct Listing {
    /// By path relative to the directory.
    pub files: BTreeMap<Arc<str>, Stamp>,
    /// Subdirectories that cannot be read, with why.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// There are more than [`MAX_FILES`]: the rest is not in `files`.
    pub too_many: bool,
}

/// Lists the directory.
///
/// # Errors
/// The directory itself cannot be read.
pub fn list(root: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    // Directories seen, by device and inode: links may lead in circles.
    let mut seen = BTreeSet::new();
    let mut pending = vec![(String::new(), 0)];
    while let Some((prefix, depth)) = pending.pop() {
        let directory = root.join(&prefix);
        let entered = fs::metadata(&directory).and_then(|metadata| {
            let new = seen.insert((metadata.dev(), metadata.ino()));
            Ok(if new {
                Some(fs::read_dir(&directory)?)
            } else {
                None
            })
        });
        let entries = match entered {
            Ok(Some(entries)) => entries,
            Ok(None) => continue,
            Err(error) if prefix.is_empty() => return Err(error),
            // Gone since it was listed: gone is what it is.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                listing
                    .unreadable
                    .push((Arc::from(prefix), error.to_string()));
                continue;
            }
        };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(metadata) = visible(&name, &entry.path()) else {
                continue;
            };
            let path = if prefix.is_empty() {
                name
            } else {
                format!("{prefix}/{name}")
            };
            if metadata.is_dir() && depth < MAX_DEPTH {
                pending.push((path, depth + 1));
            } else if metadata.is_file() && is_manifest(&path) {
                if listing.files.len() >= MAX_FILES {
                    listing.too_many = true;
                    return Ok(listing);
                }
                listing.files.insert(Arc::from(path), Stamp::new(&metadata));
            }
        }
    }
    Ok(listing)
}

/// The metadata of what an entry leads to, unless its name says that it is to be left alone.
fn visible(name: &str, path: &Path) -> Option<Metadata> {
    if name.starts_with('.') {
        return None;
    }
    fs::metadata(path).ok()
}

fn is_manifest(path: &str) -> bool {
    [".yaml", ".yml", ".json"]
        .iter()
        .any(|suffix| path.ends_with(suffix))
}

/// The text of a file, or why there is none and what would be right.
pub fn text(path: &Path) -> Result<String, (String, &'static str)> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            (
                format!("cannot be read: {error}"),
                "make it readable, or move it away",
            )
        })?;
    if bytes.len() as u64 > MAX_FILE {
        let message = format!("the file is over {} MiB", MAX_FILE / (1024 * 1024));
        return Err((message, "split it into several files"));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| ("the file is not UTF-8 text".to_owned(), "save it as UTF-8"))?;
    // The byte order mark that some editors put first is no part of the text.
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

/// What tells one directory from another at the same path; `None` where there is none.
pub fn identity(directory: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(directory).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
