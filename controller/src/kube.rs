//! A cluster as a source of the World, and what is written back to it.
