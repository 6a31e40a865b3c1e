//! The external vectors of `BGP_VECTORS` (its README describes them): what others' tests say of a
//! message, held against what the codec makes of it.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

mod departures;
mod frame;
mod row;
mod verdict;

use bgp::codec::{self, Rules};
use bgp::family::FamilySet;
use bgp::mrt;
use row::Row;
use verdict::{Reading, Verdict};

/// Lines of the file. More of them may be added to it, fewer are a mistake.
const AT_LEAST: usize = 1135;

#[test]
fn every_vector_gets_the_verdict_that_its_source_and_the_rfc_agree_on() {
    let Some(rows) = row::rows("bgp_messages.jsonl") else {
        return;
    };
    let failures: Vec<String> = rows.iter().filter_map(judge).collect();
    let departures: usize = departures::DEPARTURES.iter().map(|d| d.count).sum();
    let agreed = rows.len() - departures;
    println!("{agreed} vectors get the verdict of their source, {departures} another one");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(rows.len() >= AT_LEAST, "{} rows", rows.len());
}

#[test]
fn every_vector_with_another_verdict_is_listed_once_with_its_reason() {
    let mut listed = Vec::new();
    for departure in departures::DEPARTURES {
        println!("{} ({:?}):", departure.reason, departure.verdict);
        for (id, name) in departure.rows() {
            println!("    {id} {name}");
            listed.push(id);
        }
        assert_eq!(
            departure.rows().count(),
            departure.count,
            "{}",
            departure.reason
        );
    }
    let count = listed.len();
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), count, "a vector is listed twice");
}

#[test]
fn no_octets_of_the_crash_corpus_panic_or_hang() {
    let Some(rows) = row::rows::<row::Corpus>("bgp_no_crash_corpus.jsonl") else {
        return;
    };
    for row in &rows {
        let octets = row::octets(&row.hex);
        for rules in all_rules() {
            verdict::read_all(&octets, &rules);
            // The same as a body, so that a bad header does not hide it.
            for message_type in 1..=5 {
                verdict::read_all(&frame::with_header(message_type, &octets), &rules);
            }
        }
        assert!(mrt::records(&octets).count() <= octets.len());
    }
    assert!(rows.len() >= 97, "{} rows", rows.len());
}

/// `None` where the verdict is the expected one, else what is wrong.
fn judge(row: &Row) -> Option<String> {
    let readings = verdict::readings(row);
    let problem = match departures::find(row.id) {
        Some((_, name)) if name != row.name => format!("listed as {name:?}"),
        Some(_) if agrees(row, &readings) => "listed, but gets the verdict of its source".into(),
        Some((departure, _)) if !gets(&readings, departure.verdict) => {
            format!("listed with {:?}", departure.verdict)
        }
        None if !agrees(row, &readings) => format!("wanted {}", row.expected()),
        Some(_) | None => return None,
    };
    let found: Vec<&str> = readings
        .iter()
        .map(|reading| reading.text.as_str())
        .collect();
    let notification = row.notification();
    let Row {
        id,
        name,
        note,
        hex,
        ..
    } = row;
    let source = row.project();
    Some(format!(
        "{id} {name:?} of {source}: {problem} {notification:?}, got {found:#?}\n  {note}\n  {hex}"
    ))
}

/// Where the source leaves the octets of AS numbers open, one of both has to fit; where it says
/// that they make no difference, both.
fn agrees(row: &Row, readings: &[Reading]) -> bool {
    let fits = |reading: &Reading| is_expected(row, reading.verdict);
    let enough = match row.caps.any_width() || row.expected() == "error" {
        true => readings.iter().all(fits),
        false => readings.iter().any(fits),
    };
    enough && !readings.is_empty()
}

fn gets(readings: &[Reading], wanted: Option<Verdict>) -> bool {
    readings
        .iter()
        .all(|reading| Some(reading.verdict) == wanted)
}

fn is_expected(row: &Row, verdict: Verdict) -> bool {
    match (row.expected(), verdict) {
        ("ok" | "ok_lenient", Verdict::Ok) => true,
        ("attribute-discard", Verdict::Discard) => true,
        ("treat-as-withdraw", Verdict::Withdraw) => true,
        ("session-reset", Verdict::Reset(code, subcode)) => row
            .notification()
            .is_none_or(|stated| stated == (code, subcode)),
        ("error", verdict) => verdict != Verdict::Ok,
        (_, _) => false,
    }
}

/// Every combination of what changes how octets are read.
fn all_rules() -> impl Iterator<Item = Rules> {
    (0..32_u8).map(|bits| Rules {
        four_octet_as: bits & 1 != 0,
        internal: bits & 2 != 0,
        receive_add_path: if bits & 4 != 0 {
            FamilySet::ALL
        } else {
            FamilySet::EMPTY
        },
        receive_extended: bits & 8 != 0,
        extended_next_hop: bits & 16 != 0,
        ..codec::Rules::default()
    })
}
