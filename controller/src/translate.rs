//! Kubernetes objects to plan::World: validation, errors that say what would be right.
