//! The grammar of paths: one spelling, both ways.

use std::borrow::Cow;

use cairnlog_verify::path::{
    PATH_BYTES_MAX, PathError, SEGMENTS_MAX, Segment, parse, parse_host, push_index, push_key,
};
use proptest::prelude::*;

fn name(key: &str) -> Segment<'static> {
    Segment::Name(Cow::Owned(key.to_owned()))
}

fn spell(segments: &[Segment<'_>]) -> String {
    let mut path = String::new();
    for segment in segments {
        match segment {
            Segment::Name(key) => push_key(&mut path, key),
            Segment::Index(index) => push_index(&mut path, *index),
        }
    }
    path
}

#[test]
fn paths_are_read_as_segments() {
    for (path, segments) in [
        ("time", vec![name("time")]),
        ("actor.user.email_addr", vec![name("actor"), name("user"), name("email_addr")]),
        ("resources[0].name", vec![name("resources"), Segment::Index(0), name("name")]),
        ("a[10][4294967295]", vec![name("a"), Segment::Index(10), Segment::Index(u32::MAX)]),
        (
            r#"unmapped["authorization.k8s.io/decision"]"#,
            vec![name("unmapped"), name("authorization.k8s.io/decision")],
        ),
        (r#"["$ref"]["0"].a-b._"#, vec![name("$ref"), name("0"), name("a-b"), name("_")]),
        (r#"a[""]["\"]["]"#, vec![name("a"), name(""), name("\"][")]),
        (r#"a["\\\b\t\n\f\r\u0000\u001f/é😀"]"#, vec![name("a"), name("\\\u{8}\t\n\u{c}\r\0\u{1f}/é😀")]),
    ] {
        assert_eq!(parse(path).as_deref(), Ok(segments.as_slice()), "{path}");
        assert_eq!(spell(&segments), path);
    }
}

#[test]
fn other_spellings_are_refused() {
    let segment = |at| PathError::Segment { at };
    let quoted = |at| PathError::Quoted { at };
    let index = |at| PathError::Index { at };
    for (path, error) in [
        ("", PathError::Empty),
        ("0a", segment(0)),
        ("-a", segment(0)),
        (".a", segment(0)),
        ("[0]", segment(0)),
        ("[]", segment(0)),
        ("é", segment(0)),
        ("a.", segment(2)),
        ("a..b", segment(2)),
        ("a.0", segment(2)),
        (r#"a.["b c"]"#, segment(2)),
        ("a b", segment(1)),
        ("a\0", segment(1)),
        ("a]", segment(1)),
        ("a[0]b", segment(4)),
        (r#"["a b"]c"#, segment(7)),
        ("a[", index(2)),
        ("a[]", index(2)),
        ("a[00]", index(2)),
        ("a[01]", index(2)),
        ("a[-1]", index(2)),
        ("a[+1]", index(2)),
        ("a[4294967296]", index(2)),
        ("a[b]", index(2)),
        ("a['b c']", index(2)),
        ("a[ 1]", index(2)),
        (r#"a["b"]"#, quoted(2)),
        (r#"["a"]"#, quoted(1)),
        (r#"a["b c""#, quoted(2)),
        (r#"a["b c"#, quoted(2)),
        (r#"a[""#, quoted(2)),
        (r#"a["b c"x]"#, quoted(2)),
        (r#"a["\/"]"#, quoted(2)),
        (r#"a["\u0041 "]"#, quoted(2)),
        (r#"a["\u000a"]"#, quoted(2)),
        (r#"a["\u001F"]"#, quoted(2)),
        (r#"a["\u00e9"]"#, quoted(2)),
        (r#"a["\u0"]"#, quoted(2)),
        (r#"a["\"]"#, quoted(2)),
        ("a[\"\n\"]", quoted(2)),
        ("$received", PathError::Host),
        ("$", PathError::Host),
    ] {
        assert_eq!(parse(path), Err(error), "{path:?}");
    }
}

#[test]
fn the_servers_own_paths_start_with_a_dollar() {
    assert_eq!(parse_host("$retention.class"), Ok(vec![name("retention"), name("class")]));
    assert_eq!(parse_host(r#"$["a b"][0]"#), Ok(vec![name("a b"), Segment::Index(0)]));
    assert_eq!(parse_host("$"), Err(PathError::Empty));
    assert_eq!(parse_host("$$"), Err(PathError::Segment { at: 1 }));
    assert_eq!(parse_host("$.a"), Err(PathError::Segment { at: 1 }));
    assert_eq!(parse_host("$[0]"), Err(PathError::Segment { at: 1 }));
    assert_eq!(parse_host("received"), Err(PathError::NotHost));
    let mut path = String::from("$");
    push_key(&mut path, "retention");
    push_key(&mut path, "class");
    assert_eq!(path, "$retention.class");
}

#[test]
fn paths_have_at_most_1024_bytes_and_32_segments() {
    assert!(parse(&"a".repeat(PATH_BYTES_MAX)).is_ok());
    assert_eq!(parse(&"a".repeat(PATH_BYTES_MAX + 1)), Err(PathError::TooLong));
    let deep = ["a"; SEGMENTS_MAX + 1].join(".");
    assert_eq!(parse(&deep), Err(PathError::TooDeep));
    assert_eq!(parse(&deep[2..]).map(|segments| segments.len()), Ok(SEGMENTS_MAX));
    assert!(parse_host(&format!("${}", &deep[2..])).is_ok());
}

fn segments() -> impl Strategy<Value = Vec<Segment<'static>>> {
    let key = prop_oneof!["[A-Za-z_][A-Za-z0-9_-]{0,4}", "[a\\[\\]\".\\\\\\x00-\\x1f]{0,4}", any::<String>()];
    let segment =
        prop_oneof![3 => key.clone().prop_map(|key| name(&key)), 1 => any::<u32>().prop_map(Segment::Index)];
    (key, prop::collection::vec(segment, 0..8)).prop_map(|(first, mut rest)| {
        rest.insert(0, name(&first));
        rest
    })
}

proptest! {
    #[test]
    fn what_is_spelled_reads_back(segments in segments()) {
        let path = spell(&segments);
        prop_assume!(path.len() <= PATH_BYTES_MAX);
        prop_assert_eq!(parse(&path), Ok(segments));
    }

    #[test]
    fn a_quoted_key_is_a_jcs_string(key: String) {
        let mut path = String::new();
        push_key(&mut path, &key);
        let quoted = format!("[{}]", serde_jcs::to_string(&key).unwrap());
        prop_assert!(path == quoted || path == key && !key.is_empty());
    }

    #[test]
    fn what_reads_is_spelled_the_same(path in r#"[ab$_.0-2\[\]"\\nu\x00é-]{0,12}"#) {
        for (parsed, prefix) in [(parse(&path), ""), (parse_host(&path), "$")] {
            if let Ok(segments) = parsed {
                prop_assert_eq!(&path, &format!("{prefix}{}", spell(&segments)));
            }
        }
    }

    #[test]
    fn any_text_is_answered(path: String) {
        prop_assert!(parse(&path).is_err() || parse_host(&path).is_err());
    }
}
