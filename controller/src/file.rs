//! A directory of manifests, watched, as a source of the World.
