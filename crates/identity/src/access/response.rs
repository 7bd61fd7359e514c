//! How token endpoints spell their answers.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use keymount_clock::WallClock;
use keymount_sensitive::SecretString;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

use super::AccessToken;
use crate::error::Source;

/// Why an answer with status 200 holds no token. Nothing of the answer is shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    /// Not the JSON of a token answer.
    #[error("{0}")]
    NotJson(&'static str),
    /// No `access_token`.
    #[error("response is missing access_token")]
    NoToken,
    /// Neither way of stating the expiry.
    #[error("expires_in and expires_on are both missing or invalid")]
    NoExpiry,
}

impl MalformedToken {
    /// In Go's words where that shows nothing of the answer.
    pub(crate) fn not_json(body: &[u8], error: &serde_json::Error) -> Self {
        Self::NotJson(match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'<') => "invalid character '<' looking for beginning of value",
            _ if error.is_eof() => "unexpected end of JSON input",
            _ => "the answer is not a token response (it is not shown)",
        })
    }

    /// What the SDK puts in front of it, which depends on who was asked.
    pub(crate) const fn prefix(&self, source: Source) -> &'static str {
        match (self, source) {
            (Self::NoToken, _) | (_, Source::PodIdentity) => "",
            (_, Source::ManagedIdentity) => "error parsing the json error: ",
            _ => "json decode error: ",
        }
    }
}

/// A token answer. Numbers may be strings, and dates have been seen in three spellings.
#[derive(Deserialize)]
pub(crate) struct TokenResponse {
    #[serde(default)]
    access_token: Option<SecretString>,
    #[serde(default)]
    expires_in: Seconds,
    #[serde(default)]
    expires_on: Moment,
    #[serde(default)]
    refresh_in: Seconds,
}

impl TokenResponse {
    pub(crate) fn parse(body: &[u8], clock: &WallClock) -> Result<AccessToken, MalformedToken> {
        let response: Self =
            serde_json::from_slice(body).map_err(|error| MalformedToken::not_json(body, &error))?;
        response.into_token(clock)
    }

    pub(crate) fn has_token(&self) -> bool {
        self.access_token.as_ref().is_some_and(|token| !token.expose().is_empty())
    }

    /// `expires_in` first: it needs no agreement about the time of day.
    pub(crate) fn into_token(self, clock: &WallClock) -> Result<AccessToken, MalformedToken> {
        let secret = self.access_token.filter(|token| !token.expose().is_empty());
        let secret = secret.ok_or(MalformedToken::NoToken)?;
        let until = |moment: Timestamp| {
            Duration::try_from(moment.duration_since(clock.now())).unwrap_or(Duration::ZERO)
        };
        let lifetime = self.expires_in.0.or_else(|| self.expires_on.0.map(until));
        let lifetime = lifetime.ok_or(MalformedToken::NoExpiry)?.min(Duration::from_secs_f64(MAX_SECONDS));
        Ok(AccessToken::new(secret, lifetime, self.refresh_in.0))
    }
}

/// Seconds as a number or as text; anything else counts as absent.
#[derive(Default)]
struct Seconds(Option<Duration>);

/// A moment as Unix seconds (number or text) or as a date; anything else counts as absent.
#[derive(Default)]
struct Moment(Option<Timestamp>);

/// Ten years: no token lives longer, and sums with it do not overflow.
const MAX_SECONDS: f64 = 10.0 * 365.0 * 86_400.0;

fn seconds(number: f64) -> Option<Duration> {
    (number > 0.0).then(|| Duration::from_secs_f64(number.min(MAX_SECONDS)))
}

fn moment(number: f64) -> Option<Timestamp> {
    #[allow(clippy::cast_possible_truncation, reason = "a date; jiff refuses what is out of range")]
    let whole = number as i64;
    Timestamp::from_second(whole).ok()
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Ok(Self(match json.deserialize_any(NumberOrText)? {
            Loose::Number(number) => seconds(number),
            Loose::Text(text) => text.parse().ok().and_then(seconds),
            Loose::Nothing => None,
        }))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        Ok(Self(match json.deserialize_any(NumberOrText)? {
            Loose::Number(number) => moment(number),
            Loose::Text(text) => text.parse().ok().and_then(moment).or_else(|| date(&text)),
            Loose::Nothing => None,
        }))
    }
}

fn date(text: &str) -> Option<Timestamp> {
    let civil = |format| DateTime::strptime(format, text).ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| {
        let zoned = civil("%m/%d/%Y %H:%M:%S").or_else(|| civil("%Y-%m-%d %H:%M:%S"));
        zoned.map(|zoned| zoned.timestamp())
    })
}

enum Loose {
    Number(f64),
    Text(String),
    Nothing,
}

struct NumberOrText;

impl Visitor<'_> for NumberOrText {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or text")
    }

    #[allow(clippy::cast_precision_loss, reason = "dates and durations in seconds fit")]
    fn visit_u64<E>(self, number: u64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    #[allow(clippy::cast_precision_loss, reason = "dates and durations in seconds fit")]
    fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
        Ok(Loose::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Loose, E> {
        Ok(Loose::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock() -> WallClock {
        WallClock::simulated("2026-11-24T10:00:00Z".parse().expect("a time"))
    }

    #[tokio::test(start_paused = true)]
    async fn lifetimes_in_every_spelling() {
        let now = clock().now().as_second();
        for (fields, lifetime) in [
            (r#""expires_in":3599"#.to_owned(), Ok(3599)),
            (r#""expires_in":"3599""#.to_owned(), Ok(3599)),
            (format!(r#""expires_on":"{}""#, now + 60), Ok(60)),
            (format!(r#""expires_on":{}"#, now + 60), Ok(60)),
            (r#""expires_on":"11/24/2026 11:00:00""#.to_owned(), Ok(3600)),
            (r#""expires_on":"2026-11-24 11:00:00""#.to_owned(), Ok(3600)),
            (r#""expires_on":"2026-11-24T11:00:00Z""#.to_owned(), Ok(3600)),
            (format!(r#""expires_in":"5","expires_on":"{}""#, now + 60), Ok(5)),
            (format!(r#""expires_on":{}"#, now - 60), Ok(0)),
            (r#""expires_in":null,"expires_on":"""#.to_owned(), Err(MalformedToken::NoExpiry)),
            (r#""expires_on":"soon""#.to_owned(), Err(MalformedToken::NoExpiry)),
            (r#""token_type":"Bearer""#.to_owned(), Err(MalformedToken::NoExpiry)),
        ] {
            let body = format!(r#"{{"access_token":"t",{fields}}}"#);
            let token = TokenResponse::parse(body.as_bytes(), &clock());
            let found = token.map(|token| token.lifetime.as_secs());
            assert_eq!(found, lifetime, "{body}");
        }
    }

    #[test]
    fn answers_that_are_no_tokens() {
        let parse = |body: &str| TokenResponse::parse(body.as_bytes(), &clock()).err();
        assert_eq!(
            parse("<html>"),
            Some(MalformedToken::NotJson("invalid character '<' looking for beginning of value"))
        );
        assert_eq!(parse(r#"{"expires_in":1}"#), Some(MalformedToken::NoToken));
        assert_eq!(parse(r#"{"access_token":"","expires_in":1}"#), Some(MalformedToken::NoToken));
    }

    proptest! {
        #[test]
        fn no_answer_panics(body in ".{0,200}", expiry in ".{0,20}", number in any::<f64>()) {
            let _ = TokenResponse::parse(body.as_bytes(), &WallClock::system());
            for value in [serde_json::json!(expiry), serde_json::json!(number)] {
                let body = serde_json::json!({ "access_token": "t", "expires_in": value, "expires_on": value, "refresh_in": value });
                if let Ok(token) = TokenResponse::parse(body.to_string().as_bytes(), &WallClock::system()) {
                    let _ = (token.freshness(), token.expires());
                }
            }
        }
    }
}
