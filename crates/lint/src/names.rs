//! Names: which are possible, and which one was meant.

/// The candidate that a misspelled name stands for, if one is near enough.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wrong.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(&lower, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Names for people: `a, b or c`.
pub(crate) fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Whether an object may have this name: a DNS subdomain of at most 253 characters (RFC 1123).
pub(crate) fn is_object_name(name: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        bytes.first().is_some_and(alphanumeric)
            && bytes.last().is_some_and(alphanumeric)
            && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether a Secret may have this key.
pub(crate) fn is_secret_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !key.is_empty() && key.len() <= 253 && key != "." && !key.starts_with("..") && key.bytes().all(allowed)
}

/// Whether it looks like the id of a tenant or an application: a GUID.
pub(crate) fn is_guid(text: &str) -> bool {
    let lengths: Vec<_> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let known = ["keyvaultName", "tenantID", "clientID", "objects"];
        for (wrong, meant) in [
            ("keyVaultName", Some("keyvaultName")),
            ("keyvaultname", Some("keyvaultName")),
            ("tenatID", Some("tenantID")),
            ("object", Some("objects")),
            ("resourceGroup", None),
        ] {
            assert_eq!(nearest(wrong, known), meant, "{wrong}");
        }
    }

    #[test]
    fn names_that_kubernetes_takes() {
        for (name, good) in [
            ("a", true),
            ("a-b.c", true),
            ("A", false),
            ("-a", false),
            ("a..b", false),
            ("", false),
            ("a_b", false),
        ] {
            assert_eq!(is_object_name(name), good, "{name}");
        }
        for (key, good) in [
            ("tls.crt", true),
            (".dockerconfigjson", true),
            ("a/b", false),
            ("..", false),
            ("..a", false),
            ("", false),
        ] {
            assert_eq!(is_secret_key(key), good, "{key}");
        }
        assert!(is_guid("5c791829-6568-4cc6-9b44-d9bbd7393dce") && !is_guid("contoso.onmicrosoft.com"));
    }
}
