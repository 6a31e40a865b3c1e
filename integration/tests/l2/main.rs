//! L2 mode: nodes on one segment, and captures of what they say.

mod answers;
mod candidates;
mod conflicts;
mod failover;
mod interfaces;
mod partitions;
mod sockets;
