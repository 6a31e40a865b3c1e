//! The committed corpus, on stable Rust: no input panics or hangs.

use std::path::Path;

/// Inputs of a target, at most: the whole replay takes seconds.
const MAX_INPUTS: usize = 300;

#[test]
fn every_input_of_decode_passes() {
    replay("decode", fuzz::decode);
}

#[test]
fn every_input_of_open_passes() {
    replay("open", fuzz::open);
}

#[test]
fn every_input_of_update_passes() {
    replay("update", fuzz::update);
}

#[test]
fn every_input_of_peer_passes() {
    replay("peer", fuzz::peer);
}

#[test]
fn every_input_of_arp_passes() {
    replay("arp", fuzz::arp);
}

#[test]
fn every_input_of_ndp_passes() {
    replay("ndp", fuzz::ndp);
}

#[cfg(feature = "controller")]
#[test]
fn every_input_of_manifests_passes() {
    replay("manifests", fuzz::manifests);
}

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = std::fs::read_dir(&folder).expect("the target has a corpus");
    let mut count = 0;
    for entry in entries {
        let file = entry.expect("a directory entry").path();
        println!("{}", file.display());
        run(&std::fs::read(&file).expect("a readable file"));
        count += 1;
    }
    let bounds = 1..=MAX_INPUTS;
    let folder = folder.display();
    assert!(bounds.contains(&count), "{folder} has {count} inputs");
}
