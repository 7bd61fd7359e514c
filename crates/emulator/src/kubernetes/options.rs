//! How a server is set up.

use std::collections::BTreeMap;
use std::sync::Arc;

use keymount_clock::WallClock;

use super::auth::{Authorization, User};
use crate::listener::Observer;
use crate::listener::tls::Ca;

/// How a server is set up. The default serves plain HTTP on any free port and lets everyone do everything.
#[derive(Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 for any that is free.
    pub port: u16,
    /// Serves TLS with certificates of this authority.
    pub tls: Option<Arc<Ca>>,
    /// Fault rules (service `kubernetes`) and counters, shared with the other emulated services.
    pub observer: Observer,
    /// Time of day: creation and deletion of objects, life of tokens.
    pub clock: WallClock,
    /// Who may do what.
    pub authorization: Authorization,
    /// Bearer tokens beside those of service accounts.
    pub tokens: BTreeMap<String, User>,
    /// How many changes watches can go back.
    pub watch_window: usize,
    /// Does what the controller manager does: default service accounts, garbage collection, emptying
    /// of deleted namespaces.
    pub controllers: bool,
    /// Issuer of service-account tokens, which is also the audience of requests to this server.
    pub issuer: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            tls: None,
            observer: Observer::default(),
            clock: WallClock::system(),
            authorization: Authorization::default(),
            tokens: BTreeMap::new(),
            watch_window: 10_000,
            controllers: true,
            issuer: "https://kubernetes.default.svc.cluster.local".to_owned(),
        }
    }
}
