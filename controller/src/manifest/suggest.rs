//! "Did you mean …?"

/// The one of `known` that `given` was most likely meant to be, if one is near enough: at most a
/// third of it is different, letter case aside.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase();
    let allowed = (given.chars().count() / 3).clamp(1, 4);
    known
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        let known = [
            "addresses",
            "autoAssign",
            "avoidBuggyIPs",
            "serviceAllocation",
        ];
        let rows = [
            ("adresses", Some("addresses")),
            ("address", Some("addresses")),
            ("autoassign", Some("autoAssign")),
            ("avoidBuggyIps", Some("avoidBuggyIPs")),
            ("protocol", None),
            ("", None),
        ];
        for (given, expected) in rows {
            assert_eq!(nearest(given, known), expected, "{given}");
        }
    }
}
