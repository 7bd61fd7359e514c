//! The part of a provider's error text that may be shown to everybody who can see a pod.
//!
//! Error texts of vaults name hosts, identities and client addresses. What helps the author of a class
//! is which object failed and the store's own code for why, so only these two are taken out of the text,
//! and only where they look like what they should be.

/// ` (objectName: db-password, SecretNotFound)`, or nothing if the text holds neither.
pub(crate) fn of(text: &str) -> String {
    let object = word_after(text, "objectName:").filter(|name| is_plain(name, 127));
    let code = word_after(text, "ERROR CODE: ").filter(|code| *code != "ERROR" && is_plain(code, 40));
    let parts: Vec<String> =
        object.map(|name| format!("objectName: {name}")).into_iter().chain(code.map(str::to_owned)).collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

fn word_after<'a>(text: &'a str, marker: &str) -> Option<&'a str> {
    let rest = text.get(text.find(marker)? + marker.len()..)?.trim_start_matches(' ');
    let end = rest.find(|c: char| c.is_whitespace() || c == ',').unwrap_or(rest.len());
    rest.get(..end).filter(|word| !word.is_empty())
}

fn is_plain(word: &str, most: usize) -> bool {
    word.len() <= most && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    #[test]
    fn object_and_code_only() {
        let text = "failed to mount objects, error: failed to get objectType:secret, objectName:db-password, \
                    objectVersion:: GET https://kv.vault.azure.net/secrets/db-password/\n\
                    RESPONSE 403: 403 Forbidden\nERROR CODE: Forbidden\n{\"error\": \"oid=1234; addr 10.0.0.4\"}";
        assert_eq!(super::of(text), " (objectName: db-password, Forbidden)");
        assert_eq!(super::of("ERROR CODE: Throttled"), " (Throttled)");
        for nothing in ["boom", "", "objectName:", "objectName: kv.vault.azure.net", "ERROR CODE UNAVAILABLE"]
        {
            assert_eq!(super::of(nothing), "", "{nothing}");
        }
    }
}
