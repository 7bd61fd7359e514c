//! Access tokens and their age.

mod response;

use std::time::Duration;

use keymount_sensitive::SecretString;
use tokio::time::Instant;

pub use response::MalformedToken;
pub(crate) use response::TokenResponse;

/// A cached token is not handed out any more when it has less than this left, unless no new one can
/// be had.
const LAST_MINUTES: Duration = Duration::from_secs(5 * 60);

/// A token of ordinary life is renewed behind the scenes when it has less than this left.
const LAST_QUARTER: Duration = Duration::from_secs(15 * 60);

/// Tokens that live longer than this are renewed at half their life, as MSAL does.
const LONG_LIVED: Duration = Duration::from_secs(2 * 60 * 60);

/// A bearer token for vaults.
pub struct AccessToken {
    secret: SecretString,
    obtained: Instant,
    lifetime: Duration,
    refresh_after: Duration,
}

impl AccessToken {
    /// A token that lives for `lifetime` from now, to be renewed after `refresh_in` if the issuer said so.
    #[must_use]
    pub fn new(secret: SecretString, lifetime: Duration, refresh_in: Option<Duration>) -> Self {
        let refresh_after = refresh_in.unwrap_or_else(|| {
            if lifetime > LONG_LIVED {
                lifetime / 2
            } else {
                lifetime.saturating_sub(LAST_QUARTER).max(lifetime / 2)
            }
        });
        Self { secret, obtained: Instant::now(), lifetime, refresh_after }
    }

    /// The token.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// When it was issued, on the monotonic clock.
    #[must_use]
    pub const fn obtained(&self) -> Instant {
        self.obtained
    }

    /// When it ends, on the monotonic clock.
    #[must_use]
    pub fn expires(&self) -> Instant {
        self.obtained + self.lifetime
    }

    /// How good it still is.
    pub(crate) fn freshness(&self) -> Freshness {
        let age = self.obtained.elapsed();
        let last = self.lifetime.saturating_sub(LAST_MINUTES.min(self.lifetime / 10));
        if age >= self.lifetime {
            Freshness::Expired
        } else if age >= last {
            Freshness::Ending
        } else if age >= self.refresh_after {
            Freshness::Aging
        } else {
            Freshness::Fresh
        }
    }
}

/// What to do with a cached token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Use it.
    Fresh,
    /// Use it, and get a new one behind the scenes.
    Aging,
    /// Get a new one first; use it only if that fails for a passing reason.
    Ending,
    /// Forget it.
    Expired,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_ages() {
        let hour = AccessToken::new(SecretString::default(), Duration::from_secs(3600), None);
        let day = AccessToken::new(SecretString::default(), Duration::from_secs(86_400), None);
        let told = AccessToken::new(
            SecretString::default(),
            Duration::from_secs(3600),
            Some(Duration::from_secs(60)),
        );
        let brief = AccessToken::new(SecretString::default(), Duration::from_secs(60), None);
        let at = async |seconds: u64| {
            let target = hour.obtained + Duration::from_secs(seconds);
            tokio::time::advance(target - Instant::now()).await;
        };
        assert_eq!(hour.freshness(), Freshness::Fresh);
        at(59).await;
        assert_eq!((told.freshness(), brief.freshness()), (Freshness::Fresh, Freshness::Ending));
        at(60).await;
        assert_eq!((told.freshness(), brief.freshness()), (Freshness::Aging, Freshness::Expired));
        at(2699).await;
        assert_eq!(hour.freshness(), Freshness::Fresh);
        at(2700).await;
        assert_eq!(hour.freshness(), Freshness::Aging);
        at(3300).await;
        assert_eq!(hour.freshness(), Freshness::Ending);
        at(3600).await;
        assert_eq!((hour.freshness(), day.freshness()), (Freshness::Expired, Freshness::Fresh));
        at(43_200).await;
        assert_eq!(day.freshness(), Freshness::Aging);
    }
}
