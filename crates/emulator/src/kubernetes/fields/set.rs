//! Sets of field paths in the form `FieldsV1` has in JSON.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::types::{ListKind, Types};

/// A set of paths. Path elements are `f:<name>`, `k:<keys as JSON>` and `v:<value as JSON>`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSet {
    /// The path that leads here is a member itself.
    pub(crate) member: bool,
    pub(crate) children: BTreeMap<String, FieldSet>,
}

/// The path element of an item in a list that merges by keys.
pub(crate) fn key_element(item: &Value, keys: &[&str]) -> String {
    let keys: Map<String, Value> = keys
        .iter()
        .filter_map(|key| {
            // The one default that is part of a key.
            let default = || (*key == "protocol").then(|| Value::from("TCP"));
            item.get(*key).cloned().or_else(default).map(|value| ((*key).to_owned(), value))
        })
        .collect();
    format!("k:{}", Value::Object(keys))
}

/// The items of a list with their path elements; empty for an atomic list.
pub(crate) fn elements<'a>(types: Types<'_>, items: &'a [Value]) -> Vec<(String, &'a Value)> {
    match types.list(items) {
        ListKind::Atomic => Vec::new(),
        ListKind::Set => items.iter().map(|item| (format!("v:{item}"), item)).collect(),
        ListKind::Keyed(keys) => items.iter().map(|item| (key_element(item, &keys), item)).collect(),
    }
}

impl FieldSet {
    /// The fields an applied configuration sets.
    pub(crate) fn of(types: Types<'_>, value: &Value) -> Self {
        let mut set = Self::default();
        match value {
            Value::Object(map) if !map.is_empty() && !types.is_atomic_map() => {
                for (name, member) in map {
                    set.children.insert(format!("f:{name}"), Self::of(types.field(name), member));
                }
            }
            Value::Array(items) if !items.is_empty() && types.list(items) != ListKind::Atomic => {
                for (element, item) in elements(types, items) {
                    let mut child =
                        if item.is_object() { Self::of(types.item(), item) } else { Self::default() };
                    child.member = true;
                    set.children.insert(element, child);
                }
            }
            _ => set.member = true,
        }
        set
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Adds a child, unless it is empty.
    pub(super) fn put(&mut self, element: &str, child: Self) {
        if !child.is_empty() {
            self.children.insert(element.to_owned(), child);
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.member |= other.member;
        for (element, theirs) in &other.children {
            let ours = set.children.entry(element.clone()).or_default();
            *ours = ours.union(theirs);
        }
        set
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut set = Self { member: self.member && !other.member, children: BTreeMap::new() };
        for (element, ours) in &self.children {
            let child =
                other.children.get(element).map_or_else(|| ours.clone(), |theirs| ours.difference(theirs));
            set.put(element, child);
        }
        set
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut set = Self { member: self.member && other.member, children: BTreeMap::new() };
        for (element, ours) in &self.children {
            if let Some(theirs) = other.children.get(element) {
                set.put(element, ours.intersection(theirs));
            }
        }
        set
    }

    /// Removes paths with everything below them.
    pub(crate) fn without(mut self, paths: &[&[&str]]) -> Self {
        for path in paths {
            self.cut(path);
        }
        self
    }

    fn cut(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(*last);
            }
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.cut(rest);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    /// The members as people read them: `.spec.containers[name="a"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect("", &mut paths);
        paths
    }

    fn collect(&self, prefix: &str, paths: &mut Vec<String>) {
        // Members come before what is below, as conflicts list them.
        let steps: Vec<(String, &Self)> =
            self.children.iter().map(|(element, child)| (Self::step(prefix, element), child)).collect();
        paths.extend(steps.iter().filter(|(_, child)| child.member).map(|(step, _)| step.clone()));
        for (step, child) in &steps {
            child.collect(step, paths);
        }
    }

    /// A path element behind a path, as people read it.
    fn step(prefix: &str, element: &str) -> String {
        let step = match element.split_at(2) {
            ("f:", name) => format!(".{name}"),
            ("k:", keys) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", keys.join(","))
            }
            (_, value) => format!("[={value}]"),
        };
        format!("{prefix}{step}")
    }

    /// The set as `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        map.extend(self.children.iter().map(|(element, child)| (element.clone(), child.to_json())));
        Value::Object(map)
    }

    /// Reads `fieldsV1`; at the top an empty object is the empty set.
    pub(crate) fn from_json(value: &Value) -> Self {
        let Some(map) = value.as_object() else { return Self::default() };
        let children = map.iter().filter(|(element, _)| *element != ".").map(|(element, child)| {
            let mut set = Self::from_json(child);
            set.member |= set.children.is_empty();
            (element.clone(), set)
        });
        Self { member: map.contains_key("."), children: children.collect() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret() -> FieldSet {
        let object = json!({"metadata": {"labels": {"a": "1"}, "ownerReferences": [{"uid": "u", "name": "n"}]}, "data": {"k": "dg=="}});
        FieldSet::of(Types::of(None), &object)
    }

    #[test]
    fn reads_and_writes_fields_v1() {
        let expected = json!({
            "f:metadata": {"f:labels": {"f:a": {}}, "f:ownerReferences": {"k:{\"uid\":\"u\"}": {}}},
            "f:data": {"f:k": {}}});
        assert_eq!(secret().to_json(), expected);
        assert_eq!(FieldSet::from_json(&expected), secret());
        assert!(secret().paths().contains(&".metadata.ownerReferences[uid=\"u\"]".to_owned()));
    }

    #[test]
    fn is_a_set() {
        let other = FieldSet::of(Types::of(None), &json!({"data": {"k": "", "l": ""}}));
        assert_eq!(secret().intersection(&other).paths(), [".data.k"]);
        assert_eq!(other.difference(&secret()).paths(), [".data.l"]);
        assert_eq!(secret().union(&other).difference(&other), secret().difference(&other));
        assert!(secret().difference(&secret()).is_empty());
    }
}
