//! A bridge of the lab, whose own addresses are used by what is on it.

use integration::lab::Lab;

/// Machines that had asked for the address of one that takes a port's reached nobody at it for up to
/// a minute after that port was gone.
#[test]
fn a_bridge_keeps_its_link_layer_address_when_machines_come_and_go() {
    let Some(lab) = Lab::open(&[]) else {
        return;
    };
    let switch = lab.netns("switch");
    switch.bridge("bridge0", &["10.1.0.254/24"]);
    let link_layer_address = || {
        let said = switch.ip("-brief link show bridge0");
        let address = said.split_whitespace().nth(2);
        address.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let first = link_layer_address();
    for number in 1..=3 {
        let machine = lab.netns("machine");
        let port = format!("port{number}");
        machine.join(
            "eth0",
            &[&format!("10.1.0.{number}/24")],
            &switch,
            &port,
            &[],
        );
        switch.ip(&format!("link set {port} master bridge0"));
        assert_eq!(link_layer_address(), first, "{number} came");
        drop(machine);
        assert_eq!(link_layer_address(), first, "{number} went");
    }
}
