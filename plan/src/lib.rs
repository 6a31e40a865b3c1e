//! Which address a Service gets, and which node announces it: decisions as pure functions.
//!
//! [`world::World`] is everything known, as one value. [`alloc`] assigns addresses out of pools,
//! [`health`] gives each node a verdict with its reason, [`announce`] says what one node announces
//! to which peer and why not more. Nothing here keeps state, reads a clock, or does I/O; the same
//! world always gives the same answer.

pub mod alloc;
pub mod announce;
pub mod elect;
pub mod health;
pub mod labels;
pub mod world;

pub use world::World;
