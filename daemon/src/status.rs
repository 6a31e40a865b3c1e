//! What a session's end means to a person.

pub mod reason;
