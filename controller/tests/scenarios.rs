//! Scenarios: manifests as they are applied, and what every node makes of them.
//!
//! `plan/tests/scenarios/NAME.yaml` is read, addresses are allocated, and each Node announces;
//! `NAME.txt` beside it says what must come of it. `UPDATE_GOLDEN=1` writes the texts anew: read
//! them before they are kept. A first line `# options: …` sets what is no manifest:
//! `lb-class=CLASS`, `live=NODE,NODE`, `keep-on-cordon`, `ignore-exclude-label`, and
//! `no-sharing-grace` and `share-across-namespaces`, which have the round made on a clock.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use controller::file;
use controller::record::Assignments;
use controller::{Options, Severity};
use jiff::Timestamp;
use plan::alloc::{self, Allocation, Sharing, allocate_at};
use plan::announce::{Announcements, Attributes, NotAnnounced, Verdict};
use plan::world::{Community, Liveness, ObjectName};
use plan::{World, allocate, announce, explain, health};

#[test]
fn every_scenario_comes_out_as_its_text_says() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differing = Vec::new();
    let scenarios = scenarios();
    assert!(scenarios.len() >= 45, "only {} scenarios", scenarios.len());
    for path in scenarios {
        let outcome = run(&std::fs::read_to_string(&path).expect("readable"));
        let golden = path.with_extension("txt");
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if outcome == expected {
            continue;
        }
        differing.push(format!(
            "{}: expected\n{expected}\ngot\n{outcome}",
            path.display()
        ));
        if update {
            std::fs::write(&golden, outcome).expect("writable");
        }
    }
    assert!(update || differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn every_text_has_its_scenario() {
    let texts = with_extension("txt");
    let orphans: Vec<_> = texts
        .iter()
        .filter(|text| !text.with_extension("yaml").exists())
        .collect();
    assert!(orphans.is_empty(), "{orphans:?}");
}

fn scenarios() -> Vec<PathBuf> {
    with_extension("yaml")
}

fn with_extension(extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plan/tests/scenarios");
    let entries = std::fs::read_dir(folder).expect("the scenarios");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths
}

/// What is no manifest.
#[derive(Default)]
struct Settings {
    controller: Options,
    health: health::Options,
    live: Option<BTreeSet<Arc<str>>>,
    /// Rounds are made on a clock, with these.
    on_a_clock: Option<alloc::Options>,
}

impl Settings {
    fn read(text: &str) -> Settings {
        let mut settings = Settings::default();
        let first = text.lines().next().unwrap_or_default();
        let words = first.strip_prefix("# options:").unwrap_or_default();
        for word in words.split_whitespace() {
            match word.split_once('=') {
                Some(("lb-class", class)) => {
                    settings.controller.load_balancer_classes.push(class.into());
                }
                Some(("live", nodes)) => {
                    let nodes = nodes.split(',').filter(|node| !node.is_empty());
                    settings.live = Some(nodes.map(Arc::from).collect());
                }
                None if word == "keep-on-cordon" => settings.health.keep_on_cordon = true,
                None if word == "no-sharing-grace" => {
                    let options = settings.on_a_clock.get_or_insert_default();
                    options.sharing_grace = Duration::ZERO;
                }
                None if word == "share-across-namespaces" => {
                    let options = settings.on_a_clock.get_or_insert_default();
                    options.share_across_namespaces = true;
                }
                None if word == "ignore-exclude-label" => {
                    settings.health.ignore_exclude_label = true;
                }
                Some(_) | None => panic!("unknown option {word}"),
            }
        }
        settings
    }

    fn allocate(&self, world: &World) -> Allocation {
        match self.on_a_clock {
            Some(options) => {
                allocate_at(world, Timestamp::UNIX_EPOCH, &Sharing::default(), options)
            }
            None => allocate(world),
        }
    }
}

/// The scenario's whole outcome, as text.
fn run(text: &str) -> String {
    let settings = Settings::read(text);
    let snapshot = file::from_texts(
        &[("scenario.yaml", text)],
        &settings.controller,
        &Assignments::new(),
    );
    let mut world = snapshot.world;
    if let Some(live) = &settings.live {
        world.liveness = Liveness::Live(live.clone());
    }
    let allocation = settings.allocate(&world);
    let after = world.with(&allocation);
    let again = after.with(&settings.allocate(&after));
    assert_eq!(held(&again), held(&after), "a second round");
    let mut out = String::new();
    for problem in snapshot.problems {
        if problem.severity == Severity::Error {
            let object = problem.object.unwrap_or_default();
            let _ = writeln!(out, "problem: {object} {}", problem.field);
        }
    }
    show_allocation(&mut out, &world, &allocation);
    for node in world.nodes.keys() {
        show_node(&mut out, node, &after, settings.health);
    }
    out
}

/// Who holds what.
fn held(world: &World) -> Vec<(&ObjectName, &[std::net::IpAddr], Option<&str>)> {
    let services = world.services.values();
    services
        .map(|one| {
            (
                &one.name,
                one.assigned.as_slice(),
                one.assigned_pool.as_deref(),
            )
        })
        .collect()
}

fn show_allocation(out: &mut String, world: &World, allocation: &Allocation) {
    for (name, service) in world.services.iter() {
        let held = allocation.of(service);
        let addresses: Vec<String> = held.addresses.iter().map(|a| a.to_string()).collect();
        let what = match held.pool {
            Some(pool) => format!("{} from {pool}", addresses.join(" ")),
            None => "no address".into(),
        };
        let _ = writeln!(out, "{name}: {what}: {}", held.outcome);
    }
}

fn show_node(out: &mut String, node: &str, world: &World, options: health::Options) {
    let announcements = announce(node, world, options);
    let health = announcements.health;
    let _ = writeln!(out, "\nnode {node} ({:?}, {:?})", health.class, health.why);
    for (peer, routes) in &announcements.peers {
        let _ = writeln!(out, "  peer {peer}");
        for (prefix, attributes) in routes {
            let _ = writeln!(out, "    {prefix}{}", said(attributes));
        }
    }
    for (service, verdict) in announcements.services(world) {
        let _ = writeln!(out, "  {}: {}", service.name, word(verdict));
    }
    agrees_with_explain(node, world, options, &announcements);
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Announced { peers } => format!("announced to {}", peers.join(", ")),
        Verdict::NotAnnounced(reason) => reason.word().into(),
    }
}

/// `explain` gives the verdicts that `announce` gives, and has the routes that it announces.
fn agrees_with_explain(
    node: &str,
    world: &World,
    options: health::Options,
    announcements: &Announcements,
) {
    for (service, verdict) in announcements.services(world) {
        let name = &service.name;
        let explanation = explain(world, name, None, options).expect("a Service of the World");
        let mut nodes = explanation.nodes.iter();
        let found = nodes.find(|found| &*found.node == node).expect("a node");
        let reason: Option<NotAnnounced> = match verdict {
            Verdict::Announced { .. } => None,
            Verdict::NotAnnounced(reason) => Some(*reason),
        };
        assert_eq!(
            found.reason,
            reason.map(NotAnnounced::word),
            "{name} {node}"
        );
        for route in &found.routes {
            let announced = &announcements.peers[&route.peer];
            assert!(announced.contains_key(&route.prefix));
        }
    }
}

fn said(attributes: &Attributes) -> String {
    let Attributes {
        local_pref,
        med,
        as_path_prepend,
        communities,
    } = attributes;
    let mut text = String::new();
    if let Some(local_pref) = local_pref {
        let _ = write!(text, " localPref {local_pref}");
    }
    if let Some(med) = med {
        let _ = write!(text, " med {med}");
    }
    if *as_path_prepend > 0 {
        let _ = write!(text, " prepend {as_path_prepend}");
    }
    for community in communities {
        let _ = match community {
            Community::Standard(value) => write!(text, " {}:{}", value >> 16, value & 0xffff),
            Community::Large(a, b, c) => write!(text, " large:{a}:{b}:{c}"),
        };
    }
    text
}
