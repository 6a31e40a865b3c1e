//! What is wrong with the configuration, said so that a person can repair it.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::object::{Kind, ObjectKey, Origin};

/// Characters in one text of a [`Problem`], at most.
pub const MAX_TEXT: usize = 500;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to repair; said so that nobody wonders.
    Note,
    /// The object is used, though perhaps not as its author thinks.
    Warning,
    /// The object (or the file) is not used as written.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// A problem with one field of an object that the reader already knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is. An object with an error is not used.
    pub severity: Severity,
    /// The field, such as `spec.addresses[1]`; empty is the whole object.
    pub field: String,
    /// The line in the file, from 1, where it is known.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What would be right; may be empty on a note.
    pub hint: String,
}

impl Finding {
    /// An error at `field`.
    pub fn error(
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Finding {
        Finding {
            severity: Severity::Error,
            field: field.into(),
            line: None,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A warning at `field`.
    pub fn warning(
        field: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Finding {
        Finding {
            severity: Severity::Warning,
            ..Finding::error(field, message, hint)
        }
    }
}

/// Something wrong with the configuration. `Display` gives it as one line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file, relative to the directory; `None` is the directory itself, or a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<Arc<str>>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The document within the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<u32>,
    /// How bad it is.
    pub severity: Severity,
    /// The object: `Kind namespace/name`, or as much of it as could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The field, such as `spec.addresses[1]`; empty is the whole object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
    /// An earlier, valid version of the object stays in use meanwhile.
    pub last_valid_in_use: bool,
    /// In a cluster, which object it is, for an Event about it.
    #[serde(skip)]
    pub reference: Option<ObjectReference>,
}

/// An object of a cluster that a [`Problem`] is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectReference {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; empty for kinds without.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// `metadata.uid`, of a `metallb.io` object.
    pub uid: Option<Arc<str>>,
}

impl Problem {
    /// A problem of the directory as a whole.
    pub fn of_directory(
        severity: Severity,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        Problem {
            file: None,
            line: None,
            document: None,
            severity,
            object: None,
            field: String::new(),
            message: message.into(),
            hint: hint.into(),
            last_valid_in_use: false,
            reference: None,
        }
    }

    /// A problem of a file, at `line` where that is known.
    pub fn of_file(
        severity: Severity,
        file: &Arc<str>,
        line: Option<u32>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Problem {
        Problem {
            file: Some(Arc::clone(file)),
            line,
            ..Problem::of_directory(severity, message, hint)
        }
    }

    /// `finding` as a problem of the object `key`, which came from `origin`.
    pub fn of_object(
        key: &ObjectKey,
        namespace: &str,
        origin: &Origin,
        finding: Finding,
    ) -> Problem {
        let reference = ObjectReference {
            kind: key.kind,
            namespace: namespace.into(),
            name: Arc::clone(&key.name),
            uid: origin.uid.clone(),
        };
        Problem {
            file: origin.file.clone(),
            line: finding.line.or(origin.line),
            document: origin.document,
            severity: finding.severity,
            object: Some(object_title(key.kind, namespace, &key.name)),
            field: finding.field,
            message: finding.message,
            hint: finding.hint,
            last_valid_in_use: false,
            reference: origin.file.is_none().then_some(reference),
        }
        .shortened()
    }

    /// With texts of at most [`MAX_TEXT`] characters each: they may quote what is in a file.
    pub fn shortened(mut self) -> Problem {
        for text in [&mut self.field, &mut self.message, &mut self.hint] {
            if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
                text.truncate(end);
                text.push('…');
            }
        }
        self
    }

    /// Field, message and hint, for who knows the object.
    pub fn text(&self) -> impl fmt::Display {
        std::fmt::from_fn(|f| {
            if !self.field.is_empty() {
                write!(f, "{}: ", self.field)?;
            }
            f.write_str(&self.message)?;
            if !self.hint.is_empty() {
                write!(f, "; {}", self.hint)?;
            }
            if self.last_valid_in_use {
                f.write_str(" (the last valid version stays in use)")?;
            }
            Ok(())
        })
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `Kind namespace/name`, or `Kind name` where there is no namespace.
pub fn object_title(kind: Kind, namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        format!("{kind} {name}")
    } else {
        format!("{kind} {namespace}/{name}")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: ")?,
            (Some(file), None) => write!(f, "{file}: ")?,
            (None, _) => {}
        }
        write!(f, "{}: ", self.severity)?;
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        write!(f, "{}", self.text())
    }
}
