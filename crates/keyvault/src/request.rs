//! One GET at a vault, until it is answered for good.

use http::HeaderValue;
use http::header::ACCEPT;
use keymount_identity::transport::{Answer, Request, Schedule, TransportError, retry_after};
use keymount_identity::{Access, Scope};
use tokio::time::Instant;
use url::Url;

use crate::challenge::Challenge;
use crate::error::VaultError;
use crate::gate::{Lane, Pass, Turned, Verdict};
use crate::item::ObjectKind;
use crate::vault::Vault;
use crate::vaults::Outcome;

/// 200, or the error. 401 is answered once with a new token; 408, 429, 5xx and lost connections are
/// tried again on the service schedule, as long as the deadline leaves room for another try.
const SCHEDULE: Schedule = Schedule::SERVICE;

impl Vault {
    pub(crate) async fn request(
        &self,
        kind: ObjectKind,
        url: &Url,
        access: &mut Option<Access>,
    ) -> Result<Answer, VaultError> {
        let (started, mut tried, mut challenged, mut last) = (Instant::now(), 0, false, None);
        loop {
            let pass = self.enter(url, started, &last).await?;
            let (outcome, gated) = self.send(kind, url, access.as_ref(), pass).await;
            tried += 1;
            let (error, asked) = match outcome {
                None => return Err(self.deadline(url, "waiting for an answer", started, last)),
                Some(Ok(answer)) if answer.status == 200 => return Ok(answer),
                Some(Ok(answer)) if answer.status == 401 && !challenged => {
                    challenged = true;
                    tried -= 1;
                    *access = Some(self.answer_challenge(url, &answer, access.as_ref()).await?);
                    continue;
                }
                Some(Ok(answer)) => {
                    let error = self.refused(url, &answer, access.as_ref());
                    if !(SCHEDULE.retryable)(answer.status) {
                        return Err(error);
                    }
                    last = Some(format!("RESPONSE {}", answer.status.as_u16()));
                    let asked = retry_after(&answer.headers, self.vaults().clock.now());
                    let patient = self.lane() == Lane::Rotation && asked.is_none_or(|it| it <= SCHEDULE.cap);
                    if answer.status == 429 && (patient || SCHEDULE.next_delay(tried, asked).is_some()) {
                        // The gate knows when this vault may be asked again. Nobody waits for a rotation, so
                        // it may do so as long as it has time: to begin anew would cost more requests.
                        tried -= u32::from(patient);
                        if gated {
                            continue;
                        }
                    }
                    (error, asked)
                }
                Some(Err(error)) if error.worth_retrying() => {
                    last = Some(error.cause.to_string());
                    (VaultError::Unreachable(error.shown_as(self.shown(url))), None)
                }
                Some(Err(error)) => return Err(error.shown_as(self.shown(url)).into()),
            };
            match SCHEDULE.next_delay(tried.max(1), asked) {
                Some(delay) if Instant::now() + delay < self.time() => tokio::time::sleep(delay).await,
                _ => return Err(error),
            }
        }
    }

    async fn enter(&self, url: &Url, started: Instant, last: &Option<String>) -> Result<Pass, VaultError> {
        self.gate().enter(self.lane(), self.time()).await.map_err(|turned| match turned {
            Turned::Throttled(wait) => VaultError::Throttled { url: self.shown(url).into(), wait },
            Turned::Crowded(waiting) => VaultError::Crowded { url: self.shown(url).into(), waiting },
            Turned::Deadline => self.deadline(url, "waiting for its turn", started, last.clone()),
        })
    }

    /// One try; none when the deadline came first. And whether the gate decides when the next one may be, if it
    /// was answered with 429.
    async fn send(
        &self,
        kind: ObjectKind,
        url: &Url,
        access: Option<&Access>,
        pass: Pass,
    ) -> (Option<Result<Answer, TransportError>>, bool) {
        let mut request =
            Request::get(url.clone()).header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(access) = access {
            request = request.authorization("Bearer", access.token.secret());
        }
        let began = Instant::now();
        let outcome = tokio::time::timeout_at(self.time(), self.vaults().http.send(request)).await.ok();
        let (verdict, counted) = match &outcome {
            Some(Ok(answer)) => {
                let status = answer.status.as_u16();
                let verdict = if status == 429 {
                    Verdict::Throttled(retry_after(&answer.headers, self.vaults().clock.now()))
                } else {
                    Verdict::Answered
                };
                (verdict, Outcome::Status(status))
            }
            _ => (Verdict::Lost, Outcome::Failed),
        };
        let gated = pass.settle(&verdict);
        self.vaults().observer.requested(self.host(), kind, counted, began.elapsed());
        (outcome, gated)
    }

    /// A new token in place of the one the vault refused, if its challenge may be answered.
    async fn answer_challenge(
        &self,
        url: &Url,
        answer: &Answer,
        access: Option<&Access>,
    ) -> Result<Access, VaultError> {
        let header = answer.header("www-authenticate").filter(|header| !header.is_empty());
        let Some(header) = header else { return Err(self.refused(url, answer, access)) };
        self.purge(access.and_then(|access| access.key));
        let challenge = Challenge::parse(header, url.host_str().unwrap_or_default())?;
        let known = self.scope();
        let (scope, claims) = match (challenge, &known) {
            (Challenge::Resource(resource), _) => (Scope::of(&resource), None),
            (Challenge::Claims(claims), Some(scope)) => (scope.clone(), Some(claims)),
            (Challenge::Claims(_), None) => return Err(self.refused(url, answer, access)),
        };
        let token = match access {
            Some(rejected) if known.as_ref() == Some(&scope) => {
                self.session().renew(&scope, rejected, claims.as_deref(), self.time()).await
            }
            _ => {
                self.set_scope(scope.clone());
                self.session().access(&scope, self.time()).await
            }
        };
        token.map_err(|error| self.token_error(error))
    }

    fn refused(&self, url: &Url, answer: &Answer, access: Option<&Access>) -> VaultError {
        let token = access.map(|access| access.token.secret().expose().as_str());
        let error = VaultError::refused(self.origin(), url, answer, token.as_slice());
        if error.is_denial() {
            self.purge(access.and_then(|access| access.key));
        }
        error
    }
}

#[cfg(test)]
mod tests;
