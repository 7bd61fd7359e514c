//! What a vault and an issuer answer.

use keymount_clock::WallClock;
use keymount_identity::resource_covers;

/// What nothing may quote (I5).
const CANARY: &str = "CANARY-in-an-answer";

/// Host of the vault that is asked.
const HOST: &str = "kv.vault.azure.net";

/// A `WWW-Authenticate` header: a token is only ever given for a resource that the vault belongs to.
pub(crate) fn challenge(data: &[u8]) {
    let Ok(header) = std::str::from_utf8(data) else { return };
    if let Some(resource) = keymount_keyvault::fuzzing::challenged_resource(header, HOST) {
        assert!(resource_covers(&resource, HOST), "{resource:?}");
        // As URLs are read: without line breaks and tabs.
        let plain = resource.replace(['\n', '\r', '\t'], "").to_lowercase();
        let host = plain.split_once("://").map_or(plain.as_str(), |(_, rest)| rest.trim_start_matches('/'));
        assert!(host.split(['/', ':']).next().is_some_and(|host| HOST.ends_with(host)), "{resource:?}");
    }
}

/// The body of an answer, of every kind. Errors do not quote it.
pub(crate) fn vault_answer(data: &[u8]) {
    for error in keymount_keyvault::fuzzing::answers(data) {
        assert!(!error.contains(CANARY), "{error}");
    }
}

/// The answer of a token endpoint. Errors do not quote it.
pub(crate) fn token_answer(data: &[u8]) {
    let clock = WallClock::simulated(jiff::Timestamp::from_second(1_800_000_000).expect("a time"));
    if let Some(error) = keymount_identity::fuzzing::token_answer(data, &clock) {
        assert!(!error.contains(CANARY), "{error}");
    }
}
