//! What to do about each reason.

use super::VaultReason;

pub(super) const fn hint(reason: VaultReason) -> &'static str {
    match reason {
        VaultReason::Token(reason) => reason.hint(),
        VaultReason::Unauthorized => {
            "the vault does not accept the identity's token: check tenantID and that the vault is of this cloud"
        }
        VaultReason::WrongTenant => {
            "the vault belongs to another tenant than the identity: set tenantID to the vault's tenant"
        }
        VaultReason::AccessPolicy => {
            "the vault uses access policies: give the identity the permission get (for objectVersionHistory \
             also list) for this type of object"
        }
        VaultReason::Rbac => {
            "the vault uses Azure RBAC: assign the identity a role such as Key Vault Secrets User (Key Vault \
             Certificate User, Key Vault Crypto User) on the vault; an assignment takes some minutes to work"
        }
        VaultReason::Firewall => {
            "allow the node's outbound address or subnet in the vault's network settings, or use a private endpoint"
        }
        VaultReason::PrivateLink => {
            "the vault refuses public access: give it a private endpoint in the node's network, and check that \
             its name resolves to the private address there"
        }
        VaultReason::Disabled => "enable the object or this version of it, or ask for another version",
        VaultReason::Forbidden => "the identity may not read this object: check the vault's access settings",
        VaultReason::NotFound => {
            "check objectName, objectType and objectVersion, and that the object is not deleted (a deleted one \
             can be recovered while soft-delete keeps it)"
        }
        VaultReason::BadRequest => {
            "names of objects have letters, digits and hyphens only, versions are 32 hexadecimal digits"
        }
        VaultReason::Throttled => {
            "the vault's request limit is used up: it is tried again later; fewer pods per vault, a longer \
             rotation interval or several vaults help"
        }
        VaultReason::ServerError => "Key Vault has a problem of its own: it is tried again later",
        VaultReason::Redirected => {
            "something redirects requests to the vault, such as a proxy's login page; redirects are never \
             followed with a token"
        }
        VaultReason::Unexpected => "something that is not a vault answered: check keyvaultName and proxies",
        VaultReason::Dns => {
            "the vault's name does not resolve on this node: check keyvaultName and cloudName, and with a \
             private endpoint the private DNS zone of the node's network"
        }
        VaultReason::Connect | VaultReason::Timeout => {
            "the vault cannot be reached from this node: check firewalls, network policies, routes and \
             HTTPS_PROXY (the provider uses the host's network)"
        }
        VaultReason::Tls => {
            "the vault's certificate is not trusted: add the certificate authority (a TLS-inspecting proxy has \
             its own) by SSL_CERT_FILE or SSL_CERT_DIR"
        }
        VaultReason::Proxy => "check HTTPS_PROXY and NO_PROXY of the provider",
        VaultReason::Malformed => "something that is not a vault answered: check keyvaultName and proxies",
        VaultReason::Suspicious => {
            "the answer tries to lead the token elsewhere: find out what answers in the vault's name"
        }
        VaultReason::InvalidName => "set objectName to the name of the object in the vault",
        VaultReason::Crowded => {
            "the vault is slow or throttles while many pods start: it is tried again later"
        }
    }
}
