//! How an emulator is set up.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use keymount_clock::WallClock;

/// How an emulator is set up. The default binds free ports on 127.0.0.1 and is empty.
#[derive(Clone, Debug)]
pub struct Options {
    /// Vaults and authorities, TLS. Port 0 means any free one, here and below.
    pub listen: SocketAddr,
    /// Instance Metadata Service, plain HTTP.
    pub imds: SocketAddr,
    /// Pod identity, plain HTTP.
    pub nmi: SocketAddr,
    /// Port of the Kubernetes API on 127.0.0.1, plain HTTP; left out, there is none.
    pub kubernetes: Option<u16>,
    /// Admin API, plain HTTP; loopback only.
    pub admin: SocketAddr,
    /// Where the certificate of the authority is written (PEM). Left out, it goes to a private
    /// directory that is removed at the end.
    pub ca_file: Option<PathBuf>,
    /// What to fill it with.
    pub seed: Option<SeedSource>,
    /// Takes every service-account token that is a JWT for the exchange audience and not expired,
    /// whoever signed it, for any client id and tenant. Loopback only.
    pub allow_any_token: bool,
    /// Vault suffixes beside those of the Azure clouds and `localhost`.
    pub vault_suffixes: Vec<String>,
    /// Authorities beside those of the Azure clouds.
    pub authorities: Vec<String>,
    /// Lifetime of tokens from the authority and from pod identity, whole seconds.
    pub token_lifetime: Duration,
    /// Lifetime of tokens from the metadata service, whole seconds.
    pub managed_token_lifetime: Duration,
    /// Time of day.
    pub clock: WallClock,
}

impl Default for Options {
    fn default() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: any,
            imds: any,
            nmi: any,
            kubernetes: None,
            admin: any,
            ca_file: None,
            seed: None,
            allow_any_token: false,
            vault_suffixes: Vec::new(),
            authorities: Vec::new(),
            token_lifetime: Duration::from_secs(3599),
            managed_token_lifetime: Duration::from_secs(86_399),
            clock: WallClock::system(),
        }
    }
}

/// Where the first content comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedSource {
    /// A vault with an example of everything.
    Demo,
    /// A seed file, YAML or JSON.
    File(PathBuf),
}

impl FromStr for SeedSource {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "demo" { Self::Demo } else { Self::File(text.into()) })
    }
}
