//! Events: what makes attributes one JSON object, and the way there and back.

use std::collections::{BTreeMap, BTreeSet};

use cairnlog_verify::event::{ATTRIBUTES_MAX, Attribute, Event, EventError, HOST_ATTRIBUTES_MAX};
use cairnlog_verify::path::{PathError, SEGMENTS_MAX, Segment, parse};
use cairnlog_verify::value::{VALUE_BYTES_MAX, Value, ValueError};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::attribute;

fn event(paths: &[&str]) -> Result<Event, EventError> {
    Event::new(paths.iter().map(|path| attribute(path, Value::Null)).collect())
}

#[test]
fn one_json_object_is_an_event() {
    for paths in [
        &[][..],
        &["a"],
        &["a", "a-b", "a0", "aA", "a_", "aa", "b.a", r#"["a b"]"#],
        &["a-b", "a.b", r#"a["c d"]"#, "a0", "aA[0]", "a_"],
        &["a[0].b", "a[0].c", "a[1].b", "a[2][0]", "a[2][1].c"],
        &[
            "a[10]", "a[9]", "a[8]", "a[7]", "a[6]", "a[5]", "a[4]", "a[3]", "a[2]", "a[1].x", "a[1].y",
            "a[0]",
        ],
        &[r#"a["b.c"]"#, "a.b.c", r#"a["b[0]"]"#],
        &[r#"["a[0]"]"#, "a[0]", r#"["a[1]"]"#],
    ] {
        let event = event(paths).unwrap();
        let mut sorted = paths.to_vec();
        sorted.sort_unstable();
        assert_eq!(
            event.attributes().iter().map(|attribute| attribute.path.as_str()).collect::<Vec<_>>(),
            sorted
        );
        for path in paths {
            assert_eq!(event.get(path), Some(&Value::Null));
        }
        assert_eq!(event.get("z"), None);
    }
}

#[test]
fn paths_are_unique() {
    let duplicate = |path: &str| Err(EventError::Duplicate { path: path.to_owned() });
    assert_eq!(event(&["b", "a", "b"]), duplicate("b"));
    assert_eq!(event(&[r#"a["x y"][0]"#, "a-b", r#"a["x y"][0]"#]), duplicate(r#"a["…"][0]"#));
}

#[test]
fn no_path_is_a_prefix_of_another_whatever_stands_between_them() {
    let between = ["a-b", "a-b.c", "a0", "aA", "a_", "aa"];
    for below in ["a.b", "a.b.c", "a[0]", "a[0].b", r#"a["b c"]"#] {
        let error = Err(EventError::Prefix { path: "a".to_owned() });
        assert_eq!(event(&["a", below]), error);
        assert_eq!(event(&[&[below, "a"], &between[..]].concat()), error, "{below}");
    }
    assert_eq!(event(&["x.a", "x.a-b", "x.a.b"]), Err(EventError::Prefix { path: "x.a".to_owned() }));
    assert_eq!(event(&["x[0]", "x[0].a"]), Err(EventError::Prefix { path: "x[0]".to_owned() }));
}

#[test]
fn an_object_is_no_list() {
    let between = ["a-b", "a0", "aA", "a_"];
    for member in ["a.b", "a.b.c", r#"a["0"]"#, r#"a["z z"].c"#] {
        let error = Err(EventError::Mixed { path: "a".to_owned() });
        assert_eq!(event(&[member, "a[0]"]), error);
        assert_eq!(event(&[&[member, "a[0].x"], &between[..]].concat()), error, "{member}");
    }
}

#[test]
fn lists_are_dense_from_0() {
    for (paths, list) in [
        (&["a[1]"][..], "a"),
        (&["a[0]", "a[2]"], "a"),
        (&["a[0].b", "a[10].b", "a[1].b", "a[11].b"], "a"),
        (&["a[0][0]", "a[1][1]"], "a[1]"),
        (&["a[0][1]", "a[1][0]"], "a[0]"),
        (&["x[0]", "y[4294967295]"], "y"),
        (&["a.b[0].c[0]", "a.b[0].c[2]", "a.b[0].d"], "a.b[0].c"),
    ] {
        assert_eq!(event(paths), Err(EventError::Sparse { path: list.to_owned() }), "{paths:?}");
    }
}

#[test]
fn each_limit_is_kept() {
    let many = |count: usize, prefix: &str| -> Vec<Attribute> {
        (0..count).map(|index| attribute(&format!("{prefix}{index}"), Value::Null)).collect()
    };
    assert!(Event::new(many(ATTRIBUTES_MAX, "a")).is_ok());
    assert_eq!(Event::new(many(ATTRIBUTES_MAX + 1, "a")), Err(EventError::TooManyAttributes));
    assert_eq!(Event::with_host(many(ATTRIBUTES_MAX + 1, "a")), Err(EventError::TooManyAttributes));
    assert_eq!(Event::with_host(many(HOST_ATTRIBUTES_MAX + 1, "$a")), Err(EventError::TooManyAttributes));
    let fullest = [many(ATTRIBUTES_MAX, "a"), many(HOST_ATTRIBUTES_MAX, "$a")].concat();
    assert_eq!(Event::with_host(fullest).unwrap().attributes().len(), ATTRIBUTES_MAX + HOST_ATTRIBUTES_MAX);

    let text = |length| vec![attribute("b", Value::Null), attribute("a", Value::Text("x".repeat(length)))];
    assert!(Event::new(text(VALUE_BYTES_MAX)).is_ok());
    let too_long = EventError::Value { attribute: 1, source: ValueError::TooLong };
    assert_eq!(Event::new(text(VALUE_BYTES_MAX + 1)), Err(too_long));
    let too_deep = EventError::Path { attribute: 0, source: PathError::TooDeep };
    assert_eq!(event(&[&["a"; SEGMENTS_MAX + 1].join(".")]), Err(too_deep));
}

#[test]
fn floats_are_finite_and_zero_is_positive() {
    for float in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = EventError::Value { attribute: 0, source: ValueError::NotFinite };
        assert_eq!(Event::new(vec![attribute("a", Value::Float(float))]), Err(error));
    }
    let event = Event::new(vec![attribute("a", Value::Float(-0.0))]).unwrap();
    let Some(Value::Float(zero)) = event.get("a") else { panic!("no float") };
    assert!(zero.is_sign_positive());
}

#[test]
fn the_servers_own_paths_are_refused_from_others() {
    let own = || vec![attribute("a", Value::Null), attribute("$received", Value::Integer(1))];
    assert_eq!(Event::new(own()), Err(EventError::Path { attribute: 1, source: PathError::Host }));
    let event = Event::with_host(own()).unwrap();
    assert_eq!(event.get("$received"), Some(&Value::Integer(1)));
    assert_eq!(event.to_json(), json!({ "a": null }));
    let clash = vec![attribute("$a", Value::Null), attribute("$a.b", Value::Null)];
    assert_eq!(Event::with_host(clash), Err(EventError::Prefix { path: "$a".to_owned() }));
}

#[test]
fn what_was_dropped_is_absent_and_lists_keep_their_places() {
    let object = json!({
        "gone": 1,
        "deep": { "gone": { "gone": 1 } },
        "half": { "gone": 1, "kept": 2 },
        "all": [1, { "a": 2 }],
        "some": [1, { "a": 2 }, [3], 4, { "a": 5, "b": 6 }, { "a": { "b": 7 } }],
        "empty": {},
    });
    let kept = ["half.kept", "some[3]", "some[4].b", "empty"];
    let attributes = Event::flatten(&object).unwrap().into_iter().map(|mut attribute| {
        if !kept.contains(&attribute.path.as_str()) {
            attribute.value = Value::Dropped([0; 32]);
        }
        attribute
    });
    let event = Event::new(attributes.collect()).unwrap();
    let left = json!({ "half": { "kept": 2 }, "some": [null, {}, [], 4, { "b": 6 }, {}], "empty": {} });
    assert_eq!(event.to_json(), left);
    assert_eq!(Event::new(vec![attribute("a", Value::Dropped([0; 32]))]).unwrap().to_json(), json!({}));
}

#[test]
fn only_json_that_fits_is_flattened() {
    for other in [json!(null), json!(1), json!([{}]), json!("{}")] {
        assert_eq!(Event::flatten(&other), Err(EventError::NotAnObject));
    }
    assert_eq!(Event::flatten(&json!({ "a": u64::MAX })), Err(EventError::Integer { attribute: 0 }));
    assert_eq!(
        Event::flatten(&json!({ "a": i64::MIN })).unwrap(),
        [attribute("a", Value::Integer(i64::MIN))]
    );
    assert_eq!(Event::flatten(&json!({ "a": vec![0; 4096] })).unwrap().len(), 4096);
    assert_eq!(Event::flatten(&json!({ "a": vec![0; 4097] })), Err(EventError::TooManyAttributes));
    let text = json!({ "a": "x".repeat(VALUE_BYTES_MAX + 1) });
    assert_eq!(Event::flatten(&text), Err(EventError::Value { attribute: 0, source: ValueError::TooLong }));
    let deep = |depth| (0..depth).fold(json!(0), |inner, _| json!({ "a": inner }));
    assert!(Event::flatten(&deep(SEGMENTS_MAX)).is_ok());
    let too_deep = EventError::Path { attribute: 0, source: PathError::TooDeep };
    assert_eq!(Event::flatten(&deep(SEGMENTS_MAX + 1)), Err(too_deep));
    let long = EventError::Path { attribute: 0, source: PathError::TooLong };
    assert_eq!(Event::flatten(&json!({ "k".repeat(1025): 0 })), Err(long));
}

/// The rules, checked slowly over a tree.
fn is_one_object(paths: &[String]) -> bool {
    #[derive(Default)]
    struct Node {
        members: BTreeMap<String, Node>,
        elements: BTreeMap<u32, Node>,
    }
    impl Node {
        fn is_valid(&self) -> bool {
            let kinds = usize::from(!self.members.is_empty()) + usize::from(!self.elements.is_empty());
            let dense = self.elements.keys().zip(0..).all(|(index, expected)| *index == expected);
            kinds <= 1 && dense && self.members.values().chain(self.elements.values()).all(Node::is_valid)
        }
    }
    let mut root = Node::default();
    for path in paths {
        let mut node = &mut root;
        for segment in parse(path).unwrap() {
            node = match segment {
                Segment::Name(key) => node.members.entry(key.into_owned()).or_default(),
                Segment::Index(index) => node.elements.entry(index).or_default(),
            };
        }
    }
    let is_leaf = |path: &String| {
        let found = parse(path).unwrap().iter().fold(&root, |node, segment| match segment {
            Segment::Name(key) => &node.members[key.as_ref()],
            Segment::Index(index) => &node.elements[index],
        });
        found.members.is_empty() && found.elements.is_empty()
    };
    let unique: BTreeSet<&String> = paths.iter().collect();
    unique.len() == paths.len() && root.is_valid() && paths.iter().all(is_leaf)
}

fn path() -> impl Strategy<Value = String> {
    let first = prop::sample::select(vec!["a", "a", "a-b", "a0", "aA", "a_", r#"["a[0]"]"#, r#"["a.b"]"#]);
    let next = prop::sample::select(vec![
        ".a",
        ".a-b",
        ".a0",
        ".A",
        r#"["a.b"]"#,
        r#"["0"]"#,
        r#"["\"]"]"#,
        "[0]",
        "[0]",
        "[1]",
        "[2]",
        "[10]",
    ]);
    (first, prop::collection::vec(next, 0..4)).prop_map(|(first, rest)| format!("{first}{}", rest.concat()))
}

fn json() -> impl Strategy<Value = Json> {
    let scalar = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        prop::num::f64::NORMAL.prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    let key = || prop_oneof!["[a-z_-]{0,3}", "[a\"\\[\\].$]{0,3}", any::<String>()];
    let nested = scalar.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Json::from),
            prop::collection::btree_map(key(), inner, 0..6).prop_map(|map| map.into_iter().collect::<Json>()),
        ]
    });
    prop::collection::btree_map(key(), nested, 0..6).prop_map(|map| map.into_iter().collect::<Json>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_pass_over_sorted_paths_agrees_with_a_tree(paths in prop::collection::vec(path(), 0..8)) {
        let attributes = paths.iter().map(|path| attribute(path, Value::Null)).collect();
        let answer = Event::new(attributes);
        prop_assert_eq!(answer.is_ok(), is_one_object(&paths), "{:?}", answer);
    }
}

proptest! {
    #[test]
    fn json_reads_back(object in json()) {
        match Event::flatten(&object) {
            Ok(mut attributes) => {
                attributes.reverse();
                prop_assert_eq!(Event::new(attributes).unwrap().to_json(), object);
            }
            Err(error) => prop_assert!(matches!(error, EventError::Path { source: PathError::TooLong, .. }), "{error}"),
        }
    }

    #[test]
    fn any_attributes_are_answered(paths: Vec<String>) {
        let attributes = paths.iter().map(|path| attribute(path, Value::Null)).collect();
        if let Ok(event) = Event::with_host(attributes) {
            prop_assert_eq!(event.attributes().len(), paths.len());
        }
    }

    #[test]
    fn dense_random_subsets_agree_with_a_tree(object in json(), remove in prop::collection::vec(any::<prop::sample::Index>(), 0..3)) {
        let Ok(mut attributes) = Event::flatten(&object) else { return Ok(()) };
        for index in remove {
            if !attributes.is_empty() {
                attributes.remove(index.index(attributes.len()));
            }
        }
        let paths: Vec<String> = attributes.iter().map(|attribute| attribute.path.clone()).collect();
        prop_assert_eq!(Event::new(attributes).is_ok(), is_one_object(&paths));
    }
}
