//! The lab's own Kubernetes: what tests of the controller and the speaker stand on.

mod access;
mod controller;
mod crds;
mod gate;
mod links;
mod nodes;
mod objects;
mod outage;
mod rbac;
mod reports;
mod speaker;
mod writers;
