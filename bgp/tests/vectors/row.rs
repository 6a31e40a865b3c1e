//! One line of `bgp_messages.jsonl`; the fields are described in the README beside it.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A vector.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    pub id: u32,
    pub source: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub hex: String,
    pub expect: String,
    pub rfc_expect: Option<String>,
    #[serde(default)]
    pub caps: Caps,
    pub peer: Option<String>,
    #[serde(default)]
    pub note: String,
    pub attr_code: Option<u8>,
    notification: Option<(u8, u8)>,
}

/// What the session has agreed on, as far as the source says.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Caps {
    as4: Option<serde_json::Value>,
    addpath: Option<serde_json::Value>,
}

impl Caps {
    /// The widths of AS numbers to try: the one that the source states, or both.
    pub fn four_octet_as(&self) -> Vec<bool> {
        match self.as4.as_ref().and_then(serde_json::Value::as_bool) {
            Some(stated) => vec![stated],
            None => vec![true, false],
        }
    }

    /// Whether the source says that the width makes no difference, so that both have to do.
    pub fn any_width(&self) -> bool {
        self.as4 == Some("any".into())
    }
}

impl Row {
    /// Whether NLRI have Path Identifiers. Sources of single NLRI say so in the name only.
    pub fn add_path(&self) -> bool {
        let name = self.name.to_lowercase();
        let in_name = name.contains("add path") || name.contains("path identifier");
        self.caps.addpath == Some(true.into()) || (self.kind == "nlri1" && in_name)
    }

    /// What has to come of it: where source and RFC disagree, what the RFC says.
    pub fn expected(&self) -> &str {
        self.rfc_expect.as_deref().unwrap_or(&self.expect)
    }

    /// The NOTIFICATION that the source states, in its field or at the start of its note.
    pub fn notification(&self) -> Option<(u8, u8)> {
        let in_note = || {
            let rest = self.note.strip_prefix("NOTIFICATION ")?;
            let (code, rest) = rest.split_once('/')?;
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            Some((code.parse().ok()?, rest[..digits].parse().ok()?))
        };
        self.notification.or_else(in_note)
    }

    /// Owner, name and path of the source, without the commit.
    pub fn project(&self) -> &str {
        let repository = self.source.trim_start_matches("github:");
        repository.split('@').next().unwrap_or(repository)
    }
}

/// A line of `bgp_no_crash_corpus.jsonl`.
#[derive(Debug, Deserialize)]
pub struct Corpus {
    pub hex: String,
}

/// The octets of hexadecimal digits.
pub fn octets(hex: &str) -> Vec<u8> {
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16);
    hex.as_bytes()
        .chunks(2)
        .map(|pair| octet(pair).unwrap())
        .collect()
}

/// The lines of a file of `BGP_VECTORS`; `None`, said aloud, where that is not set.
#[expect(
    clippy::disallowed_methods,
    reason = "the vectors are files in a folder that is named there"
)]
pub fn rows<T: DeserializeOwned>(file: &str) -> Option<Vec<T>> {
    let Some(folder) = std::env::var_os("BGP_VECTORS") else {
        println!("skipped: BGP_VECTORS does not name the folder of {file}");
        return None;
    };
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join(file)).unwrap();
    let row = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    Some(text.lines().map(row).collect())
}
