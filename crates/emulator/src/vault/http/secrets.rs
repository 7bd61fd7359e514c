//! Writing secrets.

use axum::body::Body;
use http::{Method, Request};
use keymount_sensitive::SecretString;
use serde::Deserialize;

use super::{Admitted, Answer, Attributes, Call, Tags, body};
use crate::vault::error::VaultError;
use crate::vault::kind::Secret;
use crate::vault::spec::SecretSpec;

/// Bytes a secret may have.
const MAX_VALUE: usize = 25 * 1024;
/// Characters a content type may have.
const MAX_CONTENT_TYPE: usize = 255;

#[derive(Deserialize)]
struct Set {
    value: SecretString,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

#[derive(Deserialize)]
struct Update {
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    #[serde(default)]
    attributes: Option<Attributes>,
    tags: Option<Tags>,
}

impl Call<'_> {
    pub(super) async fn secrets(&self, asked: &Admitted, request: Request<Body>) -> Answer {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        match (&asked.method, path.as_slice()) {
            (&Method::PUT, [name]) => self.set_secret(name, body(request).await?),
            (&Method::PATCH, [name]) => self.update_secret(name, "", body(request).await?),
            (&Method::PATCH, [name, version]) => self.update_secret(name, version, body(request).await?),
            _ => self.common::<Secret>(asked),
        }
    }

    fn set_secret(&self, name: &str, set: Set) -> Answer {
        if set.value.expose().len() > MAX_VALUE {
            return Err(VaultError::bad_parameter(format!(
                "The value of the secret is longer than {MAX_VALUE} bytes."
            )));
        }
        check_content_type(set.content_type.as_deref())?;
        let version = self.vault.put_secret(&SecretSpec {
            name: name.to_owned(),
            value: set.value,
            content_type: set.content_type,
            properties: set.attributes.unwrap_or_default().properties(set.tags)?,
        })?;
        self.show::<Secret>(name, &version)
    }

    fn update_secret(&self, name: &str, version: &str, update: Update) -> Answer {
        check_content_type(update.content_type.as_deref())?;
        let change = update.attributes.unwrap_or_default().change(update.tags)?;
        let now = self.vault.clock.now();
        self.vault.edit(|contents| {
            contents.version::<Secret>(name, version)?;
            let entry = contents.secrets.get_mut(name);
            if let Some(found) = entry.and_then(|entry| entry.version_mut(version)) {
                found.change(&change, now);
                if update.content_type.is_some() {
                    found.body.content_type = update.content_type;
                }
            }
            Ok::<_, VaultError>(())
        })?;
        self.show_without_value::<Secret>(name, version)
    }
}

fn check_content_type(content_type: Option<&str>) -> Result<(), VaultError> {
    if content_type.is_some_and(|text| text.chars().count() > MAX_CONTENT_TYPE) {
        return Err(VaultError::bad_parameter("The content type is longer than 255 characters."));
    }
    Ok(())
}
