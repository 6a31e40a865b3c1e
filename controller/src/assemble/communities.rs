//! Aliases of communities, each defined once.

use std::collections::BTreeMap;

use plan::world::Community;

use super::Store;
use crate::object::{Draft, Kind};
use crate::problem::{Finding, Problem};

/// Aliases by name.
pub type Aliases = BTreeMap<String, Community>;

/// All aliases. A Community that defines one that another has already is refused whole.
pub fn aliases(store: &mut Store, problems: &mut Vec<Problem>) -> Aliases {
    let mut aliases = BTreeMap::new();
    let mut places = BTreeMap::new();
    store.accept(Kind::Community, problems, |draft, entry| {
        let Draft::Community(new) = draft else {
            return Ok(());
        };
        let mut findings = Vec::new();
        for (index, (name, _)) in new.iter().enumerate() {
            if let Some(place) = places.get(name) {
                findings.push(Finding::error(
                    format!("spec.communities[{index}].name"),
                    format!("the alias `{name}` is defined already, in {place}"),
                    "keep one of them",
                ));
            }
        }
        if !findings.is_empty() {
            return Err(findings);
        }
        for (name, community) in new.iter() {
            aliases.insert(name.clone(), *community);
            places.insert(name.clone(), entry.place());
        }
        Ok(())
    });
    aliases
}
