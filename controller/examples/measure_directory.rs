//! Measures reading a directory of N Services (10,000 unless told), each with its EndpointSlice:
//! `cargo run --release -p controller --example measure_directory [N]`.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use controller::Options;
use controller::file::Source;
use controller::record::{Assignment, Assignments};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(10_000), |text| text.parse())?;
    let home = std::env::temp_dir().join(format!("measure-directory-{}", std::process::id()));
    fs::create_dir_all(&home)?;
    fs::write(
        home.join("herald.yaml"),
        include_str!("../../deploy/standalone/herald.yaml"),
    )?;
    for index in 0..count {
        fs::write(home.join(format!("service-{index}.yaml")), manifests(index))?;
    }
    println!(
        "{count} Services, a file each; resident before: {} KiB",
        resident()?
    );
    let measured = measure(&home);
    fs::remove_dir_all(&home)?;
    measured
}

fn measure(home: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let source =
        Source::open(home, Options::default(), Arc::default()).map_err(|e| e.to_string())?;
    println!("first snapshot: {:?}", began.elapsed());
    let mut snapshots = source.snapshots();
    let snapshot = Arc::clone(&snapshots.borrow_and_update());
    let (services, problems) = (snapshot.world.services.len(), snapshot.problems.len());
    println!(
        "{services} Services, {problems} problems; resident: {} KiB",
        resident()?
    );
    let assignments: Assignments = snapshot
        .world
        .services
        .keys()
        .zip(0_u32..)
        .map(|(name, index)| {
            let address = std::net::Ipv4Addr::from(0xcb00_7100_u32.wrapping_add(index));
            (
                name.clone(),
                Assignment {
                    addresses: [address.into()].into_iter().collect(),
                    pool: None,
                },
            )
        })
        .collect();
    drop(snapshot);
    source.set_assignments(Arc::new(assignments));
    let mut next = || {
        let began = Instant::now();
        while !snapshots.has_changed().unwrap_or(false) && began.elapsed().as_secs() < 30 {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        drop(snapshots.borrow_and_update());
        began.elapsed()
    };
    println!("all assigned: {:?}", next());
    println!("resident: {} KiB", resident()?);
    fs::write(
        home.join("service-7.yaml"),
        manifests(7).replace("port: 443", "port: 444"),
    )?;
    println!("one file edited, until the next snapshot: {:?}", next());
    println!("resident: {} KiB", resident()?);
    Ok(())
}

/// A Service and its EndpointSlice, without the sample's Node.
fn manifests(index: u32) -> String {
    let sample = include_str!("../../deploy/standalone/service.yaml");
    let (manifests, _) = sample.rsplit_once("---").unwrap_or((sample, ""));
    manifests
        .replace("port: 80\n", "port: 443\n")
        .replace("web", &format!("service-{index}"))
        .replace("node-1", &format!("node-{}", index % 100))
}

/// Resident set size, KiB.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
