//! Path attributes (RFC 4271 §5): one table of the IANA registry, one file an attribute.

use serde::{Deserialize, Serialize};

/// What RFC 7606 §2 does about an error that does not reset the session, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// Drop the attribute, keep the routes.
    AttributeDiscard,
    /// Handle every route of the UPDATE as withdrawn.
    TreatAsWithdraw,
}

/// One attribute's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeError {
    /// The attribute's type code.
    pub code: u8,
    /// What is done about it.
    pub treatment: Treatment,
    /// What is wrong, with its RFC section.
    pub reason: &'static str,
}

/// The path attributes of one UPDATE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathAttributes<'a> {
    marker: std::marker::PhantomData<&'a ()>,
}
