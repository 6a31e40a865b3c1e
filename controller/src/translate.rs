//! Kubernetes objects to [drafts](crate::object::Draft), one file a kind: what an object says,
//! checked as far as it can be without looking at others. Pure.
//!
//! Each function takes a typed object, adds what is wrong with it to a list of [`Finding`]s, and
//! gives a draft unless the object cannot be used. [`assemble`](crate::assemble) then puts the
//! drafts together.

pub mod address;
pub mod annotation;
pub mod bgp_advertisement;
pub mod bgp_peer;
pub mod community;
pub mod duration;
pub mod endpoint_slice;
pub mod ip_address_pool;
pub mod l2_advertisement;
pub mod node;
pub mod secret;
pub mod selector;
pub mod service;

use crate::problem::{Finding, Severity};

/// What is wrong with an object.
pub type Findings = Vec<Finding>;

/// What translation depends on besides the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The `loadBalancerClass`es that are ours. With none, Services without a class are; with some,
    /// only Services of one of them are.
    pub load_balancer_classes: Vec<String>,
}

/// Whether no error has been added to `findings` since it had `before` entries.
fn is_clean(findings: &[Finding], before: usize) -> bool {
    findings
        .iter()
        .skip(before)
        .all(|finding| finding.severity != Severity::Error)
}
