//! What the API server said, on one line and without anything that a body may have held.

/// The error with its causes. An answer that is none of the API server's own is not quoted, and neither is
/// a body that could not be read: both may hold the data of a Secret (invariant I5).
#[must_use]
pub(crate) fn api_error(error: &kube::Error) -> String {
    match error {
        // The client makes this reason up for an answer whose body is no Status, and puts the body into it.
        kube::Error::Api(status) if status.reason == "Failed to parse error data" => {
            format!("HTTP {} without a message of the API server (a proxy in between?)", status.code)
        }
        kube::Error::Api(status) => status.message.clone(),
        kube::Error::SerdeError(error) => {
            let place = format!("line {} column {}", error.line(), error.column());
            format!("the API server's answer is not what it should be, at {place}")
        }
        kube::Error::FromUtf8(_) => "the API server's answer is no text".to_owned(),
        other => whole_story(other),
    }
}

fn whole_story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn i5_bodies_are_not_quoted() {
        let unreadable = serde_json::from_str::<u8>("\"s3cret\"").unwrap_err();
        assert!(unreadable.to_string().contains("s3cret"), "what would have leaked");
        let text = api_error(&kube::Error::SerdeError(unreadable));
        assert!(!text.contains("s3cret") && text.contains("line 1"), "{text}");
        let made_up = Status::failure("<html>s3cret</html>", "Failed to parse error data").with_code(502);
        let text = api_error(&kube::Error::Api(made_up.boxed()));
        assert!(!text.contains("s3cret") && text.contains("502"), "{text}");
    }
}
