//! Answers of an API server.

use http::HeaderMap;
use http::response::Parts;
use serde_json::Value;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub code: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, when it is JSON; `null` otherwise.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

impl Reply {
    pub(crate) fn new(head: &Parts, bytes: &[u8]) -> Self {
        Self {
            code: head.status.as_u16(),
            headers: head.headers.clone(),
            body: serde_json::from_slice(bytes).unwrap_or_default(),
            text: String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// The body of an answer that must have this status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    #[must_use = "bind it or drop it"]
    pub fn body_of(self, code: u16) -> Value {
        assert_eq!(self.code, code, "{}", self.text);
        self.body
    }

    /// Demands a status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, code: u16) {
        assert_eq!(self.code, code, "{}", self.text);
    }

    /// Demands a failure: status, `reason` and `message` of the `Status`, which must be complete.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn fails(self, code: u16, reason: &str, message: &str) -> Self {
        let text = |field: &str| self.body[field].as_str().unwrap_or_default();
        assert_eq!((self.code, text("reason"), text("message")), (code, reason, message));
        assert_eq!((text("kind"), text("apiVersion"), text("status")), ("Status", "v1", "Failure"));
        assert_eq!(self.body["code"], code);
        assert!(self.body["metadata"].is_object());
        self
    }

    /// Demands a failure whose message begins like this; the rest quotes a parser.
    ///
    /// # Panics
    /// When it is another.
    #[track_caller]
    pub fn fails_with_prefix(self, code: u16, reason: &str, prefix: &str) -> Self {
        let message = self.body["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.starts_with(prefix), "{message}");
        self.fails(code, reason, &message)
    }

    /// `details` of the `Status` without its causes.
    #[must_use]
    pub fn details(&self) -> Value {
        let mut details = self.body["details"].clone();
        if let Some(map) = details.as_object_mut() {
            map.remove("causes");
        }
        details
    }

    /// The `Warning` headers.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let all = self.headers.get_all("warning").iter();
        all.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
    }
}
