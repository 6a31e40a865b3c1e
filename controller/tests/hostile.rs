//! Whatever the text, reading it ends, without a panic.

use controller::record::Assignments;
use controller::{Options, file};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,300}") {
        read(&text);
    }

    #[test]
    fn any_arrangement_of_yaml_is_read_without_a_panic(
        parts in proptest::collection::vec(0..PARTS.len(), 0..60),
    ) {
        let text: String = parts.into_iter().map(|part| PARTS[part]).collect();
        read(&text);
    }

    #[test]
    fn a_good_manifest_with_any_one_value_changed_is_read_without_a_panic(
        line in 0_usize..200, value in "[ -~]{0,20}",
    ) {
        let text = include_str!("../../deploy/demo/bgp.yaml").to_owned()
            + "---\n" + include_str!("../../deploy/demo/services.yaml");
        let changed: Vec<String> = text.lines().enumerate().map(|(number, old)| {
            match old.split_once(':') {
                Some((key, _)) if number == line => format!("{key}: {value}"),
                Some(_) | None => old.to_owned(),
            }
        }).collect();
        read(&changed.join("\n"));
    }
}

fn read(text: &str) {
    let files = [("a.yaml", text), ("b.json", text)];
    let snapshot = file::from_texts(&files, &Options::default(), &Assignments::new());
    for problem in &snapshot.problems {
        assert!(!problem.message.is_empty());
    }
}

const PARTS: [&str; 34] = [
    "apiVersion: metallb.io/v1beta1\n",
    "apiVersion: metallb.io/v1beta2\n",
    "apiVersion: v1\n",
    "kind: IPAddressPool\n",
    "kind: BGPPeer\n",
    "kind: Service\n",
    "kind: List\n",
    "items:\n",
    "metadata:\n",
    "  name: a\n",
    "  labels: {a: b}\n",
    "spec:\n",
    "  addresses:\n",
    "  - ",
    "- ",
    "203.0.113.0/24\n",
    "  myASN: 1\n",
    "  peerAddress: ::1\n",
    "  holdTime: 1h\n",
    "&a ",
    "*a\n",
    "<<: *a\n",
    "---\n",
    "...\n",
    "{",
    "}",
    "[",
    "]",
    "? ",
    ": ",
    "\t",
    "\"",
    "|\n",
    "#\n",
];

#[test]
fn large_objects_are_read_or_refused_in_time() {
    let pool = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: a}\nspec:\n";
    let repeat = |head: &str, count: usize, item: fn(usize) -> String| {
        head.to_owned() + &(0..count).map(item).collect::<String>()
    };
    let many_fields = repeat(pool, 40_000, |index| format!("  field{index}: 1\n"));
    let ranges = pool.to_owned() + "  addresses:\n";
    let many_ranges = repeat(&ranges, 40_000, |index| {
        format!("  - 10.{}.{}.0/30\n", index / 256 % 256, index % 256)
    });
    let too_many = repeat(&ranges, 60_000, |_| "  - 10.0.0.0/8\n".into());
    let long = format!("{ranges}  - {}\n", "x".repeat(1_000_000));
    for (text, expected) in [
        (many_fields, 50),
        (many_ranges, 0),
        (too_many, 1),
        (long, 1),
    ] {
        let files = [("a.yaml", text.as_str())];
        let snapshot = file::from_texts(&files, &Options::default(), &Assignments::new());
        let errors: Vec<_> = snapshot
            .problems
            .iter()
            .filter(|problem| problem.is_error())
            .collect();
        assert_eq!(errors.len(), expected);
        assert!(
            errors
                .iter()
                .all(|problem| problem.to_string().len() < 5_000)
        );
    }
}

#[test]
fn what_a_directory_takes_and_a_cluster_does_not_is_warned_of() {
    let entries: String = (0..501)
        .map(|n| format!("  - 10.0.{}.{}/32\n", n / 250, n % 250))
        .collect();
    let text = format!(
        "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {{name: a}}\nspec:\n  \
         addresses:\n{entries}"
    );
    let files = [("a.yaml", text.as_str())];
    let snapshot = file::from_texts(&files, &Options::default(), &Assignments::new());
    let told: Vec<String> = snapshot.problems.iter().map(ToString::to_string).collect();
    let expected =
        "warning: IPAddressPool default/a: spec.addresses: a cluster takes no more than 500";
    assert!(
        told.iter().any(|problem| problem.contains(expected)),
        "{told:?}"
    );
    assert_eq!(snapshot.world.pools.len(), 1);
}
