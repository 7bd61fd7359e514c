//! Watches, event by event.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;

/// How long an event may take that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A watch under way.
pub struct Watching {
    body: Body,
    buffer: Vec<u8>,
}

impl Watching {
    pub(crate) const fn new(body: Body) -> Self {
        Self { body, buffer: Vec::new() }
    }

    /// The next event; `None` at the end of the stream.
    ///
    /// # Panics
    /// When nothing comes for 20 seconds, or what comes is no event.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("an event"));
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("an event or the end");
            match frame {
                Some(frame) => {
                    if let Ok(data) = frame.expect("a whole stream").into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                None => return None,
            }
        }
    }

    /// The type and the name of the next event.
    ///
    /// # Panics
    /// As [`Self::next`], and at the end of the stream.
    pub async fn next_change(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }

    /// All events until the stream ends.
    ///
    /// # Panics
    /// As [`Self::next`].
    pub async fn rest(mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}
