//! The custom resources of the checks.

use std::time::Duration;

use serde_json::Value;

use crate::target::Target;

/// The API group of the Secrets Store CSI stack.
pub const GROUP: &str = "secrets-store.csi.x-k8s.io";

/// The API group of the definitions that have what upstream's lack.
pub const GENEROUS: &str = "generous.keymount.test";

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// Installs the definitions, unless they are there, and waits until their resources are served.
///
/// # Panics
/// When they are refused, or not served within 20 seconds.
pub async fn install(target: &Target) {
    let texts = [include_str!("definitions/upstream.yaml"), include_str!("definitions/generous.yaml")];
    for definition in texts.iter().flat_map(|text| documents(text)) {
        let made = target.post(DEFINITIONS, &definition).await;
        // Other checks on the same server install the same.
        assert!([201, 409].contains(&made.code), "{made:?}");
        let text =
            |path: &str| definition.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = format!("/apis/{}/v1/{}", text("/spec/group"), text("/spec/names/plural"));
        let served = async {
            while target.get(&path).await.code != 200 {
                // The server has no event for "served"; that it is established comes a little earlier.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), served).await.expect("the resource is served");
    }
}

/// The documents of a YAML text.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).expect("YAML")
}
