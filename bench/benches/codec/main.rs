//! Decoding and encoding of 54,107 real UPDATEs in one thread, beside other Rust libraries on the
//! same octets in the same run.
//!
//! Decoding means: parse a message and visit all that is in it, every attribute's value, every AS
//! number, every community, every prefix. Each library adds up what it visits; before anything is
//! measured the sums have to be equal. Encoding means: write a parsed message into a buffer that
//! is used again. Without `BGP_VECTORS` there is nothing to measure.

mod bgpkit;
mod content;
mod herald;
mod netgauze;
mod updates;

use std::hint::black_box;

use bytes::Bytes;
use content::Content;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

/// Parses a message and visits it.
type Visit = fn(&Bytes, &mut Content);

const LIBRARIES: [(&str, Visit); 3] = [
    ("herald", herald::visit),
    ("netgauze-bgp-pkt", netgauze::visit),
    ("bgpkit-parser", bgpkit::visit),
];

fn decode(c: &mut Criterion) {
    let Some(updates) = updates::read() else {
        return;
    };
    let content = LIBRARIES.map(|(_, visit)| visit_all(&updates, visit));
    println!("{:?}", content[0]);
    assert_eq!(
        content[0], content[1],
        "herald and netgauze-bgp-pkt read different content"
    );
    assert_eq!(
        content[0], content[2],
        "herald and bgpkit-parser read different content"
    );
    let mut group = c.benchmark_group("decode");
    group.throughput(throughput(&updates));
    for (name, visit) in LIBRARIES {
        group.bench_function(name, |b| b.iter(|| visit_all(black_box(&updates), visit)));
    }
    group.finish();
}

fn throughput(updates: &[Bytes]) -> Throughput {
    Throughput::ElementsAndBytes {
        elements: updates.len() as u64,
        bytes: updates.iter().map(|update| update.len() as u64).sum(),
    }
}

fn visit_all(updates: &[Bytes], visit: Visit) -> Content {
    let mut content = Content::default();
    for update in updates {
        visit(update, &mut content);
    }
    content
}

fn encode(c: &mut Criterion) {
    let Some(updates) = updates::read() else {
        return;
    };
    let mut group = c.benchmark_group("encode");
    group.throughput(throughput(&updates));
    let messages: Vec<_> = updates.iter().map(herald::parse).collect();
    encode_all(&mut group, "herald", &messages, herald::write);
    let messages: Vec<_> = updates.iter().map(netgauze::parse).collect();
    encode_all(&mut group, "netgauze-bgp-pkt", &messages, netgauze::write);
    let messages: Vec<_> = updates.iter().map(bgpkit::parse).collect();
    encode_all(&mut group, "bgpkit-parser", &messages, bgpkit::write);
    group.finish();
}

/// Writes all messages, each into the emptied buffer.
fn encode_all<M, B: Default>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    messages: &[M],
    write: fn(&M, &mut B),
) {
    let mut buffer = B::default();
    group.bench_function(name, |b| {
        b.iter(|| {
            for message in messages {
                write(black_box(message), &mut buffer);
                black_box(&buffer);
            }
        })
    });
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
