//! Herald in a cluster, measured from outside: a real API server and etcd, two nodes with a speaker
//! each under the generated RBAC, and BIRD as the router that both peer with.
//!
//! What is measured: one Service until the router's kernel routes it; thousands posted as fast as
//! the API server takes them; a controller that is replaced; CPU and memory. The daemons are the
//! release build, as many threads post as the API server has use for, and the clock stops when the
//! kernel tells of the route over rtnetlink.

mod burst;
mod figures;
mod latency;
mod load;
mod metallb;
mod release;
mod restart;
mod scene;

use std::process::ExitCode;

use integration::Lab;
use integration::bird::Bird;
use integration::router::Router;

use figures::Table;
use metallb::MetalLb;
use scene::{Herald, Scene};

/// What is run.
struct Options {
    /// How many Services are posted, a run each.
    sizes: Vec<usize>,
    /// How often one Service is measured; 0 leaves that out.
    samples: usize,
    /// Controllers are replaced.
    restarts: bool,
}

const HELP: &str = "cargo xtask bench kube [--quick] [--services N,N,...] [--samples N | --no-samples] [--no-restarts]";

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("kube: {error}\n{HELP}");
            return ExitCode::from(2);
        }
    };
    // It says what is missing.
    let needs = [integration::kube::NEEDS, Bird::NEEDS].concat();
    let Some(lab) = Lab::open(&needs) else {
        return ExitCode::SUCCESS;
    };
    if let Err(error) = release::build() {
        eprintln!("kube: {error}");
        return ExitCode::FAILURE;
    }
    run(&lab, &options);
    ExitCode::SUCCESS
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        sizes: vec![1_000, 2_000, 5_000, 10_000],
        samples: 100,
        restarts: true,
    };
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo says to every benchmark.
            "--bench" => {}
            "--quick" => {
                options.sizes = vec![500];
                options.samples = 20;
            }
            "--services" => options.sizes = numbers(arguments.next())?,
            "--samples" => options.samples = numbers(arguments.next())?[0],
            "--no-samples" => options.samples = 0,
            "--no-restarts" => options.restarts = false,
            other => return Err(format!("{other} is not known")),
        }
    }
    Ok(options)
}

/// Numbers from 1 to 20,000, of which there is at least one.
fn numbers(text: Option<String>) -> Result<Vec<usize>, String> {
    let text = text.unwrap_or_default();
    let numbers = text.split(',').map(|word| match word.parse() {
        Ok(number @ 1..=20_000) => Ok(number),
        Ok(_) | Err(_) => Err(format!("{word:?} is no number from 1 to 20000")),
    });
    numbers.collect()
}

/// How many Services MetalLB gets. What one takes grows with them.
const METALLB: usize = 1_000;

fn idle<S: Scene>(scene: &S, options: &Options, latencies: &mut Table, memory: &mut Table) {
    memory.row(scene.memory("idle"));
    if options.samples > 0 {
        latencies.row(latency::measure(scene, 0, options.samples));
    }
}

fn run(lab: &Lab, options: &Options) {
    println!("{}", figures::machine());
    let mut latencies = Table::new(latency::COLUMNS);
    let mut bursts = Table::new(burst::COLUMNS);
    let mut memory = Table::new(figures::MEMORY);
    let mut restarts = Table::new(restart::COLUMNS);

    let mut floor = Table::new(latency::FLOOR);
    if options.samples > 0 {
        floor.row(latency::floor(&scene::control_plane(lab), options.samples));
    }
    idle(&Herald::start(lab), options, &mut latencies, &mut memory);

    let largest = options.sizes.iter().copied().max().unwrap_or(0);
    for size in options.sizes.iter().copied() {
        let mut scene = Herald::start(lab);
        bursts.row(burst::measure(&scene, size));
        memory.row(scene.memory(&format!("{size} Services")));
        if size == largest && options.samples > 0 {
            scene.await_quiet();
            memory.row(scene.memory(&format!("{size} Services, all reported")));
            latencies.row(latency::measure(&scene, size, options.samples));
        }
        if size == largest && options.restarts {
            restarts.rows(restart::measure(lab, &mut scene, size));
        }
    }
    match metallb::Programs::find() {
        Ok(programs) => {
            idle(
                &MetalLb::start(lab, &programs),
                options,
                &mut latencies,
                &mut memory,
            );
            let scene = MetalLb::start(lab, &programs);
            bursts.row(burst::measure(&scene, METALLB));
            memory.row(scene.memory(&format!("{METALLB} Services")));
        }
        Err(missing) => println!("MetalLB is not run: {missing}\n{}", release::METALLB),
    }
    for table in [floor, latencies, bursts, memory, restarts] {
        println!("{table}");
    }
}
