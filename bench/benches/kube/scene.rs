//! What is measured, and Herald as that.

use std::time::{Duration, Instant};

use integration::Lab;
use integration::bird::Bird;
use integration::kernel::monitor::RouteMonitor;
use integration::kube::fabric::{Fabric, POOL, Plan};
use integration::kube::herald::Daemon;
use integration::kube::{ControlPlane, Options};
use integration::manifests::pool;
use integration::process::Usage;

use crate::figures::{load, mebibytes};

/// Nodes, and so speakers.
pub const NODES: usize = 2;
/// Addresses for Services.
pub const RANGE: &str = "10.100.0.0/16";
/// After work, until memory is looked at: what it leaves behind has been given back.
const SETTLE: Duration = Duration::from_secs(15);
/// How often it is looked whether the daemons are quiet.
const LOOK: Duration = Duration::from_secs(5);
/// They are when they use less than that together, in [`LOOK`].
const QUIET: Duration = Duration::from_millis(100);
/// The longest that they may go on reporting: 20 a second, for each speaker.
const REPORTING: Duration = Duration::from_secs(1_200);

/// A load balancer in a cluster, with a router.
pub trait Scene {
    /// Its name.
    const NAME: &str;

    /// The API server and etcd.
    fn cluster(&self) -> &ControlPlane;

    /// What happens to the router's routes.
    fn routes(&self) -> &RouteMonitor;

    /// The Kubernetes namespace of Services.
    fn namespace(&self) -> &str;

    /// The node that endpoints are on.
    fn node(&self) -> &str;

    /// What the leading controller has used.
    fn controller(&self) -> Usage;

    /// What each speaker has used.
    fn speakers(&self) -> [Usage; NODES];

    /// Waits until the daemons have nothing left to report.
    fn await_quiet(&self) {
        let started = Instant::now();
        let cpu = || -> Duration {
            let speakers = self.speakers().map(|usage| usage.cpu);
            self.controller().cpu + speakers.iter().sum::<Duration>()
        };
        let mut before = cpu();
        while started.elapsed() < REPORTING {
            std::thread::sleep(LOOK);
            let now = cpu();
            if now - before < QUIET {
                println!("quiet after {} s", started.elapsed().as_secs());
                return;
            }
            before = now;
        }
        println!("not quiet after {} s", REPORTING.as_secs());
    }

    /// A row of memory, once what was done has settled.
    fn memory(&self, when: &str) -> Vec<String> {
        std::thread::sleep(SETTLE);
        let (controller, speakers) = (self.controller(), self.speakers());
        let of_speakers = |pick: fn(Usage) -> u64| {
            let each = speakers.map(|usage| mebibytes(pick(usage)));
            each.join(", ")
        };
        vec![
            Self::NAME.to_owned(),
            when.to_owned(),
            mebibytes(controller.resident),
            of_speakers(|usage| usage.resident),
            mebibytes(controller.peak),
            of_speakers(|usage| usage.peak),
            load(),
        ]
    }
}

/// A control plane, nodes with speakers, a router, and a controller. Fields go in this order.
pub struct Herald {
    /// What happens to the router's routes.
    pub routes: RouteMonitor,
    /// Replicas; the first leads.
    pub controllers: Vec<Daemon>,
    /// Nodes, speakers and the router.
    pub fabric: Fabric<Bird>,
    /// The API server and etcd.
    pub cluster: ControlPlane,
}

/// There is no controller manager: what it would do for these Services and Nodes is nothing.
pub fn control_plane(lab: &Lab) -> ControlPlane {
    let options = Options {
        controllers: None,
        ..Options::default()
    };
    ControlPlane::start_with(lab, options)
}

impl Herald {
    /// Starts it with one replica, and waits until all are ready and every session is up.
    pub fn start(lab: &Lab) -> Herald {
        let cluster = control_plane(lab);
        let mut plan = Plan::of(&cluster, lab, NODES);
        plan.all = true;
        plan.recorded = false;
        let fabric = plan.establish::<Bird>();
        fabric.herald.put(pool(POOL, &[RANGE]));
        let range = RANGE.parse().unwrap_or_default();
        let routes = RouteMonitor::start(&fabric.tor, range, NODES);
        let mut scene = Herald {
            routes,
            controllers: Vec::new(),
            fabric,
            cluster,
        };
        scene.add_replica(lab);
        scene
    }

    /// Starts another controller, and waits until it is ready.
    pub fn add_replica(&mut self, lab: &Lab) {
        let identity = format!("controller-{}", self.controllers.len() + 1);
        let herald = &self.fabric.herald;
        let controller = herald.controller(&self.cluster, lab, &identity);
        let mut controller = controller.with(&["--identity", &identity]);
        controller.launch(self.cluster.netns());
        controller.await_ready();
        self.controllers.push(controller);
    }
}

impl Scene for Herald {
    const NAME: &str = "Herald";

    fn cluster(&self) -> &ControlPlane {
        &self.cluster
    }

    fn routes(&self) -> &RouteMonitor {
        &self.routes
    }

    fn namespace(&self) -> &str {
        &self.fabric.namespace
    }

    fn node(&self) -> &str {
        self.fabric.nodes[0].name()
    }

    fn controller(&self) -> Usage {
        self.controllers[0].process().usage()
    }

    fn speakers(&self) -> [Usage; NODES] {
        [0, 1].map(|node| self.fabric.speakers[node].process().usage())
    }
}
