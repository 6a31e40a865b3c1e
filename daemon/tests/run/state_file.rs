//! A state file that cannot be written.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::herald::{Herald, eventually, service};
use crate::pair::Pair;

#[test]
fn while_the_state_file_cannot_be_written_nothing_new_is_given_and_what_was_there_is_served() {
    let mut pair = Pair::start("127.0.20", json!({}));
    advertises(&pair.node, 1);
    let away = take_state_away(&pair.node);
    pair.node.write("shop.yaml", &service("shop"));
    eventually("the problem is shown", || {
        let text = pair.node.ask(&["status"]);
        let file = pair.node.state().display().to_string();
        let told = text.contains(&file) && text.contains("see that its directory exists");
        told.then_some(()).ok_or(text)
    });
    let shop = await_service(&pair.node, "shop", "is pending", |shop| {
        shop["addresses"] == json!([])
    });
    let why = shop["allocation"].as_str().unwrap();
    let expected = "pending; what it was to have is not recorded: cannot create the state file";
    assert!(why.starts_with(expected), "{why}");
    let text = pair.node.ask(&["explain", "shop"]);
    assert!(
        text.contains("is not recorded: cannot create") && !text.contains("203.0.113."),
        "{text}"
    );
    assert_eq!(pair.node.peer("router").unwrap()["advertisedPrefixes"], 1);
    // A Service without endpoints has to be withdrawn now, not when the disk is well.
    pair.node.write(
        "web.yaml",
        &service("web").replace("ready: true", "ready: false"),
    );
    advertises(&pair.node, 0);
    pair.node.write("web.yaml", &service("web"));
    advertises(&pair.node, 1);
    std::fs::rename(away, pair.node.state().parent().unwrap()).unwrap();
    advertises(&pair.node, 2);
    let given = recorded(&pair.node);
    assert_eq!(given.len(), 2, "{given:?}");
    assert!(pair.node.log().contains("the state file is written again"));
    pair.node.kill();
    pair.node.launch();
    advertises(&pair.node, 2);
    assert_eq!(recorded(&pair.node), given);
}

#[test]
fn a_directory_that_may_not_be_written_to_is_told_once_and_asked_for_again() {
    let mut pair = Pair::prepare("127.0.21", json!({}));
    let folder = pair.node.state().parent().unwrap().to_owned();
    // It can be locked and read.
    std::fs::write(folder.join("state.json.lock"), "").unwrap();
    set_mode(&folder, 0o555);
    pair.node.without_override = true;
    pair.node.launch();
    let refused = |log: &str| log.matches("Permission denied").count();
    eventually("the log tells", || match refused(&pair.node.log()) {
        0 => Err(pair.node.log()),
        _ => Ok(()),
    });
    let web = await_service(&pair.node, "web", "is pending", |_| true);
    assert_eq!(web["addresses"], json!([]));
    assert!(recorded(&pair.node).is_empty());
    set_mode(&folder, 0o755);
    advertises(&pair.node, 1);
    assert_eq!(refused(&pair.node.log()), 1, "{}", pair.node.log());
    assert_eq!(recorded(&pair.node).len(), 1);
}

fn advertises(node: &Herald, count: u64) {
    let what = format!("advertises {count}");
    node.await_peer("router", &what, |peer| peer["advertisedPrefixes"] == count);
}

/// The entry of a Service once it is as it should be.
fn await_service(node: &Herald, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name} {what}"), || {
        let status = node.status("services");
        let mut services = status["services"].as_array().into_iter().flatten();
        let found = services.find(|service| service["name"] == name && holds(service));
        found.cloned().ok_or_else(|| status.to_string())
    })
}

/// Addresses in the state file.
fn recorded(node: &Herald) -> Vec<String> {
    let text = std::fs::read_to_string(node.state()).unwrap_or_default();
    let mut found: Vec<String> = text
        .split('"')
        .filter(|word| word.starts_with("203.0.113."))
        .map(str::to_owned)
        .collect();
    found.sort();
    found
}

fn take_state_away(node: &Herald) -> PathBuf {
    let state = node.state();
    let away = node.folder.path().join("away");
    std::fs::rename(state.parent().unwrap(), &away).unwrap();
    away
}

fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
