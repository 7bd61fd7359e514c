//! The way to issuers and vaults from where this runs.

use std::collections::BTreeSet;

use keymount_api::SecretProviderClass;
use keymount_identity::Cloud;
use keymount_identity::transport::{ProxyRules, Roots, TransportOptions, probe};
use url::Url;

use super::check::Checks;
use crate::internal::environment;

/// Vaults that are tried; more of them tell nothing new about a network.
const MOST: usize = 20;

/// Clouds whose hosts everybody knows.
const PUBLIC: &[&str] =
    &["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn", "vault.microsoftazure.de"];

pub(super) async fn look(classes: &[SecretProviderClass], cloud: &str, checks: &mut Checks) {
    let proxies = match ProxyRules::from_environment(environment) {
        Ok(proxies) => proxies,
        Err(error) => return checks.area("Network").bad("proxy", error.to_string(), "correct HTTPS_PROXY"),
    };
    let options = TransportOptions {
        roots: Roots::from_environment(environment),
        proxies,
        ..TransportOptions::default()
    };
    let mut urls = BTreeSet::new();
    for class in classes.iter().filter(|class| class.spec.provider == "azure") {
        let parameter = |name: &str| class.spec.parameters.get(name).map_or("", String::as_str);
        let name = Some(parameter("cloudName")).filter(|name| !name.is_empty()).unwrap_or(cloud);
        let file = [
            parameter("cloudEnvFileName").to_owned(),
            environment("AZURE_ENVIRONMENT_FILEPATH").unwrap_or_default(),
        ];
        let file = file.into_iter().find(|file| !file.is_empty()).map(Into::into);
        let Ok(cloud) = Cloud::by_name(name, file).await else { continue };
        checks.hide("vault", parameter("keyvaultName"));
        let vault = format!("https://{}.{}/", parameter("keyvaultName"), cloud.vault_suffix);
        if !PUBLIC.contains(&cloud.vault_suffix.as_str()) {
            for url in [&cloud.authority, &vault] {
                checks
                    .hide("host", Url::parse(url).ok().as_ref().and_then(Url::host_str).unwrap_or_default());
            }
        }
        urls.extend([("issuer", cloud.authority), ("vault", vault)]);
    }
    let mut area = checks.area("Network");
    if urls.is_empty() {
        area.good("vaults", "no class names one");
    }
    for &(name, ref url) in urls.iter().take(MOST) {
        let Ok(url) = Url::parse(url) else { continue };
        let host = url.host_str().unwrap_or_default();
        let steps = probe(&options, &url).await;
        let milliseconds: u128 = steps.iter().map(|step| step.took.as_millis()).sum();
        match steps.into_iter().find_map(|step| step.outcome.err()) {
            None => area.good(name, format!("{host} is reached from here in {milliseconds} ms")),
            Some(error) => area.doubtful(
                name,
                format!("{host} is not reached from here: {}", error.cause),
                "what counts is the way from the nodes: `keymount verify CLASS --in-cluster` tries it",
            ),
        }
    }
    if urls.len() > MOST {
        area.unknown("vaults", format!("{} more were not tried", urls.len() - MOST));
    }
}
