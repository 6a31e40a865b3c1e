//! `--record`, and what `herald replay` makes of it.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::herald::{error_of, eventually, herald, is_established, service};
use crate::pair::Pair;

#[test]
fn a_recorded_session_replays_to_the_same_states_and_verdicts() {
    let mut pair = recorded("127.0.16", json!({"password": "not to be seen"}));
    pair.node
        .await_peer("router", "is Established", is_established);
    pair.node.write("shop.yaml", &service("shop"));
    pair.node
        .await_peer("router", "has both", |peer| peer["advertisedPrefixes"] == 2);
    pair.router.terminate();
    pair.node
        .await_peer("router", "says why", |peer| error_of(peer).contains("6/2"));
    pair.node.terminate();
    let steps = replayed(&pair, "router.jsonl");
    assert_eq!(states_of(&steps), logged(&pair, "session state", "to"));
    let down = actions_of(&steps, "down, ");
    let reasons = logged(&pair, "session is down", "reason");
    assert!(!reasons.is_empty());
    assert_eq!(down.len(), reasons.len(), "{down:#?}\n{reasons:#?}");
    let cease = "Administrative Shutdown (6/2): \"herald stopping\"";
    assert!(
        down[0].contains(cease) && reasons[0].contains(cease),
        "{down:?} {reasons:?}"
    );
    assert_eq!(announced(&steps), 2);
    let text = std::fs::read_to_string(file(&pair, "router.jsonl")).unwrap();
    assert!(!text.contains("not to be seen"));
}

#[test]
fn a_refused_session_replays_to_the_notification_that_refused_it() {
    let pair = recorded("127.0.17", json!({"peerASN": 64999}));
    pair.node.await_peer("router", "says why", |peer| {
        error_of(peer).contains("peer is AS 64513, configured 64999")
    });
    eventually("the refusal is recorded", || {
        let down = actions_of(&try_replay(&pair, "router.jsonl")?, "down, sent ");
        match down.first() {
            Some(first) if first.contains("Bad Peer AS (2/2)") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

#[test]
fn a_new_configuration_begins_a_new_recording_and_keeps_the_old_one() {
    let mut pair = recorded("127.0.18", json!({}));
    pair.node
        .await_peer("router", "is Established", is_established);
    pair.write_peer(json!({"holdTime": "30s"}));
    pair.node.await_peer("router", "has the new time", |peer| {
        peer["holdTimeSeconds"] == 9 && peer["messages"]["established"] == 1 && has(&pair)
    });
    assert_eq!(pair.node.terminate(), Some(0));
    for name in ["router.jsonl", "router.jsonl.1"] {
        let states = states_of(&replayed(&pair, name));
        assert!(
            states.contains(&"Established".to_owned()),
            "{name}: {states:?}"
        );
    }
    pair.node.launch();
    eventually("both are kept", || {
        let kept = file(&pair, "router.jsonl.2").exists();
        kept.then_some(()).ok_or_else(|| pair.node.log())
    });
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named_at_the_start() {
    let folder = tempfile::TempDir::new().unwrap();
    let (config, file) = (folder.path().join("config"), folder.path().join("file"));
    std::fs::create_dir(&config).unwrap();
    std::fs::write(&file, "").unwrap();
    let [config, file] = [config, file].map(|path| path.to_string_lossy().into_owned());
    let socket = format!("{file}.sock");
    let arguments = [
        "run", "--config", &config, "--record", &file, "--socket", &socket,
    ];
    let output = herald(&[&arguments[..], &["--metrics", "off"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&file) && text.contains("--record"), "{text}");
}

/// A pair whose node records, and logs every state.
fn recorded(network: &'static str, more: Value) -> Pair {
    let mut pair = Pair::prepare(network, more.clone());
    // TCP MD5 is one of the transport's things, and both sides have to have it.
    if let Some(password) = more.get("password") {
        pair.write_router_peer(json!({"password": password}));
    }
    let folder = pair.node.folder.path().join("recordings");
    let record = ["--record".to_owned(), folder.display().to_string()];
    let log = ["--log-level=debug", "--log-format=json"].map(str::to_owned);
    pair.node.arguments = record.into_iter().chain(log).collect();
    pair.node.launch();
    pair
}

fn file(pair: &Pair, name: &str) -> PathBuf {
    pair.node.folder.path().join("recordings").join(name)
}

fn has(pair: &Pair) -> bool {
    file(pair, "router.jsonl.1").exists()
}

fn replayed(pair: &Pair, name: &str) -> Vec<Value> {
    try_replay(pair, name).unwrap()
}

fn try_replay(pair: &Pair, name: &str) -> Result<Vec<Value>, String> {
    let output = herald(&["replay", "-o", "json", &file(pair, name).to_string_lossy()]);
    match output.status.success() {
        true => Ok(lines(&String::from_utf8(output.stdout).unwrap())),
        false => Err(format!("{output:?}")),
    }
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn states_of(steps: &[Value]) -> Vec<String> {
    let states = steps.iter().filter_map(|step| step["state"].as_str());
    let mut states: Vec<String> = states.map(str::to_owned).collect();
    states.dedup();
    states
}

fn actions_of(steps: &[Value], prefix: &str) -> Vec<String> {
    let actions = steps.iter().filter_map(|step| step["actions"].as_array());
    let actions = actions.flatten().filter_map(Value::as_str);
    let wanted = actions.filter(|action| action.starts_with(prefix));
    wanted.map(str::to_owned).collect()
}

/// A field of every line with this message in the node's log.
fn logged(pair: &Pair, message: &str, field: &str) -> Vec<String> {
    let lines = lines(&pair.node.log());
    let lines = lines.iter().filter(|line| line["message"] == message);
    lines
        .filter_map(|line| line[field].as_str().map(str::to_owned))
        .collect()
}

/// Prefixes in the UPDATEs that the replayed peer sends.
fn announced(steps: &[Value]) -> u64 {
    let sent = steps
        .iter()
        .filter_map(|step| step["sent"].as_array())
        .flatten();
    let nlri = sent.filter_map(|sent| sent["message"]["nlri"].as_array());
    nlri.map(|nlri| nlri.len() as u64).sum()
}
