//! Tries what a mount does, step by step, and tells how each went. Nothing is mounted, and no content leaves this module.

use std::time::Duration;

use futures::{StreamExt, stream};
use keymount_identity::transport::{Cause, ProbeStep, TransportError, probe};
use keymount_identity::{Authority, Cloud, Scope, Source, TokenReason};
use keymount_keyvault::VaultError;
use keymount_objects::{
    Attributes, Limits, Object, Parameters, PublishSecrets, VaultName, decode_permission, parse_objects,
};
use keymount_proto::provider::MountRequest;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

use super::{CONCURRENT_CONVERSIONS, CONCURRENT_OBJECTS, Mount, Produced, lane, select, vault_address};
use crate::error::MountError;
use crate::login::Login;
use crate::provider::Provider;
use crate::reason::Reason;

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerifyStage {
    /// The class can be read, and asks for what there can be.
    Class,
    /// There is what the identity needs: a token of the service account, a Secret.
    Credential,
    /// Name to address.
    Resolve,
    /// A TCP connection.
    Connect,
    /// The TLS handshake.
    Handshake,
    /// An access token.
    Token,
    /// An object of the vault.
    Object,
    /// All files together.
    Volume,
}

/// One step, and how it went.
#[derive(Clone, Debug)]
pub struct VerifyStep {
    /// What it is about.
    pub stage: VerifyStage,
    /// Host or object.
    pub target: String,
    /// How long it took.
    pub took: Duration,
    /// What there is to say, or why it failed.
    pub outcome: Result<String, Trouble>,
}

/// Why a step failed. A mount would fail in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Code of the error catalogue.
    pub code: &'static str,
    /// The text that the mount's error would have.
    pub text: String,
    /// What to do.
    pub hint: String,
}

impl From<&MountError> for Trouble {
    fn from(error: &MountError) -> Self {
        Self { code: error.reason().code(), text: error.text(), hint: error.hint() }
    }
}

/// Steps so far, and when the one that runs began.
struct Steps {
    done: Vec<VerifyStep>,
    began: Instant,
}

/// A step has failed: what follows cannot work.
struct Stopped;

impl Steps {
    fn new() -> Self {
        Self { done: Vec::new(), began: Instant::now() }
    }

    fn step(
        &mut self,
        stage: VerifyStage,
        target: &str,
        outcome: Result<String, Trouble>,
    ) -> Result<(), Stopped> {
        let failed = outcome.is_err();
        let took = std::mem::replace(&mut self.began, Instant::now()).elapsed();
        self.done.push(VerifyStep { stage, target: target.to_owned(), took, outcome });
        if failed { Err(Stopped) } else { Ok(()) }
    }

    fn failed(&mut self, stage: VerifyStage, target: &str, error: &MountError) -> Stopped {
        let _ = self.step(stage, target, Err(error.into()));
        Stopped
    }
}

impl Provider {
    /// Does what a mount with this request does, until `deadline`, and says how each step went. The first step that fails
    /// is the last, but of objects each is tried. Nothing of their content is told but what the files would be.
    pub async fn verify(&self, request: &MountRequest, deadline: Instant) -> Vec<VerifyStep> {
        let mut steps = Steps::new();
        // What has failed is in the steps.
        let _: Result<(), Stopped> = Box::pin(self.verify_steps(request, deadline, &mut steps)).await;
        steps.done
    }

    async fn verify_steps(
        &self,
        request: &MountRequest,
        deadline: Instant,
        steps: &mut Steps,
    ) -> Result<(), Stopped> {
        let class = |steps: &mut Steps, error: MountError| steps.failed(VerifyStage::Class, "", &error);
        let (parameters, objects, name) = read(request).map_err(|error| class(steps, error))?;
        let cloud = self.cloud(&parameters).await.map_err(|error| class(steps, error))?;
        let what = match objects.len() {
            1 => "1 object".to_owned(),
            number => format!("{number} objects"),
        };
        steps.step(VerifyStage::Class, "", Ok(format!("{what} of {name}.{}", cloud.vault_suffix)))?;

        let login =
            PublishSecrets::decode(&request.secrets).map_err(MountError::Request).and_then(|secrets| {
                Login::choose(&parameters, &secrets)
                    .map_err(|error| MountError::Auth { mode: parameters.identity, error })
            });
        let login = login.map_err(|error| steps.failed(VerifyStage::Credential, "", &error))?;
        steps.step(VerifyStage::Credential, "", Ok(login.describe()))?;
        if objects.is_empty() {
            return steps.step(VerifyStage::Volume, "", Ok("no files are asked for".to_owned()));
        }

        if login.asks_entra() {
            let authority = Authority::new(
                &cloud.authority,
                self.config().authority_host.as_deref(),
                &parameters.tenant_id,
            );
            let authority = authority.map_err(|error| {
                steps.failed(VerifyStage::Credential, "", &MountError::Client(error.into()))
            })?;
            self.reach(&authority.token_endpoint(None), steps, |error| token_trouble(&error)).await?;
        }
        let source = login.source();
        let fallback = self.config().authority_host.as_deref();
        let session = login.session(self.identities(), &parameters, &cloud, fallback).await;
        let session = session.map_err(|error| {
            steps.failed(VerifyStage::Credential, source.name(), &MountError::Client(error))
        })?;
        if let Some(resource) = cloud.resource_for(&format!("{name}.{}", host_of(&cloud))) {
            let access = session.access(&Scope::of(resource), deadline).await;
            let access = access.map_err(|error| {
                steps.failed(VerifyStage::Token, resource, &MountError::List(error.into()))
            })?;
            let life = access.token.expires().saturating_duration_since(Instant::now());
            steps.step(
                VerifyStage::Token,
                resource,
                Ok(format!("{}, good for {} min", source.name(), life.as_secs() / 60)),
            )?;
        }
        self.verify_objects(request, &cloud, &objects, (name, session), deadline, steps).await
    }

    #[allow(clippy::too_many_arguments, reason = "called from one place, which names them all")]
    async fn verify_objects(
        &self,
        request: &MountRequest,
        cloud: &Cloud,
        objects: &[Object],
        (name, session): (VaultName, keymount_identity::Session),
        deadline: Instant,
        steps: &mut Steps,
    ) -> Result<(), Stopped> {
        let open = self.opener(cloud, session, lane(request), deadline);
        let named: std::collections::HashSet<_> =
            objects.iter().filter_map(|object| object.extensions.vault.clone()).collect();
        let mut others = std::collections::HashMap::new();
        for vault in std::iter::once(name.clone()).chain(named) {
            let failed =
                |steps: &mut Steps, error: MountError| steps.failed(VerifyStage::Resolve, "", &error);
            let url = vault_address(&format!("{vault}.{}", cloud.vault_suffix));
            let url = url.map_err(|error| failed(steps, error))?;
            self.reach(&url, steps, |error| (&MountError::List(VaultError::Unreachable(error))).into())
                .await?;
            let opened = open(&vault).map_err(|error| failed(steps, error))?;
            others.insert(vault, opened);
        }
        let vault = others.remove(&name).ok_or(Stopped)?;
        let mount = Mount {
            vault,
            others,
            held: select::held(request),
            conversions: Semaphore::new(CONCURRENT_CONVERSIONS),
        };
        let work: Vec<_> = objects
            .iter()
            .map(|object| async {
                let began = Instant::now();
                (self.produce(&mount, object).await, began.elapsed())
            })
            .collect();
        let tried: Vec<_> = stream::iter(work).buffered(CONCURRENT_OBJECTS).collect().await;
        let mut all = Vec::new();
        for (object, (produced, took)) in objects.iter().zip(tried) {
            let outcome = match &produced {
                Ok(produced) => Ok(describe(produced)),
                Err(error) => Err(Trouble::from(error)),
            };
            let target = format!("{}/{}", object.object_type, object.name);
            steps.done.push(VerifyStep { stage: VerifyStage::Object, target, took, outcome });
            all.extend(produced.ok());
        }
        steps.began = Instant::now();
        if all.len() < objects.len() {
            return Err(Stopped);
        }
        let reply =
            self.reply(objects, all).map_err(|error| steps.failed(VerifyStage::Volume, "", &error))?;
        let bytes: usize = reply.files.iter().map(|file| file.contents.len()).sum();
        let files = reply.files.len();
        let noun = if files == 1 { "file" } else { "files" };
        steps.step(VerifyStage::Volume, "", Ok(format!("{files} {noun}, {bytes} bytes")))
    }

    /// The way to a host.
    async fn reach(
        &self,
        url: &Url,
        steps: &mut Steps,
        trouble: impl Fn(TransportError) -> Trouble,
    ) -> Result<(), Stopped> {
        let host = url.host_str().unwrap_or_default();
        for probed in probe(&self.config().transport, url).await {
            let stage = match probed.step {
                ProbeStep::Resolve => VerifyStage::Resolve,
                ProbeStep::Connect => VerifyStage::Connect,
                ProbeStep::Handshake => VerifyStage::Handshake,
            };
            let outcome = probed.outcome.map_err(&trouble);
            let failed = outcome.is_err();
            steps.done.push(VerifyStep { stage, target: host.to_owned(), took: probed.took, outcome });
            if failed {
                return Err(Stopped);
            }
        }
        steps.began = Instant::now();
        Ok(())
    }
}

/// What can be checked without the network, in the order of a mount.
fn read(request: &MountRequest) -> Result<(Parameters, Vec<Object>, VaultName), MountError> {
    let attributes = Attributes::decode(&request.attributes)?;
    let permission = decode_permission(&request.permission)?;
    let parameters = Parameters::from_attributes(&attributes)?;
    let objects = parse_objects(&parameters.objects, permission, Limits::default())?;
    let name = VaultName::parse(&parameters.vault_name)?;
    Ok((parameters, objects, name))
}

/// The vault suffix without a port.
fn host_of(cloud: &Cloud) -> &str {
    cloud.vault_suffix.split(':').next().unwrap_or_default()
}

/// File names, modes and sizes.
fn describe(produced: &Produced) -> String {
    match produced {
        Produced::Files(files) => {
            let one = |file: &super::ProducedFile| {
                format!(
                    "{} {:04o} {} bytes at {}",
                    file.path,
                    file.mode,
                    file.content.expose().len(),
                    file.version
                )
            };
            files.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Produced::Absent { reason, .. } => format!("left out, as it is optional: {reason}"),
    }
}

/// The same reasons that a token's own error would have.
fn token_trouble(error: &TransportError) -> Trouble {
    let reason = match error.cause {
        Cause::NoSuchHost { .. } | Cause::Dns { .. } => TokenReason::Dns,
        Cause::Tls(_) => TokenReason::Tls,
        Cause::Proxy(_) => TokenReason::Proxy,
        Cause::ConnectTimeout { .. } | Cause::NoAnswer | Cause::Deadline => TokenReason::Timeout,
        _ => TokenReason::Connect,
    };
    Trouble { code: Reason::Token(reason).code(), text: error.to_string(), hint: reason.hint().to_owned() }
}

impl Login {
    /// Which way it goes, without anything secret.
    fn describe(&self) -> String {
        match self {
            Self::WorkloadIdentity { client_id, .. } => format!("workload identity, client {client_id}"),
            Self::ServicePrincipal { client_id, .. } => format!("service principal, client {client_id}"),
            Self::ManagedIdentity(_) => "managed identity of the machine".to_owned(),
            Self::PodIdentity => "pod identity".to_owned(),
            Self::IdentityBinding { client_id, .. } => format!("identity binding, client {client_id}"),
        }
    }

    /// Whether its tokens come from Entra itself, not from something on the node or in the cluster.
    const fn asks_entra(&self) -> bool {
        matches!(self, Self::WorkloadIdentity { .. } | Self::ServicePrincipal { .. })
    }

    const fn source(&self) -> Source {
        match self {
            Self::WorkloadIdentity { .. } => Source::WorkloadIdentity,
            Self::ServicePrincipal { .. } => Source::ServicePrincipal,
            Self::ManagedIdentity(_) => Source::ManagedIdentity,
            Self::PodIdentity => Source::PodIdentity,
            Self::IdentityBinding { .. } => Source::IdentityBinding,
        }
    }
}
