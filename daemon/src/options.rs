//! Flags that several commands have.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use plan::alloc;

use crate::logging::LogArgs;
use crate::observe::Listeners;

/// Where the daemon is asked, unless `--socket` says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/herald/herald.sock";

/// `--socket`.
#[derive(Clone, Debug, clap::Args)]
pub struct SocketArg {
    /// The daemon's unix socket.
    #[arg(long, value_name = "PATH", env = "HERALD_SOCKET", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
}

/// `--lb-class`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClassArg {
    /// A loadBalancerClass that is ours (repeatable). Without it, Services without a class are.
    #[arg(
        long = "lb-class",
        value_name = "CLASS",
        env = "HERALD_LB_CLASS",
        value_delimiter = ','
    )]
    pub classes: Vec<String>,
}

impl ClassArg {
    /// The same, as the reader of manifests takes it.
    pub fn options(&self) -> controller::Options {
        controller::Options {
            load_balancer_classes: self.classes.clone(),
        }
    }
}

/// A number and `ms`, `s`, `m` or `h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number and a unit: 500ms, 10s, 1m, 1h".to_owned();
    let unit = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(milliseconds) {
        // A year is as good as for ever, and no clock runs over.
        Some(total) if (1..=31_536_000_000).contains(&total) => Ok(Duration::from_millis(total)),
        Some(_) | None => Err("write a time between 1ms and 8760h".to_owned()),
    }
}

/// What every daemon has.
#[derive(Clone, Debug, clap::Args)]
pub struct DaemonArgs {
    /// `--metrics`.
    #[command(flatten)]
    pub metrics: MetricsArg,
    /// `--socket`.
    #[command(flatten)]
    pub socket: SocketArg,
    /// `--lb-class`.
    #[command(flatten)]
    pub classes: ClassArg,
    /// How it logs.
    #[command(flatten)]
    pub log: LogArgs,
}

impl DaemonArgs {
    /// Takes the socket and the port that they name ([`Listeners::open`]).
    pub async fn listeners(&self) -> Result<Listeners, String> {
        Listeners::open(&self.socket.socket, self.metrics.metrics.0).await
    }
}

/// `--metrics`.
#[derive(Clone, Debug, clap::Args)]
pub struct MetricsArg {
    /// Where /metrics, /healthz and /readyz are served, or `off`.
    #[arg(
        long,
        value_name = "ADDR:PORT|off",
        env = "HERALD_METRICS",
        default_value = ":7472",
        value_parser = metrics_address
    )]
    pub metrics: MetricsAddress,
}

/// How a node announces.
#[derive(Clone, Debug, clap::Args)]
pub struct AnnounceArgs {
    /// Listen for peers there (repeatable); port 179 if none is said. By default it listens at
    /// every address as long as a BGPPeer is passive.
    #[arg(
        long,
        value_name = "ADDR[:PORT]",
        env = "HERALD_LISTEN",
        value_delimiter = ',',
        value_parser = listen_address
    )]
    pub listen: Vec<SocketAddr>,
    /// Record each peer's session into a file of this directory, for `herald replay`: 64 MiB a
    /// file at most, and up to four earlier ones a peer. Passwords are not in them.
    #[arg(long, value_name = "DIR", env = "HERALD_RECORD")]
    pub record: Option<PathBuf>,
    /// Announce from a node with the label that excludes it from external load balancers.
    #[arg(long, env = "HERALD_IGNORE_EXCLUDE_LB")]
    pub ignore_exclude_lb: bool,
    /// What a cordoned node does: announce with GRACEFUL_SHUTDOWN, or as before.
    #[arg(long, value_enum, default_value_t, env = "HERALD_ON_CORDON")]
    pub on_cordon: OnCordon,
}

impl AnnounceArgs {
    /// How nodes are judged.
    pub fn health(&self) -> plan::health::Options {
        plan::health::Options {
            ignore_exclude_label: self.ignore_exclude_lb,
            keep_on_cordon: self.on_cordon == OnCordon::Keep,
        }
    }
}

/// How a node answers by ARP and NDP for pools in L2 mode, and which nodes it counts on.
#[derive(Clone, Debug, clap::Args)]
pub struct LinkArgs {
    /// Whether speakers watch each other, so that the addresses of one that dies move within half a
    /// second. If off, only what the API server says of nodes counts.
    #[arg(long, value_enum, default_value_t, env = "HERALD_LIVENESS")]
    pub liveness: LivenessMode,
    /// Where other speakers are heard, by UDP; they hear at the same port.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        env = "HERALD_MEMBERSHIP",
        default_value = ":7946",
        value_parser = socket_address
    )]
    pub membership: SocketAddr,
    /// The file with the keys by which speakers know each other, one a line, the same on all. In a
    /// cluster it is the Secret herald-speakers, unless a file is named.
    #[arg(long, value_name = "FILE", env = "HERALD_MEMBERSHIP_KEY")]
    pub membership_key: Option<PathBuf>,
    /// How often each address is announced again, because tables of switches age; 0: never.
    #[arg(
        long,
        value_name = "DURATION",
        env = "HERALD_L2_REFRESH",
        default_value = "60s",
        value_parser = duration_or_0
    )]
    pub l2_refresh: Duration,
}

impl LinkArgs {
    /// The same, as L2 mode takes it.
    pub fn options(&self, health: plan::health::Options) -> crate::links::Options {
        let refresh = (!self.l2_refresh.is_zero()).then_some(self.l2_refresh);
        crate::links::Options {
            health,
            liveness: self.liveness == LivenessMode::Swim,
            membership: self.membership,
            responder: l2::responder::Config {
                refresh,
                ..l2::responder::Config::default()
            },
        }
    }
}

/// `--liveness`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LivenessMode {
    /// They do, by SWIM.
    #[default]
    Swim,
    /// They do not.
    Off,
}

/// Where the cluster is.
#[derive(Clone, Debug, clap::Args)]
pub struct ClusterArgs {
    /// The kubeconfig file. Without it: KUBECONFIG, ~/.kube/config, or the Pod's ServiceAccount.
    #[arg(long, value_name = "FILE", env = "HERALD_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the configuration: IPAddressPool, BGPPeer and so on, and the Lease.
    #[arg(
        long,
        value_name = "NAME",
        env = "HERALD_NAMESPACE",
        default_value = "herald-system"
    )]
    pub namespace: String,
}

/// How addresses are shared.
#[derive(Clone, Debug, clap::Args)]
pub struct SharingArgs {
    /// How long Services that share an address may disagree in what sharing asks for while they
    /// are edited one after the other; 0: not at all.
    #[arg(
        long,
        value_name = "DURATION",
        env = "HERALD_SHARING_GRACE",
        default_value = "2m",
        value_parser = duration_or_0
    )]
    sharing_grace: Duration,
    /// Services of different namespaces may share an address of any IPAddressPool, as in MetalLB;
    /// otherwise only of those with allowSharingAcrossNamespaces.
    #[arg(long, env = "HERALD_SHARE_ACROSS_NAMESPACES")]
    share_across_namespaces: bool,
}

impl SharingArgs {
    /// The same, as the allocator takes it.
    pub fn options(&self) -> alloc::Options {
        alloc::Options {
            sharing_grace: self.sharing_grace,
            share_across_namespaces: self.share_across_namespaces,
        }
    }
}

fn duration_or_0(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        text => duration(text),
    }
}

/// `--on-cordon`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnCordon {
    /// De-preferred, until it is drained.
    #[default]
    Leave,
    /// As if it were not cordoned.
    Keep,
}

/// `--metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsAddress(pub Option<SocketAddr>);

fn metrics_address(text: &str) -> Result<MetricsAddress, String> {
    if text == "off" {
        return Ok(MetricsAddress(None));
    }
    let address = socket_address(text);
    address
        .map(|address| MetricsAddress(Some(address)))
        .map_err(|error| format!("{error} or off"))
}

/// `:PORT` is every address.
fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let whole = match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => text.to_owned(),
    };
    whole
        .parse()
        .map_err(|_| "expected ADDR:PORT or :PORT".to_owned())
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let alone = text.parse::<IpAddr>().ok();
    let alone = alone.map(|address| SocketAddr::new(address, 179));
    alone
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "expected an address, or ADDR:PORT ([ADDR]:PORT for IPv6)".to_owned())
}

/// The name the kernel has for this host.
pub fn host_name() -> Result<String, String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name =
        name.map_err(|error| format!("cannot find the host's name ({error}): set --node"))?;
    Ok(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_their_defaults() {
        assert_eq!(metrics_address("off"), Ok(MetricsAddress(None)));
        let any = "[::]:7472".parse().ok();
        assert_eq!(metrics_address(":7472"), Ok(MetricsAddress(any)));
        assert!(metrics_address("7472").is_err());
        let table = [
            ("127.0.0.2", "127.0.0.2:179"),
            ("127.0.0.2:1790", "127.0.0.2:1790"),
            ("::1", "[::1]:179"),
            ("[::1]:1790", "[::1]:1790"),
        ];
        for (text, address) in table {
            assert_eq!(listen_address(text).ok(), address.parse().ok(), "{text}");
        }
        assert!(listen_address("localhost").is_err());
    }

    #[test]
    fn a_grace_period_may_be_0() {
        assert_eq!(duration_or_0("0"), Ok(Duration::ZERO));
        assert_eq!(duration_or_0("90s"), Ok(Duration::from_secs(90)));
        assert!(duration_or_0("0h").is_err());
    }

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let cases = [
            ("500ms", 500),
            ("10s", 10_000),
            ("1m", 60_000),
            ("2h", 7_200_000),
        ];
        for (text, expected) in cases {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(expected)),
                "{text}"
            );
        }
        for text in [
            "",
            "10",
            "s",
            "0s",
            "-1s",
            "1.5s",
            "1d",
            "99999999999h",
            "8761h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
