//! What the driver shows the API server of itself in the header `Authorization`.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use keymount_sensitive::SecretBytes;
use kube::config::AuthInfo;
use secrecy::ExposeSecret as _;

use super::reread::Reread;

/// Nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The kubeconfig's user logs in by a program, or by what kubectl once had built in. No program is started by this
    /// process, and its system call filter lets none be.
    #[error(
        "the kubeconfig's user logs in by {0}, and the driver starts no program: give it a token, a tokenFile, a client certificate, \
         or a username and password"
    )]
    Plugin(&'static str),
    /// The token's file cannot be read.
    #[error("failed to read the token's file {}: {source} (check tokenFile of the kubeconfig's user)", path.display())]
    TokenFile {
        /// Where it should be.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The token, or the name and password, holds what no header can carry.
    #[error(
        "the token, or the username and password, of the kubeconfig's user holds characters that no HTTP header can carry"
    )]
    NotAHeader,
}

/// The header's value, read again from the token's file where there is one.
pub(super) enum Credentials {
    /// A client certificate, or nothing at all.
    None,
    Fixed(HeaderValue),
    File(Reread<HeaderValue>),
}

impl Credentials {
    /// In client-go's order: a file counts more than a token beside it.
    pub(super) fn of(user: &AuthInfo) -> Result<Self, CredentialsError> {
        if let Some(path) = &user.token_file {
            return Ok(Self::File(Reread::new(Path::new(path), from_file)?));
        }
        if let Some(token) = &user.token {
            return Ok(Self::Fixed(bearer(token.expose_secret())?));
        }
        if let (Some(name), Some(password)) = (&user.username, &user.password) {
            return Ok(Self::Fixed(basic(name, password.expose_secret())?));
        }
        match (&user.exec, &user.auth_provider) {
            (Some(_), _) => Err(CredentialsError::Plugin("a credential plug-in (exec)")),
            (None, Some(_)) => Err(CredentialsError::Plugin("an auth-provider")),
            (None, None) => Ok(Self::None),
        }
    }

    /// What the next request shows. A file that is gone or unreadable leaves what was read last.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Fixed(value) => Some(value.clone()),
            Self::File(file) => Some(file.current(from_file)),
        }
    }
}

/// A small file of a projected volume or of the administrator's: read at once.
fn from_file(path: &Path) -> Result<HeaderValue, CredentialsError> {
    let read = std::fs::read(path)
        .map_err(|source| CredentialsError::TokenFile { path: path.to_owned(), source })?;
    let token = SecretBytes::from(read);
    bearer(str::from_utf8(token.expose()).map_err(|_| CredentialsError::NotAHeader)?.trim())
}

fn bearer(token: &str) -> Result<HeaderValue, CredentialsError> {
    sensitive(SecretBytes::from(format!("Bearer {token}").into_bytes()))
}

fn basic(name: &str, password: &str) -> Result<HeaderValue, CredentialsError> {
    let pair = SecretBytes::from(format!("{name}:{password}").into_bytes());
    sensitive(SecretBytes::from(format!("Basic {}", STANDARD.encode(pair.expose())).into_bytes()))
}

fn sensitive(value: SecretBytes) -> Result<HeaderValue, CredentialsError> {
    let mut value = HeaderValue::from_bytes(value.expose()).map_err(|_| CredentialsError::NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use kube::config::{AuthProviderConfig, ExecConfig};

    use super::super::reread::READ_AGAIN;
    use super::*;

    fn shown(user: &AuthInfo) -> Result<Option<String>, String> {
        let header = Credentials::of(user).map_err(|error| error.to_string())?.header();
        Ok(header.map(|value| {
            assert!(value.is_sensitive(), "it could be printed");
            value.to_str().unwrap().to_owned()
        }))
    }

    #[test]
    fn each_way_to_log_in_is_used_or_refused_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "of-file\n").unwrap();
        let file = Some(path.display().to_string());
        let token = || Some("of-token".to_owned().into());
        let nobody = AuthInfo::default;
        for (user, expected) in [
            (nobody(), Ok(None)),
            (AuthInfo { token: token(), ..nobody() }, Ok(Some("Bearer of-token"))),
            (AuthInfo { token_file: file.clone(), ..nobody() }, Ok(Some("Bearer of-file"))),
            (AuthInfo { token: token(), token_file: file, ..nobody() }, Ok(Some("Bearer of-file"))),
            (
                AuthInfo {
                    username: Some("name".to_owned()),
                    password: Some("word".to_owned().into()),
                    ..nobody()
                },
                Ok(Some("Basic bmFtZTp3b3Jk")),
            ),
            (AuthInfo { token: Some("a\nb".to_owned().into()), ..nobody() }, Err("no HTTP header can carry")),
            (AuthInfo { token_file: Some("/nowhere".to_owned()), ..nobody() }, Err("/nowhere: No such file")),
            (
                AuthInfo { exec: Some(ExecConfig::default()), ..nobody() },
                Err("plug-in (exec), and the driver starts no program"),
            ),
            (
                AuthInfo { auth_provider: Some(AuthProviderConfig::default()), ..nobody() },
                Err("an auth-provider, and the driver starts no program"),
            ),
            // What a plug-in would tell is there already.
            (
                AuthInfo { token: token(), exec: Some(ExecConfig::default()), ..nobody() },
                Ok(Some("Bearer of-token")),
            ),
        ] {
            match (shown(&user), expected) {
                (Ok(shown), Ok(expected)) => assert_eq!(shown.as_deref(), expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (shown, expected) => panic!("{shown:?} instead of {expected:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_tokens_file_is_read_again_and_may_be_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "first").unwrap();
        let user = AuthInfo { token_file: Some(path.display().to_string()), ..AuthInfo::default() };
        let credentials = Credentials::of(&user).unwrap();
        let shown = || credentials.header().unwrap().to_str().unwrap().to_owned();
        std::fs::write(&path, "second").unwrap();
        assert_eq!(shown(), "Bearer first");
        tokio::time::advance(READ_AGAIN).await;
        assert_eq!(shown(), "Bearer second");
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(READ_AGAIN).await;
        assert_eq!(shown(), "Bearer second");
    }
}
