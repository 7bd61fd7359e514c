//! Why a mount failed, as it is told to the driver.
//!
//! Every failure becomes the gRPC status UNKNOWN, as upstream's does. The message begins with upstream's
//! text and ends with two lines of ours: a stable reason, and what to do. The reason also travels in the
//! response metadata, for the driver to use in conditions and metrics.

use keymount_identity::CloudError;
use keymount_keyvault::VaultError;
use keymount_objects::{
    IdentityMode, ObjectRef, ObjectType, ObjectsError, ParametersError, RequestError, UnknownVersion,
    VaultNameError,
};
use keymount_reasons::numbered;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::content::ContentError;
use crate::login::{AuthError, ClientError};
use crate::mount::SelectionProblem;
use crate::reason::Reason;

/// The key of the response metadata that carries the reason of a failure.
pub const REASON_KEY: &str = "keymount-reason";

/// A message travels in a header, and peers bound the size of those: this many bytes as sent.
const MAX_MESSAGE_BYTES: usize = 8192;

/// A mount that failed. The variants stand in the order of the checks.
#[derive(Debug)]
pub enum MountError {
    /// The request is not what a driver sends.
    Request(RequestError),
    /// A parameter of the class.
    Parameters(ParametersError),
    /// The cloud.
    Cloud {
        /// As the class names it.
        name: String,
        /// What is wrong with it.
        error: CloudError,
    },
    /// What the identity mode needs.
    Auth {
        /// The mode.
        mode: IdentityMode,
        /// What is missing.
        error: AuthError,
    },
    /// The objects of the class, also when two of their files conflict.
    Objects(ObjectsError),
    /// The vault's name.
    VaultName(VaultNameError),
    /// The vault's address, which a custom cloud's suffix makes impossible.
    VaultAddress,
    /// The identity's issuer cannot be asked.
    Client(ClientError),
    /// A list of versions. Upstream does not name the object here.
    List(VaultError),
    /// The version to start a history with.
    Version(UnknownVersion),
    /// An object's type.
    Type {
        /// The object.
        object: String,
    },
    /// An object could not be fetched.
    Fetch {
        /// The object.
        object: String,
        /// Why.
        error: VaultError,
    },
    /// What a selector means.
    Selection {
        /// The object.
        object: Box<ObjectRef>,
        /// The selector's id.
        selector: String,
        /// What is wrong.
        problem: SelectionProblem,
    },
    /// The password of an object's PFX could not be fetched.
    Password {
        /// The object.
        object: String,
        /// The secret with the password.
        password: String,
        /// Why.
        error: Box<VaultError>,
    },
    /// An object's answer gives no file.
    Content {
        /// The object.
        object: String,
        /// Why.
        error: ContentError,
    },
    /// All files together are larger than a volume may be.
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
}

impl MountError {
    /// Upstream's text.
    #[must_use]
    pub fn text(&self) -> String {
        let cause = match self {
            Self::Request(error) => return error.text(),
            Self::Parameters(error) => error.text(),
            Self::Cloud { name, error } => format!("cloudName {name} is not valid, error: {error}"),
            Self::Auth { mode, error } => format!("failed to build auth config for mode {mode}: {error}"),
            Self::Objects(error) => error.text(),
            Self::VaultName(error) => error.text(),
            Self::VaultAddress => {
                "failed to get vault: the cloud's vault suffix makes no host name".to_owned()
            }
            Self::Client(error) => format!("failed to get keyvault client: {error}"),
            Self::List(error) => error.to_string(),
            Self::Version(error) => error.text(),
            Self::Type { object } => format!("{object}: {}", ObjectType::UNSUPPORTED),
            Self::Fetch { object, error } => format!("{object}: {error}"),
            Self::Selection { object, selector, problem } => format!("{object}: {selector}: {problem}"),
            Self::Password { object, password, error } => {
                format!("{object}: pfxPasswordObject {password}: {error}")
            }
            Self::Content { object, error } if error.names_object() => format!("{object}: {error}"),
            Self::Content { error, .. } => error.to_string(),
            Self::TooLarge { limit } => {
                format!("the files of the volume have more than {limit} bytes in all")
            }
        };
        format!("failed to mount objects, error: {cause}")
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Request(error) => error.hint().to_owned(),
            Self::Parameters(error) => error.hint().to_owned(),
            Self::Cloud { error, .. } => error.hint(),
            Self::Auth { error, .. } => error.hint().to_owned(),
            Self::Objects(error) => error.hint(),
            Self::VaultName(error) => error.hint().to_owned(),
            Self::VaultAddress => "check keyVaultDNSSuffix in the custom cloud's file".to_owned(),
            Self::Client(error) => error.hint().to_owned(),
            Self::List(error) | Self::Fetch { error, .. } => error.hint(),
            Self::Version(error) => error.hint().to_owned(),
            Self::Type { .. } => "objectType is secret, key or cert, in lower case".to_owned(),
            Self::Selection { object, problem, .. } => {
                format!("object at index {} in objects: {}", object.index, problem.fix())
            }
            Self::Password { error, .. } => error.hint(),
            Self::Content { object, error } if !error.names_object() => {
                // The text alone does not say which object it is about.
                format!("{} ({})", error.hint(), object.strip_prefix("failed to get ").unwrap_or(object))
            }
            Self::Content { error, .. } => error.hint().to_owned(),
            Self::TooLarge { .. } => "split the SecretProviderClass over several volumes".to_owned(),
        }
    }

    /// The stable reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::of(self)
    }

    /// As it is told to the driver.
    #[must_use]
    pub fn to_status(&self) -> Status {
        let mut message = self.text();
        let tail = format!("reason: {}\nhint: {}", numbered(self.reason().code()), self.hint());
        shorten(&mut message, MAX_MESSAGE_BYTES.saturating_sub(encoded_length(&tail) + 3));
        if !message.ends_with('\n') {
            message.push('\n');
        }
        message.push_str(&tail);
        let mut metadata = MetadataMap::new();
        if let Ok(reason) = self.reason().code().parse() {
            metadata.insert(REASON_KEY, reason);
        }
        Status::with_metadata(Code::Unknown, message, metadata)
    }
}

/// What a character takes in a gRPC status message, where all but printable ASCII is escaped.
fn encoded_length_of(character: char) -> usize {
    if matches!(character, ' '..='~') && character != '%' { 1 } else { 3 * character.len_utf8() }
}

fn encoded_length(text: &str) -> usize {
    text.chars().map(encoded_length_of).sum()
}

fn shorten(text: &mut String, limit: usize) {
    let mut length = 0;
    let cut = text.char_indices().find(|(_, character)| {
        length += encoded_length_of(*character);
        length > limit
    });
    if let Some((at, _)) = cut {
        text.truncate(at);
        text.push('…');
    }
}

macro_rules! from {
    ($($error:ty => $variant:ident),* $(,)?) => {
        $(impl From<$error> for MountError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from! {
    RequestError => Request,
    ParametersError => Parameters,
    ObjectsError => Objects,
    VaultNameError => VaultName,
    ClientError => Client,
    UnknownVersion => Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_text_first_then_reason_and_hint() {
        let status = MountError::Parameters(ParametersError::VaultName).to_status();
        assert_eq!(status.code(), Code::Unknown);
        assert_eq!(
            status.message(),
            "failed to mount objects, error: keyvaultName is not provided\nreason: VaultNameMissing (KM0105)\n\
             hint: set parameters.keyvaultName in the SecretProviderClass to the vault's name, not its URL"
        );
        assert_eq!(status.metadata().get(REASON_KEY).expect("a reason"), "VaultNameMissing");
    }

    #[test]
    fn a_message_fits_into_a_header_whatever_a_tenant_wrote() {
        let name = "ü\n".repeat(20_000);
        let error = MountError::Cloud { name: name.clone(), error: CloudError::Unknown(name) };
        let status = error.to_status();
        assert!(encoded_length(status.message()) <= MAX_MESSAGE_BYTES + 12);
        assert!(status.message().contains("…\nreason: CloudUnknown (KM0201)\nhint: use AzurePublicCloud"));
    }
}
