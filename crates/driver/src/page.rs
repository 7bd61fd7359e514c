//! `/status`: what the volumes of this node are doing, for people in front of a browser and for programs.
//!
//! It is read-only and off unless an operator turns it on: whoever reaches the port sees names of pods, classes,
//! objects and Secrets, and why they fail. It holds nothing that [`Failure`](crate::volume::Failure) and the
//! status objects do not hold: no content, no token, no address of a vault.

mod html;
mod overview;
mod remedy;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::node::Node;
use overview::Overview;

/// No scripts, no frames, no forms, nothing from elsewhere; the style is a file of its own.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page/style.css");

/// Seconds between two reloads that a reader may ask for with `?refresh=`.
const REFRESH: std::ops::RangeInclusive<u32> = 5..=3600;

/// `GET /status`: HTML, or JSON for who asks for it by `Accept` or `?format=json`.
pub(crate) fn router(node: Arc<Node>) -> Router {
    serve(move || Overview::of(&node))
}

fn serve(overview: impl Fn() -> Overview + Clone + Send + Sync + 'static) -> Router {
    let page = async move |uri: Uri, headers: HeaderMap| {
        let parameter = |name: &str| {
            let pairs = uri.query().unwrap_or_default().split('&');
            pairs
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let overview = overview();
        if wants_json(parameter("format"), &headers) {
            answer("application/json", serde_json::to_string_pretty(&overview).unwrap_or_default())
        } else {
            let refresh = parameter("refresh").and_then(|text| text.parse().ok());
            answer("text/html; charset=utf-8", html::page(&overview, refresh.filter(|s| REFRESH.contains(s))))
        }
    };
    let style = async || answer("text/css; charset=utf-8", STYLE.to_owned());
    Router::new().route("/status", get(page)).route("/status/style.css", get(style))
}

fn answer(content_type: &'static str, body: String) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, body).into_response()
}

fn wants_json(format: Option<&str>, headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match format {
        Some(format) => format == "json",
        None => accept.contains("application/json") && !accept.contains("text/html"),
    }
}

#[cfg(test)]
mod tests;
