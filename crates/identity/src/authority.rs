//! Who issues tokens, and the address of its token endpoint.
//!
//! Endpoints are built, not discovered: Entra's are fixed (`<authority>/<tenant>/oauth2/v2.0/token`),
//! AD FS's too (`/adfs/oauth2/token`), and an assertion or a secret is then only ever posted to the
//! authority that was configured.

use url::Url;

/// The public cloud's authority, where a custom cloud names none.
const PUBLIC: &str = "https://login.microsoftonline.com/";

/// A tenant that is AD FS rather than Entra.
const ADFS: &str = "adfs";

/// Hosts of the public cloud whose regional form is `<region>.login.microsoft.com`.
const PUBLIC_HOSTS: [&str; 4] =
    ["login.microsoft.com", "login.windows.net", "sts.windows.net", "login.microsoftonline.com"];

/// Tenant or authority that tokens cannot be asked for. Texts are those of the Go stack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Characters that no tenant has.
    #[error(
        "invalid tenantID. You can locate your tenantID by following the instructions listed here: \
         https://learn.microsoft.com/partner-center/find-ids-and-domain-names"
    )]
    Tenant,
    /// The custom cloud's authority is not https.
    #[error("cannot use an authority host without https")]
    NotHttps,
}

/// An authority and a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    origin: Url,
    tenant: String,
    adfs: bool,
}

impl Authority {
    /// `authority` is a cloud's; where that is empty, `fallback` (`AZURE_AUTHORITY_HOST`) or the public
    /// cloud's is taken.
    ///
    /// # Errors
    /// For a tenant of impossible characters, then for an authority that is not https.
    pub fn new(authority: &str, fallback: Option<&str>, tenant: &str) -> Result<Self, AuthorityError> {
        let of_a_tenant = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if tenant.is_empty() || !tenant.chars().all(of_a_tenant) {
            return Err(AuthorityError::Tenant);
        }
        let given = [Some(authority), fallback].into_iter().flatten().find(|text| !text.is_empty());
        let url = Url::parse(given.unwrap_or(PUBLIC)).map_err(|_| AuthorityError::NotHttps)?;
        if url.scheme() != "https" || url.host_str().is_none_or(str::is_empty) {
            return Err(AuthorityError::NotHttps);
        }
        let first = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
        let first = if first.is_empty() { tenant } else { first };
        let adfs = first.eq_ignore_ascii_case(ADFS);
        let mut origin = url;
        origin.set_path("/");
        origin.set_query(None);
        origin.set_fragment(None);
        Ok(Self { origin, tenant: tenant.to_owned(), adfs })
    }

    /// Where tokens are asked for, through a region's endpoint if one is given.
    #[must_use]
    pub fn token_endpoint(&self, region: Option<&str>) -> Url {
        let mut endpoint = self.origin.clone();
        if self.adfs {
            endpoint.set_path("/adfs/oauth2/token");
            return endpoint;
        }
        endpoint.set_path(&format!("/{}/oauth2/v2.0/token", self.tenant));
        if let (Some(region), Some(host)) = (region, self.origin.host_str()) {
            let host = if PUBLIC_HOSTS.contains(&host) { PUBLIC_HOSTS[0] } else { host };
            // A region that cannot stand in a host name leaves the global endpoint in place.
            let _ = endpoint.set_host(Some(&format!("{region}.{host}")));
        }
        endpoint
    }

    /// Whether this is AD FS.
    #[must_use]
    pub const fn is_adfs(&self) -> bool {
        self.adfs
    }

    /// What identifies it in a cache key.
    #[must_use]
    pub fn parts(&self) -> [&str; 2] {
        [self.origin.as_str(), &self.tenant]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(authority: &str, tenant: &str, region: Option<&str>) -> String {
        Authority::new(authority, None, tenant).expect("an authority").token_endpoint(region).to_string()
    }

    #[test]
    fn endpoints_of_entra_and_adfs() {
        for (authority, tenant, region, expected) in [
            (PUBLIC, "t-1", None, "https://login.microsoftonline.com/t-1/oauth2/v2.0/token"),
            ("", "contoso.com", None, "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"),
            ("https://login.x.test", "t", None, "https://login.x.test/t/oauth2/v2.0/token"),
            ("https://login.x.test:8443/", "t", None, "https://login.x.test:8443/t/oauth2/v2.0/token"),
            (PUBLIC, "t", Some("westus2"), "https://westus2.login.microsoft.com/t/oauth2/v2.0/token"),
            (
                "https://login.microsoftonline.us/",
                "t",
                Some("usgovvirginia"),
                "https://usgovvirginia.login.microsoftonline.us/t/oauth2/v2.0/token",
            ),
            ("https://adfs.x.test/", "adfs", Some("r"), "https://adfs.x.test/adfs/oauth2/token"),
            ("https://adfs.x.test/", "ADFS", None, "https://adfs.x.test/adfs/oauth2/token"),
            ("https://adfs.x.test/adfs/", "adfs", None, "https://adfs.x.test/adfs/oauth2/token"),
        ] {
            assert_eq!(endpoint(authority, tenant, region), expected);
        }
    }

    #[test]
    fn refused_in_upstreams_order() {
        for (authority, tenant, error) in [
            (PUBLIC, "a b", AuthorityError::Tenant),
            ("http://login.x.test", "a/b", AuthorityError::Tenant),
            ("http://login.x.test", "t", AuthorityError::NotHttps),
            ("login.x.test", "t", AuthorityError::NotHttps),
        ] {
            assert_eq!(Authority::new(authority, None, tenant), Err(error));
        }
    }

    #[test]
    fn the_environments_authority_is_a_fallback() {
        let endpoint = |cloud| {
            let authority = Authority::new(cloud, Some("https://env.test"), "t").expect("an authority");
            authority.token_endpoint(None).host_str().map(str::to_owned)
        };
        assert_eq!(endpoint("").as_deref(), Some("env.test"));
        assert_eq!(endpoint("https://cloud.test").as_deref(), Some("cloud.test"));
    }
}
