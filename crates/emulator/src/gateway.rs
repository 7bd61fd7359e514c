//! The TLS port: tells vaults and authorities apart by host name, or by path where the name is only an
//! address.

use axum::body::Body;
use http::{Request, Response, StatusCode};

use crate::entra;
use crate::faults::{Failure, Reset, Service};
use crate::hosts::Site;
use crate::listener::{Connection, Handler, host_of};
use crate::reply;
use crate::vault::{self, VaultError};
use crate::world::Shared;

/// Answers for all vaults and authorities.
pub(crate) struct Gateway(pub(crate) Shared);

impl Handler for Gateway {
    async fn answer(&self, request: Request<Body>, from: Connection) -> Result<Response<Body>, Reset> {
        let host = host_of(&request);
        let site = self.0.hosts.site(&host);
        match site {
            Site::Vault { name, suffix } => self.vault(&name, Some(&suffix), host, request, from).await,
            Site::Local if vault::is_vault_path(request.uri().path()) => {
                let name = self.0.vaults.first().unwrap_or_default();
                self.vault(&name, None, name.clone(), request, from).await
            }
            Site::Entra => self.entra(request, from).await,
            Site::Local if entra::is_entra_path(request.uri().path()) => self.entra(request, from).await,
            Site::Local => Ok(reply::text(
                StatusCode::NOT_FOUND,
                "This is the Keymount emulator; the path is neither that of a vault nor of an authority.\n",
            )),
            Site::Unknown => Ok(reply::text(
                StatusCode::MISDIRECTED_REQUEST,
                "This is the Keymount emulator, and it does not go by this name; see its options for vault \
                 suffixes and authorities.\n",
            )),
        }
    }
}

impl Gateway {
    async fn vault(
        &self,
        name: &str,
        suffix: Option<&str>,
        host: String,
        request: Request<Body>,
        from: Connection,
    ) -> Result<Response<Body>, Reset> {
        let (world, client) = (&self.0, from.peer.ip());
        let render = |failure: &Failure| vault::decorate(VaultError::from_failure(failure).respond(), client);
        let handle = |request: Request<Body>| vault::answer(world, name, suffix, client, request);
        world.observer.answer_as(Service::Vault, host, from, request, render, handle).await
    }

    async fn entra(&self, request: Request<Body>, from: Connection) -> Result<Response<Body>, Reset> {
        let world = &self.0;
        let render = |failure: &Failure| entra::render(failure, world.clock.now());
        let handle = |request: Request<Body>| entra::answer(world, request);
        world.observer.answer(Service::Entra, from, request, render, handle).await
    }
}
