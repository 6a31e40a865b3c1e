//! Which address each Service gets: a function of the [`World`](crate::World), with no memory.
