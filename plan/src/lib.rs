//! Which address a Service gets, and which node announces it: decisions as pure functions.
//!
//! [`world::World`] is everything known, as one value. [`alloc`] assigns addresses out of pools,
//! [`elect`] names the one node that answers for an address by ARP or NDP, [`tenure`] says which
//! nodes have been there for long enough to take addresses over,
//! [`health`] gives each node a verdict with its reason, [`mod@announce`] says what one node announces
//! to which peer and why not more, [`mod@explain`] says both of one Service. Nothing here keeps state,
//! reads a clock, or does I/O; the same world always gives the same answer.

pub mod alloc;
pub mod announce;
mod changes;
pub mod elect;
pub mod endpoints;
pub mod explain;
pub mod health;
pub mod labels;
pub mod pools;
pub mod tenure;
pub mod world;

pub use alloc::{Allocation, allocate};
pub use announce::{Announcements, announce};
pub use explain::explain;
pub use world::World;
