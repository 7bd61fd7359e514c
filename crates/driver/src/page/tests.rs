//! The page as a browser and a program get it.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::overview::{Certificate, Problem, Provider, Row, Secret, State};
use super::*;
use crate::volume::Failure;

const HOSTILE: &str = "<script>alert('1')</script>\"onload=\"x&\u{202e}\u{7}";

fn row(state: State, text: &str, problems: Vec<Problem>) -> Row {
    Row {
        state,
        namespace: text.to_owned(),
        pod: text.to_owned(),
        class: text.to_owned(),
        provider: text.to_owned(),
        problems,
        objects: BTreeMap::from([(text.to_owned(), text.to_owned())]),
        certificates: ["2027-01-15T08:00:00Z", "2027-01-20T08:02:00Z", "2027-06-01T00:00:00Z"]
            .map(|not_after| Certificate { path: text.to_owned(), not_after: not_after.parse().unwrap() })
            .into(),
        last_success: Some("2027-01-15T08:00:00Z".parse().unwrap()),
        next_rotation: Some("2027-01-15T08:03:00Z".parse().unwrap()),
        secrets: vec![Secret { name: text.to_owned(), synced: false }],
    }
}

fn overview(text: &str) -> Overview {
    let failure = |reason: &str| Failure { reason: reason.to_owned(), message: text.to_owned() };
    Overview {
        node: text.to_owned(),
        version: "v1",
        time: "2027-01-15T08:01:30Z".parse().unwrap(),
        rotates: true,
        providers: vec![Provider { name: text.to_owned(), healthy: Some(false), running: 1, waiting: 2 }],
        volumes: vec![
            row(State::NotMounted, text, vec![Problem::new("Mount", failure("ProviderNotFound"))]),
            row(State::NotSynced, text, vec![Problem::new(format!("Secret {text}"), failure(text))]),
        ],
        more: 3,
        unknown: 4,
    }
}

async fn get(path: &str, accept: &str, text: &'static str) -> (StatusCode, HeaderMap, String) {
    let request = Request::get(path).header(ACCEPT, accept).body(Body::empty()).unwrap();
    let answer = serve(move || overview(text)).oneshot(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn hostile_names_are_text_wherever_they_stand() {
    let (_, headers, page) = get("/status", "text/html", HOSTILE).await;
    assert!(headers[CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    // The same page with harmless names has the same tags.
    let tags = |page: &str| page.matches('<').count();
    let (_, _, harmless) = get("/status", "text/html", "harmless").await;
    assert_eq!(tags(&page), tags(&harmless));
    for forbidden in ["<script", "\"onload", "'1'", "\u{202e}", "\u{7}", "x&\u{fffd}"] {
        assert!(!page.contains(forbidden), "{forbidden:?}: {page}");
    }
    assert!(
        page.contains(
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;onload=&quot;x&amp;\u{fffd}\u{fffd}"
        ),
        "{page}"
    );
}

#[tokio::test]
async fn a_reader_sees_what_is_broken_first_and_what_to_do() {
    let (status, _, page) = get("/status", "*/*", "web").await;
    assert_eq!(status, StatusCode::OK);
    let order = [
        "cannot start",
        "ProviderNotFound",
        "KM06",
        "What to do.",
        "Secrets are not in sync",
        "Providers",
        "does not answer",
    ];
    let mut rest = page.as_str();
    for text in order {
        let (_, after) =
            rest.split_once(text).unwrap_or_else(|| panic!("{text} is missing or too early: {page}"));
        rest = after;
    }
    assert!(
        page.contains(">90 s ago<") && page.contains(">in 90 s<") && page.contains("3 more are left out"),
        "{page}"
    );
    for end in ["bad\"", ">expired 90 s ago<", "doubtful\"", ">in 5 days<", ">in 136 days<"] {
        assert!(page.contains(end), "{end}: {page}");
    }
    assert!(page.contains("4 volumes were mounted before"), "{page}");
}

#[tokio::test]
async fn the_page_reloads_only_when_asked_and_within_bounds() {
    for (query, expected) in [
        ("", false),
        ("?refresh=30", true),
        ("?refresh=1", false),
        ("?refresh=x", false),
        ("?refresh=99999", false),
    ] {
        let (_, _, page) = get(&format!("/status{query}"), "text/html", "web").await;
        assert_eq!(page.contains("http-equiv"), expected, "{query}");
        assert!(!page.contains("<script"), "{query}");
    }
}

#[tokio::test]
async fn programs_get_json() {
    for (path, accept, is_json) in [
        ("/status", "application/json", true),
        ("/status?format=json", "text/html", true),
        ("/status", "text/html,application/xhtml+xml,application/json;q=0.9", false),
        ("/status?format=html", "application/json", false),
        ("/status", "*/*", false),
    ] {
        let (_, headers, body) = get(path, accept, HOSTILE).await;
        assert_eq!(headers[CONTENT_TYPE] == "application/json", is_json, "{path} {accept}");
        if is_json {
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(value["volumes"][0]["pod"], HOSTILE);
            assert_eq!(value["volumes"][0]["state"], "notMounted");
            assert_eq!(value["volumes"][0]["problems"][0]["reason"], "ProviderNotFound");
            assert!(value["volumes"][0]["problems"][0]["remedy"].is_string(), "{value}");
        }
    }
}

#[tokio::test]
async fn nothing_but_reading_is_answered() {
    let request = Request::post("/status").body(Body::empty()).unwrap();
    let answer = serve(|| overview("web")).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
    let (status, headers, _) = get("/status/style.css", "*/*", "web").await;
    assert_eq!(
        (status, headers[CONTENT_TYPE].to_str().unwrap()),
        (StatusCode::OK, "text/css; charset=utf-8")
    );
}
