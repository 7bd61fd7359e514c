//! What all types of objects have in common: get, lists, delete, and the deleted ones.

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value};

use super::pages::Page;
use super::{Admitted, Answer, Call, method_not_allowed, ok};
use crate::vault::error::VaultError;
use crate::vault::kind::{Kind, Place};
use crate::vault::object::{Deleted, Entry};

impl Call<'_> {
    pub(super) fn place<'a>(&'a self, name: &'a str) -> Place<'a> {
        Place { base: &self.base, name }
    }

    /// A version, as the API answers get, set and update.
    pub(super) fn show<K: Kind>(&self, name: &str, version: &str) -> Answer {
        self.vault.edit(|contents| {
            let entry = contents.entry::<K>(name)?;
            let version = contents.version::<K>(name, version)?;
            Ok(ok(K::whole(version, self.place(&entry.name))))
        })
    }

    /// The reading requests and the delete of a live object.
    pub(super) fn common<K: Kind>(&self, asked: &Admitted) -> Answer {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (&asked.method, path.as_slice()) {
            (&Method::GET, []) => self.list::<K>(asked),
            (&Method::GET, [name, "versions"]) => self.list_versions::<K>(name, asked),
            (&Method::GET, [name]) => self.get::<K>(name, ""),
            (&Method::GET, [name, version]) => self.get::<K>(name, version),
            (&Method::DELETE, [name]) => self.delete::<K>(name),
            (&Method::POST, [_, "backup"] | ["restore"]) => Err(VaultError::not_emulated("Backup")),
            _ => Err(method_not_allowed()),
        }
    }

    fn get<K: Kind>(&self, name: &str, version: &str) -> Answer {
        if !version.is_empty() && !is_version(version) {
            let text = format!("The request URI contains an invalid version: {version}");
            return Err(VaultError::bad_parameter(text));
        }
        self.vault.edit(|contents| contents.readable::<K>(name, version).map(drop))?;
        self.show::<K>(name, version)
    }

    fn list<K: Kind>(&self, asked: &Admitted) -> Answer {
        let page = Page::new(asked)?;
        let items = self.vault.edit(|contents| {
            let entries = K::collection(contents).after(page.after());
            let items = entries.filter_map(|entry| {
                Some((entry.name.clone(), K::item(entry.current()?, self.place(&entry.name), "")))
            });
            page.take(items)
        });
        Ok(ok(page.render(items, &format!("{}/{}", self.base, K::TYPE.collection()))))
    }

    fn list_versions<K: Kind>(&self, name: &str, asked: &Admitted) -> Answer {
        let page = Page::new(asked)?;
        let items = self.vault.edit(|contents| {
            let entry = contents.entry::<K>(name)?;
            // By version id, as the service does: not by age.
            let mut versions: Vec<_> = entry.versions.iter().collect();
            versions.sort_by(|a, b| a.id.cmp(&b.id));
            let place = self.place(&entry.name);
            let items = versions
                .into_iter()
                .filter(|version| version.id.as_str() > page.after())
                .map(|version| (version.id.clone(), K::item(version, place, &version.id)));
            Ok::<_, VaultError>(page.take(items))
        })?;
        let url = format!("{}/{}/{name}/versions", self.base, K::TYPE.collection());
        Ok(ok(page.render(items, &url)))
    }

    fn delete<K: Kind>(&self, name: &str) -> Answer {
        let now = self.vault.clock.now();
        self.vault.edit(|contents| {
            let deleted = contents.delete::<K>(name, now)?;
            Ok(ok(self.deleted_bundle(deleted)))
        })
    }

    /// The requests about deleted objects.
    pub(super) fn deleted<K: Kind>(&self, asked: &Admitted) -> Answer {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (&asked.method, path.as_slice()) {
            (&Method::GET, []) => self.list_deleted::<K>(asked),
            (&Method::GET, [name]) => self.vault.edit(|contents| {
                let deleted = K::collection(contents).get_deleted(name);
                let deleted = deleted.ok_or_else(|| VaultError::deleted_not_found(K::TYPE, name))?;
                Ok(ok(self.deleted_bundle(deleted)))
            }),
            (&Method::DELETE, [name]) => {
                self.vault.edit(|contents| contents.purge::<K>(name))?;
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                Ok(response)
            }
            (&Method::POST, [name, "recover"]) => {
                self.vault.edit(|contents| contents.recover::<K>(name).map(drop))?;
                self.show_without_value::<K>(name, "")
            }
            _ => Err(method_not_allowed()),
        }
    }

    /// A version as answers of update and recover show it: without the value of a secret.
    pub(super) fn show_without_value<K: Kind>(&self, name: &str, version: &str) -> Answer {
        self.vault.edit(|contents| {
            let entry = contents.entry::<K>(name)?;
            let version = contents.version::<K>(name, version)?;
            let mut members = K::whole(version, self.place(&entry.name));
            members.remove("value");
            Ok(ok(members))
        })
    }

    fn list_deleted<K: Kind>(&self, asked: &Admitted) -> Answer {
        let page = Page::new(asked)?;
        let items = self.vault.edit(|contents| {
            let deleted = K::collection(contents).deleted_after(page.after());
            let items = deleted.filter_map(|deleted| {
                let Entry { name, .. } = &deleted.entry;
                let item = K::item(deleted.entry.current()?, self.place(name), "");
                Some((name.clone(), self.recoverable::<K>(item, deleted)))
            });
            page.take(items)
        });
        Ok(ok(page.render(items, &format!("{}/deleted{}", self.base, K::TYPE.collection()))))
    }

    fn deleted_bundle<K: Kind>(&self, deleted: &Deleted<K>) -> Map<String, Value> {
        let entry = &deleted.entry;
        let mut members =
            entry.current().map(|version| K::whole(version, self.place(&entry.name))).unwrap_or_default();
        members.remove("value");
        self.recoverable(members, deleted)
    }

    fn recoverable<K: Kind>(
        &self,
        mut members: Map<String, Value>,
        deleted: &Deleted<K>,
    ) -> Map<String, Value> {
        let id = format!("{}/deleted{}/{}", self.base, K::TYPE.collection(), deleted.entry.name);
        members.insert("recoveryId".to_owned(), id.into());
        members.insert("deletedDate".to_owned(), deleted.deleted.into());
        members.insert("scheduledPurgeDate".to_owned(), deleted.purge().into());
        members
    }
}

/// Versions are 32 hexadecimal digits.
fn is_version(version: &str) -> bool {
    version.len() == 32 && version.chars().all(|c| c.is_ascii_hexdigit())
}
