//! What is known of a directory: which file holds which objects, and the store of them all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::scan::{self, Listing, Stamp};
use crate::assemble::Store;
use crate::manifest::schema::Schemas;
use crate::manifest::{Content, Reader};
use crate::object::{Object, ObjectKey, Origin};
use crate::problem::{Finding, Problem, Severity};
use crate::record::Assignments;
use crate::snapshot::{self, Snapshot, Versions};
use crate::translate::Options;

/// A file that was valid, and now is empty, unreadable or gone, may be in the middle of being
/// replaced: so long after that began its former content stays, and it is looked at again.
pub const SETTLE: Duration = Duration::from_millis(500);

/// A directory's state.
pub struct Directory {
    root: PathBuf,
    options: Options,
    files: BTreeMap<Arc<str>, FileState>,
    store: Store,
    /// Problems of the directory itself.
    problems: Vec<Problem>,
}

#[derive(Debug, Default)]
struct FileState {
    /// `None`: to be read whatever its stamp.
    stamp: Option<Stamp>,
    /// The objects in the store that are this file's.
    keys: Box<[ObjectKey]>,
    problems: Vec<Problem>,
    /// Some object of it is another file's: it may become this one's.
    shadowed: bool,
    /// Some of its content is unknown.
    has_unreadable: bool,
    /// Since when there is no such file, where its objects are not dropped yet.
    missing_since: Option<Instant>,
}

type Text = Result<String, (String, &'static str)>;

impl Directory {
    /// An empty state.
    pub fn new(root: &Path, options: Options) -> Directory {
        Directory {
            root: root.to_owned(),
            options,
            files: BTreeMap::new(),
            store: Store::default(),
            problems: Vec::new(),
        }
    }

    /// Brings the state up to date with the directory. Whether it should be called again soon,
    /// since some file may be half written; only asked for where `settle`.
    ///
    /// # Errors
    /// The directory cannot be read. The state stays as it was.
    pub fn refresh(&mut self, settle: bool) -> Result<bool, Box<Problem>> {
        let listing = scan::list(&self.root).map_err(|error| {
            Box::new(Problem::of_directory(
                Severity::Error,
                format!("cannot read {}: {error}", self.root.display()),
                "make it a readable directory",
            ))
        })?;
        self.problems = directory_problems(&listing);
        let (freed, mut again) = self.forget_missing(&listing, settle);
        let schemas = self.any_changed(&listing).then(Schemas::new);
        if let Some(schemas) = &schemas {
            again |= self.read_changed(&listing, schemas, settle);
        }
        self.read_shadowed(freed, schemas);
        Ok(again)
    }

    /// Takes `text` as the content of `file`.
    pub fn take(&mut self, file: Arc<str>, text: String, schemas: &Schemas) {
        let content = self.content(&file, Ok(text), schemas);
        self.replace(&file, None, content);
    }

    /// What the state says.
    pub fn snapshot(&mut self, assignments: &Arc<Assignments>) -> Snapshot {
        let incomplete = self.files.values().any(|file| file.has_unreadable);
        self.store
            .set_incomplete(incomplete || self.problems.iter().any(Problem::is_error));
        let (world, mut problems) = self.store.assemble(assignments);
        problems.extend(self.problems.iter().cloned());
        for file in self.files.values() {
            problems.extend(file.problems.iter().cloned());
        }
        Snapshot {
            world,
            problems: snapshot::bounded(problems),
            versions: Versions::new(),
            assignments: Arc::clone(assignments),
        }
    }

    /// Drops files that are gone. Whether any object was dropped, and whether any may yet be.
    fn forget_missing(&mut self, listing: &Listing, settle: bool) -> (bool, bool) {
        // Of a subdirectory that cannot be read, and of more files than are listed, nothing is
        // known to be gone.
        let unknown = |file: &str| {
            listing.too_many
                || listing.unreadable.iter().any(|(directory, _)| {
                    file.strip_prefix(directory.as_ref())
                        .is_some_and(|rest| rest.starts_with('/'))
                })
        };
        let mut gone: Vec<Arc<str>> = Vec::new();
        let mut again = false;
        for (file, state) in &mut self.files {
            if listing.files.contains_key(file) || unknown(file) {
                state.missing_since = None;
                continue;
            }
            let since = *state.missing_since.get_or_insert_with(Instant::now);
            if settle && since.elapsed() < SETTLE {
                again = true;
            } else {
                gone.push(Arc::clone(file));
            }
        }
        let mut freed = false;
        for file in gone {
            for key in self
                .files
                .remove(&file)
                .map(|state| state.keys)
                .unwrap_or_default()
            {
                self.store.remove(&key);
                freed = true;
            }
        }
        (freed, again)
    }

    fn any_changed(&self, listing: &Listing) -> bool {
        listing
            .files
            .iter()
            .any(|(file, stamp)| self.is_changed(file, stamp))
    }

    fn is_changed(&self, file: &str, stamp: &Stamp) -> bool {
        self.files.get(file).and_then(|state| state.stamp.as_ref()) != Some(stamp)
    }

    /// Reads files that changed. Whether one of them may be half written.
    fn read_changed(&mut self, listing: &Listing, schemas: &Schemas, settle: bool) -> bool {
        let mut again = false;
        for (file, stamp) in &listing.files {
            if !self.is_changed(file, stamp) {
                continue;
            }
            let text = scan::text(&self.root.join(file.as_ref()));
            let content = self.content(file, text, schemas);
            let suspect = content.has_unreadable || content.objects.is_empty();
            let had_objects = self
                .files
                .get(file)
                .is_some_and(|state| !state.keys.is_empty());
            if settle && suspect && had_objects && stamp.is_fresh(SETTLE) {
                again = true;
                continue;
            }
            self.replace(file, Some(*stamp), content);
        }
        again
    }

    /// Reads files again that define objects which were others' so far, if some became free.
    fn read_shadowed(&mut self, mut freed: bool, schemas: Option<Schemas>) {
        freed |= schemas.is_some();
        let shadowed: Vec<Arc<str>> = self
            .files
            .iter()
            .filter(|(_, state)| state.shadowed)
            .map(|(file, _)| Arc::clone(file))
            .collect();
        if !freed || shadowed.is_empty() {
            return;
        }
        let schemas = schemas.unwrap_or_default();
        for file in shadowed {
            let text = scan::text(&self.root.join(file.as_ref()));
            let content = self.content(&file, text, &schemas);
            let stamp = self.files.get(&file).and_then(|state| state.stamp);
            self.replace(&file, stamp, content);
        }
    }

    fn content(&self, file: &Arc<str>, text: Text, schemas: &Schemas) -> Content {
        match text {
            Ok(text) => Reader::new(schemas, &self.options).read(file, &text),
            Err((message, hint)) => Content {
                objects: Vec::new(),
                problems: vec![Problem::of_file(Severity::Error, file, None, message, hint)],
                has_unreadable: true,
            },
        }
    }

    /// Makes `content` what `file` holds.
    fn replace(&mut self, file: &Arc<str>, stamp: Option<Stamp>, content: Content) {
        let previous = self.files.remove(file).unwrap_or_default();
        let mut state = FileState {
            stamp,
            problems: content.problems,
            has_unreadable: content.has_unreadable,
            ..FileState::default()
        };
        let mut own: BTreeSet<ObjectKey> = BTreeSet::new();
        let held: BTreeSet<ObjectKey> = previous.keys.into_vec().into_iter().collect();
        for object in content.objects {
            let first = self.store.origin(&object.key);
            let foreign = first.filter(|_| !held.contains(&object.key));
            if let Some(first) = foreign.or(first.filter(|_| own.contains(&object.key))) {
                state.problems.push(duplicate(&object, first));
                state.shadowed |= foreign.is_some();
                continue;
            }
            own.insert(object.key.clone());
            self.store.apply(object);
        }
        for key in held {
            if own.contains(&key) {
                continue;
            }
            if state.has_unreadable {
                // It may be in the part that cannot be read.
                own.insert(key);
            } else {
                self.store.remove(&key);
            }
        }
        state.keys = own.into_iter().collect();
        self.files.insert(Arc::clone(file), state);
    }
}

fn duplicate(object: &Object, first: &Origin) -> Problem {
    let file = first.file.as_deref().unwrap_or("the cluster");
    let line = first
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    let finding = Finding::error(
        "metadata.name",
        format!("the object is defined already, in {file}{line}, and that one is used"),
        "keep one of them",
    );
    Problem::of_object(&object.key, &object.namespace, &object.origin, finding)
}

fn directory_problems(listing: &Listing) -> Vec<Problem> {
    let mut problems: Vec<Problem> = listing
        .unreadable
        .iter()
        .map(|(directory, reason)| {
            let message = format!("the subdirectory cannot be read: {reason}");
            let hint = "make it readable, or move it away";
            Problem::of_file(Severity::Error, directory, None, message, hint)
        })
        .collect();
    if listing.too_many {
        problems.push(Problem::of_directory(
            Severity::Error,
            format!(
                "there are more than {} files, and the rest is not read",
                scan::MAX_FILES
            ),
            "put several objects into one file",
        ));
    }
    if listing.files.is_empty() && listing.unreadable.is_empty() {
        problems.push(Problem::of_directory(
            Severity::Warning,
            "there is no *.yaml, *.yml or *.json file in the directory",
            "put manifests there, or name another directory",
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_is_being_replaced_is_not_missed_meanwhile() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("pool.yaml");
        fs::write(&file, POOL).expect("written");
        let mut directory = Directory::new(home.path(), Options::default());
        directory.refresh(false).expect("readable");
        for interim in [None, Some(""), Some("kind: [")] {
            match interim {
                None => fs::remove_file(&file).expect("removed"),
                Some(text) => fs::write(&file, text).expect("written"),
            }
            assert_eq!(
                directory.refresh(true).ok(),
                Some(true),
                "{interim:?}: to be asked again"
            );
            assert_eq!(pools(&mut directory), 1, "{interim:?}");
            fs::write(&file, POOL).expect("written");
            assert_eq!(
                directory.refresh(true).ok(),
                Some(false),
                "{interim:?}: settled"
            );
        }
        fs::remove_file(&file).expect("removed");
        assert_eq!(
            directory.refresh(false).ok(),
            Some(false),
            "without settling"
        );
        assert_eq!(pools(&mut directory), 0);
    }

    const POOL: &str = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\n\
                        spec: {addresses: [203.0.113.0/24]}\n";

    fn pools(directory: &mut Directory) -> usize {
        directory.snapshot(&Arc::default()).world.pools.len()
    }
}
