//! `cargo xtask layers`: arrows between crates point one way, and pure crates stay pure.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::run::{Outcome, command, output};

/// A crate, the crates of this workspace it may use, and for a pure crate all others it may use.
struct Layer {
    name: &'static str,
    inside: &'static [&'static str],
    outside: Option<&'static [&'static str]>,
}

const WIRE: &[&str] = &["bytes", "imbl", "ipnet", "nom", "serde", "tokio-util"];

const LAYERS: &[Layer] = &[
    Layer {
        name: "bgp",
        inside: &[],
        outside: Some(WIRE),
    },
    Layer {
        name: "l2",
        inside: &[],
        outside: Some(&["pnet_base", "pnet_packet"]),
    },
    Layer {
        name: "plan",
        inside: &[],
        outside: Some(&["imbl", "ipnet", "jiff", "serde", "sha2", "smallvec"]),
    },
    Layer {
        name: "controller",
        inside: &["plan"],
        outside: None,
    },
    Layer {
        name: "daemon",
        inside: &["bgp", "l2", "plan", "controller"],
        outside: None,
    },
    Layer {
        name: "integration",
        inside: &["bgp", "plan", "controller"],
        outside: None,
    },
    Layer {
        name: "sim",
        inside: &["l2", "plan", "daemon"],
        outside: None,
    },
    Layer {
        name: "bench",
        inside: &["bgp", "l2", "plan", "controller", "integration"],
        outside: None,
    },
    Layer {
        name: "fuzz",
        inside: &["bgp", "l2", "plan", "controller"],
        outside: None,
    },
    Layer {
        name: "xtask",
        inside: &[],
        outside: None,
    },
];

/// Reads `cargo metadata` and lists every arrow that must not be.
pub fn check() -> Outcome {
    let text = output(command(
        "cargo",
        &["metadata", "--no-deps", "--format-version", "1"],
    ))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let packages = metadata["packages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let members: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        match LAYERS.iter().find(|layer| layer.name == name) {
            Some(layer) => wrong.extend(wrong_arrows(layer, package, &members)),
            None => wrong.push(format!("{name} has no row in xtask/src/layers.rs")),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong.join(
            "
  ",
        ));
    }
    println!("layers: {} crates, every arrow as designed", packages.len());
    Ok(())
}

/// Dependencies of a crate that its layer does not allow. Test dependencies are free, except on
/// crates of this workspace.
fn wrong_arrows(layer: &Layer, package: &Value, members: &BTreeSet<&str>) -> Vec<String> {
    let dependencies = package["dependencies"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let mut wrong = Vec::new();
    for dependency in dependencies {
        let name = dependency["name"].as_str().unwrap_or_default();
        let for_tests = dependency["kind"].as_str() == Some("dev");
        let allowed = match (members.contains(name), layer.outside) {
            (true, _) => layer.inside.contains(&name),
            (false, Some(outside)) => for_tests || outside.contains(&name),
            (false, None) => true,
        };
        if !allowed {
            wrong.push(format!("{} must not depend on {name}", layer.name));
        }
    }
    wrong
}
