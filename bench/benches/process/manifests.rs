//! What the daemons are told.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::{fs, io};

use crate::sink;

/// The daemon's AS number.
const ASN: u16 = 64512;
/// Services a file.
const FILE: u64 = 100;

/// The address that the daemon peers from.
pub fn local(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 2, number as u8 + 1)
}

/// The manifests of Herald: peers, a pool, an advertisement, and Services with one endpoint each.
pub fn herald(directory: &Path, peers: &[SocketAddr], vips: u64) -> io::Result<()> {
    let mut text = String::from(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: vips}\n\
         spec: {addresses: [203.0.0.0/16]}\n---\n\
         apiVersion: metallb.io/v1beta1\nkind: BGPAdvertisement\nmetadata: {name: vips}\n",
    );
    for (number, peer) in peers.iter().enumerate() {
        let _ = write!(
            text,
            "---\napiVersion: metallb.io/v1beta2\nkind: BGPPeer\nmetadata: {{name: peer-{number}}}\n\
             spec:\n  myASN: {ASN}\n  peerASN: {}\n  peerAddress: {}\n  peerPort: {}\n  \
             sourceAddress: {}\n",
            sink::ASN,
            peer.ip(),
            peer.port(),
            local(number),
        );
    }
    fs::write(directory.join("peers.yaml"), text)?;
    for first in (0..vips).step_by(FILE as usize) {
        let text: String = (first..vips.min(first + FILE)).map(service).collect();
        fs::write(directory.join(format!("services-{first}.yaml")), text)?;
    }
    Ok(())
}

/// A Service and its EndpointSlice, much as the API server gives them out.
fn service(number: u64) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: service-{number}\n  \
         namespace: default\n  labels: {{app: service-{number}, tier: web}}\nspec:\n  \
         type: LoadBalancer\n  selector: {{app: service-{number}}}\n  ports:\n    \
         - {{name: http, protocol: TCP, port: 80, targetPort: 8080}}\n    \
         - {{name: https, protocol: TCP, port: 443, targetPort: 8443}}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  \
         name: service-{number}-a\n  namespace: default\n  \
         labels: {{kubernetes.io/service-name: service-{number}}}\naddressType: IPv4\nendpoints:\n  \
         - addresses: [10.244.{}.{}]\n    nodeName: node-1\n    \
         conditions: {{ready: true, serving: true, terminating: false}}\nports:\n  \
         - {{name: http, protocol: TCP, port: 8080}}\n",
        number / 250,
        number % 250 + 1,
    )
}

/// The configuration of BIRD: the same sessions, and as many static routes.
pub fn bird(peers: &[SocketAddr], port: u16, routes: u64) -> String {
    let mut text =
        String::from("router id 10.9.9.1;\nprotocol device { }\nprotocol static vips {\n  ipv4;\n");
    for number in 0..routes {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(203, 0, 0, 0).to_bits() + number as u32);
        let _ = writeln!(text, "  route {address}/32 blackhole;");
    }
    text.push_str("}\n");
    for (number, peer) in peers.iter().enumerate() {
        let _ = writeln!(
            text,
            "protocol bgp peer{number} {{\n  local {} port {port} as {ASN};\n  \
             neighbor {} port {} as {};\n  multihop;\n  connect delay time 1;\n  \
             ipv4 {{ import none; export where proto = \"vips\"; next hop self; }};\n}}",
            local(number),
            peer.ip(),
            peer.port(),
            sink::ASN,
        );
    }
    text
}
