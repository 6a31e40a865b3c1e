//! `herald decode`: octets in, a JSON line each out.

#![allow(clippy::unwrap_used, reason = "helpers of a test may panic")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

const KEEPALIVE: &str = "ffffffffffffffffffffffffffffffff001304";

#[test]
fn each_verdict_has_its_line() {
    let origin = "400101 00";
    let next_hop = "400304 0a000001";
    let path = "400206 0201 0000fde9";
    let med_of_3_octets = "800403 000001";
    let aggregator_of_2_octets = "c00702 fde9";
    let cases = [
        (message(4, ""), json!({"result": "ok"})),
        (
            update(&[origin, path, next_hop], "20cb007105"),
            json!({"result": "ok"}),
        ),
        (
            update(&[origin, path, next_hop, med_of_3_octets], "20cb007105"),
            json!({"result": "treat-as-withdraw", "errors": [4]}),
        ),
        (
            update(
                &[origin, path, next_hop, aggregator_of_2_octets],
                "20cb007105",
            ),
            json!({"result": "attribute-discard", "errors": [7]}),
        ),
        (
            update(&[origin, path, next_hop], "21cb00710500"),
            json!({"result": "notification", "code": 3, "subcode": 10}),
        ),
        (
            message(1, "04 fde8 0002 0a000001 00"),
            json!({"result": "notification", "code": 2, "subcode": 6}),
        ),
        (
            message(9, ""),
            json!({"result": "notification", "code": 1, "subcode": 3}),
        ),
    ];
    for (hex, expected) in cases {
        let output = decode(&[], &hex);
        assert_eq!(output.status.code(), Some(0), "{hex}");
        let [line] = lines(&output).try_into().expect("one line");
        assert_eq!(verdict(&line), expected, "{hex}");
    }
}

#[test]
fn a_good_message_is_shown_whole() {
    let hex = update(
        &[
            "400101 00",
            "400206 0201 0000fde9",
            "400304 0a000001",
            "c00804 fde90064",
        ],
        "20cb007105 18c63364",
    );
    let expected = json!({
        "result": "ok",
        "message": {
            "type": "UPDATE",
            "withdrawn": [],
            "attributes": {
                "origin": "igp",
                "as_path": [{"type": "as-sequence", "asns": [65001]}],
                "next_hop": "10.0.0.1",
                "communities": ["65001:100"],
            },
            "nlri": ["203.0.113.5/32", "198.51.100.0/24"],
        },
    });
    assert_eq!(lines(&decode(&[], &hex)), [expected]);
}

#[test]
fn flags_are_what_the_session_agreed_on() {
    let two_octets = update(
        &["400101 00", "400204 0201 fde9", "400304 0a000001"],
        "08 0a",
    );
    assert_eq!(results(&decode(&[], &two_octets)), ["treat-as-withdraw"]);
    assert_eq!(results(&decode(&["--no-as4"], &two_octets)), ["ok"]);
    let path = "400206 0201 0000fde9";
    let local_pref = update(
        &["400101 00", path, "400304 0a000001", "400504 00000064"],
        "08 0a",
    );
    assert_eq!(results(&decode(&[], &local_pref)), ["attribute-discard"]);
    assert_eq!(results(&decode(&["--ibgp"], &local_pref)), ["ok"]);
    let add_path = update(&["400101 00", path, "400304 0a000001"], "00000007 08 0a");
    let shown = lines(&decode(&["--addpath"], &add_path));
    assert_eq!(
        shown[0]["message"]["nlri"],
        json!([{"prefix": "10.0.0.0/8", "path_identifier": 7}])
    );
    let long = update(
        &["400101 00", path, "400304 0a000001"],
        &"200a000001".repeat(900),
    );
    assert_eq!(results(&decode(&[], &long)), ["notification"]);
    assert_eq!(results(&decode(&["--extended"], &long)), ["ok"]);
}

#[test]
fn white_space_colons_comments_and_empty_lines_are_passed_over() {
    let colons: Vec<String> = KEEPALIVE.as_bytes().chunks(2).map(text).collect();
    let input = format!(
        "# a comment\n\n{}\r\n  {} # behind\n{KEEPALIVE} {}",
        colons.join(":"),
        KEEPALIVE.to_uppercase(),
        KEEPALIVE
    );
    let output = decode(&[], &input);
    assert_eq!(results(&output), ["ok"; 4]);
    assert_eq!(
        (output.status.code(), complaints(&output).as_str()),
        (Some(0), "")
    );
}

#[test]
fn what_is_no_message_is_named_by_its_line_and_the_others_are_still_read() {
    let cases = [
        ("ff", "line 2: incomplete: 1 of the 19 octets of a header"),
        (
            &KEEPALIVE[..37],
            "line 2: an odd number of hexadecimal digits",
        ),
        ("ffxx", "line 2, column 3: `x` is not a hexadecimal digit"),
        (
            "ffffffffffffffffffffffffffffffff001d01 04",
            "line 2: incomplete: 20 of 29 octets of a message",
        ),
    ];
    for (bad, complaint) in cases {
        let output = decode(&[], &format!("{KEEPALIVE}\n{bad}\n{KEEPALIVE}\n"));
        assert_eq!(results(&output), ["ok", "ok"], "{bad}");
        assert_eq!(output.status.code(), Some(1), "{bad}");
        assert_eq!(complaints(&output), format!("herald decode: {complaint}\n"));
    }
}

#[test]
fn messages_may_be_arguments() {
    let output = run(&[KEEPALIVE, "ff"], b"");
    assert_eq!(results(&output), ["ok"]);
    assert!(complaints(&output).contains("argument 2: incomplete"));
}

#[test]
fn after_a_message_that_ends_the_session_the_line_is_not_read_on() {
    let bad = message(1, "04 fde8 0002 0a000001 00");
    let output = decode(&[], &format!("{KEEPALIVE}{bad}{KEEPALIVE}\n{KEEPALIVE}"));
    assert_eq!(results(&output), ["ok", "notification", "ok"]);
    assert!(complaints(&output).contains("line 1: not read"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_line_without_end_is_read_as_it_comes() {
    let output = decode(&[], &KEEPALIVE.repeat(20_000));
    assert_eq!(results(&output).len(), 20_000);
}

#[test]
fn an_mrt_file_is_read_plain_and_compressed() {
    let body = format!("0000fde9 0000fde8 0000 0001 0a000001 0a000002 {KEEPALIVE}");
    let length = octets(&body).len();
    let plain = octets(&format!("00000007 0010 0004 {length:08x} {body}")).repeat(2);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&plain).unwrap();
    let expected = json!({
        "result": "ok",
        "message": {"type": "KEEPALIVE"},
        "mrt": {"offset": 0, "timestamp": 7.0, "peer": "10.0.0.1", "peer_as": 65001},
    });
    for file in [&plain, &gzip.finish().unwrap(), &bzip2.finish().unwrap()] {
        let output = run(&["--mrt", "-"], file);
        let shown = lines(&output);
        assert_eq!((shown.len(), &shown[0]), (2, &expected));
        assert_eq!(shown[1]["mrt"]["offset"], 12 + length);
    }
}

#[test]
fn a_broken_mrt_file_says_where() {
    let cases = [
        (
            "00000007 0010 0004 0000",
            "octet 0: the file ends inside the record",
        ),
        (
            "00000007 0010 0004 ffffffff",
            "octet 0: it says it has 4294967295 octets",
        ),
    ];
    for (file, complaint) in cases {
        let output = run(&["--mrt", "-"], &octets(file));
        assert_eq!(output.status.code(), Some(1), "{file}");
        assert!(
            complaints(&output).contains(complaint),
            "{}",
            complaints(&output)
        );
    }
    let output = run(&["--mrt", "no/such/file"], b"");
    assert!(complaints(&output).contains("no/such/file"));
    assert_eq!(output.status.code(), Some(1));
}

/// A message of this type, in hexadecimal digits.
fn message(kind: u8, body: &str) -> String {
    let body = body.replace(' ', "");
    let length = 19 + body.len() / 2;
    format!("{}{length:04x}{kind:02x}{body}", "ff".repeat(16))
}

fn update(attributes: &[&str], nlri: &str) -> String {
    let attributes = attributes.concat().replace(' ', "");
    let length = attributes.len() / 2;
    message(2, &format!("0000{length:04x}{attributes}{nlri}"))
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn octets(hex: &str) -> Vec<u8> {
    let digits = hex.replace(' ', "");
    let octet = |digits: &[u8]| u8::from_str_radix(&text(digits), 16).unwrap();
    digits.as_bytes().chunks(2).map(octet).collect()
}

fn decode(flags: &[&str], input: &str) -> Output {
    run(flags, input.as_bytes())
}

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_herald"))
        .arg("decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // It may end without having read all.
    let writer = std::thread::spawn(move || stdin.write_all(&input).is_ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn lines(output: &Output) -> Vec<Value> {
    let lines = text(&output.stdout);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn results(output: &Output) -> Vec<String> {
    let result = |line: &Value| line["result"].as_str().unwrap().to_owned();
    lines(output).iter().map(result).collect()
}

fn complaints(output: &Output) -> String {
    text(&output.stderr)
}

/// The line without the message, and of the errors the attribute's code.
fn verdict(line: &Value) -> Value {
    let mut line = line.as_object().unwrap().clone();
    line.remove("message").unwrap();
    if let Some(Value::Array(errors)) = line.get_mut("errors") {
        errors
            .iter_mut()
            .for_each(|error| *error = error["code"].take());
    }
    Value::Object(line)
}
