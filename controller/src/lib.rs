//! The edge between Kubernetes objects and [`plan::World`]: kinds, translation, sources, records.

pub mod crd;
pub mod file;
pub mod record;
pub mod translate;
