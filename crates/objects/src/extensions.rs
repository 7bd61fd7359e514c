//! What objects may ask for that the Go provider does not know: fields it ignores, so that a class without
//! them means what it always meant.

mod json_files;
mod pem_files;
mod problem;
mod selector;

use crate::object::{ObjectEncoding, ObjectFormat};
use crate::vault::VaultName;
use crate::yaml::{Field, Pairs, Text};

pub use json_files::{JsonFile, JsonFileError};
pub use pem_files::{PemFile, PemPart};
pub use problem::ExtensionProblem;
pub use selector::Selector;

/// An object's fields beyond those of the Go provider. The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// `optional`: an object that is missing, disabled or forbidden leaves its file out, which is reported.
    pub optional: bool,
    /// `keyvaultName`: another vault than the class's.
    pub vault: Option<VaultName>,
    /// `objectNamePattern` and `tags`: the object stands for all that match.
    pub selector: Option<Selector>,
    /// `pfxPasswordObject`: the secret, of the same vault, with the password of this PFX. The value is a
    /// PFX in base64 then, whatever its content type says.
    pub pfx_password: Option<String>,
    /// `jsonPath` or `pemFiles`: the files that are made of the value, in place of the one with all of it.
    pub parts: Parts,
}

/// What becomes of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parts {
    /// One file with all of it.
    #[default]
    Whole,
    /// `jsonPath`: a file per query into JSON or YAML.
    Json(Vec<JsonFile>),
    /// `pemFiles`: a file per part of a PEM bundle.
    Pem(Vec<PemFile>),
}

impl Parts {
    /// Paths below the volume, if these are not the object's own.
    #[must_use]
    pub fn aliases(&self) -> Vec<&str> {
        match self {
            Self::Whole => Vec::new(),
            Self::Json(files) => files.iter().map(JsonFile::alias).collect(),
            Self::Pem(files) => files.iter().map(|file| file.alias.as_str()).collect(),
        }
    }
}

/// The fields as written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    optional: bool,
    vault: Text,
    pattern: Text,
    tags: Pairs,
    json_path: Vec<Pairs>,
    pem_files: Pairs,
    pfx_password: Text,
}

/// The rest of the object, as far as it matters here.
pub(crate) struct Context<'a> {
    pub(crate) name: &'a str,
    pub(crate) alias: &'a str,
    pub(crate) version: &'a str,
    pub(crate) object_type: &'a str,
    pub(crate) history: i32,
    pub(crate) format: ObjectFormat,
    pub(crate) encoding: ObjectEncoding,
    pub(crate) mode: i32,
}

impl Written {
    pub(crate) fn field(&mut self, key: &str) -> Option<Field<'_>> {
        Some(match key {
            "optional" => Field::Bool(&mut self.optional),
            "keyvaultName" => Field::Text(&mut self.vault),
            "objectNamePattern" => Field::Text(&mut self.pattern),
            "tags" => Field::Pairs(&mut self.tags),
            "jsonPath" => Field::PairsList(&mut self.json_path),
            "pemFiles" => Field::Pairs(&mut self.pem_files),
            "pfxPasswordObject" => Field::Text(&mut self.pfx_password),
            _ => return None,
        })
    }

    /// Whether the object is chosen by something else than its name.
    pub(crate) fn selects(&self) -> bool {
        !self.pattern.value.trim().is_empty() || !self.tags.is_empty()
    }

    pub(crate) fn check(&self, object: &Context<'_>) -> Result<Extensions, ExtensionProblem> {
        let given = |text: &Text| Some(text.value.trim().to_owned()).filter(|text| !text.is_empty());
        let vault = given(&self.vault).map(|name| VaultName::parse(&name)).transpose()?;
        let selector =
            self.selects().then(|| Selector::new(self.pattern.value.trim(), &self.tags)).transpose()?;
        let parts = match (self.json_path.as_slice(), self.pem_files.as_slice()) {
            ([], []) => Parts::Whole,
            (json, []) => Parts::Json(json_files::check(json, object.mode)?),
            ([], pem) => Parts::Pem(pem_files::check(pem, object.mode)?),
            _ => return Err(ExtensionProblem::Contradiction("jsonPath", "pemFiles")),
        };
        let extensions = Extensions {
            optional: self.optional,
            vault,
            selector,
            pfx_password: given(&self.pfx_password),
            parts,
        };
        extensions.refuse_contradictions(object)?;
        Ok(extensions)
    }
}

impl Extensions {
    fn refuse_contradictions(&self, object: &Context<'_>) -> Result<(), ExtensionProblem> {
        let (json, pem) = (matches!(self.parts, Parts::Json(_)), matches!(self.parts, Parts::Pem(_)));
        let password = self.pfx_password.is_some();
        for (field, present) in [("jsonPath", json), ("pemFiles", pem), ("pfxPasswordObject", password)] {
            if present && object.object_type != "secret" {
                return Err(ExtensionProblem::NeedsSecret(field));
            }
        }
        let selects = self.selector.is_some();
        let selection = "objectNamePattern or tags";
        let pfx = object.format == ObjectFormat::Pfx;
        let encoded = object.encoding != ObjectEncoding::Utf8;
        for (one, other, both) in [
            ("objectName", selection, selects && !object.name.is_empty()),
            ("objectVersion", selection, selects && !object.version.is_empty()),
            ("objectVersionHistory", selection, selects && object.history > 1),
            ("jsonPath", selection, selects && json),
            ("pemFiles", selection, selects && pem),
            ("pfxPasswordObject", selection, selects && password),
            ("objectAlias", "jsonPath", json && !object.alias.is_empty()),
            ("objectAlias", "pemFiles", pem && !object.alias.is_empty()),
            ("objectFormat: pfx", "pemFiles", pem && pfx),
            ("objectFormat: pfx", "pfxPasswordObject", password && pfx),
            ("objectEncoding", "pfxPasswordObject", password && encoded),
            ("jsonPath", "pfxPasswordObject", password && json),
        ] {
            if both {
                return Err(ExtensionProblem::Contradiction(one, other));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
