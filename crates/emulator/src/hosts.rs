//! Which host name is which service: one TLS port serves the vaults and the authorities of all clouds.

/// DNS suffixes of vaults in the clouds that Azure has or had, and for the local machine.
const VAULT_SUFFIXES: [&str; 5] =
    ["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn", "vault.microsoftazure.de", "localhost"];

/// Authorities of the clouds; regional ones are a label in front.
const AUTHORITIES: [&str; 9] = [
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.chinacloudapi.cn",
    "login.partner.microsoftonline.cn",
    "login.microsoftonline.de",
    "login.localhost",
];

/// The names this emulator goes by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    /// Further vault suffixes, such as `vault.keymount.test`.
    pub(crate) vault_suffixes: Vec<String>,
    /// Further authorities, such as `login.keymount.test`.
    pub(crate) authorities: Vec<String>,
}

/// What a host name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// The vault of this name; its cloud's resource is `https://{suffix}`.
    Vault {
        /// Vault name, lower case.
        name: String,
        /// DNS suffix.
        suffix: String,
    },
    /// An Entra authority.
    Entra,
    /// This machine by address or as `localhost`: the path tells.
    Local,
    /// A name nobody told this emulator about.
    Unknown,
}

impl Hosts {
    /// What a host name (without port) stands for.
    #[must_use]
    pub(crate) fn site(&self, host: &str) -> Site {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let authorities = AUTHORITIES.into_iter().chain(self.authorities.iter().map(String::as_str));
        if authorities.into_iter().any(|authority| is_or_below(&host, authority)) {
            return Site::Entra;
        }
        let suffixes = VAULT_SUFFIXES.into_iter().chain(self.vault_suffixes.iter().map(String::as_str));
        for suffix in suffixes {
            let name = host.strip_suffix(suffix).and_then(|rest| rest.strip_suffix('.'));
            if let Some(name) = name.filter(|name| !name.is_empty() && !name.contains('.')) {
                return Site::Vault { name: name.to_owned(), suffix: suffix.to_owned() };
            }
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok() {
            return Site::Local;
        }
        Site::Unknown
    }

    /// The authority of the cloud a vault suffix belongs to.
    #[must_use]
    pub(crate) fn authority_of(&self, suffix: &str) -> &str {
        match suffix {
            "vault.usgovcloudapi.net" => "login.microsoftonline.us",
            "vault.azure.cn" => "login.chinacloudapi.cn",
            "vault.microsoftazure.de" => "login.microsoftonline.de",
            "localhost" => "login.localhost",
            "vault.azure.net" => "login.microsoftonline.com",
            _ => self.authorities.first().map_or("login.microsoftonline.com", String::as_str),
        }
    }
}

fn is_or_below(host: &str, name: &str) -> bool {
    host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let hosts = Hosts {
            vault_suffixes: vec!["vault.keymount.test".to_owned()],
            authorities: vec!["login.keymount.test".to_owned()],
        };
        let vault =
            |name: &str, suffix: &str| Site::Vault { name: name.to_owned(), suffix: suffix.to_owned() };
        for (host, site) in [
            ("kv.vault.azure.net", vault("kv", "vault.azure.net")),
            ("KV.Vault.Azure.net.", vault("kv", "vault.azure.net")),
            ("kv.vault.usgovcloudapi.net", vault("kv", "vault.usgovcloudapi.net")),
            ("kv.vault.keymount.test", vault("kv", "vault.keymount.test")),
            ("kv.localhost", vault("kv", "localhost")),
            ("login.microsoftonline.com", Site::Entra),
            ("westeurope.login.microsoft.com", Site::Entra),
            ("login.keymount.test", Site::Entra),
            ("login.localhost", Site::Entra),
            ("127.0.0.1", Site::Local),
            ("[::1]", Site::Local),
            ("localhost", Site::Local),
            ("a.b.vault.azure.net", Site::Unknown),
            ("vault.azure.net", Site::Unknown),
            ("example.com", Site::Unknown),
            ("", Site::Unknown),
        ] {
            assert_eq!(hosts.site(host), site, "{host}");
        }
    }
}
