//! Names, ids and addresses that a report must not have.

use std::collections::BTreeMap;

/// Replaces names by their kind and a number, the same for the same name: what belongs together stays recognisable.
#[derive(Default)]
pub(crate) struct Redactor {
    names: BTreeMap<String, String>,
    numbers: BTreeMap<&'static str, usize>,
}

/// Names that everybody has.
const COMMON: &[&str] =
    &["default", "kube-system", "azure", "secrets-store-csi-driver", "secrets-store.csi.k8s.io", "localhost"];

impl Redactor {
    pub(crate) fn hide(&mut self, kind: &'static str, name: &str) {
        if name.is_empty() || COMMON.contains(&name) || self.names.contains_key(name) {
            return;
        }
        let number = self.numbers.entry(kind).or_default();
        *number += 1;
        self.names.insert(name.to_owned(), format!("<{kind}-{number}>"));
    }

    /// The text without them: known names where they stand as words of their own, GUIDs and IP addresses wherever.
    pub(crate) fn redact(&mut self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut word = String::new();
        for character in text.chars().chain(['\0']) {
            if character.is_alphanumeric() || matches!(character, '-' | '.' | '_' | ':') {
                word.push(character);
                continue;
            }
            let read = std::mem::take(&mut word);
            clean.push_str(&self.word(&read));
            if character != '\0' {
                clean.push(character);
            }
        }
        clean
    }

    fn word(&mut self, word: &str) -> String {
        // A sentence's punctuation is no part of a name.
        let core = word.trim_end_matches(['.', ':', '-', '_']);
        let (core, end) = (core.to_owned(), &word[core.len()..]);
        format!("{}{end}", self.name(&core))
    }

    fn name(&mut self, word: &str) -> String {
        if let Some(hidden) = self.names.get(word) {
            return hidden.clone();
        }
        if is_guid(word) {
            self.hide("id", word);
            return self.names.get(word).cloned().unwrap_or_default();
        }
        // Of an IPv6 address the colons are its own, of others they begin a port.
        let is_ipv6 = word.contains("::") && word.parse::<std::net::Ipv6Addr>().is_ok();
        let with_port = word.rsplit_once(':').filter(|(_, port)| !is_ipv6 && port.parse::<u16>().is_ok());
        let host = with_port.map_or(word, |(host, _)| host);
        if is_ipv6 || host.parse::<std::net::Ipv4Addr>().is_ok() {
            self.hide("address", host);
            let hidden = self.names.get(host).cloned().unwrap_or_default();
            return format!("{hidden}{}", word.strip_prefix(host).unwrap_or_default());
        }
        // `vault.vault.azure.net`, `namespace/name` are split elsewhere: the first label of a host may be a name.
        if let Some((first, rest)) = word.split_once('.')
            && let Some(hidden) = self.names.get(first)
        {
            return format!("{hidden}.{rest}");
        }
        word.to_owned()
    }
}

fn is_guid(word: &str) -> bool {
    let lengths: Vec<_> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ids_and_addresses_are_replaced_alike_everywhere() {
        let mut redactor = Redactor::default();
        for (kind, name) in [
            ("node", "aks-pool-1"),
            ("node", "aks-pool-2"),
            ("namespace", "shop"),
            ("vault", "kv-shop"),
            ("namespace", "default"),
        ] {
            redactor.hide(kind, name);
        }
        for (text, clean) in [
            ("not on aks-pool-2, aks-pool-1.", "not on <node-2>, <node-1>."),
            ("shop/web mounts default/web", "<namespace-1>/web mounts default/web"),
            ("kv-shop.vault.azure.net is 10.0.0.4", "<vault-1>.vault.azure.net is <address-1>"),
            (
                "10.0.0.4:443 of tenant 5c791829-6568-4cc6-9b44-d9bbd7393dce",
                "<address-1>:443 of tenant <id-1>",
            ),
            ("my-shop and shops stay, v1.6.0 too", "my-shop and shops stay, v1.6.0 too"),
            ("fe80::1", "<address-2>"),
        ] {
            assert_eq!(redactor.redact(text), clean);
        }
    }
}
