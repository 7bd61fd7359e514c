//! An error answer as the Azure SDK for Go prints it; clients and people search these texts.
//!
//! Only answers with an error status are shown, never more than [`SHOWN_BODY_BYTES`] of them, and
//! nothing in them that we sent as a secret: a gateway may echo what it got.

use std::fmt::Write;

use http::StatusCode;
use serde_json::Value;
use url::Url;

use super::{Answer, Method};

/// How much of a body is shown. A gRPC status message travels in a header, and headers are bounded.
pub const SHOWN_BODY_BYTES: usize = 4096;

/// The line between the parts.
pub const RULE: &str = "--------------------------------------------------------------------------------";

/// Method, URL without query, status, error code and body, as the SDK's service clients print them.
/// `origin` is scheme and host as whoever configured them spells them.
#[must_use]
pub fn service_dump(method: Method, origin: &str, url: &Url, answer: &Answer, secrets: &[&str]) -> String {
    let code = match error_code(answer) {
        Some(code) => format!("ERROR CODE: {code}"),
        None => "ERROR CODE UNAVAILABLE".to_owned(),
    };
    let (request, status, body) =
        (request_line(method, origin, url), status_line(answer.status), shown_body(answer, secrets));
    format!("{request}\n{RULE}\n{status}\n{code}\n{RULE}\n{body}\n{RULE}\n")
}

/// The same as the SDK's credentials print it: no error code, and no newline at the end.
#[must_use]
pub fn credential_dump(method: Method, url: &Url, answer: &Answer, secrets: &[&str]) -> String {
    let origin = url.origin().ascii_serialization();
    let (request, status, body) =
        (request_line(method, &origin, url), status_line(answer.status), shown_body(answer, secrets));
    format!("{request}\n{RULE}\n{status}\n{RULE}\n{body}\n{RULE}")
}

/// The service's error code: header `x-ms-error-code`, else `error.code` of a JSON body.
#[must_use]
pub fn error_code(answer: &Answer) -> Option<String> {
    if let Some(code) = answer.header("x-ms-error-code").filter(|code| !code.is_empty()) {
        return Some(code.to_owned());
    }
    let body: Value = serde_json::from_slice(answer.body.expose()).ok()?;
    let body = body.as_object()?;
    let object = match body.get("error").or_else(|| body.get("odata.error")) {
        Some(wrapped) => wrapped.as_object()?,
        None => body,
    };
    object.get("code")?.as_str().filter(|code| !code.is_empty()).map(str::to_owned)
}

fn request_line(method: Method, origin: &str, url: &Url) -> String {
    let path = percent_encoding::percent_decode_str(url.path()).decode_utf8_lossy();
    format!("{} {origin}{path}", method.as_str())
}

fn status_line(status: StatusCode) -> String {
    // Where Go's phrase is another one.
    let phrase = match status.as_u16() {
        203 => "Non-Authoritative Information",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        416 => "Requested Range Not Satisfiable",
        _ => status.canonical_reason().unwrap_or_default(),
    };
    format!("RESPONSE {0}: {0} {phrase}", status.as_u16())
}

fn shown_body(answer: &Answer, secrets: &[&str]) -> String {
    let body = answer.body.expose();
    if body.is_empty() {
        return "Response contained no body".to_owned();
    }
    if answer.status.as_u16() < 300 {
        // An unexpected kind of success may carry what was asked for.
        return format!("Response body of {} bytes is not shown", body.len());
    }
    let text = String::from_utf8_lossy(body);
    let mut text = text.into_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        if text.contains(secret) {
            text = text.replace(secret, "##### REDACTED #####");
        }
    }
    let mut text = indented(&text).unwrap_or(text);
    if text.len() > SHOWN_BODY_BYTES {
        let mut end = SHOWN_BODY_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let left = text.len() - end;
        text.truncate(end);
        let _ = write!(text, "… ({left} bytes more)");
    }
    text
}

/// JSON with line breaks and two spaces per level, its tokens as they were sent; `None` if it is none.
fn indented(text: &str) -> Option<String> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let mut out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped, mut opened) = (0_usize, false, false, false);
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    for character in text.chars() {
        if in_string {
            out.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(character, '}' | ']');
        if opened && !closes {
            newline(&mut out, depth);
        }
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !opened {
                    newline(&mut out, depth);
                }
            }
            _ => {}
        }
        opened = matches!(character, '{' | '[');
        out.push(character);
        match character {
            ',' => newline(&mut out, depth),
            ':' => out.push(' '),
            '"' => in_string = true,
            _ => {}
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::answer;

    const ORIGIN: &str = "https://KV.vault.azure.net";

    fn url() -> Url {
        Url::parse("https://kv.vault.azure.net/secrets/missing/?api-version=7.4").expect("a URL")
    }

    #[test]
    fn a_vaults_answer() {
        let answer = answer(404, r#"{"error":{"code":"SecretNotFound","message":"A \"b\": {c}","x":[]}}"#);
        assert_eq!(
            service_dump(Method::Get, ORIGIN, &url(), &answer, &[]),
            format!(
                "GET https://KV.vault.azure.net/secrets/missing/\n{RULE}\nRESPONSE 404: 404 Not Found\n\
                 ERROR CODE: SecretNotFound\n{RULE}\n\
                 {{\n  \"error\": {{\n    \"code\": \"SecretNotFound\",\n    \
                 \"message\": \"A \\\"b\\\": {{c}}\",\n    \"x\": []\n  }}\n}}\n{RULE}\n"
            )
        );
    }

    #[test]
    fn codes_and_bodies_in_every_shape() {
        let dump = |answer: &Answer| service_dump(Method::Get, ORIGIN, &url(), answer, &[]);
        let empty = dump(&answer(503, ""));
        assert!(empty.contains("RESPONSE 503: 503 Service Unavailable\nERROR CODE UNAVAILABLE\n"), "{empty}");
        assert!(empty.contains("\nResponse contained no body\n"));
        assert!(dump(&answer(500, "<html>")).contains("\n<html>\n"));
        let header = answer(403, r#"{"error":{"code":"Body"}}"#).with_header("x-ms-error-code", "Header");
        assert_eq!(error_code(&header).as_deref(), Some("Header"));
        for (body, code) in [
            (r#"{"code":"Top"}"#, Some("Top")),
            (r#"{"odata.error":{"code":"Odata"}}"#, Some("Odata")),
            (r#"{"error":"text"}"#, None),
            (r#"{"error":{"code":7}}"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(error_code(&answer(400, body)).as_deref(), code, "{body}");
        }
    }

    #[test]
    fn i5_an_echo_of_what_we_sent_is_not_shown() {
        let echo = answer(400, r#"{"you sent":"Bearer t0ken-c4n4ry"}"#);
        let text = credential_dump(Method::Post, &url(), &echo, &["t0ken-c4n4ry"]);
        assert!(!text.contains("c4n4ry"), "{text}");
        let unexpected = answer(203, "c4n4ry");
        assert!(!service_dump(Method::Get, ORIGIN, &url(), &unexpected, &[]).contains("c4n4ry"));
    }

    #[test]
    fn long_bodies_are_cut() {
        let text = service_dump(Method::Get, ORIGIN, &url(), &answer(500, "ü".repeat(5000)), &[]);
        assert!(text.len() < SHOWN_BODY_BYTES + 600);
        assert!(text.contains("… (5904 bytes more)"));
    }
}
