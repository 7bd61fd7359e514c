//! The emulator from outside: its content and its counters.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::layout::VAULT;

/// The admin API of the emulator.
pub(super) struct Admin {
    url: String,
    client: reqwest::Client,
}

impl Admin {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { url: url.to_owned(), client: reqwest::Client::builder().no_proxy().build()? })
    }

    /// Gives a secret of the vault a new version.
    pub(super) async fn set_secret(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let seed = json!({"vaults": [{"name": VAULT, "secrets": [{"name": name, "value": value}]}]});
        let answer = self.client.post(format!("{}/seed", self.url)).json(&seed).send().await?;
        answer.error_for_status().context("the vault took no new version")?;
        Ok(())
    }

    /// Requests so far by service: vault, entra.
    pub(super) async fn requests(&self) -> anyhow::Result<Requests> {
        let answer: Value = self.client.get(format!("{}/traffic", self.url)).send().await?.json().await?;
        Ok(Requests::of(&answer))
    }
}

/// Numbers of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests(BTreeMap<String, u64>);

impl Requests {
    fn of(traffic: &Value) -> Self {
        let services = traffic["requests"].as_array().into_iter().flatten();
        let mut all = BTreeMap::new();
        for entry in services {
            let service = entry["service"].as_str().unwrap_or_default().to_owned();
            *all.entry(service).or_default() += entry["count"].as_u64().unwrap_or_default();
        }
        Self(all)
    }

    pub(super) fn vault(&self) -> u64 {
        self.0.get("vault").copied().unwrap_or_default()
    }

    pub(super) fn tokens(&self) -> u64 {
        self.0.get("entra").copied().unwrap_or_default()
    }
}
