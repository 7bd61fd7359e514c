//! What a rule says. The JSON form is that of the admin API and of seed files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Facts, Pattern};

/// The emulated services a rule can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The Key Vault data plane.
    Vault,
    /// The Entra token endpoint and its discovery documents.
    Entra,
    /// The Instance Metadata Service.
    Imds,
    /// The Node Managed Identity endpoint of pod identity.
    Nmi,
    /// The Kubernetes API.
    Kubernetes,
}

/// One rule: which requests, how often, what happens to them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The requests it is about. All of them, if left out.
    #[serde(default, rename = "match")]
    pub matches: Match,
    /// How often it applies. Always, if left out.
    #[serde(default)]
    pub when: When,
    /// What happens.
    pub action: Action,
}

impl Rule {
    /// A rule that always takes this action on the requests of one service.
    #[must_use]
    pub fn on(service: Service, action: Action) -> Self {
        Self { matches: Match { service: Some(service), ..Match::default() }, when: When::default(), action }
    }

    /// Only requests to this path or host; see [`Pattern`].
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Self {
        self.matches.path = Some(pattern.into());
        self
    }

    /// Only requests to this host or vault; see [`Pattern`].
    #[must_use]
    pub fn host(mut self, pattern: &str) -> Self {
        self.matches.host = Some(pattern.into());
        self
    }

    /// Only requests with this HTTP method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.matches.method = Some(method.to_owned());
        self
    }

    /// Only so many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.when.times = Some(times);
        self
    }
}

/// Which requests. What is left out matches everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// The service asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Host name or vault name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Pattern>,
    /// HTTP method, in any letter case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path without the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Pattern>,
}

impl Match {
    /// Whether a request is one of these.
    #[must_use]
    pub fn covers(&self, facts: &Facts<'_>) -> bool {
        self.service.is_none_or(|service| service == facts.service)
            && self.host.as_ref().is_none_or(|host| host.covers_host(facts.host))
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(facts.method))
            && self.path.as_ref().is_none_or(|path| path.covers_path(facts.path))
    }
}

/// How often a rule applies to the requests it matches. All conditions given must hold.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Lets this many matching requests pass first.
    #[serde(skip_serializing_if = "is_zero")]
    pub skip: u64,
    /// Applies at most this many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Applies to each n-th matching request (after `skip`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Applies to about this share, 0 to 100. Which ones is the same in every run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl When {
    /// Whether the rule applies to the `matched`-th request, having applied `applied` times before.
    pub(super) fn applies(&self, matched: u64, applied: u64) -> bool {
        let Some(nth) = matched.checked_sub(self.skip).filter(|nth| *nth > 0) else { return false };
        self.times.is_none_or(|times| applied < times)
            && self.every.is_none_or(|every| nth.is_multiple_of(every.max(1)))
            && self.percent.is_none_or(|percent| dice(nth) < u64::from(percent))
    }
}

/// A number from 0 to 99 that looks random and is the same for the same `n` (splitmix64).
const fn dice(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % 100
}

/// What happens to a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// The answer comes this much later (milliseconds of tokio's clock).
    Latency {
        /// Milliseconds.
        millis: u64,
    },
    /// An error in the form of the service asked, or the body given here.
    Respond {
        /// HTTP status, 100 to 599.
        status: u16,
        /// The service's error code, such as `Forbidden` or `invalid_client`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// The inner error code of Key Vault, such as `ForbiddenByRbac`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inner: Option<String>,
        /// Text for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Value of the `Retry-After` header, seconds or a date.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
        /// Further response headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The whole body, instead of one in the service's form.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// The token bucket of a service limit: over it, 429 in the form of the service. Key Vault's limit
    /// for secrets is 4,000 requests in 10 seconds per vault. One rule is one bucket.
    Throttle {
        /// Size of the bucket.
        requests: u32,
        /// Seconds in which it fills up.
        per_seconds: u32,
        /// Value of the `Retry-After` header of a refusal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<String>,
    },
    /// The true answer, cut off after this many bytes of its body; then the connection (with HTTP/2
    /// the stream, whose end may overtake its head) is over.
    Truncate {
        /// Bytes of the body that are sent.
        after: u64,
    },
    /// The true answer with a `Content-Length` that is wrong by this much.
    ContentLength {
        /// Added to the true length, which it may lower as well.
        off_by: i64,
    },
    /// The true answer, its body in pieces of this many bytes with a pause before each.
    Trickle {
        /// Bytes of a piece, at least 1.
        bytes: u32,
        /// Milliseconds of tokio's clock.
        millis: u64,
    },
    /// The connection is reset before any answer.
    Reset,
    /// No answer until [`super::Faults::release`]; then the true one.
    Hang,
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Value of the `Location` header.
        location: String,
    },
    /// 200 with a JSON string of about this many bytes.
    Oversize {
        /// Bytes of the body.
        bytes: u64,
    },
    /// 200 with a body that is no JSON.
    Garbage,
    /// TLS goes wrong. Only the host of the rule counts: there is no method and no path yet.
    Tls {
        /// In which way.
        problem: TlsProblem,
    },
}

/// How a TLS handshake goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TlsProblem {
    /// The certificate has expired.
    Expired,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is from an unknown authority.
    Untrusted,
    /// The server ends the handshake with an alert.
    Refused,
}

impl Action {
    /// An error answer with this status, all else as the service words it.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Respond {
            status,
            code: None,
            inner: None,
            message: None,
            retry_after: None,
            headers: BTreeMap::new(),
            body: None,
        }
    }
}
