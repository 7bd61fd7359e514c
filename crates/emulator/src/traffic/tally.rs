//! Counts one request, whichever way it ends.

use http::StatusCode;

use super::{Request, Traffic};

/// A request under way. It is counted when this is dropped: with the status of the answer, or with 0
/// when there was none, which is also the case when the client leaves and the handler is dropped.
#[derive(Debug)]
pub struct Tally {
    traffic: Traffic,
    request: Option<Request>,
}

impl Tally {
    /// Begins to count a request. Its status is set by [`Tally::answered`].
    #[must_use]
    pub fn new(traffic: &Traffic, request: Request) -> Self {
        Self { traffic: traffic.clone(), request: Some(request) }
    }

    /// Counts the request as answered.
    pub fn answered(mut self, status: StatusCode) {
        if let Some(request) = &mut self.request {
            request.kind.status = status.as_u16();
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            self.traffic.record(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;
    use crate::faults::{Match, Service};
    use crate::traffic::Kind;

    fn request(path: &str) -> Request {
        Request {
            kind: Kind {
                service: Service::Vault,
                host: "kv.vault.azure.net".to_owned(),
                method: "GET".to_owned(),
                path: path.to_owned(),
                status: 0,
            },
            query: "api-version=7.4".to_owned(),
            connection: 1,
            version: Version::HTTP_11,
            user_agent: String::new(),
        }
    }

    #[test]
    fn answered_and_abandoned_are_told_apart() {
        let traffic = Traffic::default();
        Tally::new(&traffic, request("/secrets/a")).answered(StatusCode::OK);
        Tally::new(&traffic, request("/secrets/a")).answered(StatusCode::NOT_FOUND);
        drop(Tally::new(&traffic, request("/secrets/b")));

        let all = Match { service: Some(Service::Vault), ..Match::default() };
        let a = Match { path: Some("/secrets/a".into()), ..Match::default() };
        assert_eq!((traffic.count(&all), traffic.count(&a)), (3, 2));
        assert_eq!((traffic.count_status(&a, 404), traffic.count_status(&all, 0)), (1, 1));
        assert_eq!(traffic.journal(&all).len(), 3);
        assert_eq!(traffic.snapshot().requests.len(), 3);
        traffic.reset();
        assert_eq!(traffic.count(&all), 0);
    }

    #[test]
    fn totals_are_bounded() {
        let traffic = Traffic::default();
        for n in 0..(super::super::MAX_TOTALS + 10) {
            Tally::new(&traffic, request(&format!("/secrets/s{n}"))).answered(StatusCode::OK);
        }
        let other = Match { path: Some("(other)".into()), ..Match::default() };
        assert_eq!(traffic.count(&other), 10);
        assert_eq!(traffic.journal(&Match::default()).len(), super::super::MAX_JOURNAL);
    }
}
