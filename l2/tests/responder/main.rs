//! A Responder on a virtual clock: what it says, when, and to whom.

mod common;

mod announcing;
mod answering;
mod bounds;
mod conflicts;
mod divided;
mod fence;
mod handing_over;
mod interfaces;
mod probing;
mod properties;
mod segment;
