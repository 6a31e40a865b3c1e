//! The UPDATEs of the MRT file.

use std::io::Read;
use std::path::Path;

use bgp::mrt;
use bytes::Bytes;

const FILE: &str = "mrt/bgprs-updates.20190101.0000.gz";
const UPDATE: u8 = 2;

/// Every UPDATE of the file, AS numbers of four octets; `None`, said aloud, without
/// `BGP_VECTORS`.
pub fn read() -> Option<Vec<Bytes>> {
    let Some(folder) = std::env::var_os("BGP_VECTORS") else {
        println!("skipped: BGP_VECTORS does not name a folder with {FILE}");
        return None;
    };
    let compressed = std::fs::read(Path::new(&folder).join(FILE)).expect("readable");
    let mut file = Vec::new();
    flate2::read::MultiGzDecoder::new(&*compressed)
        .read_to_end(&mut file)
        .expect("a gzip file");
    let updates: Vec<Bytes> = mrt::records(&file)
        .filter_map(|record| match record.expect("an MRT file").content {
            mrt::Content::Message(message) => Some(Bytes::copy_from_slice(&message.octets)),
            mrt::Content::StateChange(_)
            | mrt::Content::PeerIndexTable(_)
            | mrt::Content::Rib(_)
            | mrt::Content::Other(_) => None,
        })
        .filter(|message| message.get(18) == Some(&UPDATE))
        .collect();
    let octets: usize = updates.iter().map(Bytes::len).sum();
    println!("{} UPDATEs, {octets} octets", updates.len());
    Some(updates)
}
