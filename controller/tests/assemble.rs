//! A store that is told of one change after the other makes the World that a new store makes of
//! the same objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use controller::Options;
use controller::assemble::Store;
use controller::manifest::Reader;
use controller::manifest::schema::Schemas;
use controller::object::{Object, ObjectKey};
use controller::record::{Assignment, Assignments};
use plan::world::ObjectName;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_world_does_not_depend_on_the_order_of_changes(steps in prop::collection::vec(steps(), 1..25)) {
        let (schemas, options) = (Schemas::new(), Options::default());
        let reader = Reader::new(&schemas, &options);
        let mut store = Store::default();
        let mut objects: BTreeMap<ObjectKey, Object> = BTreeMap::new();
        let mut assignments = Arc::new(Assignments::new());
        for step in steps {
            match step {
                Step::Apply(text) => {
                    for object in read(&reader, &text) {
                        objects.insert(object.key.clone(), object.clone());
                        store.apply(object);
                    }
                }
                Step::Remove(text) => {
                    for object in read(&reader, &text) {
                        objects.remove(&object.key);
                        store.remove(&object.key);
                    }
                }
                Step::Assign(some) => assignments = Arc::new(some),
            }
            let mut fresh = Store::default();
            objects.values().cloned().for_each(|object| fresh.apply(object));
            let (world, mut problems) = store.assemble(&assignments);
            let (expected, mut others) = fresh.assemble(&assignments);
            prop_assert_eq!(world, expected);
            problems.sort();
            others.sort();
            prop_assert_eq!(problems, others);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Apply(String),
    Remove(String),
    Assign(Assignments),
}

fn read(reader: &Reader<'_>, text: &str) -> Vec<Object> {
    reader.read(&"all.yaml".into(), text).objects
}

fn steps() -> impl Strategy<Value = Step> {
    let object = || prop_oneof![4 => services(), 3 => slices(), 1 => pools(), 1 => nodes()];
    prop_oneof![
        6 => object().prop_map(Step::Apply),
        2 => object().prop_map(Step::Remove),
        1 => assignments().prop_map(Step::Assign),
    ]
}

fn services() -> impl Strategy<Value = String> {
    let kind = prop_oneof![3 => Just("LoadBalancer"), 1 => Just("ClusterIP")];
    let status = prop::option::of(1..4_u8);
    let pool = prop::option::of("[pq]");
    ("[a-d]", kind, status, pool, 80..83_u16).prop_map(|(name, kind, status, pool, port)| {
        let status = status.map_or(String::new(), |octet| {
            format!("status: {{loadBalancer: {{ingress: [{{ip: 203.0.113.{octet}}}]}}}}\n")
        });
        let pool = pool.map_or(String::new(), |pool| {
            format!(", annotations: {{metallb.io/address-pool: {pool}}}")
        });
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}{pool}}}\n\
             spec: {{type: {kind}, ports: [{{port: {port}}}]}}\n{status}"
        )
    })
}

fn slices() -> impl Strategy<Value = String> {
    ("[a-d]", "[xyz]", any::<bool>()).prop_map(|(service, name, ready)| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
             metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {service}}}}}\n\
             endpoints: [{{addresses: [10.0.0.1], conditions: {{ready: {ready}}}}}]\n"
        )
    })
}

fn pools() -> impl Strategy<Value = String> {
    let addresses = prop_oneof![Just("203.0.113.0/24"), Just("2001:db8::/64")];
    addresses.prop_map(|addresses| {
        format!(
            "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {{name: p}}\n\
             spec: {{addresses: [\"{addresses}\"]}}\n"
        )
    })
}

fn nodes() -> impl Strategy<Value = String> {
    ("[mn]", any::<bool>()).prop_map(|(name, cordoned)| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n\
             spec: {{unschedulable: {cordoned}}}\n"
        )
    })
}

fn assignments() -> impl Strategy<Value = Assignments> {
    prop::collection::btree_map("[a-d]", 1..4_u8, 0..3).prop_map(|held| {
        let held = held.into_iter();
        held.map(|(name, octet)| {
            let name = ObjectName {
                namespace: "default".into(),
                name: name.into(),
            };
            let assignment = Assignment {
                addresses: [[203, 0, 113, octet].into()].into_iter().collect(),
                pool: Some("p".into()),
            };
            (name, assignment)
        })
        .collect()
    })
}
