//! BFDProfile: checked, and not used yet.

use super::Findings;
use crate::crd::BFDProfileSpec;
use crate::object::Draft;
use crate::problem::Finding;

/// Nothing that is used. A peer that names the profile is refused; so a profile by itself can only
/// be warned of.
pub fn translate(spec: &BFDProfileSpec, findings: &mut Findings) -> Option<Draft> {
    if spec.echo_mode == Some(true) {
        findings.push(Finding::error(
            "spec.echoMode",
            "the Echo function is not supported by this build",
            "remove it, or write false",
        ));
        return None;
    }
    findings.push(Finding::warning(
        "",
        "BFD is not supported by this build, so the profile is not used",
        "remove it",
    ));
    Some(Draft::BfdProfile)
}
