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
        let url = url::Url::parse(&resource).ok();
        let host = url.as_ref().and_then(url::Url::host_str).unwrap_or_default();
        assert!(!host.is_empty() && HOST.ends_with(&format!(".{host}")), "{resource:?}");
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
