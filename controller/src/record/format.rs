//! The state file's content: JSON, one line a Service, so that it can be read and compared.

use std::path::Path;
use std::sync::Arc;

use plan::world::{Addresses, ObjectName};
use serde::{Deserialize, Serialize};

use super::{Assignment, Assignments, RecordError};

/// The version that is written and read.
pub const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Versioned {
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[expect(
        dead_code,
        reason = "read beforehand; here so that it is a known field"
    )]
    version: u64,
    assignments: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    namespace: Arc<str>,
    service: Arc<str>,
    addresses: Addresses,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<Arc<str>>,
}

/// The file's text.
pub fn encode(assignments: &Assignments) -> Vec<u8> {
    let mut text = format!("{{\"version\":{VERSION},\"assignments\":[").into_bytes();
    let mut separator = "\n";
    for (name, assignment) in assignments {
        let entry = Entry {
            namespace: Arc::clone(&name.namespace),
            service: Arc::clone(&name.name),
            addresses: assignment.addresses.clone(),
            pool: assignment.pool.clone(),
        };
        text.extend_from_slice(separator.as_bytes());
        // An entry is text and addresses, and a Vec takes every write: this cannot fail.
        if serde_json::to_writer(&mut text, &entry).is_ok() {
            separator = ",\n";
        }
    }
    text.extend_from_slice(b"\n]}\n");
    text
}

/// What the file's text says. `path` is for the error.
pub fn decode(path: &Path, text: &[u8]) -> Result<Assignments, RecordError> {
    let damaged = |reason: String| RecordError::Damaged {
        path: path.to_owned(),
        reason,
    };
    if text.trim_ascii().is_empty() {
        return Err(damaged("it is empty".into()));
    }
    let not_ours = |error: serde_json::Error| damaged(error.to_string());
    let Versioned { version } = serde_json::from_slice(text).map_err(not_ours)?;
    if version != VERSION {
        return Err(RecordError::UnknownVersion {
            path: path.to_owned(),
            version,
        });
    }
    let content: Content = serde_json::from_slice(text).map_err(not_ours)?;
    let mut assignments = Assignments::new();
    for entry in content.assignments {
        let name = ObjectName {
            namespace: entry.namespace,
            name: entry.service,
        };
        let v4 = entry
            .addresses
            .iter()
            .filter(|address| address.is_ipv4())
            .count();
        if entry.addresses.is_empty() || v4 > 1 || entry.addresses.len() - v4 > 1 {
            return Err(damaged(format!("{name} has not one address a family")));
        }
        let assignment = Assignment {
            addresses: entry.addresses,
            pool: entry.pool,
        };
        if assignments.insert(name.clone(), assignment).is_some() {
            return Err(damaged(format!("{name} is there twice")));
        }
    }
    Ok(assignments)
}
