//! Named objects with versions, soft delete and recovery: what secrets, keys and certificates share.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Days a deleted object can be recovered.
pub(crate) const RECOVERABLE_DAYS: i64 = 90;
/// What the service says of such vaults.
pub(crate) const RECOVERY_LEVEL: &str = "Recoverable+Purgeable";

/// What a version has beside its content.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Properties {
    /// Whether it can be read; yes if left out.
    pub enabled: Option<bool>,
    /// Not to be used before. Informational, as in Key Vault.
    pub not_before: Option<Timestamp>,
    /// Not to be used after. Informational, as in Key Vault.
    pub expires: Option<Timestamp>,
    /// When it was made; now if left out.
    pub created: Option<Timestamp>,
    /// Its version id, 32 hexadecimal digits; random if left out.
    pub version: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A change of properties: what is left out stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) enabled: Option<bool>,
    pub(crate) not_before: Option<Timestamp>,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

/// One version of an object.
#[derive(Clone)]
pub(crate) struct Version<B> {
    pub(crate) id: String,
    pub(crate) enabled: bool,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) tags: BTreeMap<String, String>,
    /// Whether it belongs to a certificate.
    pub(crate) managed: bool,
    pub(crate) body: B,
}

impl<B> Version<B> {
    pub(crate) fn new(properties: &Properties, managed: bool, body: B, now: Timestamp) -> Self {
        let created = properties.created.unwrap_or(now).as_second();
        Self {
            id: properties.version.clone().unwrap_or_else(|| hex::encode(rand::random::<[u8; 16]>())),
            enabled: properties.enabled.unwrap_or(true),
            not_before: properties.not_before.map(Timestamp::as_second),
            expires: properties.expires.map(Timestamp::as_second),
            created,
            updated: created,
            tags: properties.tags.clone(),
            managed,
            body,
        }
    }

    pub(crate) fn change(&mut self, change: &Change, now: Timestamp) {
        self.enabled = change.enabled.unwrap_or(self.enabled);
        self.not_before = change.not_before.map(Timestamp::as_second).or(self.not_before);
        self.expires = change.expires.map(Timestamp::as_second).or(self.expires);
        if let Some(tags) = &change.tags {
            self.tags.clone_from(tags);
        }
        self.updated = now.as_second();
    }

    /// The `attributes` member of the REST API.
    pub(crate) fn attributes(&self) -> Value {
        let mut attributes = Map::new();
        attributes.insert("enabled".to_owned(), self.enabled.into());
        for (name, time) in [("nbf", self.not_before), ("exp", self.expires)] {
            if let Some(time) = time {
                attributes.insert(name.to_owned(), time.into());
            }
        }
        attributes.insert("created".to_owned(), self.created.into());
        attributes.insert("updated".to_owned(), self.updated.into());
        attributes.insert("recoveryLevel".to_owned(), RECOVERY_LEVEL.into());
        attributes.insert("recoverableDays".to_owned(), RECOVERABLE_DAYS.into());
        attributes.into()
    }
}

/// A named object and its versions, oldest first. There is always at least one.
#[derive(Clone)]
pub(crate) struct Entry<B> {
    pub(crate) name: String,
    pub(crate) versions: Vec<Version<B>>,
}

/// An object that was deleted.
pub(crate) struct Deleted<B> {
    pub(crate) entry: Entry<B>,
    pub(crate) deleted: i64,
}

impl<B> Deleted<B> {
    pub(crate) const fn purge(&self) -> i64 {
        self.deleted + RECOVERABLE_DAYS * 24 * 3600
    }
}

impl<B> Entry<B> {
    /// The newest version.
    pub(crate) fn current(&self) -> Option<&Version<B>> {
        self.versions.last()
    }

    /// The version of this id, or the newest for an empty one.
    pub(crate) fn version(&self, id: &str) -> Option<&Version<B>> {
        if id.is_empty() {
            return self.versions.last();
        }
        self.versions.iter().find(|version| version.id.eq_ignore_ascii_case(id))
    }

    pub(crate) fn version_mut(&mut self, id: &str) -> Option<&mut Version<B>> {
        if id.is_empty() {
            return self.versions.last_mut();
        }
        self.versions.iter_mut().find(|version| version.id.eq_ignore_ascii_case(id))
    }
}

/// Objects of one type, live and deleted. Names are compared without regard to letter case.
pub(crate) struct Collection<B> {
    live: BTreeMap<String, Entry<B>>,
    deleted: BTreeMap<String, Deleted<B>>,
}

impl<B> Default for Collection<B> {
    fn default() -> Self {
        Self { live: BTreeMap::new(), deleted: BTreeMap::new() }
    }
}

fn key(name: &str) -> String {
    name.to_ascii_lowercase()
}

impl<B> Collection<B> {
    pub(crate) fn get(&self, name: &str) -> Option<&Entry<B>> {
        self.live.get(&key(name))
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Entry<B>> {
        self.live.get_mut(&key(name))
    }

    pub(crate) fn get_deleted(&self, name: &str) -> Option<&Deleted<B>> {
        self.deleted.get(&key(name))
    }

    /// Live objects by name, after this one.
    pub(crate) fn after(&self, name: &str) -> impl Iterator<Item = &Entry<B>> {
        let from = (std::ops::Bound::Excluded(key(name)), std::ops::Bound::Unbounded);
        self.live.range(from).map(|(_, entry)| entry)
    }

    /// Deleted objects by name, after this one.
    pub(crate) fn deleted_after(&self, name: &str) -> impl Iterator<Item = &Deleted<B>> {
        let from = (std::ops::Bound::Excluded(key(name)), std::ops::Bound::Unbounded);
        self.deleted.range(from).map(|(_, deleted)| deleted)
    }

    /// Adds a version, and the object with it if there was none. The caller has made sure that no
    /// deleted object keeps the name.
    pub(crate) fn push(&mut self, name: &str, version: Version<B>) {
        let entry = self.live.entry(key(name));
        let entry = entry.or_insert_with(|| Entry { name: name.to_owned(), versions: Vec::new() });
        entry.versions.push(version);
    }

    /// Deletes an object, so that it can be recovered.
    pub(crate) fn delete(&mut self, name: &str, now: Timestamp) -> Option<&Deleted<B>> {
        let entry = self.live.remove(&key(name))?;
        self.deleted.insert(key(name), Deleted { entry, deleted: now.as_second() });
        self.deleted.get(&key(name))
    }

    /// Takes a deleted object back.
    pub(crate) fn recover(&mut self, name: &str) -> Option<&Entry<B>> {
        let deleted = self.deleted.remove(&key(name))?;
        self.live.insert(key(name), deleted.entry);
        self.live.get(&key(name))
    }

    /// Forgets a deleted object. Says whether it was there.
    pub(crate) fn purge(&mut self, name: &str) -> bool {
        self.deleted.remove(&key(name)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str) -> Version<()> {
        let properties = Properties { version: Some(id.to_owned()), ..Properties::default() };
        Version::new(&properties, false, (), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn life_of_an_object() {
        let mut objects = Collection::default();
        objects.push("Name", version("aa"));
        objects.push("name", version("bb"));
        let entry = objects.get("NAME").expect("the object");
        assert_eq!((entry.name.as_str(), entry.versions.len()), ("Name", 2));
        assert_eq!(entry.version("").map(|version| version.id.as_str()), Some("bb"));
        assert_eq!(entry.version("AA").map(|version| version.id.as_str()), Some("aa"));
        assert!(entry.version("cc").is_none());

        let deleted = objects.delete("name", Timestamp::UNIX_EPOCH).expect("the deleted object");
        assert_eq!(deleted.purge(), 90 * 86400);
        assert!(objects.get("name").is_none() && objects.delete("name", Timestamp::UNIX_EPOCH).is_none());
        assert!(objects.recover("name").is_some());
        objects.delete("name", Timestamp::UNIX_EPOCH);
        assert!(objects.purge("NAME") && !objects.purge("name"));
    }

    #[test]
    fn lists_go_on_after_a_name() {
        let mut objects = Collection::default();
        for name in ["b", "a", "c"] {
            objects.push(name, version("aa"));
        }
        let names = |from: &str| objects.after(from).map(|entry| entry.name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(""), names("a"), names("c")),
            (
                vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
                vec!["b".to_owned(), "c".to_owned()],
                vec![]
            )
        );
    }
}
