//! The daemon's answers as tables for people.

use serde_json::Value;

/// A column: its title, and the text of an entry in it.
type Column = (&'static str, fn(&Value) -> String);

const PEERS: &[Column] = &[
    ("PEER", |peer| word(&peer["name"])),
    ("ADDRESS", |peer| word(&peer["address"])),
    ("AS", |peer| {
        let known = ["peerAs", "configuredPeerAs"].map(|name| &peer[name]);
        let first = known.into_iter().find(|value| !value.is_null());
        first.map_or_else(|| "-".to_owned(), word)
    }),
    ("STATE", |peer| word(&peer["state"])),
    ("SINCE", |peer| time(&peer["uptimeSeconds"])),
    ("SENT", |peer| word(&peer["advertisedPrefixes"])),
    ("RECEIVED", |peer| word(&peer["receivedPrefixes"])),
    ("RETRY", |peer| time(&peer["retryInSeconds"])),
    ("LAST ERROR", |peer| {
        let error = &peer["lastError"];
        if error.is_null() {
            return "-".to_owned();
        }
        let (ago, message) = (time(&error["secondsAgo"]), word(&error["message"]));
        format!("{ago} ago: {message}")
    }),
];

const ROUTES: &[Column] = &[
    ("PEER", |route| word(&route["peer"])),
    ("PREFIX", |route| word(&route["prefix"])),
    ("LOCAL_PREF", |route| word(&route["localPref"])),
    ("MED", |route| word(&route["med"])),
    ("PREPEND", |route| word(&route["asPathPrepend"])),
    ("COMMUNITIES", |route| words(&route["communities"])),
];

const SERVICES: &[Column] = &[
    ("SERVICE", |service| {
        format!("{}/{}", word(&service["namespace"]), word(&service["name"]))
    }),
    ("ADDRESSES", |service| words(&service["addresses"])),
    ("POOL", |service| word(&service["pool"])),
    ("ANNOUNCED TO", |service| words(&service["announcedTo"])),
    ("L2 OWNER", |service| {
        let owners: Vec<&Value> = list(&service["l2"]).map(|one| &one["owner"]).collect();
        owners
            .first()
            .map_or_else(|| "-".to_owned(), |owner| word(owner))
    }),
    ("WHY NOT", |service| {
        let in_l2_mode = list(&service["l2"]).next().is_some();
        match (&service["pool"], &service["allocation"]) {
            (Value::Null, Value::String(pending)) => pending.clone(),
            // By BGP nobody announces it, and nobody is meant to.
            (_, _) if in_l2_mode && service["notAnnounced"] == "notOwner" => "-".to_owned(),
            (_, _) => word(&service["message"]),
        }
    }),
];

const POOLS: &[Column] = &[
    ("POOL", |pool| word(&pool["name"])),
    ("ADDRESSES", |pool| words(&pool["addresses"])),
    ("AUTO", |pool| word(&pool["autoAssign"])),
    ("USED V4", |pool| word(&pool["usage"]["assignedIPv4"])),
    ("LEFT V4", |pool| word(&pool["usage"]["availableIPv4"])),
    ("USED V6", |pool| word(&pool["usage"]["assignedIPv6"])),
    ("LEFT V6", |pool| word(&pool["usage"]["availableIPv6"])),
];

const NODES: &[Column] = &[
    ("NODE", |node| match node["thisNode"] == true {
        true => format!("{} (this)", word(&node["name"])),
        false => word(&node["name"]),
    }),
    ("CLASS", |node| word(&node["class"])),
    ("WHY", |node| word(&node["message"])),
];

const SUBJECTS: [(&str, &[Column]); 5] = [
    ("peers", PEERS),
    ("pools", POOLS),
    ("services", SERVICES),
    ("nodes", NODES),
    ("routes", ROUTES),
];

/// An answer of `/status` or `/status/SUBJECT`.
pub fn text(answer: &Value) -> String {
    let mut parts: Vec<String> = header(answer).into_iter().collect();
    for (name, columns) in SUBJECTS {
        if let Value::Array(entries) = &answer[name] {
            parts.push(match (entries.is_empty(), &answer["notHere"]) {
                (true, Value::String(why)) => format!("{why}\n"),
                (true, _) => format!("no {name}\n"),
                (false, _) => table(columns, entries),
            });
        }
    }
    let mut wrong: Vec<String> = list(&answer["problems"]).map(problem).collect();
    wrong.extend(list(&answer["listenErrors"]).map(word));
    wrong.extend(list(&answer["l2"]["failures"]).map(word));
    wrong.extend(answer["l2"]["trouble"].as_str().map(str::to_owned));
    wrong.extend(answer["stateError"].as_str().map(str::to_owned));
    if !wrong.is_empty() {
        parts.push(format!("PROBLEMS\n{}\n", wrong.join("\n")));
    }
    parts.join("\n")
}

/// Who answers; `None` where only one subject was asked for.
fn header(answer: &Value) -> Option<String> {
    let who = match (&answer["node"], &answer["controller"]) {
        (Value::String(node), _) => format!("node {node}: {}", word(&answer["health"])),
        (_, Value::String(controller)) => {
            let state = match (&answer["leads"], &answer["leader"]) {
                (Value::Bool(true), _) => "leads".to_owned(),
                (_, Value::String(leader)) => format!("stands by, {leader} leads"),
                (_, _) => "stands by, nobody leads".to_owned(),
            };
            format!("controller {controller}: {state}")
        }
        (_, _) => return None,
    };
    let (version, uptime) = (word(&answer["version"]), time(&answer["uptimeSeconds"]));
    Some(format!("{who}; herald {version}, up {uptime}\n"))
}

/// As `controller::Problem` shows itself, out of its fields.
fn problem(problem: &Value) -> String {
    let field = |name: &str| problem[name].as_str().filter(|text| !text.is_empty());
    let mut text = field("file").unwrap_or_default().to_owned();
    if let Some(line) = problem["line"].as_u64() {
        text.push_str(&format!(":{line}"));
    }
    for name in ["severity", "object", "field", "message"] {
        if let Some(part) = field(name) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.push_str(&format!("{separator}{part}"));
        }
    }
    if let Some(hint) = field("hint") {
        text.push_str(&format!("; {hint}"));
    }
    if problem["last_valid_in_use"] == true || problem["lastValidInUse"] == true {
        text.push_str(" (the last valid version stays in use)");
    }
    text
}

fn table(columns: &[Column], entries: &[Value]) -> String {
    let titles = columns
        .iter()
        .map(|(title, _)| (*title).to_owned())
        .collect();
    let mut rows: Vec<Vec<String>> = vec![titles];
    rows.extend(
        entries
            .iter()
            .map(|entry| columns.iter().map(|(_, text)| text(entry)).collect()),
    );
    let widths: Vec<usize> = (0..columns.len())
        .map(|at| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(|text| text.chars().count())
                .max()
        })
        .map(Option::unwrap_or_default)
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(text, width)| format!("{text:<width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn words(value: &Value) -> String {
    let words: Vec<String> = list(value).map(word).collect();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(" "),
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Seconds as people say them.
fn time(seconds: &Value) -> String {
    let Some(seconds) = seconds.as_f64() else {
        return "-".to_owned();
    };
    let whole = seconds as u64;
    match whole {
        0..10 => format!("{seconds:.1}s"),
        10..120 => format!("{whole}s"),
        120..7200 => format!("{}m{}s", whole / 60, whole % 60),
        7200..172_800 => format!("{}h{}m", whole / 3600, whole / 60 % 60),
        _ => format!("{}d{}h", whole / 86_400, whole / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_peer_that_is_down_says_why_and_when_it_is_tried_again() {
        let answer = json!({"peers": [{
            "name": "tor", "address": "10.0.0.1", "configuredPeerAs": 65001, "peerAs": 65002,
            "state": "Idle", "retryInSeconds": 3.2, "advertisedPrefixes": 0,
            "lastError": {"message": "peer is AS 65002, configured 65001", "secondsAgo": 1.0},
        }]});
        let text = text(&answer);
        let line = text.lines().nth(1).expect("a peer");
        for part in [
            "tor",
            "65002",
            "Idle",
            "3.2s",
            "1.0s ago: peer is AS 65002, configured 65001",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn who_has_none_says_who_has() {
        assert_eq!(text(&json!({"peers": []})), "no peers\n");
        let elsewhere = json!({"peers": [], "notHere": "ask a speaker"});
        assert_eq!(text(&elsewhere), "ask a speaker\n");
    }

    #[test]
    fn a_controller_says_whether_it_leads_and_shows_no_node_and_no_peers() {
        for (more, first) in [
            (json!({"leads": true, "leader": "a_1"}), "leads"),
            (
                json!({"leads": false, "leader": "b_2"}),
                "stands by, b_2 leads",
            ),
            (
                json!({"leads": false, "leader": null}),
                "stands by, nobody leads",
            ),
        ] {
            let mut answer = json!({
                "controller": "a", "version": "1.0", "uptimeSeconds": 61.0,
                "pools": [], "services": [],
            });
            for (name, value) in more.as_object().expect("fields") {
                answer[name] = value.clone();
            }
            let expected =
                format!("controller a: {first}; herald 1.0, up 61s\n\nno pools\n\nno services\n");
            assert_eq!(text(&answer), expected);
        }
    }

    #[test]
    fn times_are_short() {
        for (seconds, text) in [
            (0.5, "0.5s"),
            (61.0, "61s"),
            (130.0, "2m10s"),
            (7300.0, "2h1m"),
            (200_000.0, "2d7h"),
        ] {
            assert_eq!(time(&json!(seconds)), text);
        }
    }
}
