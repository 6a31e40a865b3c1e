//! Makes whole messages of vectors that are only a part of one.

use bgp::attribute::{FLAG_EXTENDED_LENGTH, REGISTRY};
use bgp::codec::Rules;
use serde_json::Value;

/// A prefix for the NLRI field: 198.51.100.0/24.
const NLRI: [u8; 4] = [24, 198, 51, 100];

/// The octets of a row as a message.
pub fn frame(row: &Value, octets: &[u8], rules: &Rules) -> Vec<u8> {
    match row["type"].as_str().unwrap() {
        "update_body" => message(2, octets),
        "open_body" => message(1, octets),
        "notification_misc" => message(3, octets),
        "attr" | "attr_raw" | "attrs" => {
            let without = row["name"]
                .as_str()
                .is_some_and(|name| name.contains("w/o AS_PATH"));
            update_of(&NLRI, octets, if without { &[2] } else { &[] }, rules)
        }
        "attr_value" => {
            let code = u8::try_from(row["attr_code"].as_u64().unwrap()).unwrap();
            update(&attribute(code, octets), rules)
        }
        "aspath_value" => update(&attribute(2, octets), rules),
        "optparams" => open(octets),
        "capability" => {
            // What stands behind the capability belongs to the next one.
            let length = u8::try_from(octets.len()).unwrap();
            open(&[&[2, length], octets].concat())
        }
        "nlri" | "nlri1" | "nlri_misc" | "update_misc" => update_of(octets, &[], &[], rules),
        "message" if lacks_local_pref(row) => with_local_pref(octets),
        // stream, header, other messages; and what is not BGP as we know it.
        _ => octets.to_vec(),
    }
}

/// A message of this type around a body.
pub fn message(message_type: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap_or(u16::MAX);
    let mut octets = vec![0xff; 16];
    octets.extend_from_slice(&length.to_be_bytes());
    octets.push(message_type);
    octets.extend_from_slice(body);
    octets
}

/// rustybgp takes an internal UPDATE without LOCAL_PREF (RFC 4271 §5.1.5 does not), so those of
/// its vectors that are about something else leave it out.
fn lacks_local_pref(row: &Value) -> bool {
    let source = row["source"].as_str().unwrap_or_default();
    let about_it = row["name"]
        .as_str()
        .unwrap_or_default()
        .contains("local_pref");
    source.contains("rustybgp") && row["peer"] == "ibgp" && !about_it
}

/// Adds LOCAL_PREF in front of the attributes of an UPDATE with attributes that has none.
fn with_local_pref(octets: &[u8]) -> Vec<u8> {
    let Some(attributes) = octets.get(23..) else {
        return octets.to_vec();
    };
    let length = usize::from(u16::from_be_bytes([octets[21], octets[22]]));
    let empty = octets[18] != 2 || octets[19..21] != [0, 0] || length == 0;
    if empty
        || attributes
            .get(..length)
            .is_none_or(|list| codes(list).contains(&5))
    {
        return octets.to_vec();
    }
    let local_pref = attribute(5, &[0, 0, 0, 100]);
    let length = u16::try_from(length + local_pref.len())
        .unwrap()
        .to_be_bytes();
    message(
        2,
        &[&[0, 0], length.as_slice(), &local_pref, attributes].concat(),
    )
}

/// An UPDATE with the attributes under test, those that are mandatory, and a prefix.
fn update(attributes: &[u8], rules: &Rules) -> Vec<u8> {
    update_of(&NLRI, attributes, &[], rules)
}

fn update_of(nlri: &[u8], under_test: &[u8], without: &[u8], rules: &Rules) -> Vec<u8> {
    let there = [codes(under_test), without.to_vec()].concat();
    let mut attributes = Vec::new();
    let mandatory: [(u8, &[u8]); 4] = [
        (1, &[0]),
        (2, &[]),
        (3, &[192, 0, 2, 1]),
        (5, &[0, 0, 0, 100]),
    ];
    for (code, value) in mandatory {
        if !there.contains(&code) && (code != 5 || rules.internal) {
            attributes.extend(attribute(code, value));
        }
    }
    attributes.extend_from_slice(under_test);
    let length = u16::try_from(attributes.len()).unwrap();
    let body = [&[0, 0], length.to_be_bytes().as_slice(), &attributes, nlri].concat();
    message(2, &body)
}

/// The type codes of attributes as far as their lengths can be followed.
fn codes(mut attributes: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    while let [flags, code, rest @ ..] = attributes {
        codes.push(*code);
        let extended = flags & FLAG_EXTENDED_LENGTH != 0;
        let length = match (extended, rest) {
            (true, [high, low, ..]) => 2 + usize::from(u16::from_be_bytes([*high, *low])),
            (false, [length, ..]) => 1 + usize::from(*length),
            _ => break,
        };
        attributes = rest.get(length..).unwrap_or_default();
    }
    codes
}

/// An attribute with its right flags and an extended length.
fn attribute(code: u8, value: &[u8]) -> Vec<u8> {
    let known = REGISTRY.iter().find(|row| row.code == code);
    let flags = known.map_or(0xc0, |row| row.flags) | FLAG_EXTENDED_LENGTH;
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[flags, code], length.as_slice(), value].concat()
}

/// An OPEN with these optional parameters.
fn open(parameters: &[u8]) -> Vec<u8> {
    let length = u8::try_from(parameters.len()).unwrap();
    // AS_TRANS: right for every number in a four-octet AS capability.
    let fixed = [4, 0x5b, 0xa0, 0, 90, 192, 0, 2, 1, length];
    message(1, &[&fixed, parameters].concat())
}
