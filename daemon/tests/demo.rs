//! `herald demo`, as a process: what it prints, what its router holds, and how it ends.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// No demonstration of these tests takes longer, on however slow a machine.
const LIVENESS: Duration = Duration::from_secs(60);

/// What the sample manifests say, in the order of the texts: prefix, next hop, communities, large communities, MED.
const HELD: [(&str, &str, &str, &str, Option<u64>); 7] = [
    ("198.51.100.0/32", "192.0.2.1", "no-export", "", Some(50)),
    ("198.51.100.242/32", "192.0.2.1", "no-export", "", Some(50)),
    (
        "2001:db8:cafe::/128",
        "2001:db8::1",
        "64512:100",
        "64512:1:20",
        None,
    ),
    (
        "203.0.113.0/32",
        "192.0.2.1",
        "64512:100",
        "64512:1:20",
        None,
    ),
    (
        "203.0.113.1/32",
        "192.0.2.1",
        "64512:100",
        "64512:1:20",
        None,
    ),
    (
        "203.0.113.10/32",
        "192.0.2.1",
        "64512:100",
        "64512:1:20",
        None,
    ),
    (
        "203.0.113.2/32",
        "192.0.2.1",
        "64512:100",
        "64512:1:20",
        None,
    ),
];

#[test]
fn every_kind_of_event_comes_and_the_router_holds_exactly_the_expected_routes() {
    let output = finished(demo(&["--for", "5s", "-o", "json"]));
    assert_eq!(output.status.code(), Some(0));
    let events = events(&output);
    let kinds: BTreeSet<&str> = events.iter().map(|event| text(event, "event")).collect();
    let expected = [
        "announced",
        "assigned",
        "end",
        "endpoints",
        "pool",
        "route",
        "router",
        "session",
        "withdrawn",
    ];
    assert_eq!(kinds, BTreeSet::from(expected));
    let mut held: BTreeMap<&str, &Value> = BTreeMap::new();
    for event in events
        .iter()
        .take_while(|event| event["event"] != "endpoints")
    {
        if event["event"] == "route" {
            held.insert(text(event, "prefix"), event);
        }
    }
    let held: Vec<_> = held.values().map(|route| facts(route)).collect();
    let wanted = HELD.map(|(prefix, next_hop, communities, large, med)| {
        let list = |text: &str| {
            text.split(' ')
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (communities, large): (Vec<String>, Vec<String>) = (list(communities), list(large));
        json!([prefix, next_hop, [64512], communities, large, med, null])
    });
    assert_eq!(held, wanted);
}

#[test]
fn the_failover_is_seen_at_the_router_both_ways_and_timed() {
    let output = finished(demo(&["--for", "5s", "-o", "json"]));
    let events = events(&output);
    let mut scenes = events
        .iter()
        .skip_while(|event| event["event"] != "endpoints");
    let expected = [
        json!(["endpoints", false]),
        json!(["withdrawn", "203.0.113.1/32", ["demo/shop"], "router"]),
        json!(["endpoints", true]),
        json!(["announced", "203.0.113.1/32", ["demo/shop"], "router"]),
    ];
    for expected in expected {
        let event = scenes.next().expect("an event more");
        let seen = match text(event, "event") {
            "endpoints" => json!(["endpoints", event["usable"]]),
            other => {
                assert!(event["after_ms"].as_f64().unwrap() >= 0.0, "{event}");
                json!([other, event["prefix"], event["services"], event["seen_at"]])
            }
        };
        assert_eq!(seen, expected);
    }
}

#[test]
fn the_session_begins_idle_and_comes_up_and_time_never_goes_back() {
    let output = finished(demo(&["--for", "3s", "-o", "json"]));
    let events = events(&output);
    let sessions = events.iter().filter(|event| event["event"] == "session");
    let states: Vec<&str> = sessions.map(|event| text(event, "state")).collect();
    assert_eq!(
        (states.first(), states.last()),
        (Some(&"Idle"), Some(&"Established"))
    );
    let times: Vec<u64> = events
        .iter()
        .map(|event| event["at_ms"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn whoever_reads_a_few_lines_gets_them_and_a_quiet_end() {
    let mut child = demo(&[]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(
        first.contains("pool       internal: 198.51.100.0/26"),
        "{first}"
    );
    drop(lines);
    let output = finished(child);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_request_to_terminate_ends_it_without_an_error() {
    let mut child = demo(&["-o", "json"]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let established = |line: &String| line.contains("\"Established\"");
    assert!(
        lines
            .by_ref()
            .map(Result::unwrap)
            .any(|line| established(&line))
    );
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    let last = lines.map(Result::unwrap).last().unwrap();
    assert!(last.contains("\"event\":\"end\""), "{last}");
    assert_eq!(finished(child).status.code(), Some(0));
}

#[test]
fn a_router_that_is_not_there_is_named_and_is_exit_code_1() {
    // Nothing listens on a port that was given back.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let router = listener.local_addr().unwrap().to_string();
    drop(listener);
    let arguments = [
        "--for",
        "2s",
        "-o",
        "json",
        "--router",
        &router,
        "--router-asn",
        "65001",
    ];
    let output = finished(demo(&arguments));
    assert_eq!(output.status.code(), Some(1));
    let events = events(&output);
    let down = events
        .iter()
        .find(|event| event.get("reason").is_some())
        .unwrap();
    assert_eq!(text(down, "event"), "session");
    assert!(text(down, "reason").contains("refused"), "{down}");
    let shown = events
        .iter()
        .find(|event| event["event"] == "router")
        .unwrap();
    assert_eq!(
        (&shown["embedded"], &shown["asn"]),
        (&json!(false), &json!(65001))
    );
}

#[test]
fn bad_usage_is_exit_code_2() {
    for arguments in [
        ["--for", "10"].as_slice(),
        &["--router", "127.0.0.1:179"],
        &["--router", "localhost", "--router-asn", "1"],
        &["--router-asn", "0"],
        &["-o", "yaml"],
    ] {
        assert_eq!(
            finished(demo(arguments)).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
}

fn demo(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_herald"))
        .arg("demo")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for its end; kills it where that does not come.
fn finished(mut child: Child) -> Output {
    let began = Instant::now();
    let stdout = child.stdout.take().map(read_all);
    let stderr = child.stderr.take().map(read_all);
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > LIVENESS {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let text = |reader: Option<std::thread::JoinHandle<Vec<u8>>>| {
        reader
            .map(|reader| reader.join().unwrap())
            .unwrap_or_default()
    };
    let status = child.wait().unwrap();
    Output {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    }
}

fn read_all(mut from: impl std::io::Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

fn events(output: &Output) -> Vec<Value> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {event}"))
}

fn facts(route: &Value) -> Value {
    let keys = [
        "prefix",
        "next_hop",
        "as_path",
        "communities",
        "large_communities",
        "med",
        "local_pref",
    ];
    keys.iter().map(|key| route[key].clone()).collect()
}
