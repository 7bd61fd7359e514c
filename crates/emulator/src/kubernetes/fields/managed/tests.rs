use serde_json::json;

use super::*;

const TYPES: Types<'_> = Types::Table("");
const NOW: &str = "2026-11-24T00:00:00Z";

fn manager(name: &str) -> Manager {
    Manager { name: name.to_owned(), api_version: "v1".to_owned(), subresource: String::new() }
}

fn applied(
    live: &Value,
    name: &str,
    configuration: &Value,
    force: bool,
) -> Result<Value, Vec<(String, String)>> {
    apply(TYPES, live, configuration, &manager(name), force, NOW)
}

fn owners(object: &Value) -> Vec<(String, Value)> {
    object::meta_list(object, "managedFields")
        .iter()
        .map(|entry| {
            (
                format!("{} {}", entry["manager"], entry["operation"]).replace('"', ""),
                entry["fieldsV1"].clone(),
            )
        })
        .collect()
}

#[test]
fn a_new_object_belongs_to_its_writer() {
    let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "labels": {"l": "1"}}, "data": {"k": ""}});
    track_update(TYPES, None, &mut object, &manager("curl"), NOW);
    let fields = json!({"f:data": {".": {}, "f:k": {}}, "f:metadata": {"f:labels": {".": {}, "f:l": {}}}});
    assert_eq!(owners(&object), [("curl Update".to_owned(), fields)]);
}

#[test]
fn different_values_conflict_and_force_takes_them() {
    let live = json!({"metadata": {"name": "a"}});
    let live =
        applied(&live, "one", &json!({"data": {"k": "1", "l": "1"}}), false).expect("nobody is in the way");
    let same = applied(&live, "two", &json!({"data": {"l": "1"}}), false).expect("equal values are shared");
    assert_eq!(owners(&same).len(), 2);
    let conflicts = applied(&live, "two", &json!({"data": {"k": "2"}}), false).expect_err("owned by one");
    assert_eq!(conflicts, [("\"one\"".to_owned(), ".data.k".to_owned())]);
    let forced = applied(&live, "two", &json!({"data": {"k": "2"}}), true).expect("forced");
    assert_eq!(forced["data"], json!({"k": "2", "l": "1"}));
    assert_eq!(owners(&forced)[0], ("one Apply".to_owned(), json!({"f:data": {"f:l": {}}})));
}

#[test]
fn what_is_no_longer_applied_goes_unless_another_owns_it() {
    let live = json!({"metadata": {"name": "a"}});
    let live = applied(&live, "one", &json!({"data": {"k": "1", "l": "1"}}), false).expect("applied");
    let live = applied(&live, "two", &json!({"data": {"l": "1"}}), false).expect("applied");
    let live = applied(&live, "one", &json!({"metadata": {"labels": {"x": "y"}}}), false).expect("applied");
    assert_eq!(live["data"], json!({"l": "1"}));
    let live = applied(&live, "two", &json!({}), false).expect("applied");
    assert_eq!(live.get("data"), None);
}

#[test]
fn owner_references_merge_by_uid() {
    let owner = |uid: &str| json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": uid, "uid": uid}]}});
    let live = json!({"metadata": {"name": "a"}});
    let live = applied(&live, "pod-1", &owner("1"), false).expect("applied");
    let live = applied(&live, "pod-2", &owner("2"), false).expect("applied");
    assert_eq!(object::meta_list(&live, "ownerReferences").len(), 2);
    let live = applied(&live, "pod-1", &json!({}), false).expect("applied");
    assert_eq!(live["metadata"]["ownerReferences"], owner("2")["metadata"]["ownerReferences"]);
}

#[test]
fn an_update_takes_what_it_changes() {
    let live = applied(&json!({"metadata": {"name": "a"}}), "one", &json!({"data": {"k": "1"}}), false)
        .expect("applied");
    let mut new = live.clone();
    new["data"]["k"] = json!("2");
    track_update(TYPES, Some(&live), &mut new, &manager("kubectl-edit"), NOW);
    assert_eq!(owners(&new), [("kubectl-edit Update".to_owned(), json!({"f:data": {"f:k": {}}}))]);
}
