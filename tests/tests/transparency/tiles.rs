//! tlog-tiles: paths, widths, headers.

use reqwest::Method;

use super::Public;
use super::verifier;
use cairnlog_tests::http;

#[tokio::test]
async fn partial_tiles_of_every_width_are_served_also_beside_the_full_one() {
    let mut public = Public::start().await;
    public.grow(300).await;
    let full_tile = public.file("tile/0/000").await.unwrap();
    let full_bundle = public.file("tile/entries/000").await.unwrap();
    let entries = verifier::entries(&full_bundle);
    assert_eq!((full_tile.len(), entries.len()), (8_192, 256));
    for width in 1..=255_u64 {
        let bytes = usize::try_from(width).unwrap() * 32;
        let tile = public.file(&verifier::tile_path("0", 0, width)).await;
        assert_eq!(tile.as_deref(), Some(&full_tile[..bytes]), "{width}");
        let bundle = public.file(&verifier::tile_path("entries", 0, width)).await.unwrap();
        assert_eq!(verifier::entries(&bundle), entries[..bytes / 32], "{width}");
        assert!(full_bundle.starts_with(&bundle));
        // The right edge has 300 - 256 entries.
        for level in ["0", "entries"] {
            let edge = public.file(&verifier::tile_path(level, 1, width)).await;
            assert_eq!(edge.is_some(), width <= 44, "{level} {width}");
        }
    }
    for path in
        ["tile/0/001", "tile/entries/001", "tile/0/002.p/1", "tile/1/000", "tile/1/000.p/2", "tile/2/000.p/1"]
    {
        assert_eq!(public.file(path).await, None, "{path}");
    }
    assert_eq!(public.file("tile/1/000.p/1").await.map(|tile| tile.len()), Some(32));
}

#[tokio::test]
async fn paths_that_are_not_spelled_by_the_grammar_are_not_found() {
    let mut public = Public::start().await;
    public.grow(300).await;
    let wrong = [
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/+0/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/256/000",
        "tile/0/x000/000",
        "tile/0/x000/x000/000",
        "tile/0/X000/000",
        "tile/0/000/000",
        "tile/0/x000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/1/",
        "tile/0/000.p/x",
        "tile/0/000.P/1",
        "tile/0/000.p/-1",
        "tile/0/000.p/+1",
        "tile/0/0x0",
        "tile/0/000/",
        "tile/0//000",
        "tile//000",
        "tile/data/000",
        "tile/entries/0",
        "tile/entries/",
        "tile/entries/000.p/0",
        "tile/entries/000.p/256",
        "tile/entries/x000/000",
        "tile/Entries/000",
        "tile/0/%30%30",
        "tile/0/18446744073709551616",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "checkpoint/",
        "Checkpoint",
        "",
    ];
    for path in wrong {
        let response =
            public.server.anonymous(Method::GET, &format!("/logs/web/{path}")).send().await.unwrap();
        let caching = response.headers().get("cache-control").cloned();
        assert!(caching.is_none_or(|value| !value.to_str().unwrap().contains("immutable")), "{path}");
        http::problem(response, 404, "not-found").await;
    }
}

#[tokio::test]
async fn what_never_changes_may_be_kept_and_the_checkpoint_may_not() {
    let mut public = Public::start().await;
    public.grow(300).await;
    let octets = "application/octet-stream";
    for (path, kind, immutable) in [
        ("checkpoint", "text/plain; charset=utf-8", false),
        ("tile/0/000", octets, true),
        ("tile/0/001.p/44", octets, true),
        ("tile/1/000.p/1", octets, true),
        ("tile/entries/000", octets, true),
        ("tile/entries/001.p/7", octets, true),
    ] {
        let path = format!("/logs/web/{path}");
        let response = public.server.anonymous(Method::GET, &path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), kind, "{path}");
        let caching = header("cache-control");
        assert_eq!(
            caching.contains("immutable") && caching.contains("max-age="),
            immutable,
            "{path}: {caching}"
        );
        assert_eq!(
            caching.contains("no-cache") || caching.contains("no-store"),
            !immutable,
            "{path}: {caching}"
        );
        assert!(!header("request-id").is_empty());
    }
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let mut public = Public::start().await;
    public.grow(300).await;
    for path in ["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/entries/000", "tile/0/005"] {
        let path = format!("/logs/web/{path}");
        let get = public.server.anonymous(Method::GET, &path).send().await.unwrap();
        let head = public.server.anonymous(Method::HEAD, &path).send().await.unwrap();
        assert_eq!(get.status(), head.status(), "{path}");
        for name in ["content-type", "cache-control"] {
            assert_eq!(get.headers().get(name), head.headers().get(name), "{path} {name}");
        }
        if get.status() == 200 {
            let length = |response: &reqwest::Response| response.headers().get("content-length").cloned();
            assert_eq!(length(&get), length(&head), "{path}");
        }
        assert!(head.bytes().await.unwrap().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn unknown_parameters_are_ignored_there() {
    let public = Public::start().await;
    for path in ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"] {
        assert_eq!(public.file(&format!("{path}?nocache=1&x")).await, public.file(path).await, "{path}");
    }
}

#[tokio::test]
async fn a_log_that_is_not_there_is_not_found() {
    let public = Public::start().await;
    for path in ["checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"] {
        let response =
            public.server.anonymous(Method::GET, &format!("/logs/nothing/{path}")).send().await.unwrap();
        http::problem(response, 404, "not-found").await;
    }
}
