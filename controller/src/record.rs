//! What is assigned to whom, and the file that remembers it: `--state FILE` of standalone mode.
//!
//! The allocator has no memory; this is it. [`Record::store`] takes the whole of it each time and
//! returns once it is on disk. So the order is: allocate, store, and only then announce; after a
//! kill at any moment the file holds either the old assignments or the new ones, and nothing that
//! was announced is forgotten.
//!
//! The file is JSON with a version. It is replaced by rename, never written in place, and
//! `FILE.lock` keeps a second process from using it at the same time.

mod error;
mod format;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plan::World;
use plan::world::{Addresses, ObjectName};

pub use error::RecordError;

/// Largest state file that is read, octets.
pub const MAX_FILE: u64 = 256 * 1024 * 1024;

/// What a Service has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    /// Its addresses.
    pub addresses: Addresses,
    /// The pool that they are from.
    pub pool: Option<Arc<str>>,
}

/// Assignments by Service. A Service that is not there has none.
pub type Assignments = BTreeMap<ObjectName, Assignment>;

/// The assignments, and their file if they have one.
#[derive(Debug)]
pub struct Record {
    assignments: Arc<Assignments>,
    file: Option<StateFile>,
}

#[derive(Debug)]
struct StateFile {
    path: PathBuf,
    /// Locked as long as it is open.
    _lock: File,
}

impl Record {
    /// A record without a file: forgotten at exit.
    pub fn in_memory() -> Record {
        Record {
            assignments: Arc::default(),
            file: None,
        }
    }

    /// The record in the file at `path`; none there yet is an empty one.
    ///
    /// # Errors
    /// The file is in use, is damaged, is of a newer version, or cannot be read. Nothing is
    /// changed then.
    pub fn open(path: &Path) -> Result<Record, RecordError> {
        let lock = write::lock(path)?;
        let assignments = match write::read(path)? {
            Some(bytes) => format::decode(path, &bytes)?,
            None => Assignments::new(),
        };
        let file = StateFile {
            path: path.to_owned(),
            _lock: lock,
        };
        Ok(Record {
            assignments: Arc::new(assignments),
            file: Some(file),
        })
    }

    /// What is assigned.
    pub fn assignments(&self) -> Arc<Assignments> {
        Arc::clone(&self.assignments)
    }

    /// Makes `assignments` all that is assigned, and returns once that is on disk. Whether anything
    /// changed.
    ///
    /// # Errors
    /// The file cannot be written. The record then is what it was, and `assignments` must not be
    /// announced.
    pub fn store(&mut self, assignments: Assignments) -> Result<bool, RecordError> {
        if *self.assignments == assignments {
            return Ok(false);
        }
        if let Some(file) = &self.file {
            let bytes = format::encode(&assignments);
            write::replace(&file.path, &bytes, &mut |_| Ok(()))?;
        }
        self.assignments = Arc::new(assignments);
        Ok(true)
    }

    /// `world` with what is assigned here. A Service without an entry keeps what it has: a
    /// manifest's own status. Does nothing to Services that are right already.
    pub fn merge(&self, world: &World) -> World {
        let mut world = world.clone();
        let wrong: Vec<(&ObjectName, &Assignment)> = self
            .assignments
            .iter()
            .filter(|(name, assignment)| {
                world.services.get(*name).is_some_and(|service| {
                    service.assigned != assignment.addresses
                        || service.assigned_pool != assignment.pool
                })
            })
            .collect();
        if wrong.is_empty() {
            return world;
        }
        for (name, assignment) in wrong {
            if let Some(service) = world.services.get_mut(name) {
                let service = Arc::make_mut(service);
                service.assigned.clone_from(&assignment.addresses);
                service.assigned_pool.clone_from(&assignment.pool);
            }
        }
        world
    }
}
