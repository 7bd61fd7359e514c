//! Secrets: `stringData`, keys, size, what a type demands, and what can no longer change.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::kubernetes::object;
use crate::kubernetes::status::Cause;

/// All values of a Secret together.
const MAX_BYTES: usize = 1024 * 1024;

const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// Moves `stringData` into `data` and defaults the type.
pub(super) fn default(secret: &mut Value) {
    let map = object::map_mut(secret);
    if let Some(Value::Object(texts)) = map.remove("stringData") {
        let data = object::map_mut(map.entry("data").or_insert(Value::Null));
        for (key, text) in texts {
            data.insert(key, STANDARD.encode(text.as_str().unwrap_or_default()).into());
        }
    }
    if map.get("data").and_then(Value::as_object).is_some_and(Map::is_empty) {
        map.remove("data");
    }
    map.entry("type").or_insert_with(|| "Opaque".into());
}

/// What is wrong with the Secret.
pub(super) fn validate(old: Option<&Value>, secret: &Value, causes: &mut Vec<Cause>) {
    let empty = Map::new();
    let data = secret.get("data").and_then(Value::as_object).unwrap_or(&empty);
    let mut bytes = 0;
    for (key, value) in data {
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
            causes.push(Cause::invalid(format!("data[{key}]"), &key.as_str().into(), KEY));
        } else if let Some(why) = match key.as_str() {
            "." => Some("must not be '.'"),
            ".." => Some("must not be '..'"),
            key if key.starts_with("..") => Some("must not start with '..'"),
            key if key.len() > 253 => Some("must be no more than 253 characters"),
            _ => None,
        } {
            causes.push(Cause::invalid(format!("data[{key}]"), &key.as_str().into(), why));
        }
        bytes += value.as_str().map_or(0, base64_len);
    }
    if bytes > MAX_BYTES {
        causes.push(Cause::too_long("data", &format!("may not be more than {MAX_BYTES} bytes")));
    }
    by_type(secret, data, causes);
    if let Some(old) = old {
        updates(old, secret, causes);
    }
}

/// Decoded length of base64 text.
fn base64_len(text: &str) -> usize {
    text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count()
}

fn by_type(secret: &Value, data: &Map<String, Value>, causes: &mut Vec<Cause>) {
    let mut require = |keys: &[&str]| {
        for key in keys.iter().filter(|key| !data.contains_key(**key)) {
            causes.push(Cause::required(format!("data[{key}]"), ""));
        }
    };
    match object::text(secret, &["type"]) {
        "kubernetes.io/tls" => require(&["tls.crt", "tls.key"]),
        "kubernetes.io/ssh-auth" => require(&["ssh-privatekey"]),
        // One of the two is enough.
        "kubernetes.io/basic-auth" if !data.contains_key("username") && !data.contains_key("password") => {
            require(&["username", "password"]);
        }
        "kubernetes.io/service-account-token" => {
            let account =
                object::meta(secret, "annotations").and_then(|a| a.get("kubernetes.io/service-account.name"));
            if account.is_none() {
                causes.push(Cause::required("metadata.annotations[kubernetes.io/service-account.name]", ""));
            }
        }
        "kubernetes.io/dockerconfigjson" => docker(".dockerconfigjson", data, causes),
        "kubernetes.io/dockercfg" => docker(".dockercfg", data, causes),
        _ => {}
    }
}

fn docker(key: &str, data: &Map<String, Value>, causes: &mut Vec<Cause>) {
    let field = format!("data[{key}]");
    let Some(text) = data.get(key).and_then(Value::as_str) else {
        causes.push(Cause::required(field, ""));
        return;
    };
    let json = STANDARD.decode(text).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    if !json.is_some_and(|json| json.is_object()) {
        // Where the server quotes the parser, whose text quotes the content, this does not.
        causes.push(Cause::invalid(field, &"<secret contents redacted>".into(), "invalid JSON"));
    }
}

fn updates(old: &Value, secret: &Value, causes: &mut Vec<Cause>) {
    if old.get("type") != secret.get("type") {
        causes.push(Cause::invalid("type", &secret["type"], "field is immutable"));
    }
    if old.get("immutable") != Some(&Value::Bool(true)) {
        return;
    }
    let detail = "field is immutable when `immutable` is set";
    if secret.get("immutable") != Some(&Value::Bool(true)) {
        causes.push(Cause::forbidden("immutable", detail));
    }
    if old.get("data") != secret.get("data") {
        causes.push(Cause::forbidden("data", detail));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn causes(old: Option<&Value>, secret: &Value) -> usize {
        let mut causes = Vec::new();
        validate(old, secret, &mut causes);
        causes.len()
    }

    #[test]
    fn types_demand_keys_and_do_not_change() {
        assert_eq!(causes(None, &json!({"type": "kubernetes.io/tls"})), 2);
        assert_eq!(causes(None, &json!({"type": "kubernetes.io/basic-auth", "data": {"username": ""}})), 0);
        assert_eq!(
            causes(
                None,
                &json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}})
            ),
            0
        );
        assert_eq!(causes(Some(&json!({"type": "a"})), &json!({"type": "b"})), 1);
        let fixed = json!({"immutable": true, "data": {"k": "dg=="}});
        assert_eq!(causes(Some(&fixed), &fixed), 0);
        assert_eq!(causes(Some(&fixed), &json!({"data": {}})), 2);
    }

    #[test]
    fn a_mebibyte_fits_and_no_more() {
        let secret = |bytes: usize| json!({"data": {"k": STANDARD.encode(vec![0_u8; bytes])}});
        assert_eq!(causes(None, &secret(MAX_BYTES)), 0);
        assert_eq!(causes(None, &secret(MAX_BYTES + 1)), 1);
    }

    #[test]
    fn texts_become_data() {
        let mut secret = json!({"stringData": {"k": "v"}});
        default(&mut secret);
        assert_eq!(secret, json!({"data": {"k": "dg=="}, "type": "Opaque"}));
    }
}
