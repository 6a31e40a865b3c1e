//! Bytes of a file or of standard input, uncompressed on the way.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;

/// Opens `path`, or standard input for `-`. Compression is told by the first octets, whatever the
/// name is. Several compressed files put one behind the other are read as one.
pub(super) fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if path == Path::new("-") {
        return uncompressed(io::stdin().lock());
    }
    let file = File::open(path).map_err(named)?;
    uncompressed(BufReader::new(file)).map_err(named)
}

fn uncompressed(mut input: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    Ok(match input.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(input)),
        [b'B', b'Z', b'h', ..] => Box::new(MultiBzDecoder::new(input)),
        _ => Box::new(input),
    })
}

/// Some octets into `buffer`, 0 at the end; asks again where a signal came between.
pub(super) fn read(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
