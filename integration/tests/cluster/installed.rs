//! Herald is installed, and may do no more than it needs.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use integration::cluster::program::Program;
use integration::http;
use integration::wait::{SOON, eventually, eventually_equal};
use serde_json::{Value, json};

use crate::manifests::{CONFIGURATION, DEPLOYMENT};
use crate::scene::{NAMESPACE, NODES, Scene, ip};

/// The address of the first Service.
pub const VIP: &str = "198.51.100.1";
/// Sets of capabilities (capabilities(7)) as `/proc/PID/status` writes them.
pub const NONE: &str = "0000000000000000";
pub const NET_BIND_SERVICE: &str = "0000000000000400";
pub const NET_BIND_SERVICE_AND_NET_RAW: &str = "0000000000002400";
/// What no line of a log has.
const WRONG: [&str; 4] = [" ERROR ", "orbidden", "not permitted", "denied"];
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl Scene {
    /// From a node that has none of them.
    pub fn pods_answer_across_nodes(&self) {
        self.cluster.control_plane.apply_yaml(DEPLOYMENT);
        self.cluster.await_rollout("Deployment", "default", "web");
        let pods = self.cluster.control_plane.list("Pod", "default");
        let mut answered = BTreeSet::new();
        for pod in pods.expect("a list") {
            let address = pod["status"]["podIP"].as_str().expect("an address");
            let server = SocketAddr::new(ip(address), 8080);
            let from = self.cluster.node(NODES[0]).netns();
            answered.insert(eventually("the Pod answers", SOON, || {
                http::get(from, server, "/")
            }));
        }
        let expected = [NODES[1], NODES[2]].map(|name| (200, name.to_owned()));
        assert_eq!(answered, BTreeSet::from(expected));
    }

    pub fn it_is_installed_as_documented(&self) {
        self.run_script("Install");
        let rollouts = [
            ("Deployment", "herald-controller"),
            ("DaemonSet", "herald-speaker"),
        ];
        for (kind, name) in rollouts {
            self.cluster.await_rollout(kind, NAMESPACE, name);
        }
        // The key of speakers, which nobody has to bring.
        let secrets = self.cluster.control_plane.list("Secret", NAMESPACE);
        let secrets = secrets.expect("a list");
        let names: Vec<&Value> = secrets.iter().map(|one| &one["metadata"]["name"]).collect();
        assert_eq!(names, ["herald-speakers"]);
    }

    pub fn containers_may_do_no_more_than_they_need(&self, speaker: &str) {
        let rows = [
            ("controller", "65532", NONE, 2),
            ("speaker", "0", speaker, 3),
        ];
        for (role, user, capabilities, count) in rows {
            let expected = Confinement::of_container(user, capabilities);
            let programs = self.programs(role);
            assert_eq!(programs.len(), count, "{role}");
            for (node, program) in programs {
                assert_eq!(Confinement::read(&program), expected, "{role} on {node}");
                assert_eq!(self.user_of(&program), account(role), "{node}");
            }
        }
    }

    pub fn a_client_behind_the_router_is_served(&self) {
        let router = self.router_address();
        let configuration = CONFIGURATION.replace("ROUTER", &router.to_string());
        self.cluster.control_plane.apply_yaml(&configuration);
        self.await_hops(VIP, &NODES);
        self.await_answers(VIP, &NODES[1..]);
    }

    pub fn it_is_checked_as_documented(&self) {
        // Reports come up to a second after what they tell of.
        self.reports_belong_to_pods_of_now();
        let printed = self.run_script("Check");
        println!("{printed}");
        for part in [
            "198.51.100.1",
            "Established",
            "speaker-node-b",
            "controller",
        ] {
            assert!(printed.contains(part), "no {part}: {printed}");
        }
    }

    /// Each node has its ServiceBGPStatus, which the garbage collector takes away with the Pod.
    pub fn reports_belong_to_pods_of_now(&self) {
        let control_plane = &self.cluster.control_plane;
        eventually_equal("one report for each Pod", SOON, &self.speakers(), || {
            let reports = control_plane.list("ServiceBGPStatus", NAMESPACE);
            let owner = |report: &Value| {
                let owner = &report["metadata"]["ownerReferences"][0];
                text(&owner["uid"])
            };
            let reports = reports.unwrap_or_default();
            reports.iter().map(owner).collect()
        });
    }

    /// Neither by the API server, to which they speak with their own accounts, nor by the kernel.
    pub fn nothing_was_refused(&self) {
        let pods = self.cluster.control_plane.list("Pod", NAMESPACE);
        for pod in pods.expect("a list") {
            let name = text(&pod["metadata"]["name"]);
            let logs = ["logs", &name, "--namespace", NAMESPACE];
            let log = self.cluster.control_plane.kubectl(&logs, "");
            let log = log.expect("its log");
            std::fs::write(self.cluster.lab.log(&name), &log).expect("a copy");
            assert!(!log.is_empty(), "{name}");
            let wrong = |line: &&str| WRONG.iter().any(|word| line.contains(word));
            let wrong: Vec<&str> = log.lines().filter(wrong).collect();
            assert_eq!(wrong, Vec::<&str>::new(), "{name}");
        }
    }

    /// The uids of the speakers' Pods, sorted.
    fn speakers(&self) -> BTreeSet<String> {
        let pods = self.cluster.control_plane.list("Pod", NAMESPACE);
        let pods = pods.expect("a list");
        let of_speaker = |pod: &&Value| {
            let labels = &pod["metadata"]["labels"];
            labels["app.kubernetes.io/component"] == "speaker"
        };
        let pods = pods.iter().filter(of_speaker);
        pods.map(|pod| text(&pod["metadata"]["uid"])).collect()
    }

    /// Who the API server takes it for, by its own token: its name and its groups.
    fn user_of(&self, program: &Program) -> (String, BTreeSet<String>) {
        let token = program.read(TOKEN).expect("a token");
        let client = self.cluster.control_plane.with_token(token.trim());
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let review = client.request("POST", path, Some(&review));
        let user = &review.expect("who it is")["status"]["userInfo"];
        let groups = user["groups"].as_array().into_iter().flatten();
        (text(&user["username"]), groups.map(text).collect())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A ServiceAccount with nothing but what its own RBAC grants.
fn account(role: &str) -> (String, BTreeSet<String>) {
    let groups = [
        "system:serviceaccounts",
        "system:serviceaccounts:herald-system",
        "system:authenticated",
    ];
    (
        format!("system:serviceaccount:{NAMESPACE}:herald-{role}"),
        groups.map(str::to_owned).into(),
    )
}

/// What the kernel lets a process do.
#[derive(Debug, PartialEq, Eq)]
struct Confinement {
    user: String,
    /// Sets of capabilities: inheritable, permitted, effective, bounding, ambient.
    capabilities: [String; 5],
    /// 1: a program that it starts has no more rights.
    no_new_privileges: String,
    /// 2: system calls go through a filter.
    seccomp: String,
    root_is_read_only: bool,
}

impl Confinement {
    /// With the capabilities that its manifest adds.
    fn of_container(user: &str, capabilities: &str) -> Confinement {
        // Root has what it is bound to; any other user none of it.
        let [none, added] = [NONE, capabilities].map(str::to_owned);
        Confinement {
            user: user.to_owned(),
            capabilities: [none.clone(), added.clone(), added.clone(), added, none],
            no_new_privileges: "1".to_owned(),
            seccomp: "2".to_owned(),
            root_is_read_only: true,
        }
    }

    fn read(program: &Program) -> Confinement {
        let status = |field: &str| program.status(field).unwrap_or_default();
        let root = program.root_options().unwrap_or_default();
        Confinement {
            user: status("Uid"),
            capabilities: ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(status),
            no_new_privileges: status("NoNewPrivs"),
            seccomp: status("Seccomp"),
            root_is_read_only: root.split(',').any(|option| option == "ro"),
        }
    }
}
