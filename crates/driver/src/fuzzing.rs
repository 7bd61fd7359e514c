//! Kubelet's requests and providers' replies.

use std::collections::BTreeMap;

use keymount_proto::csi::NodePublishVolumeRequest;
use keymount_proto::provider::{File, MountResponse};

use crate::attributes::{TokenPolicy, provider_input};
use crate::provider::{HeldMemory, Reply};
use crate::request::PublishRequest;

/// What the provider is told, as (attributes, secrets): for a class with these parameters and a CSIDriver object with
/// these audiences; or why the request is refused.
///
/// # Errors
/// The text of the refusal.
pub fn provider_is_told(
    request: NodePublishVolumeRequest,
    parameters: &BTreeMap<String, String>,
    audiences: Option<Vec<String>>,
) -> Result<(String, String), String> {
    let request = PublishRequest::decode(request).map_err(|error| error.to_string())?;
    let input = provider_input(parameters, &request, &TokenPolicy { audiences, in_secrets: false });
    Ok((input.attributes.expose().clone(), input.secrets.expose().clone()))
}

/// Files of a reply that is acceptable as a reply.
#[must_use]
pub fn accepted_files(response: MountResponse) -> Option<Vec<File>> {
    Reply::judge(response, HeldMemory::default()).ok().map(|reply| reply.files)
}
