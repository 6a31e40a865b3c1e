//! What `herald status` shows of L2 mode, as JSON.

use std::net::IpAddr;

use l2::responder::AddressState;
use plan::world::Service;
use serde_json::{Value, json};

use crate::links::failure;
use crate::membership::Standing;
use crate::view::View;

/// L2 mode of this node; null where no pool is in it.
pub fn overview(view: &View) -> Value {
    let links = &view.links;
    if links.task.is_none() && links.trouble.is_none() {
        return Value::Null;
    }
    let live = links.live.as_ref();
    let interfaces = links.interfaces.iter().flat_map(|all| all.usable());
    let failures = failure::all(view).into_iter();
    json!({
        "speakers": live.map(|live| live.nodes.keys().cloned().collect::<Vec<_>>()),
        "standing": links.standing.map(standing),
        "interfaces": interfaces
            .map(|one| json!({"name": one.name, "mac": one.mac.to_string()}))
            .collect::<Vec<_>>(),
        "trouble": links.trouble,
        "failures": failures
            .map(|(service, address, failure)| format!("{service}: {address}: {failure}"))
            .collect::<Vec<_>>(),
    })
}

/// Who answers for each address of a Service, and how it is here; empty where none is of a pool in L2
/// mode.
pub fn of_service(view: &View, service: &Service) -> Vec<Value> {
    let elections = &view.links.elections.by_address;
    let held = service.assigned.iter();
    let elected = held.filter_map(|address| Some((*address, elections.get(address)?)));
    elected
        .map(|(address, elected)| {
            json!({
                "address": address,
                "owner": elected.owner,
                "interfaces": interfaces(view, address),
            })
        })
        .collect()
}

fn interfaces(view: &View, address: IpAddr) -> Vec<Value> {
    let states = failure::states(view, address).into_iter();
    states
        .map(|(interface, state)| {
            json!({
                "name": interface,
                "state": word(state),
                "by": state.stranger().map(|by| by.to_string()),
            })
        })
        .collect()
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Majority => "majority",
        Standing::Half => "half",
        Standing::Minority => "minority",
    }
}

/// The state of an address in a word.
pub fn word(state: AddressState) -> &'static str {
    match state {
        AddressState::Fenced => "fenced",
        AddressState::InterfaceDown => "interfaceDown",
        AddressState::OwnAddress => "ownAddress",
        AddressState::Probing => "probing",
        AddressState::Claimed => "claimed",
        AddressState::Contested { .. } => "contested",
        AddressState::Quarantined { .. } => "quarantined",
    }
}
