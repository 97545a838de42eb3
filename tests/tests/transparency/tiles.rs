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

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let mut public = Public::start().await;
    public.grow(300).await;
    for path in ["checkpoint", "tile/0/000", "tile/0/001.p/44", "tile/entries/000"] {
        let ask = async |name: &str, value: &str| {
            let request = public.server.anonymous(Method::GET, &format!("/logs/web/{path}"));
            request.header(name, value).send().await.unwrap()
        };
        let first = ask("accept", "*/*").await;
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
        for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let response = ask("if-none-match", &known).await;
            assert_eq!(response.status(), 304, "{path} {known}");
            assert_eq!(response.headers()["etag"], tag);
            assert_eq!(response.headers()["cache-control"], first.headers()["cache-control"]);
            assert!(response.bytes().await.unwrap().is_empty());
        }
        assert_eq!(ask("if-none-match", "\"x\"").await.status(), 200, "{path}");
    }
    let tag = async || {
        let response = public.server.anonymous(Method::GET, "/logs/web/checkpoint").send().await.unwrap();
        response.headers()["etag"].clone()
    };
    let before = tag().await;
    let path = "/logs/web/checkpoint";
    let grown =
        cairnlog_client::Ingest::new(cairnlog_client::ContentType::Text, cairnlog_tests::web::lines(300, 1));
    public.log.ingest("portal", grown).await.unwrap();
    let request = public.server.anonymous(Method::GET, path).header("if-none-match", before.clone());
    assert_eq!(request.send().await.unwrap().status(), 200, "the tree has grown");
    assert_ne!(tag().await, before);
}

#[tokio::test]
async fn a_part_of_a_tile_is_sent_if_asked_for() {
    let mut public = Public::start().await;
    public.grow(300).await;
    for path in ["tile/0/000", "tile/0/001.p/44", "tile/entries/000"] {
        let whole = public.file(path).await.unwrap();
        let ask = async |range: &str| {
            let request = public.server.anonymous(Method::GET, &format!("/logs/web/{path}"));
            request.header("range", range).header("accept-encoding", "gzip").send().await.unwrap()
        };
        let end = whole.len();
        for (range, expected) in [
            ("bytes=0-31".to_owned(), 0..32),
            ("bytes=64-".to_owned(), 64..end),
            ("bytes=-32".to_owned(), end - 32..end),
        ] {
            let response = ask(&range).await;
            assert_eq!(response.status(), 206, "{path} {range}");
            let told = format!("bytes {}-{}/{end}", expected.start, expected.end - 1);
            assert_eq!(response.headers()["content-range"], told.as_str());
            assert_eq!(response.bytes().await.unwrap(), whole[expected], "{path} {range}");
        }
        assert_eq!(ask("bytes=0-1,4-5").await.status(), 200);
        let response = ask(&format!("bytes={end}-")).await;
        assert_eq!(response.headers()["content-range"], format!("bytes */{end}").as_str());
        http::problem(response, 416, "range").await;
    }
}

#[tokio::test]
async fn bundles_are_compressed_for_who_accepts_it() {
    use async_compression::tokio::write::{GzipDecoder, ZstdDecoder};
    use tokio::io::AsyncWriteExt as _;

    let mut public = Public::start().await;
    public.grow(300).await;
    let path = "tile/entries/000";
    let plain = public.file(path).await.unwrap();
    let mut tags = std::collections::BTreeSet::new();
    for (accepted, coding) in [
        ("", None),
        ("identity", None),
        ("*", None),
        ("gzip", Some("gzip")),
        ("gzip, zstd;q=0.1", Some("gzip")),
        ("zstd, gzip", Some("zstd")),
    ] {
        let request = public.server.anonymous(Method::GET, &format!("/logs/web/{path}"));
        let response = request.header("accept-encoding", accepted).send().await.unwrap();
        assert_eq!(response.status(), 200, "{accepted}");
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-encoding").as_deref(), coding, "{accepted}");
        assert_eq!(header("vary").as_deref(), Some("accept-encoding"), "{accepted}");
        tags.insert(header("etag").unwrap());
        let body = response.bytes().await.unwrap();
        let unpacked = match coding {
            None => body.to_vec(),
            Some("gzip") => {
                let mut decoder = GzipDecoder::new(Vec::new());
                decoder.write_all(&body).await.unwrap();
                decoder.shutdown().await.unwrap();
                decoder.into_inner()
            }
            Some(_) => {
                let mut decoder = ZstdDecoder::new(Vec::new());
                decoder.write_all(&body).await.unwrap();
                decoder.shutdown().await.unwrap();
                decoder.into_inner()
            }
        };
        assert_eq!(unpacked, plain, "{accepted}");
        assert!(coding.is_none() || body.len() < plain.len());
    }
    assert_eq!(tags.len(), 3, "each coding has a tag of its own");
    // Hashes do not compress, and are the same for everyone.
    let request =
        public.server.anonymous(Method::GET, "/logs/web/tile/0/000").header("accept-encoding", "gzip");
    let response = request.send().await.unwrap();
    assert!(!response.headers().contains_key("content-encoding") && !response.headers().contains_key("vary"));
}
