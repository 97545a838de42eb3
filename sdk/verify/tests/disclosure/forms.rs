//! The JSON of a disclosure: one spelling of every value, these members and no others.

use cairnlog_verify::b64;
use cairnlog_verify::disclosure::{Disclosure, DisclosureError, RawOpening};
use cairnlog_verify::entry::EntryError;
use cairnlog_verify::event::{ATTRIBUTES_MAX, HOST_ATTRIBUTES_MAX};
use cairnlog_verify::limits::{DISCLOSURE_BYTES_MAX, DISCLOSURE_FIELDS_MAX, MULTIPROOF_HASHES_MAX};
use cairnlog_verify::path::PathError;
use cairnlog_verify::receipt::ReceiptError;
use cairnlog_verify::value::{VALUE_BYTES_MAX, ValueError};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::world::{RAW_SALT, World, attributes, input, keys};

fn disclosure(places: &[usize]) -> Disclosure {
    let raw = Some(RawOpening { salt: RAW_SALT, input: Some(input().encode()) });
    Disclosure { raw, ..World::new(attributes()).disclose(places) }
}

fn parse(json: &Json) -> Result<Disclosure, DisclosureError> {
    Disclosure::parse(&json.to_string())
}

/// A disclosure of every type of value, as JSON.
fn whole() -> Json {
    let all: Vec<usize> = (0..attributes().len()).collect();
    serde_json::from_str(&disclosure(&all).to_string()).unwrap()
}

/// The place of the field with this path.
fn place(json: &Json, path: &str) -> usize {
    json["fields"].as_array().unwrap().iter().position(|field| field["path"] == path).unwrap()
}

#[test]
fn it_is_written_as_jcs_and_read_in_any_order_and_spacing() {
    let written = disclosure(&[0, 3, 4, 5]).to_string();
    let json: Json = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_jcs::to_string(&json).unwrap(), written);
    assert_eq!(
        json["fields"][place(&json, "c_integer")],
        json!({
            "path": "c_integer",
            "position": json["fields"][place(&json, "c_integer")]["position"],
            "salt": json["fields"][place(&json, "c_integer")]["salt"],
            "type": "integer",
            "value": "9007199254740993",
        })
    );
    assert_eq!(json["fields"][place(&json, "d_float")]["value"], "0.1");
    let spaced = format!("\n{json:#}\r\n\t ");
    assert!(Disclosure::parse(&spaced).unwrap() == disclosure(&[0, 3, 4, 5]));
    let turned =
        format!("{{\"v\":1,{}", written.strip_suffix(",\"v\":1}").unwrap().strip_prefix('{').unwrap()) + "}";
    assert!(Disclosure::parse(&turned).unwrap() == disclosure(&[0, 3, 4, 5]));
}

#[test]
fn nothing_stands_before_or_behind_it() {
    let good = disclosure(&[1]).to_string();
    for text in [
        String::new(),
        format!("{good}{good}"),
        format!("{good},"),
        format!("{good}\0"),
        format!("\u{feff}{good}"),
        format!("[{good}]"),
        good.replacen('{', "", 1),
        "null".to_owned(),
        "\"\"".to_owned(),
    ] {
        assert_eq!(Disclosure::parse(&text).unwrap_err(), DisclosureError::NotAnObject, "{text:.40}");
    }
    for end in 1..good.len() {
        if let Some(part) = good.get(..end) {
            assert!(Disclosure::parse(part).is_err(), "{end}");
        }
    }
    let endless = format!("{good}{}", " ".repeat(DISCLOSURE_BYTES_MAX));
    assert_eq!(Disclosure::parse(&endless).unwrap_err(), DisclosureError::TooLong);
}

#[test]
fn its_members_are_these_and_no_others() {
    use DisclosureError::{Form, Missing, Repeated, Surplus, Version};
    for name in ["entry", "fields", "multiproof", "receipt", "v"] {
        let mut json = whole();
        json.as_object_mut().unwrap().remove(name);
        let refused = parse(&json).unwrap_err();
        assert!(matches!(refused, Missing(missing) if missing == name), "{name}: {refused}");
        let mut json = whole();
        json[name] = json!({"x": 1});
        let refused = parse(&json).unwrap_err();
        assert!(matches!(refused, Form(wrong) if wrong == name), "{name}: {refused}");
    }
    for name in ["entry", "fields", "multiproof", "raw", "receipt", "v"] {
        let good = whole();
        let twice = format!("{{\"{name}\":{},{}", good[name], &good.to_string()[1..]);
        let refused = Disclosure::parse(&twice).unwrap_err();
        assert!(matches!(refused, Repeated(repeated) if repeated == name), "{name}: {refused}");
    }
    for surplus in ["index", "origin", "V", "", "count"] {
        let mut json = whole();
        json[surplus] = json!(2);
        assert_eq!(parse(&json).unwrap_err(), Surplus("the outermost object"), "{surplus}");
    }
    for (version, error) in [
        (json!(2), Version),
        (json!(0), Version),
        (json!("1"), Form("v")),
        (json!(1.0), Form("v")),
        (Json::Null, Form("v")),
    ] {
        let mut json = whole();
        json["v"] = version;
        assert_eq!(parse(&json).unwrap_err(), error);
    }
    let exponent = whole().to_string().replace("\"v\":1", "\"v\":1e0");
    assert_eq!(Disclosure::parse(&exponent).unwrap_err(), Form("v"));
}

#[test]
fn the_members_of_raw_are_salt_and_perhaps_input() {
    use DisclosureError::{Form, Missing, Surplus};
    let (salt, input) = (b64::encode(&RAW_SALT), b64::encode(&input().encode()));
    for (raw, error) in [
        (Json::Null, Form("raw")),
        (json!([]), Form("raw")),
        (json!({}), Missing("raw.salt")),
        (json!({"input": input}), Missing("raw.salt")),
        (json!({"salt": salt, "input": null}), Form("raw.input")),
        (json!({"salt": salt, "input": "AAA"}), Form("raw.input")),
        (json!({"salt": b64::encode(&[0; 31])}), Form("raw.salt")),
        (json!({"salt": salt.trim_end_matches('=')}), Form("raw.salt")),
        (json!({"salt": salt, "body": ""}), Surplus("raw")),
    ] {
        let mut json = whole();
        json["raw"] = raw;
        assert_eq!(parse(&json).unwrap_err(), error);
    }
    let mut json = whole();
    json["raw"] = json!({"salt": salt});
    assert!(parse(&json).is_ok());
}

#[test]
fn the_members_of_a_field_are_these_and_no_others() {
    use DisclosureError::{FieldForm, FieldMissing, FieldRepeated, FieldSurplus, Form};
    for member in ["path", "position", "salt", "type", "value"] {
        let mut json = whole();
        json["fields"][3].as_object_mut().unwrap().remove(member);
        assert_eq!(parse(&json).unwrap_err(), FieldMissing { field: 3, member });
        let good = whole();
        let field = good["fields"][3].to_string();
        let twice = format!("{{\"{member}\":{},{}", good["fields"][3][member], &field[1..]);
        let refused = Disclosure::parse(&good.to_string().replace(&field, &twice)).unwrap_err();
        assert_eq!(refused, FieldRepeated { field: 3, member });
    }
    let mut json = whole();
    json["fields"][9]["leaf"] = json!("");
    assert_eq!(parse(&json).unwrap_err(), FieldSurplus { field: 9 });
    for (value, member) in [(json!(1), "the field"), (json!([]), "the field"), (Json::Null, "the field")] {
        let mut json = whole();
        json["fields"][1] = value;
        assert_eq!(parse(&json).unwrap_err(), FieldForm { field: 1, member });
    }
    for (member, value) in [
        ("path", Json::Null),
        ("path", json!(["a"])),
        ("position", json!("1")),
        ("position", json!(-1)),
        ("position", json!(1.5)),
        ("position", json!(65_536)),
        ("salt", json!(b64::encode(&[0; 15]))),
        ("salt", json!(b64::encode(&[0; 17]))),
        ("salt", json!("AAAAAAAAAAAAAAAAAAAAAB==")),
        ("salt", Json::Null),
        ("type", json!("string")),
        ("type", json!("Text")),
        ("type", Json::Null),
    ] {
        let mut json = whole();
        json["fields"][2][member] = value;
        assert_eq!(parse(&json).unwrap_err(), FieldForm { field: 2, member });
    }
    for fields in [Json::Null, json!({}), json!("")] {
        let mut json = whole();
        json["fields"] = fields;
        assert_eq!(parse(&json).unwrap_err(), Form("fields"));
    }
}

#[test]
fn every_value_has_one_spelling() {
    for (path, others) in [
        ("a_null", vec![json!(""), json!(false), json!({}), json!("null")]),
        ("b_boolean", vec![json!("true"), json!(1), Json::Null]),
        (
            "c_integer",
            vec![
                json!(9_007_199_254_740_993_i64),
                json!("09007199254740993"),
                json!("+9007199254740993"),
                json!("9007199254740993.0"),
                json!(" 9007199254740993"),
                json!("9223372036854775808"),
                json!("-0"),
                json!(""),
                Json::Null,
            ],
        ),
        (
            "d_float",
            vec![
                json!(0.1),
                json!("0.10"),
                json!(".1"),
                json!("1e-1"),
                json!("0.1000000000000000055"),
                json!("-0"),
                json!("NaN"),
                json!("inf"),
                json!("1e400"),
            ],
        ),
        ("e_text", vec![json!(5), Json::Null, json!(["x"])]),
        (
            "f_dropped",
            vec![
                json!(b64::encode(&[0xab; 31])),
                json!(b64::encode(&[0xab; 33])),
                json!(b64::encode(&[0xab; 32]).trim_end_matches('=')),
                json!("ab".repeat(32)),
                Json::Null,
            ],
        ),
        ("g_object", vec![json!({}), json!(""), json!([])]),
        ("h_list", vec![json!([]), json!(""), json!({})]),
    ] {
        for value in others {
            let mut json = whole();
            let field = place(&json, path);
            json["fields"][field]["value"] = value.clone();
            let refused = parse(&json).unwrap_err();
            assert_eq!(refused, DisclosureError::FieldForm { field, member: "value" }, "{path}: {value}");
        }
    }
    // A lone surrogate is no text.
    let broken = whole().to_string().replace("Öffnet", "\\ud800");
    let field = place(&whole(), "e_text");
    assert_eq!(
        Disclosure::parse(&broken).unwrap_err(),
        DisclosureError::FieldForm { field, member: "value" }
    );
}

#[test]
fn paths_and_values_that_no_record_has_are_refused() {
    let verify = |path: &str, change: &dyn Fn(&mut Json)| {
        let mut json = whole();
        let field = place(&json, path);
        change(&mut json["fields"][field]);
        (field, parse(&json).unwrap().verify(&keys(), None).unwrap_err())
    };
    for (path, source) in [
        ("", PathError::Empty),
        ("$", PathError::Empty),
        ("a..b", PathError::Segment { at: 2 }),
        ("a[01]", PathError::Index { at: 2 }),
        ("[\"a\"]", PathError::Quoted { at: 1 }),
        ("$a[\"b\"]", PathError::Quoted { at: 3 }),
    ] {
        let (field, refused) = verify("a_null", &|field| field["path"] = json!(path));
        assert_eq!(refused, DisclosureError::Path { field, source }, "{path}");
    }
    let long = "x".repeat(VALUE_BYTES_MAX + 1);
    let (field, refused) = verify("e_text", &|field| field["value"] = json!(long));
    assert_eq!(refused, DisclosureError::Value { field, source: ValueError::TooLong });
}

#[test]
fn lists_are_bounded() {
    assert_eq!(DISCLOSURE_FIELDS_MAX, ATTRIBUTES_MAX + HOST_ATTRIBUTES_MAX);
    let mut json = whole();
    let field = json["fields"][0].clone();
    json["fields"] = Json::Array(vec![field; DISCLOSURE_FIELDS_MAX + 1]);
    assert_eq!(parse(&json).unwrap_err(), DisclosureError::TooManyFields);
    let mut json = whole();
    json["multiproof"] = Json::Array(vec![json!(b64::encode(&[0; 32])); MULTIPROOF_HASHES_MAX + 1]);
    assert_eq!(parse(&json).unwrap_err(), DisclosureError::Form("multiproof"));
    for hash in [json!(""), json!(b64::encode(&[0; 31])), json!(1), Json::Null] {
        let mut json = whole();
        json["multiproof"][0] = hash;
        assert_eq!(parse(&json).unwrap_err(), DisclosureError::Form("multiproof"));
    }
}

#[test]
fn entry_and_receipt_are_read_strictly() {
    let entry = String::from_utf8(World::new(attributes()).entry.write()).unwrap();
    for (from, to, error) in [
        ("{\"count\"", "{ \"count\"", EntryError::NotCanonical),
        ("\"kind\":\"record\"", "\"kind\":\"recording\"", EntryError::Kind),
        ("\"v\":1", "\"v\":2", EntryError::Version),
        ("\"v\":1", "\"v\":1,\"x\":1", EntryError::Surplus),
        ("\"source\":\"okta-prod\",", "", EntryError::Missing("source")),
        ("\"count\":16", "\"count\":17", EntryError::Form("count")),
        ("\"count\":16", "\"count\":8", EntryError::Form("count")),
    ] {
        let mut json = whole();
        json["entry"] = json!(b64::encode(entry.replacen(from, to, 1).as_bytes()));
        assert_eq!(parse(&json).unwrap_err(), error.into(), "{to}");
    }
    let mut json = whole();
    json["entry"] = json!(b64::encode(&vec![b' '; 65_536]));
    assert_eq!(parse(&json).unwrap_err(), EntryError::TooLong.into());
    json["entry"] = json!(entry);
    assert_eq!(parse(&json).unwrap_err(), DisclosureError::Form("entry"));
    let mut json = whole();
    let receipt = json["receipt"].as_str().unwrap().to_owned();
    json["receipt"] = json!(receipt.replacen("@v1", "@v2", 1));
    assert_eq!(parse(&json).unwrap_err(), ReceiptError::Header.into());
    json["receipt"] = json!(format!("{receipt}x"));
    assert!(matches!(parse(&json).unwrap_err(), DisclosureError::Receipt(ReceiptError::Note(_))));
}

proptest! {
    #[test]
    fn what_is_read_is_written_alike(text in any::<String>(), float: f64, integer: i64) {
        let mut attributes = attributes();
        attributes[3].value = cairnlog_verify::value::Value::Integer(integer);
        attributes[4].value = cairnlog_verify::value::Value::Float(if float.is_finite() { float } else { -0.0 });
        attributes[5].value = cairnlog_verify::value::Value::Text(text);
        let written = World::new(attributes).disclose(&[3, 4, 5]).to_string();
        let read = Disclosure::parse(&written).unwrap();
        prop_assert_eq!(read.to_string(), written);
        prop_assert!(read.verify(&keys(), None).is_ok());
    }

    #[test]
    fn any_text_is_answered(text: String) {
        let _ = Disclosure::parse(&text);
        let _ = Disclosure::parse(&format!("{{\"v\":1,\"entry\":\"\",\"fields\":{text}}}"));
    }

    #[test]
    fn damaged_text_is_refused_or_read_and_refused(at: prop::sample::Index, with in "[ -~]{0,3}", cut in 0_usize..4) {
        let good = disclosure(&[0, 4, 6]).to_string();
        let chars: Vec<char> = good.chars().collect();
        let at = at.index(chars.len());
        let after = (at + cut).min(chars.len());
        let damaged: String =
            chars[..at].iter().copied().chain(with.chars()).chain(chars[after..].iter().copied()).collect();
        if let Ok(read) = Disclosure::parse(&damaged) {
            let same = read == disclosure(&[0, 4, 6]);
            prop_assert!(same || read.verify(&keys(), None).is_err());
        }
    }
}
