//! Names that go into the path of a request.
//!
//! Tenants choose the names of classes and Secrets. The client puts a name into the path as it is, so one
//! with a `/` or `?` would ask for something else, with the rights of the driver.

/// Whether an object can have this name: a DNS subdomain (RFC 1123), as most kinds of the Kubernetes API
/// demand. There is no object of any other name.
#[must_use]
pub(crate) fn is_object_name(name: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            bytes.iter().all(|byte| is_end(*byte) || *byte == b'-')
                && bytes.first().is_some_and(|byte| is_end(*byte))
                && bytes.last().is_some_and(|byte| is_end(*byte))
        })
}

#[cfg(test)]
mod tests {
    use super::is_object_name;

    #[test]
    fn only_names_that_objects_can_have() {
        for good in ["a", "web", "web-1.example", "0", &"a".repeat(253)] {
            assert!(is_object_name(good), "{good}");
        }
        let bad = [
            "",
            "A",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a/b",
            "../../../../api/v1/namespaces/kube-system/secrets/s",
            "a?b",
            "a%2fb",
            "a,metadata.namespace=b",
            "ä",
            "a b",
            "a\n",
            &"a".repeat(254),
        ];
        for bad in bad {
            assert!(!is_object_name(bad), "{bad}");
        }
    }
}
