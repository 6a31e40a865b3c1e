//! `herald replay`: recordings of sessions, and what the peer does with them.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const RECORDING: &str = include_str!("recordings/shut-down-by-the-router.jsonl");

#[test]
fn a_recorded_session_is_shown_step_by_step() {
    let output = replay(&["-", "-o", "json"], RECORDING);
    assert_eq!(output.status.code(), Some(0));
    let steps = steps(&output);
    assert_eq!(steps.len(), RECORDING.lines().count() - 1);
    let mut states: Vec<&str> = steps
        .iter()
        .map(|step| step["state"].as_str().unwrap())
        .collect();
    states.dedup();
    let expected = [
        "Connect",
        "OpenSent",
        "OpenConfirm",
        "Established",
        "Idle",
        "Connect",
    ];
    assert_eq!(states, expected);
}

#[test]
fn messages_are_decoded_by_what_the_opens_agreed_on_however_they_were_cut() {
    let output = replay(&["-", "-o", "json"], RECORDING);
    let steps = steps(&output);
    let received = steps
        .iter()
        .flat_map(|step| step["received"].as_array())
        .flatten();
    let received: Vec<&str> = received
        .map(|message| message["type"].as_str().unwrap())
        .collect();
    assert_eq!(received, ["OPEN", "KEEPALIVE", "NOTIFICATION"]);
    let sent = steps
        .iter()
        .flat_map(|step| step["sent"].as_array())
        .flatten();
    let sent: Vec<&Value> = sent.map(|sent| &sent["message"]).collect();
    let kinds: Vec<&str> = sent
        .iter()
        .map(|message| message["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["OPEN", "KEEPALIVE", "UPDATE", "UPDATE", "UPDATE"]);
    assert_eq!(sent[2]["nlri"], json!(["203.0.113.1/32", "203.0.113.2/32"]));
    let path = json!([{"type": "as-sequence", "asns": [65001]}]);
    assert_eq!(sent[2]["attributes"]["as_path"], path);
    assert_eq!(sent[4]["withdrawn"], json!(["203.0.113.1/32"]));
}

#[test]
fn the_text_says_why_the_session_ended_and_when_it_is_tried_again() {
    let output = replay(&["-"], RECORDING);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let reason = "action    down, received Cease: Administrative Shutdown (6/2): \
                  \"maintenance until noon\"";
    assert!(text.contains(reason), "{text}");
    let end = "   12.000000  timeout\n              action    connect 4294967297\n              \
               state     Connect\n";
    assert!(text.ends_with(end), "{text}");
}

#[test]
fn octets_that_are_no_message_are_shown_as_such() {
    let mut lines: Vec<&str> = RECORDING.lines().take(4).collect();
    let bad = r#"{"input":{"at_us":900,"input":{"received":{"conn":4294967296,"octets":"00"}}}}"#;
    lines.push(bad);
    let output = replay(&["-", "-o", "json"], &lines.join("\n"));
    let steps = steps(&output);
    let last = steps.last().unwrap();
    assert_eq!(last["received"][0]["type"], "unreadable");
    assert!(
        last["actions"]
            .to_string()
            .contains("Not Synchronized (1/1)"),
        "{last}"
    );
}

#[test]
fn a_recording_that_is_still_written_is_shown_up_to_its_last_whole_line() {
    let whole = steps(&replay(&["-", "-o", "json"], RECORDING));
    let cut = RECORDING.trim_end().len() - 5;
    let output = replay(&["-", "-o", "json"], &RECORDING[..cut]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(steps(&output), whole[..whole.len() - 1]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("line 15 is unfinished"), "{said}");
}

#[test]
fn what_is_no_recording_is_named_by_file_and_line() {
    let begin = RECORDING.lines().next().unwrap();
    let octets = r#"{"input":{"at_us":0,"input":{"received":{"conn":1,"octets":"0x"}}}}"#;
    let cases = [
        (String::new(), "line 1: a recording begins with `begin`"),
        ("{}".to_owned(), "line 1, column 2: expected value"),
        (
            format!("{begin}\nnonsense"),
            "line 2, column 1: expected value",
        ),
        (format!("{begin}\n{begin}"), "line 2: a second `begin`"),
        (format!("{begin}\n{octets}"), "line 2: octets are pairs"),
    ];
    for (recording, complaint) in cases {
        let output = replay(&["-"], &recording);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
    let output = replay(&["no/such/file"], "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("no/such/file"));
    assert_eq!(output.status.code(), Some(1));
}

fn replay(arguments: &[&str], recording: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_herald"))
        .arg("replay")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A recording fits the pipe; a process that does not read it may be gone.
    let _ = stdin.write_all(recording.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn steps(output: &Output) -> Vec<Value> {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
