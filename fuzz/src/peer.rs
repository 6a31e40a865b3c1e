//! The `peer` target.
/// A session.
pub fn peer(_input: &[u8]) {}
