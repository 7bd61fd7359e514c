//! Fetching the content of a volume: class, attributes, provider, judgement of the reply.

use std::collections::BTreeMap;

use keymount_proto::provider::{MountRequest, ObjectVersion};
use keymount_sensitive::Sensitive;
use keymount_volume::{FileSpec, Payload};

use crate::attributes::{ProviderInput, TokenPolicy, provider_input};
use crate::certificates::Certificates;
use crate::class::ClassHold;
use crate::error::FetchError;
use crate::node::Node;
use crate::provider::{Bounds, HeldMemory, Lane, ProviderError, Reply};
use crate::request::PublishRequest;

/// Permission bits of files for which neither class nor provider says anything, as upstream sends it: 0644.
const PERMISSION: &str = "420";

/// A call that can be made: everything that does not need the provider has been checked.
pub(crate) struct Plan {
    pub(crate) provider: String,
    input: ProviderInput,
}

/// Content of a volume.
pub(crate) struct Content {
    /// The files; none if the provider wrote them to the target path itself.
    pub(crate) payload: Option<Payload>,
    pub(crate) versions: BTreeMap<String, String>,
    /// What is known of the certificates in the files.
    pub(crate) certificates: Certificates,
    /// What the reply takes up, until this is dropped.
    _memory: HeldMemory,
}

impl Node {
    /// Everything before the provider call, in upstream's order of errors.
    pub(crate) async fn plan(
        &self,
        request: &PublishRequest,
        hold: &ClassHold,
        bounds: Bounds<'_>,
    ) -> Result<Plan, FetchError> {
        if request.class.is_empty() {
            return Err(FetchError::ClassNotSet);
        }
        if self.csi_driver.withholds_pod_info() {
            return Err(FetchError::NoPodInfo);
        }
        let class = bounds
            .unless_cancelled(hold.get(bounds.deadline))
            .await
            .map_err(|source| FetchError::Class { class: hold.key().clone(), source })?;
        hold.note_refresh();
        if class.spec.provider.is_empty() {
            return Err(FetchError::ProviderNotSet(hold.key().clone()));
        }
        if class.spec.parameters.is_empty() {
            return Err(FetchError::ParametersNotSet(hold.key().clone()));
        }
        if !request.readonly {
            return Err(FetchError::NotReadonly);
        }
        let policy = match request.has_tokens() {
            true => bounds
                .unless_cancelled(self.csi_driver.token_policy(bounds.deadline))
                .await
                .map_err(|source| FetchError::CsiDriver { source })?,
            false => TokenPolicy::default(),
        };
        let input = provider_input(&class.spec.parameters, request, &policy);
        if input.tokens_expire.is_some_and(|expiry| expiry <= self.clock.now()) {
            return Err(FetchError::TokensExpired);
        }
        Ok(Plan { provider: class.spec.provider.clone(), input })
    }

    /// Calls the provider and judges what it sends.
    pub(crate) async fn fetch(
        &self,
        plan: &Plan,
        request: &PublishRequest,
        current: &BTreeMap<String, String>,
        lane: Lane,
        bounds: Bounds<'_>,
    ) -> Result<Content, FetchError> {
        let failed = |source: ProviderError| FetchError::Provider {
            pod: request.pod.clone(),
            provider: plan.provider.clone(),
            source,
        };
        let call = MountRequest {
            attributes: plan.input.attributes.expose().clone(),
            secrets: plan.input.secrets.expose().clone(),
            target_path: request.target.to_string_lossy().into_owned(),
            permission: PERMISSION.to_owned(),
            current_object_version: current
                .iter()
                .map(|(id, version)| ObjectVersion { id: id.clone(), version: version.clone() })
                .collect(),
        };
        let reply = self
            .providers
            .mount(&plan.provider, &call, lane, &request.pod.namespace, bounds)
            .await
            .map_err(failed)?;
        self.judge(reply).map_err(|source| FetchError::Payload {
            pod: request.pod.clone(),
            provider: plan.provider.clone(),
            source,
        })
    }

    /// The reply's files as one payload, or refused as a whole.
    fn judge(&self, reply: Reply) -> Result<Content, keymount_volume::PayloadError> {
        let Reply { files, versions, memory } = reply;
        if files.is_empty() {
            let certificates = Certificates::Unread;
            return Ok(Content { payload: None, versions, certificates, _memory: memory });
        }
        let files = files
            .into_iter()
            .map(|mut file| FileSpec {
                path: std::mem::take(&mut file.path),
                mode: file.mode,
                contents: Sensitive::new(std::mem::take(&mut file.contents)),
            })
            .collect();
        Payload::validate(files, &self.payload_limits).map(|payload| Content {
            certificates: Certificates::of(&payload),
            payload: Some(payload),
            versions,
            _memory: memory,
        })
    }
}
