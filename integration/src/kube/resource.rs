//! Which kinds the API server has, and where (aggregated discovery).

use serde_json::Value;

/// A kind, and where its objects are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    root: String,
    kind: String,
    plural: String,
    namespaced: bool,
}

impl Resource {
    /// The path of all objects of the kind in a namespace; in all of them if that is empty.
    pub(super) fn collection(&self, namespace: &str) -> String {
        let Resource { root, plural, .. } = self;
        match self.namespaced && !namespace.is_empty() {
            true => format!("{root}/namespaces/{namespace}/{plural}"),
            false => format!("{root}/{plural}"),
        }
    }
}

/// The resources in `APIGroupDiscoveryList`s, in order: the preferred version of a group first.
pub(super) fn read(lists: &[Value]) -> Vec<Resource> {
    let mut resources = Vec::new();
    for group in lists.iter().flat_map(|list| rows(&list["items"])) {
        let name = group["metadata"]["name"].as_str();
        for version in rows(&group["versions"]) {
            let number = version["version"].as_str().unwrap_or_default();
            let root = match name {
                Some(name) => format!("/apis/{name}/{number}"),
                None => format!("/api/{number}"),
            };
            let found = rows(&version["resources"]).iter();
            resources.extend(found.filter_map(|resource| {
                Some(Resource {
                    root: root.clone(),
                    kind: resource["responseKind"]["kind"].as_str()?.to_owned(),
                    plural: resource["resource"].as_str()?.to_owned(),
                    namespaced: resource["scope"] == "Namespaced",
                })
            }));
        }
    }
    resources
}

/// The first of a kind, named `KIND`, `VERSION/KIND` or `GROUP/VERSION/KIND`.
pub(super) fn find(resources: &[Resource], kind: &str) -> Option<Resource> {
    let matches = |resource: &&Resource| match kind.rsplit_once('/') {
        None => resource.kind == kind,
        Some((version, kind)) => {
            let of_group = format!("/apis/{version}");
            resource.kind == kind
                && (resource.root == of_group || resource.root == format!("/api/{version}"))
        }
    };
    resources.iter().find(matches).cloned()
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_is_found_by_its_name_or_with_its_version() {
        let of = |kind: &str, plural: &str, scope: &str| json!({"resource": plural, "scope": scope, "responseKind": {"kind": kind}});
        let core = json!({"items": [{"metadata": {}, "versions": [{"version": "v1", "resources": [
            of("Node", "nodes", "Cluster"), of("Event", "events", "Namespaced")]}]}]});
        let groups = json!({"items": [{"metadata": {"name": "events.k8s.io"}, "versions": [
            {"version": "v1", "resources": [of("Event", "events", "Namespaced")]}]}]});
        let resources = read(&[core, groups]);
        let path = |kind: &str, namespace: &str| {
            find(&resources, kind).map(|found| found.collection(namespace))
        };
        for (kind, namespace, expected) in [
            ("Node", "", "/api/v1/nodes"),
            ("Node", "a", "/api/v1/nodes"),
            ("Event", "a", "/api/v1/namespaces/a/events"),
            ("v1/Event", "", "/api/v1/events"),
            (
                "events.k8s.io/v1/Event",
                "a",
                "/apis/events.k8s.io/v1/namespaces/a/events",
            ),
        ] {
            assert_eq!(path(kind, namespace).as_deref(), Some(expected));
        }
        assert_eq!(path("Pod", "a"), None);
    }
}
