//! The key under which cached content belongs to one identity, and to no other (invariant I6).

use std::fmt;

use ring::hmac;
use ring::rand::SystemRandom;

/// Names an identity in caches. Equal keys mean: whoever holds the one may do at every vault what
/// the holder of the other may do. Made by a keyed hash, so it shows nothing of what it is made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdentityKey([u8; 32]);

impl fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityKey(…)")
    }
}

/// Makes keys. Its own key is random and lives as long as the process.
pub(crate) struct KeyMaker(hmac::Key);

/// What an identity's rights rest on. A field is added here when it can make two identities differ.
pub(crate) enum Basis<'a> {
    /// A federated credential: Entra decides by issuer, subject, audience (one per source) and client.
    WorkloadIdentity { authority: [&'a str; 2], client: &'a str, issuer: &'a str, subject: &'a str },
    /// Knowing the client is not enough: the credential itself is part of the key.
    ServicePrincipal { authority: [&'a str; 2], client: &'a str, credential: &'a [u8] },
    /// The node's own identity: every caller on the node has the same rights by definition.
    Node { endpoint: &'a str, identity: &'a str },
    /// The pod: what it may do is decided by the node's identity agent, by its labels.
    Pod { namespace: &'a str, name: &'a str, uid: &'a str },
    /// As workload identity, at a cluster's token proxy.
    Binding {
        proxy: &'a str,
        sni: &'a str,
        authority: [&'a str; 2],
        client: &'a str,
        issuer: &'a str,
        subject: &'a str,
    },
}

impl KeyMaker {
    /// # Panics
    /// When the system has no random numbers, before anything is served.
    pub(crate) fn new() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        Self(key.expect("the system's random number generator works, or nothing here is safe"))
    }

    pub(crate) fn key(&self, basis: &Basis<'_>) -> IdentityKey {
        let mut context = hmac::Context::with_key(&self.0);
        // Length first, so that no two lists of fields run together to the same bytes.
        let mut add = |field: &[u8]| {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field);
        };
        let mut all = |kind: &str, fields: &[&str]| {
            add(kind.as_bytes());
            fields.iter().for_each(|field| add(field.as_bytes()));
        };
        match *basis {
            Basis::WorkloadIdentity { authority: [origin, tenant], client, issuer, subject } => {
                all("workload identity", &[origin, tenant, client, issuer, subject]);
            }
            Basis::ServicePrincipal { authority: [origin, tenant], client, credential } => {
                all("service principal", &[origin, tenant, client]);
                add(credential);
            }
            Basis::Node { endpoint, identity } => all("node", &[endpoint, identity]),
            Basis::Pod { namespace, name, uid } => all("pod", &[namespace, name, uid]),
            Basis::Binding { proxy, sni, authority: [origin, tenant], client, issuer, subject } => {
                all("binding", &[proxy, sni, origin, tenant, client, issuer, subject]);
            }
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.sign().as_ref());
        IdentityKey(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn i6_every_difference_makes_another_key() {
        let maker = KeyMaker::new();
        let workload = |tenant, client, issuer, subject| {
            maker.key(&Basis::WorkloadIdentity {
                authority: ["https://login.test/", tenant],
                client,
                issuer,
                subject,
            })
        };
        let principal = |client, credential: &'static [u8]| {
            maker.key(&Basis::ServicePrincipal {
                authority: ["https://login.test/", "t"],
                client,
                credential,
            })
        };
        let node = |identity| maker.key(&Basis::Node { endpoint: "http://169.254.169.254/", identity });
        let pod = |namespace, name, uid| maker.key(&Basis::Pod { namespace, name, uid });
        let keys = [
            workload("t", "c", "i", "s"),
            workload("t2", "c", "i", "s"),
            workload("t", "c2", "i", "s"),
            workload("t", "c", "i2", "s"),
            workload("t", "c", "i", "s2"),
            workload("t", "cc", "", "is"),
            principal("c", b"secret"),
            principal("c", b"another"),
            principal("cs", b"ecret"),
            node(""),
            node("client_id=c"),
            pod("ns", "name", "1"),
            pod("ns", "name", "2"),
            pod("nsn", "ame", "1"),
        ];
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_eq!(workload("t", "c", "i", "s"), keys[0]);
        assert_ne!(KeyMaker::new().key(&Basis::Node { endpoint: "", identity: "" }), node(""));
    }
}
