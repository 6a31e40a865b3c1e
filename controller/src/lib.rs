//! The edge between Kubernetes objects and [`plan::World`].
//!
//! One path whatever the source: a manifest or an API object becomes a typed object, [`translate`]
//! turns it into a draft with what is wrong with it, and [`assemble`] puts the drafts together
//! into a World. [`mod@file`] watches a directory of manifests; [`record`] keeps what was assigned.

pub mod assemble;
pub mod check;
pub mod crd;
pub mod deploy;
pub mod file;
pub mod kube;
pub mod last_known;
pub mod manifest;
mod names;
pub mod object;
pub mod problem;
pub mod rbac;
pub mod record;
pub mod snapshot;
pub mod translate;
pub mod yaml;

pub use check::check;
pub use problem::{ObjectReference, Problem, Severity};
pub use translate::Options;
