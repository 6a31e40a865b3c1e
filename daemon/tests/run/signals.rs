//! Signals that do not end it. SIGTERM and SIGKILL are in `sessions.rs`.

use std::os::unix::fs::symlink;

use serde_json::json;

use crate::herald::{is_established, service};
use crate::pair::Pair;

#[test]
fn sighup_reads_what_no_notice_tells_of_and_keeps_the_session() {
    let pair = Pair::start("127.0.19", json!({}));
    pair.node
        .await_peer("router", "is Established", is_established);
    // The kernel tells of changes in the directory, not of changes behind a link in it.
    let outside = pair.node.folder.path().join("outside.yaml");
    std::fs::write(&outside, service("first")).unwrap();
    let link = pair.node.folder.path().join("config/link.yaml");
    symlink(&outside, link).unwrap();
    pair.node
        .await_peer("router", "has two", |peer| peer["advertisedPrefixes"] == 2);
    let both = format!("{}---\n{}", service("first"), service("second"));
    std::fs::write(&outside, both).unwrap();
    pair.node.signal("-HUP");
    let peer = pair.node.await_peer("router", "has three", |peer| {
        peer["advertisedPrefixes"] == 3
    });
    assert_eq!(peer["messages"]["established"], 1);
    assert!(pair.node.log().contains("SIGHUP: reading the directory"));
}
