//! Vectors that are a piece of a message get the rest of it: header, mandatory attributes, NLRI.

use bgp::attribute::REGISTRY;

use crate::row::{self, Row};

/// 10.9.0.0/16: the NLRI of an UPDATE that the vector has none for.
const NLRI: &[u8] = &[16, 10, 9];

/// The message to decode, or `None` for a type of vector that is no piece of a message that this
/// speaker has.
pub fn message(row: &Row, four_octet_as: bool) -> Option<Vec<u8>> {
    let octets = row::octets(&row.hex);
    match row.kind.as_str() {
        "message" if row.expect == "ok_lenient" => Some(with_right_flags(octets)),
        "message" if lacks_local_pref(row) => Some(with_local_pref(octets)),
        "message" | "stream" | "header" => Some(octets),
        "update_body" => Some(with_header(2, &octets)),
        "open_body" => Some(with_header(1, &octets)),
        "notification_misc" => Some(with_header(3, &octets)),
        "optparams" => Some(open(&octets)),
        "capability" => Some(open(&[&[2, length(&octets)], octets.as_slice()].concat())),
        "attrs" | "attr" | "attr_raw" if is_careless_of_flags(row) => {
            let mut attributes = octets;
            set_right_flags(&mut attributes);
            Some(update(&attributes, NLRI, four_octet_as))
        }
        "attr_raw" if row.name.contains("w/o AS_PATH") => {
            Some(update_without(2, &octets, NLRI, four_octet_as))
        }
        "attrs" | "attr" | "attr_raw" => Some(update(&octets, NLRI, four_octet_as)),
        "attr_value" => {
            let attribute = attribute(row.attr_code?, &octets);
            Some(update(&attribute, NLRI, four_octet_as))
        }
        "aspath_value" => Some(update(&attribute(2, &octets), NLRI, four_octet_as)),
        "nlri" | "nlri1" | "nlri_misc" | "update_misc" => Some(update(&[], &octets, four_octet_as)),
        _ => None,
    }
}

/// bio-rd does not look at the flags, so its vectors have any.
fn is_careless_of_flags(row: &Row) -> bool {
    row.project().starts_with("bio-routing/bio-rd") && row.expect == "ok"
}

fn length(octets: &[u8]) -> u8 {
    u8::try_from(octets.len()).unwrap()
}

/// A message of a type around a body, as long as the Length field can say.
pub fn with_header(message_type: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(19 + body.len()).unwrap_or(u16::MAX);
    let head = [
        &[0xff; 16],
        length.to_be_bytes().as_slice(),
        &[message_type],
    ]
    .concat();
    [&head, body].concat()
}

/// An OPEN with these optional parameters.
fn open(parameters: &[u8]) -> Vec<u8> {
    // AS_TRANS suits every number in a four-octet AS capability.
    let fixed = [4, 0x5b, 0xa0, 0, 90, 10, 0, 0, 1, length(parameters)];
    with_header(1, &[&fixed, parameters].concat())
}

/// An attribute with the flags of its code.
fn attribute(code: u8, value: &[u8]) -> Vec<u8> {
    let flags = right_flags(code).unwrap();
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let head = [flags | 0x10, code, length[0], length[1]];
    [&head, value].concat()
}

fn right_flags(code: u8) -> Option<u8> {
    let row = REGISTRY.iter().find(|row| row.code == code)?;
    Some(row.flags)
}

/// An UPDATE of these attributes, in front of them the mandatory ones that they lack. LOCAL_PREF
/// is there when the attributes are such as only internal peers send.
fn update(attributes: &[u8], nlri: &[u8], four_octet_as: bool) -> Vec<u8> {
    update_without(0, attributes, nlri, four_octet_as)
}

/// The same, but the attribute of one code stays away.
fn update_without(without: u8, attributes: &[u8], nlri: &[u8], four_octet_as: bool) -> Vec<u8> {
    let as_path: &[u8] = match four_octet_as {
        true => &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9],
        false => &[0x40, 2, 4, 2, 1, 0xfd, 0xe9],
    };
    let mandatory: [(u8, &[u8]); 4] = [
        (1, &[0x40, 1, 1, 0]),
        (2, as_path),
        (3, &[0x40, 3, 4, 10, 0, 0, 1]),
        (5, &[0x40, 5, 4, 0, 0, 0, 100]),
    ];
    let there = codes(attributes);
    // An AS_PATH under test may have segments of a confederation, which only internal peers send.
    let internal = [2, 9, 10].iter().any(|code| there.contains(code));
    let mut all = Vec::new();
    for (code, octets) in mandatory {
        if !there.contains(&code) && (code != 5 || internal) && code != without {
            all.extend(octets);
        }
    }
    all.extend(attributes);
    let length = u16::try_from(all.len()).unwrap().to_be_bytes();
    with_header(2, &[&[0, 0], length.as_slice(), &all, nlri].concat())
}

/// rustybgp takes an internal UPDATE without LOCAL_PREF (RFC 4271 §5.1.5 does not), so those of
/// its vectors that are about something else leave it out.
fn lacks_local_pref(row: &Row) -> bool {
    row.project().contains("rustybgp")
        && row.peer.as_deref() == Some("ibgp")
        && !row.name.contains("local_pref")
}

/// Adds LOCAL_PREF in front of the attributes of an UPDATE that has others, but not this one.
fn with_local_pref(message: Vec<u8>) -> Vec<u8> {
    let [.., 2, 0, 0, high, low] = message[..23.min(message.len())] else {
        return message;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let list = message.get(23..23 + length).unwrap_or_default();
    if list.is_empty() || codes(list).contains(&5) {
        return message;
    }
    let local_pref = attribute(5, &[0, 0, 0, 100]);
    let length = u16::try_from(length + local_pref.len())
        .unwrap()
        .to_be_bytes();
    with_header(
        2,
        &[&[0, 0], length.as_slice(), &local_pref, &message[23..]].concat(),
    )
}

/// Whether a message is an UPDATE with an attribute that only internal peers send.
pub fn is_of_internal_peer(message: &[u8]) -> bool {
    let Some((2, body)) = message
        .get(18..)
        .and_then(|m| m.split_first().map(|(t, b)| (*t, b)))
    else {
        return false;
    };
    let block = |octets: &[u8]| -> Option<(Vec<u8>, Vec<u8>)> {
        let (length, rest) = octets.split_first_chunk()?;
        let (block, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        Some((block.to_vec(), rest.to_vec()))
    };
    let attributes = block(body).and_then(|(_withdrawn, rest)| block(&rest));
    attributes.is_some_and(|(list, _)| codes(&list).iter().any(|code| matches!(code, 5 | 9 | 10)))
}

/// The codes of a list of attributes, as far as it can be followed.
fn codes(mut rest: &[u8]) -> Vec<u8> {
    let mut codes = Vec::new();
    while let [flags, code, length, after @ ..] = rest {
        codes.push(*code);
        let (length, after) = match (flags & 0x10, after) {
            (0, after) => (usize::from(*length), after),
            (_, [low, after @ ..]) => (usize::from(u16::from_be_bytes([*length, *low])), after),
            (_, []) => break,
        };
        rest = after.get(length..).unwrap_or_default();
    }
    codes
}

/// Gives every attribute of a list the Optional and Transitive bits of its code; both to a code
/// that has none here.
fn set_right_flags(list: &mut [u8]) {
    let mut rest = list;
    while let [flags, code, length, after @ ..] = rest {
        *flags = right_flags(*code).unwrap_or(0xc0) | (*flags & 0x10);
        let (length, after) = match (*flags & 0x10, after) {
            (0, after) => (usize::from(*length), after),
            (_, [low, after @ ..]) => (usize::from(u16::from_be_bytes([*length, *low])), after),
            (_, []) => return,
        };
        let length = length.min(after.len());
        rest = &mut after[length..];
    }
}

/// The same on a whole UPDATE.
fn with_right_flags(mut message: Vec<u8>) -> Vec<u8> {
    let withdrawn = usize::from(u16::from_be_bytes([message[19], message[20]]));
    let at = 21 + withdrawn;
    let Some([high, low]) = message.get(at..at + 2) else {
        return message;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    set_right_flags(&mut message[at + 2..at + 2 + length]);
    message
}
