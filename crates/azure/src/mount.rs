//! The mount pipeline: decode, parameters, cloud, credential, objects, vault, fetch, reply.
//!
//! Everything that can be checked without the network is checked first, in upstream's order. Objects are
//! fetched concurrently, but the error that counts is that of the first object in the class's order.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use keymount_identity::Cloud;
use keymount_keyvault::{Lane, ObjectKind, SecretBundle, Vault};
use keymount_objects::{
    Attributes, FilePaths, IdentityMode, Limits, ListedVersion, Object, ObjectRef, ObjectType, ObjectsError,
    Parameters, PublishSecrets, SelectedVersion, VaultName, VersionAttributes, decode_permission,
    parse_objects, version_of_id,
};
use keymount_proto::provider::{File, MountRequest, MountResponse, ObjectVersion};
use keymount_sensitive::SecretBytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use crate::content::{self, Content};
use crate::error::MountError;
use crate::login::Login;
use crate::provider::Provider;

/// Objects of one mount that are fetched at the same time. The vault's gate bounds all mounts together.
const CONCURRENT_OBJECTS: usize = 64;

/// Conversions of one mount that run at the same time: they take CPU time, and other mounts want some.
const CONCURRENT_CONVERSIONS: usize = 1;

/// What the objects of one mount share.
struct Mount {
    vault: Vault,
    conversions: Semaphore,
}

/// One file of the reply.
struct Produced {
    path: String,
    mode: i32,
    content: SecretBytes,
    uid: String,
    version: String,
}

impl Provider {
    /// Fetches the content of one volume, until `deadline`.
    ///
    /// # Errors
    /// The first check that fails; else the failure of the first object in the class's order.
    pub async fn mount(
        &self,
        request: &MountRequest,
        deadline: Instant,
    ) -> Result<MountResponse, MountError> {
        let attributes = Attributes::decode(&request.attributes)?;
        let secrets = PublishSecrets::decode(&request.secrets)?;
        let permission = decode_permission(&request.permission)?;
        let parameters = Parameters::from_attributes(&attributes)?;
        let cloud = self.cloud(&parameters).await?;
        let login = Login::choose(&parameters, &secrets)
            .map_err(|error| MountError::Auth { mode: parameters.identity, error })?;
        let objects = parse_objects(&parameters.objects, permission, Limits::default())?;
        if objects.is_empty() {
            return Ok(MountResponse::default());
        }
        let name = VaultName::parse(&parameters.vault_name)?;
        let vault = self.vault(&name, &cloud, login, &parameters, lane(request), deadline).await?;
        let mount = Mount { vault, conversions: Semaphore::new(CONCURRENT_CONVERSIONS) };
        let work: Vec<_> = objects.iter().map(|object| self.produce(&mount, object)).collect();
        let produced: Vec<_> = stream::iter(work).buffered(CONCURRENT_OBJECTS).try_collect().await?;
        self.reply(&objects, produced)
    }

    async fn cloud(&self, parameters: &Parameters) -> Result<Cloud, MountError> {
        if parameters.cloud_name.is_empty() {
            return Ok(self.config().default_cloud.clone());
        }
        let file = match parameters.cloud_env_file.as_str() {
            "" => self.config().cloud_file.clone(),
            file => Some(file.into()),
        };
        Cloud::by_name(&parameters.cloud_name, file)
            .await
            .map_err(|error| MountError::Cloud { name: parameters.cloud_name.clone(), error })
    }

    async fn vault(
        &self,
        name: &VaultName,
        cloud: &Cloud,
        login: Login,
        parameters: &Parameters,
        lane: Lane,
        deadline: Instant,
    ) -> Result<Vault, MountError> {
        if parameters.identity == IdentityMode::PodIdentity {
            self.warn_of_pod_identity();
        }
        let host = format!("{name}.{}", cloud.vault_suffix);
        let url = Url::parse(&format!("https://{host}/")).map_err(|_| MountError::VaultAddress)?;
        let fallback = self.config().authority_host.as_deref();
        let session = login.session(self.identities(), parameters, cloud, fallback).await?;
        let resource = cloud.resource_for(url.host_str().unwrap_or_default());
        Ok(self.vaults().vault(url, &host, resource, session, lane, deadline))
    }

    /// All files of one object: one, or one per version, each perhaps with its parts.
    async fn produce(&self, mount: &Mount, object: &Object) -> Result<Vec<Produced>, MountError> {
        let kind = match object.object_type {
            ObjectType::Secret => ObjectKind::Secret,
            ObjectType::Key => ObjectKind::Key,
            ObjectType::Certificate => ObjectKind::Certificate,
            ObjectType::Unknown(_) => {
                return Err(MountError::Type { object: object.describe(&object.version) });
            }
        };
        let versions = if object.has_history() {
            self.history(&mount.vault, object, kind).await?
        } else {
            vec![object.single()]
        };
        let work: Vec<_> = versions.iter().map(|version| self.fetch(mount, object, kind, version)).collect();
        let produced: Vec<_> = stream::iter(work).buffered(CONCURRENT_OBJECTS).try_collect().await?;
        Ok(produced.into_iter().flatten().collect())
    }

    async fn history(
        &self,
        vault: &Vault,
        object: &Object,
        kind: ObjectKind,
    ) -> Result<Vec<SelectedVersion>, MountError> {
        let began = Instant::now();
        let listed = vault.versions(kind, &object.name).await.map_err(MountError::List);
        self.metrics().object_requested(kind, listed.as_ref().err().map(MountError::reason), began.elapsed());
        let entry = |entry: &keymount_keyvault::VersionEntry| ListedVersion {
            version: version_of_id(&entry.id).to_owned(),
            attributes: entry
                .attributes
                .map(|found| VersionAttributes { created: found.created, enabled: found.enabled }),
        };
        Ok(object.select_versions(listed?.iter().map(entry).collect())?)
    }

    async fn fetch(
        &self,
        mount: &Mount,
        object: &Object,
        kind: ObjectKind,
        selected: &SelectedVersion,
    ) -> Result<Vec<Produced>, MountError> {
        let began = Instant::now();
        let content = self.content(mount, object, kind, &selected.version).await;
        self.metrics().object_requested(
            kind,
            content.as_ref().err().map(MountError::reason),
            began.elapsed(),
        );
        let content = content?;
        if !content.chain_complete {
            tracing::warn!(
                object = object.name,
                "certificate chain is not complete due to missing intermediate/root certificates in the cert \
                 from key vault"
            );
        }
        let file = |(suffix, bytes): (&'static str, SecretBytes)| Produced {
            path: format!("{}{suffix}", selected.path),
            mode: object.mode,
            content: bytes,
            uid: selected.uid.clone(),
            version: content.version.clone(),
        };
        Ok(content.files.into_iter().map(file).collect())
    }

    async fn content(
        &self,
        mount: &Mount,
        object: &Object,
        kind: ObjectKind,
        version: &str,
    ) -> Result<Content, MountError> {
        let (vault, name) = (&mount.vault, || object.describe(version));
        let refused = |error| MountError::Fetch { object: name(), error };
        let unusable = |error| MountError::Content { object: name(), error };
        match kind {
            ObjectKind::Key => {
                let bundle = vault.key(&object.name, version).await.map_err(refused)?;
                content::key(&bundle).map_err(unusable)
            }
            ObjectKind::Certificate => {
                let bundle = vault.certificate(&object.name, version).await.map_err(refused)?;
                content::certificate(&bundle).map_err(unusable)
            }
            ObjectKind::Secret => {
                let bundle = vault.secret(&object.name, version).await.map_err(refused)?;
                let (format, encoding) = (object.format, object.encoding);
                let options = self.config().content;
                let convert = move |bundle: &SecretBundle| content::secret(bundle, format, encoding, options);
                if content::is_slow(&bundle, format) {
                    let _turns = (mount.conversions.acquire().await, self.conversions().acquire().await);
                    let converted = tokio::task::spawn_blocking(move || convert(&bundle)).await;
                    // A panic there is this request's.
                    converted.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
                } else {
                    convert(&bundle)
                }
                .map_err(unusable)
            }
        }
    }

    /// Puts the reply together, in the order of the class.
    fn reply(&self, objects: &[Object], produced: Vec<Vec<Produced>>) -> Result<MountResponse, MountError> {
        let mut paths = FilePaths::default();
        let (mut files, mut object_version) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for (object, produced) in objects.iter().zip(produced) {
            let owner = Arc::new(named(object));
            for file in produced {
                bytes += file.content.expose().len();
                if bytes > self.config().max_volume_bytes {
                    return Err(MountError::TooLarge { limit: self.config().max_volume_bytes });
                }
                paths.take(&file.path, &owner).map_err(|conflict| ObjectsError::Conflict {
                    object: Box::new(named(object)),
                    other: Box::new(ObjectRef::clone(&conflict.other)),
                    path: conflict.path,
                    kind: conflict.kind,
                })?;
                let contents = file.content.into_inner();
                files.push(File { path: file.path, mode: file.mode, contents });
                object_version.push(ObjectVersion { id: file.uid, version: file.version });
            }
        }
        Ok(MountResponse { object_version, error: None, files })
    }
}

/// A mount that says what the volume holds already is a rotation.
pub(crate) fn lane(request: &MountRequest) -> Lane {
    if request.current_object_version.is_empty() { Lane::Mount } else { Lane::Rotation }
}

/// The pod a request is for, as a log line names it; empty when the request cannot be read.
pub(crate) fn pod(request: &MountRequest) -> String {
    let parameters = Attributes::decode(&request.attributes).ok().map(|attributes| {
        let of = |key| attributes.get(key).to_owned();
        [of("csi.storage.k8s.io/pod.namespace"), of("csi.storage.k8s.io/pod.name")]
    });
    parameters.map_or_else(String::new, |[namespace, name]| format!("{namespace}/{name}"))
}

fn named(object: &Object) -> ObjectRef {
    ObjectRef {
        index: object.index,
        name: object.name.clone(),
        object_type: object.object_type.to_string(),
        version: object.version.clone(),
        at: object.at,
    }
}
