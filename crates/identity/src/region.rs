//! Entra's regional endpoints (`AZURE_REGIONAL_AUTHORITY_NAME`).

use std::time::Duration;

use tokio::sync::OnceCell;
use url::Url;

use crate::sources::imds::metadata_request;
use crate::transport::Http;

/// The value that asks for the machine's own region.
const AUTO_DETECT: &str = "TryAutoDetect";

/// How long the metadata service may take to name it; it is asked twice at most.
const DETECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Which regional endpoint tokens are asked from.
#[derive(Default)]
pub struct Region {
    wanted: Wanted,
    detected: OnceCell<Option<String>>,
}

#[derive(Default)]
enum Wanted {
    #[default]
    Global,
    Named(String),
    Detected,
}

impl Region {
    /// Reads `AZURE_REGIONAL_AUTHORITY_NAME`: empty (the global endpoint), a region's name, or
    /// `TryAutoDetect`, for which `REGION_NAME` or the metadata service tells. Something that cannot be a
    /// region's name counts as empty.
    #[must_use]
    pub fn from_environment(read: impl Fn(&str) -> Option<String>) -> Self {
        let wanted = match read("AZURE_REGIONAL_AUTHORITY_NAME").as_deref() {
            Some(AUTO_DETECT) => match read("REGION_NAME").filter(|name| !name.is_empty()) {
                Some(name) => named(&name.replace(' ', "").to_lowercase()),
                None => Wanted::Detected,
            },
            Some(name) => named(name),
            None => Wanted::Global,
        };
        Self { wanted, detected: OnceCell::new() }
    }

    /// The region's name; none: the global endpoint. The metadata service is asked once per process.
    pub(crate) async fn name(&self, node: &dyn Http, imds: &Url) -> Option<&str> {
        match &self.wanted {
            Wanted::Global => None,
            Wanted::Named(name) => Some(name),
            Wanted::Detected => self.detected.get_or_init(|| detect(node, imds)).await.as_deref(),
        }
    }
}

fn named(name: &str) -> Wanted {
    let of_a_region = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || !name.bytes().all(of_a_region) {
        Wanted::Global
    } else {
        Wanted::Named(name.to_owned())
    }
}

async fn detect(node: &dyn Http, imds: &Url) -> Option<String> {
    let mut url = imds.clone();
    url.set_path("/metadata/instance/compute/location");
    url.set_query(Some("format=text&api-version=2021-10-01"));
    for _ in 0..2 {
        let Ok(answer) = node.send(metadata_request(&url).timeout(DETECT_TIMEOUT)).await else { continue };
        if answer.status == 200 {
            let name = String::from_utf8_lossy(answer.body.expose());
            return match named(name.trim()) {
                Wanted::Named(name) => Some(name),
                _ => None,
            };
        }
    }
    tracing::warn!("the region was not detected, tokens come from the global endpoint");
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Scripted, answer};

    async fn name(environment: &[(&str, &str)], http: &Scripted) -> Option<String> {
        let region = Region::from_environment(|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        });
        let imds = Url::parse("http://169.254.169.254").expect("a URL");
        let first = region.name(http, &imds).await.map(str::to_owned);
        assert_eq!(region.name(http, &imds).await.map(str::to_owned), first);
        first
    }

    #[tokio::test]
    async fn named_detected_or_global() {
        let http = Scripted::new(|_| async { Ok(answer(200, "westeurope")) });
        let variable = "AZURE_REGIONAL_AUTHORITY_NAME";
        assert_eq!(name(&[], &http).await, None);
        assert_eq!(name(&[(variable, "")], &http).await, None);
        assert_eq!(name(&[(variable, "evil.test/")], &http).await, None);
        assert_eq!(name(&[(variable, "westus2")], &http).await.as_deref(), Some("westus2"));
        let both = [(variable, AUTO_DETECT), ("REGION_NAME", "West US 2")];
        assert_eq!(name(&both, &http).await.as_deref(), Some("westus2"));
        assert!(http.log().is_empty());
        assert_eq!(name(&[(variable, AUTO_DETECT)], &http).await.as_deref(), Some("westeurope"));
        assert_eq!(http.log().len(), 1, "asked once");
    }

    #[tokio::test]
    async fn without_a_metadata_service_the_global_endpoint_is_used() {
        let http = Scripted::new(|_| async { Ok(answer(404, "")) });
        assert_eq!(name(&[("AZURE_REGIONAL_AUTHORITY_NAME", AUTO_DETECT)], &http).await, None);
        assert_eq!(http.log().len(), 2);
    }
}
