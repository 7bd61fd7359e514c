//! Who may do what in a vault, and the four ways of being refused.

use std::net::IpAddr;

use http::Method;
use serde::Deserialize;

use super::error::VaultError;
use super::kind::Type;
use crate::token::Claims;

/// How a vault decides. By default everyone with a valid token of its tenant may do everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Access {
    /// Access policies or role assignments; decides how a refusal is worded.
    pub model: Model,
    /// Who may do what. Left out, everyone may do everything; empty, nobody may do anything.
    pub grants: Option<Vec<Grant>>,
    /// The firewall refuses the client's address.
    pub firewalled: bool,
    /// Public network access is off, and the client did not come by a private link.
    pub private: bool,
}

/// The permission model of a vault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Vault access policy.
    #[default]
    Policy,
    /// Azure role-based access control.
    Rbac,
}

/// What one identity may do. Permissions are Key Vault's words (`get`, `list`, `set`, `delete`,
/// `recover`, `purge`, `create`, `import`, `update`), or `all`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grant {
    /// Client id or object id, or `*` for everyone.
    pub identity: String,
    /// On secrets.
    pub secrets: Vec<String>,
    /// On keys.
    pub keys: Vec<String>,
    /// On certificates.
    pub certificates: Vec<String>,
}

impl Grant {
    /// May do everything.
    #[must_use]
    pub fn all(identity: &str) -> Self {
        let all = vec!["all".to_owned()];
        Self { identity: identity.to_owned(), secrets: all.clone(), keys: all.clone(), certificates: all }
    }

    /// May do only this, and only on secrets.
    #[must_use]
    pub fn secrets(identity: &str, permissions: &[&str]) -> Self {
        let secrets = permissions.iter().map(|&permission| permission.to_owned()).collect();
        Self { identity: identity.to_owned(), secrets, ..Self::default() }
    }

    fn allows(&self, who: &Claims, kind: Type, operation: &str) -> bool {
        let is_me = self.identity == "*"
            || self.identity.eq_ignore_ascii_case(&who.appid)
            || self.identity.eq_ignore_ascii_case(&who.oid);
        let permissions = match kind {
            Type::Secret => &self.secrets,
            Type::Key => &self.keys,
            Type::Certificate => &self.certificates,
        };
        is_me && permissions.iter().any(|one| one == "all" || one.eq_ignore_ascii_case(operation))
    }
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    pub(super) vault: &'a str,
    pub(super) kind: Type,
    pub(super) operation: &'static str,
    pub(super) name: &'a str,
    pub(super) from: IpAddr,
}

impl Access {
    /// Whether the caller may do it.
    pub(super) fn check(&self, who: &Claims, wish: Wish<'_>) -> Result<(), VaultError> {
        let caller = format!("appid={};oid={};iss={}", who.appid, who.oid, who.iss);
        let vault = format!("{};location=emulator", wish.vault);
        if self.private {
            return Err(VaultError::forbidden(
                "ForbiddenByConnection",
                format!(
                    "Public network access is disabled and request is not from a trusted service nor via an \
                     approved private link.\r\nCaller: {caller}\r\nVault: {vault}"
                ),
            ));
        }
        if self.firewalled {
            return Err(VaultError::forbidden(
                "ForbiddenByFirewall",
                format!(
                    "Client address is not authorized and caller is not a trusted service.\r\nClient address: \
                     {}\r\nCaller: {caller}\r\nVault: {vault}",
                    wish.from
                ),
            ));
        }
        let Some(grants) = &self.grants else { return Ok(()) };
        if grants.iter().any(|grant| grant.allows(who, wish.kind, wish.operation)) {
            return Ok(());
        }
        Err(match self.model {
            Model::Policy => VaultError::forbidden(
                "ForbiddenByPolicy",
                format!(
                    "The user, group or application '{caller}' does not have {} {} permission on key vault \
                     '{vault}'. For help resolving this issue, please see \
                     https://go.microsoft.com/fwlink/?linkid=2125287",
                    wish.kind.collection(),
                    wish.operation
                ),
            ),
            Model::Rbac => VaultError::forbidden(
                "ForbiddenByRbac",
                format!(
                    "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny \
                     assignments or role definitions were changed recently, please observe propagation \
                     time.\r\nCaller: {caller}\r\nAction: '{}'\r\nResource: \
                     '/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/emulator/providers/\
                     microsoft.keyvault/vaults/{}/{}/{}'\r\nAssignment: (not found)\r\nDenyAssignmentId: \
                     null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: {vault}\r\n",
                    action(wish.kind, wish.operation),
                    wish.vault,
                    wish.kind.collection(),
                    wish.name
                ),
            ),
        })
    }
}

/// The data action that role assignments name.
fn action(kind: Type, operation: &str) -> String {
    let verb = match (kind, operation) {
        (Type::Secret, "get") => "getSecret/action",
        (Type::Secret, "set") => "setSecret/action",
        (Type::Secret, "list") => "readMetadata/action",
        (_, "get" | "list") => "read",
        (_, other) => return format!("Microsoft.KeyVault/vaults/{}/{other}/action", kind.collection()),
    };
    format!("Microsoft.KeyVault/vaults/{}/{verb}", kind.collection())
}

/// The permission a request needs: from its method and the path below the collection.
pub(super) fn operation(kind: Type, deleted: bool, method: &Method, rest: &[&str]) -> &'static str {
    match (method.as_str(), rest) {
        ("POST", [_, "recover"]) => "recover",
        ("DELETE", _) if deleted => "purge",
        ("DELETE", _) => "delete",
        ("PATCH", _) if kind == Type::Secret => "set",
        ("PATCH", _) => "update",
        ("PUT", _) if kind == Type::Secret => "set",
        ("PUT", [_, "rotationpolicy"]) => "setrotationpolicy",
        ("PUT", _) => "import",
        ("POST", [_, "import"]) => "import",
        ("POST", [_, "rotate"]) => "rotate",
        ("POST", [_, "backup"]) => "backup",
        ("POST", ["restore"]) => "restore",
        ("POST", _) => "create",
        (_, [_, "rotationpolicy"]) => "getrotationpolicy",
        (_, [] | [_, "versions"]) => "list",
        _ => "get",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            aud: String::new(),
            iss: "https://sts.windows.net/t/".to_owned(),
            iat: 0,
            nbf: 0,
            exp: 0,
            appid: "app".to_owned(),
            oid: "oid".to_owned(),
            sub: String::new(),
            tid: "t".to_owned(),
        }
    }

    fn refused(access: &Access, operation: &'static str) -> Option<(String, String)> {
        let from = IpAddr::from([127, 0, 0, 1]);
        let wish = Wish { vault: "kv", kind: Type::Secret, operation, name: "a", from };
        access.check(&claims(), wish).err().map(|error| (error.inner.unwrap_or_default(), error.message))
    }

    #[test]
    fn four_ways_of_being_refused() {
        assert_eq!(refused(&Access::default(), "get"), None);
        let list_only = Access { grants: Some(vec![Grant::secrets("OID", &["list"])]), ..Access::default() };
        assert_eq!(refused(&list_only, "list"), None);
        let (inner, message) = refused(&list_only, "get").expect("a refusal");
        assert_eq!(inner, "ForbiddenByPolicy");
        assert!(
            message.starts_with(
                "The user, group or application 'appid=app;oid=oid;iss=https://sts.windows.net/t/' does not \
                 have secrets get permission on key vault 'kv;location=emulator'."
            ),
            "{message}"
        );
        let rbac = Access { model: Model::Rbac, ..list_only };
        let (inner, message) = refused(&rbac, "get").expect("a refusal");
        assert_eq!(inner, "ForbiddenByRbac");
        assert!(
            message.contains("Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'"),
            "{message}"
        );
        let firewalled = Access { firewalled: true, ..Access::default() };
        assert_eq!(refused(&firewalled, "get").expect("a refusal").0, "ForbiddenByFirewall");
        let private = Access { private: true, ..Access::default() };
        assert_eq!(refused(&private, "get").expect("a refusal").0, "ForbiddenByConnection");
    }

    #[test]
    fn permissions_of_requests() {
        for (method, kind, deleted, rest, expected) in [
            (Method::GET, Type::Secret, false, &["a"][..], "get"),
            (Method::GET, Type::Secret, false, &["a", "versions"], "list"),
            (Method::GET, Type::Secret, false, &[], "list"),
            (Method::PUT, Type::Secret, false, &["a"], "set"),
            (Method::PATCH, Type::Secret, false, &["a", "v"], "set"),
            (Method::PATCH, Type::Key, false, &["a", "v"], "update"),
            (Method::PUT, Type::Key, false, &["a"], "import"),
            (Method::POST, Type::Key, false, &["a", "create"], "create"),
            (Method::POST, Type::Certificate, false, &["a", "import"], "import"),
            (Method::DELETE, Type::Key, false, &["a"], "delete"),
            (Method::DELETE, Type::Key, true, &["a"], "purge"),
            (Method::POST, Type::Key, true, &["a", "recover"], "recover"),
        ] {
            assert_eq!(operation(kind, deleted, &method, rest), expected, "{method} {kind:?} {rest:?}");
        }
    }
}
