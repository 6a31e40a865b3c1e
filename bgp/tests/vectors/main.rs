//! Messages of other implementations, with the verdict that their source asserts.
//!
//! The directory is named by `BGP_VECTORS`; without it the tests say so and pass. A row that
//! does not apply is in the table of `exceptions`, by number, name and reason.

mod exceptions;
mod frame;

use std::collections::BTreeMap;
use std::path::PathBuf;

use bgp::Family;
use bgp::attribute::Treatment;
use bgp::codec::{self, Rules};
use bgp::family::FamilySet;
use bgp::message::Message;
use exceptions::EXCEPTIONS;
use serde_json::Value;

/// What decoding a row comes to, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    Discard,
    Withdraw,
    Reset(u8, u8),
    /// The octets end in the middle of a message.
    Incomplete,
}

#[test]
fn every_vector_that_applies_gives_the_verdict_of_its_source() {
    let Some(rows) = rows("bgp_messages.jsonl") else {
        return;
    };
    let mut applied = 0;
    let mut wrong = Vec::new();
    let mut excepted = BTreeMap::new();
    for row in &rows {
        let agrees = verdicts(row).into_iter().any(|v| agrees(row, v));
        match (
            EXCEPTIONS.iter().find(|e| Some(e.id) == row["id"].as_u64()),
            agrees,
        ) {
            (None, true) => applied += 1,
            (None, false) => wrong.push(describe(row)),
            (Some(exception), false) => {
                assert_eq!(row["name"], exception.name, "row {}", exception.id);
                println!(
                    "not applicable: {} {}: {:?}",
                    exception.id, exception.name, exception.reason
                );
                *excepted
                    .entry(format!("{:?}", exception.reason))
                    .or_insert(0) += 1;
            }
            (Some(_), true) => wrong.push(format!("needs no exception: {}", describe(row))),
        }
    }
    println!("{applied} of {} vectors applied; {excepted:?}", rows.len());
    assert!(
        wrong.is_empty(),
        "{} disagree:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(applied + EXCEPTIONS.len(), rows.len());
    exceptions::assert_counts(&excepted);
}

#[test]
fn the_error_codes_that_a_source_asserts_are_sent() {
    let Some(rows) = rows("bgp_messages.jsonl") else {
        return;
    };
    let mut seen = 0;
    for row in rows.iter().filter(|row| row["notification"].is_array()) {
        if exceptions::other_code(row["id"].as_u64()) {
            continue;
        }
        let (code, subcode) = (&row["notification"][0], &row["notification"][1]);
        let sent = verdicts(row).into_iter().any(|verdict| match verdict {
            Verdict::Reset(c, s) => *code == c && *subcode == s,
            Verdict::Ok | Verdict::Discard | Verdict::Withdraw | Verdict::Incomplete => false,
        });
        assert!(sent, "{code}/{subcode}: {}", describe(row));
        seen += 1;
    }
    assert_eq!(seen + exceptions::OTHER_CODE.len(), 14);
}

#[test]
fn the_corpus_of_crashes_does_not_crash() {
    let Some(rows) = rows("bgp_no_crash_corpus.jsonl") else {
        return;
    };
    assert_eq!(rows.len(), 97);
    for row in &rows {
        for rules in all_rules() {
            // Both ways of reading it, so that bodies behind a bad header are read too.
            let octets = hex(row["hex"].as_str().unwrap());
            visit(&octets, &rules);
            for message_type in 1..=5 {
                visit(&frame::message(message_type, &octets), &rules);
            }
        }
    }
}

/// Every verdict that the row's session may give: what it leaves open is tried both ways.
fn verdicts(row: &Value) -> Vec<Verdict> {
    let octets = hex(row["hex"].as_str().unwrap());
    let as4: &[bool] = match &row["caps"]["as4"] {
        Value::Bool(true) => &[true],
        Value::Bool(false) => &[false],
        _ => &[true, false],
    };
    let internal: &[bool] = match row["peer"].as_str() {
        Some("ebgp") => &[false],
        Some("ibgp") => &[true],
        _ => &[true, false],
    };
    // A source says "ADD-PATH" and not for which family.
    let add_path: &[&[Family]] = match row["caps"]["addpath"] == true {
        true => &[&Family::ALL, &[Family::Ipv4Unicast], &[Family::Ipv6Unicast]],
        false => &[&[]],
    };
    let mut verdicts = Vec::new();
    for four_octet_as in as4 {
        for (internal, add_path) in internal
            .iter()
            .flat_map(|i| add_path.iter().map(move |a| (i, a)))
        {
            let rules = Rules {
                four_octet_as: *four_octet_as,
                internal: *internal,
                receive_extended: octets.len() > 4096,
                receive_add_path: add_path.iter().copied().collect(),
                enhanced_route_refresh: true,
                extended_next_hop: true,
                ..Rules::default()
            };
            let framed = frame::frame(row, &octets, &rules);
            verdicts.push(visit(&framed, &rules));
        }
    }
    verdicts
}

fn agrees(row: &Value, verdict: Verdict) -> bool {
    let expected = row["rfc_expect"].as_str().or(row["expect"].as_str());
    match expected.unwrap() {
        "ok" | "ok_lenient" => verdict == Verdict::Ok,
        "attribute-discard" => verdict == Verdict::Discard,
        "treat-as-withdraw" => verdict == Verdict::Withdraw,
        "session-reset" => matches!(verdict, Verdict::Reset(..)),
        "error" => verdict != Verdict::Ok,
        _ => false,
    }
}

/// Decodes every message of `octets` and reads all of it; the strongest verdict counts.
fn visit(octets: &[u8], rules: &Rules) -> Verdict {
    let mut rest = octets;
    let mut strongest = Verdict::Ok;
    while !rest.is_empty() {
        let verdict = match codec::decode(rest, rules) {
            Err(notification) => return Verdict::Reset(notification.code, notification.subcode),
            Ok(None) => return Verdict::Incomplete,
            Ok(Some((message, length))) => {
                assert!((19..=rest.len()).contains(&length));
                rest = &rest[length..];
                serde_json::to_string(&message).unwrap();
                verdict(&message)
            }
        };
        strongest = strongest.max(verdict);
    }
    strongest
}

fn verdict(message: &Message<'_>) -> Verdict {
    match message {
        Message::Update(update) => match update.treatment() {
            None => Verdict::Ok,
            Some(Treatment::AttributeDiscard) => Verdict::Discard,
            Some(Treatment::TreatAsWithdraw) => Verdict::Withdraw,
        },
        Message::Open(_)
        | Message::Notification(_)
        | Message::Keepalive
        | Message::RouteRefresh(_) => Verdict::Ok,
    }
}

fn describe(row: &Value) -> String {
    let verdicts = verdicts(row);
    format!(
        "{} {} {} {}, caps {}, got {verdicts:?}: {} [{}] {}",
        row["id"],
        row["type"],
        row["name"],
        row["expect"],
        row["caps"],
        row["note"],
        row["peer"],
        row["hex"],
    )
}

fn all_rules() -> Vec<Rules> {
    let mut all = Vec::new();
    for bits in 0..16u8 {
        let add_path = bits & 4 != 0;
        all.push(Rules {
            four_octet_as: bits & 1 != 0,
            internal: bits & 2 != 0,
            receive_add_path: if add_path {
                FamilySet::ALL
            } else {
                FamilySet::EMPTY
            },
            receive_extended: bits & 8 != 0,
            extended_next_hop: true,
            ..Rules::default()
        });
    }
    all
}

fn rows(file: &str) -> Option<Vec<Value>> {
    let Some(directory) = std::env::var_os("BGP_VECTORS") else {
        println!("skipped: BGP_VECTORS does not name a directory with {file}");
        return None;
    };
    let text = std::fs::read_to_string(PathBuf::from(directory).join(file)).unwrap();
    Some(
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |octet: u8| (octet as char).to_digit(16).unwrap() as u8;
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}
