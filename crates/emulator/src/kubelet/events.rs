//! Kubelet's events about pods.

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Kubelet;

impl Kubelet {
    /// Says that a volume of a pod could not be mounted. The same again is counted, not said again.
    pub(super) async fn say_failed_mount(&self, pod: &Pod, message: &str) {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(self.options().client.clone(), &namespace);
        let pod_name = pod.metadata.name.clone().unwrap_or_default();
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let hash = hex::encode(&Sha256::digest(format!("{uid}{message}"))[..8]);
        let name = format!("{pod_name}.{hash}");
        let now = Time(self.options().clock.now());
        let event = Event {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                namespace: pod.metadata.namespace.clone(),
                uid: pod.metadata.uid.clone(),
                ..ObjectReference::default()
            },
            reason: Some("FailedMount".to_owned()),
            message: Some(message.to_owned()),
            type_: Some("Warning".to_owned()),
            source: Some(EventSource {
                component: Some("kubelet".to_owned()),
                host: Some(self.options().node.clone()),
            }),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now.clone()),
            count: Some(1),
            ..Event::default()
        };
        let exists = match events.create(&PostParams::default(), &event).await {
            Err(kube::Error::Api(status)) => status.code == 409,
            // Events are told when they can be; nothing waits for them.
            _ => false,
        };
        if exists && let Ok(Some(before)) = events.get_opt(&name).await {
            let more = json!({"count": before.count.unwrap_or(1) + 1, "lastTimestamp": now});
            let _ = events.patch(&name, &PatchParams::default(), &Patch::Merge(&more)).await;
        }
    }
}
