//! The lab's own Kubernetes: what tests of the controller and the speaker stand on.

mod access;
mod nodes;
mod objects;
mod outage;
