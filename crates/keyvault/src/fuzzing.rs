//! Answers of a vault, as bytes and as header.

use crate::bundle::{Content, ObjectEntry, Page, VersionEntry};
use crate::challenge::Challenge;
use crate::item::{Item, ObjectKind};

/// Reads a body as every kind of answer there is. Gives the texts of the errors.
#[must_use]
pub fn answers(body: &[u8]) -> Vec<String> {
    let kinds = [ObjectKind::Secret, ObjectKind::Key, ObjectKind::Certificate];
    let error = |error: &crate::VaultError| error.to_string();
    let objects =
        kinds.iter().filter_map(|kind| Content::parse_object(*kind, body).err().as_ref().map(error));
    let list = |kind: ObjectKind| Item::Objects { kind };
    let lists = kinds.iter().flat_map(|kind| {
        let versions = Page::<VersionEntry>::parse(&list(*kind), body).err();
        let entries = Page::<ObjectEntry>::parse(&list(*kind), body).err();
        [versions, entries].into_iter().flatten()
    });
    objects.chain(lists.map(|failure| failure.to_string())).collect()
}

/// The resource that a challenge of `host` asks a token for; none if it is not to be answered, or asks for claims.
#[must_use]
pub fn challenged_resource(header: &str, host: &str) -> Option<String> {
    match Challenge::parse(header, host) {
        Ok(Challenge::Resource(resource)) => Some(resource),
        Ok(Challenge::Claims(_)) | Err(_) => None,
    }
}
