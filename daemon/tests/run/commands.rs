//! Commands around it.

use tempfile::TempDir;

use crate::herald::{ADVERTISEMENT, POOL, herald, service};

#[test]
fn check_tells_what_is_wrong_by_its_exit_code() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pool.yaml");
    let check = || {
        let output = herald(&["check", &folder.path().to_string_lossy()]);
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    std::fs::write(&file, POOL).unwrap();
    assert_eq!(check().0, Some(0));
    std::fs::write(&file, POOL.replace("/24", "/33")).unwrap();
    let (code, text) = check();
    assert_eq!(code, Some(1));
    assert!(
        text.contains("pool.yaml") && text.contains("spec.addresses"),
        "{text}"
    );
    assert_eq!(herald(&["check"]).status.code(), Some(2));
}

#[test]
fn a_namespace_that_a_pool_names_twice_is_refused() {
    let twice = "serviceAllocation: {namespaces: [shop, shop]}";
    let (code, told) = checked(&POOL.replace("{addresses", &format!("{{{twice}, addresses")));
    let [told] = &told[..] else {
        panic!("{told:?}")
    };
    let expected = "spec.serviceAllocation.namespaces[1]: `shop` is there twice";
    assert!(told.contains("error") && told.contains(expected), "{told}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_pools_status_and_a_services_fields_for_others_are_taken_without_a_word() {
    let status = "status: {assignedIPv4: 1, availableIPv4: 255, assignedIPv6: 0}\n";
    let fields = "allocateLoadBalancerNodePorts: false, healthCheckNodePort: 30000, \
        sessionAffinity: ClientIP, internalTrafficPolicy: Local, \
        trafficDistribution: PreferClose, loadBalancerSourceRanges: [10.0.0.0/8], \
        externalIPs: [198.51.100.1]";
    let service = service("web").replace(
        "ports: [{port: 80}]}",
        &format!("ports: [{{port: 80}}], {fields}}}"),
    );
    assert!(service.contains(fields));
    let (code, told) = checked(&format!("{POOL}{status}---\n{service}"));
    assert_eq!((code, told), (Some(0), Vec::new()));
}

#[test]
fn nobody_to_ask_is_said_with_what_to_do() {
    let output = herald(&["status", "--socket", "/nowhere/herald.sock"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("start `herald run`"), "{text}");
}

#[test]
fn flags_of_metallb_that_are_not_there_are_refused_by_their_names() {
    let both = [
        "--port",
        "--pprof-bind-address",
        "--health-probe-port",
        "--tls-min-version",
        "--tls-cipher-suites",
        "--tls-curve-preferences",
        "--metrics-cert-dir",
    ];
    let controllers = [
        "--ml-secret-name",
        "--deployment",
        "--disable-cert-rotation",
        "--cert-dir",
        "--cert-service-name",
        "--webhook-mode",
        "--webhook-secret",
        "--webhook-http2",
    ];
    let speakers = [
        "--bgp-debounce-timeout",
        "--host",
        "--node-name",
        "--ml-bindaddr",
        "--ml-bindport",
        "--ml-labels",
        "--ml-secret-key-path",
        "--ml-wan-config",
        "--frrk8s-namespace",
        "--frrk8s-secret-passthrough",
    ];
    let of_controllers = both
        .iter()
        .chain(&controllers)
        .map(|flag| ("controller", flag));
    let of_speakers = both.iter().chain(&speakers).map(|flag| ("speaker", flag));
    for (role, flag) in of_controllers.chain(of_speakers) {
        let output = herald(&[role, &format!("{flag}=1")]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{role} {flag}: {text}");
        assert!(text.contains(&format!("'{flag}'")), "{role}: {text}");
    }
}

#[test]
fn flags_of_metallb_that_are_there_have_its_names() {
    let rows: [(&str, &[&str]); 2] = [
        ("controller", &["--namespace", "--lb-class", "--log-level"]),
        (
            "speaker",
            &[
                "--namespace",
                "--lb-class",
                "--log-level",
                "--pod-name",
                "--ignore-exclude-lb",
            ],
        ),
    ];
    for (role, flags) in rows {
        let output = herald(&[role, "--help"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let named: Vec<&str> = text.split_whitespace().collect();
        for flag in flags {
            assert!(named.contains(flag), "{role} {flag}: {text}");
        }
    }
}

/// The exit code, and what is said of a manifest.
fn checked(manifest: &str) -> (Option<i32>, Vec<String>) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("advertised.yaml"), ADVERTISEMENT).unwrap();
    std::fs::write(folder.path().join("it.yaml"), manifest).unwrap();
    let output = herald(&["check", &folder.path().to_string_lossy()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let about = text.lines().filter_map(|line| line.split_once("it.yaml:"));
    let about = about.map(|(_, what)| what.to_owned());
    (output.status.code(), about.collect())
}
