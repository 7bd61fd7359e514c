//! The mount pipeline: decode, parameters, cloud, credential, objects, vaults, fetch, reply.
//!
//! Everything that can be checked without the network is checked first, in upstream's order. Objects are
//! fetched concurrently, but the error that counts is that of the first object in the class's order.

mod parts;
mod select;
mod verify;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use keymount_identity::{Cloud, Session};
use keymount_keyvault::{Lane, ObjectKind, SecretBundle, Vault};
use keymount_objects::{
    Attributes, FilePaths, IdentityMode, ListedVersion, Object, ObjectRef, ObjectType, ObjectsError,
    Parameters, PublishSecrets, SelectedVersion, VaultName, VersionAttributes, decode_permission,
    version_of_id,
};
use keymount_proto::provider::{File, MountRequest, MountResponse, ObjectVersion};
use keymount_sensitive::SecretBytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use crate::content::{self, Content, ContentError};
use crate::error::MountError;
use crate::login::Login;
use crate::provider::Provider;
use crate::reason::Reason;
pub use select::SelectionProblem;
pub use verify::{Trouble, VerifyStage, VerifyStep};

/// Objects of one mount that are fetched at the same time. The vault's gate bounds all mounts together.
const CONCURRENT_OBJECTS: usize = 64;

/// Conversions of one mount that run at the same time: they take CPU time, and other mounts want some.
const CONCURRENT_CONVERSIONS: usize = 1;

/// What the objects of one mount share.
struct Mount {
    /// The class's own vault, and others that objects name.
    vault: Vault,
    others: HashMap<VaultName, Vault>,
    /// Ids of the objects that the volume holds already.
    held: HashSet<String>,
    conversions: Semaphore,
}

/// What became of one object.
enum Produced {
    /// Its files.
    Files(Vec<ProducedFile>),
    /// Nothing, which an optional object may come to.
    Absent { uid: String, reason: Reason },
}

/// One file of the reply.
struct ProducedFile {
    path: String,
    mode: i32,
    content: SecretBytes,
    uid: String,
    version: String,
}

impl Mount {
    fn vault(&self, object: &Object) -> &Vault {
        object.extensions.vault.as_ref().and_then(|name| self.others.get(name)).unwrap_or(&self.vault)
    }
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
        let objects = self.classes().objects(&parameters.objects, permission)?;
        if objects.is_empty() {
            return Ok(MountResponse::default());
        }
        let name = VaultName::parse(&parameters.vault_name)?;
        let vault = self.vault_opener(&cloud, login, &parameters, lane(request), deadline).await?;
        let others: HashSet<_> =
            objects.iter().filter_map(|object| object.extensions.vault.as_ref()).collect();
        let others = others.into_iter().map(|name| Ok((name.clone(), vault(name)?)));
        let mount = Mount {
            others: others.collect::<Result<_, MountError>>()?,
            vault: vault(&name)?,
            held: select::held(request),
            conversions: Semaphore::new(CONCURRENT_CONVERSIONS),
        };
        // By their numbers: a closure that takes references makes no future that the service could send.
        let work = (0..objects.len()).map(|at| self.produce(&mount, &objects[at]));
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

    /// Logs in, and gives this mount's way to the vaults of its cloud.
    async fn vault_opener(
        &self,
        cloud: &Cloud,
        login: Login,
        parameters: &Parameters,
        lane: Lane,
        deadline: Instant,
    ) -> Result<impl Fn(&VaultName) -> Result<Vault, MountError>, MountError> {
        if parameters.identity == IdentityMode::PodIdentity {
            self.warn_of_pod_identity();
        }
        vault_address(&format!("{}.{}", parameters.vault_name, cloud.vault_suffix))?;
        let fallback = self.config().authority_host.as_deref();
        let session = login.session(self.identities(), parameters, cloud, fallback).await?;
        Ok(self.opener(cloud, session, lane, deadline))
    }

    /// A session's way to the vaults of a cloud.
    fn opener(
        &self,
        cloud: &Cloud,
        session: Session,
        lane: Lane,
        deadline: Instant,
    ) -> impl Fn(&VaultName) -> Result<Vault, MountError> {
        let (suffix, cloud) = (cloud.vault_suffix.clone(), cloud.clone());
        move |name: &VaultName| {
            let host = format!("{name}.{suffix}");
            let url = vault_address(&host)?;
            let resource = cloud.resource_for(url.host_str().unwrap_or_default());
            Ok(self.vaults().vault(url, &host, resource, session.clone(), lane, deadline))
        }
    }

    /// All files of one object, or of all that its selector means.
    async fn produce(&self, mount: &Mount, object: &Object) -> Result<Produced, MountError> {
        let files = match &object.extensions.selector {
            None => self.files(mount, object).await,
            Some(selector) => Box::pin(self.chosen(mount, object, selector)).await,
        };
        match files {
            Ok(files) => Ok(Produced::Files(files)),
            Err(error) => self.absent(mount, object, error),
        }
    }

    /// The files of one object: one, or one per version, each perhaps with its parts.
    async fn files(&self, mount: &Mount, object: &Object) -> Result<Vec<ProducedFile>, MountError> {
        let kind = kind(object)?;
        if !object.has_history() {
            return self.fetch(mount, object, kind, &object.single()).await;
        }
        let all = async {
            let versions = self.history(mount.vault(object), object, kind).await?;
            let work = (0..versions.len()).map(|at| self.fetch(mount, object, kind, &versions[at]));
            let produced: Vec<_> = stream::iter(work).buffered(CONCURRENT_OBJECTS).try_collect().await?;
            Ok(produced.into_iter().flatten().collect())
        };
        // Rare, and large: most objects wait for their answer without it.
        Box::pin(all).await
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
    ) -> Result<Vec<ProducedFile>, MountError> {
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
        parts::files(object, selected, content)
            .map_err(|error| MountError::Content { object: object.describe(&selected.version), error })
    }

    async fn content(
        &self,
        mount: &Mount,
        object: &Object,
        kind: ObjectKind,
        version: &str,
    ) -> Result<Content, MountError> {
        let (vault, name) = (mount.vault(object), || object.describe(version));
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
                let password = async {
                    let Some(name) = &object.extensions.pfx_password else { return Ok(None) };
                    Box::pin(vault.secret(name, "")).await.map(Some)
                };
                let (bundle, password) = tokio::join!(vault.secret(&object.name, version), password);
                let bundle = bundle.map_err(refused)?;
                let password = password.map_err(|error| MountError::Password {
                    object: name(),
                    password: object.extensions.pfx_password.clone().unwrap_or_default(),
                    error: Box::new(error),
                })?;
                let (format, encoding) = (object.format, object.encoding);
                let options = self.config().content;
                let slow = content::is_slow(&bundle, format, password.is_some());
                let convert = move |bundle: &SecretBundle| {
                    let password = match &password {
                        Some(secret) => Some(secret.value.as_ref().ok_or(ContentError::NoPassword)?.expose()),
                        None => None,
                    };
                    content::secret(bundle, format, encoding, options, password.map(String::as_str))
                };
                if slow {
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

    /// Puts the reply together, in the order of the class; what is absent comes last, so that files and
    /// versions keep standing at the same index.
    fn reply(&self, objects: &[Object], produced: Vec<Produced>) -> Result<MountResponse, MountError> {
        let mut paths = FilePaths::default();
        let (mut files, mut object_version, mut absent) = (Vec::new(), Vec::new(), Vec::new());
        let mut bytes = 0;
        for (object, produced) in objects.iter().zip(produced) {
            let produced = match produced {
                Produced::Files(files) => files,
                Produced::Absent { uid, reason } => {
                    absent.push(ObjectVersion { id: uid, version: select::absent_version(reason) });
                    continue;
                }
            };
            let owner = Arc::new(object.reference());
            for file in produced {
                bytes += file.content.expose().len();
                if bytes > self.config().max_volume_bytes {
                    return Err(MountError::TooLarge { limit: self.config().max_volume_bytes });
                }
                paths.take(&file.path, &owner).map_err(|conflict| ObjectsError::Conflict {
                    object: Box::new(object.reference()),
                    other: Box::new(ObjectRef::clone(&conflict.other)),
                    path: conflict.path,
                    kind: conflict.kind,
                })?;
                let contents = file.content.into_inner();
                files.push(File { path: file.path, mode: file.mode, contents });
                object_version.push(ObjectVersion { id: file.uid, version: file.version });
            }
        }
        object_version.append(&mut absent);
        Ok(MountResponse { object_version, error: None, files })
    }
}

fn vault_address(host: &str) -> Result<Url, MountError> {
    Url::parse(&format!("https://{host}/")).map_err(|_| MountError::VaultAddress)
}

fn kind(object: &Object) -> Result<ObjectKind, MountError> {
    match object.object_type {
        ObjectType::Secret => Ok(ObjectKind::Secret),
        ObjectType::Key => Ok(ObjectKind::Key),
        ObjectType::Certificate => Ok(ObjectKind::Certificate),
        ObjectType::Unknown(_) => Err(MountError::Type { object: object.describe(&object.version) }),
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
