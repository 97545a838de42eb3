//! Who has the whole store, and none of the keys, confirms no guess of a value, however few there are to try.
//!
//! Two things show it. Every digest of a guessed value that needs no key, or that takes bytes found in the store for a key,
//! stands nowhere in the store. And stores that differ in the values alone are alike in all but random bytes: the same rows,
//! with keys and values of the same lengths.

use std::collections::BTreeSet;

use cairnlog_ledger::Search;
use cairnlog_ledger::index::{Field, Tokens};
use cairnlog_store::Family;
use cairnlog_store::secrets::{KekSources, LogKeys};
use cairnlog_verify::field::{drop_commitment, pseudonym};
use cairnlog_verify::value::Value;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::world::{World, plain, record, stage};

/// All that there is to try: a person whose record it is, of a company of twenty.
fn guesses() -> Vec<String> {
    (10..30).map(|number| format!("user-{number}")).collect()
}

/// A store with three records of one person, who is kept as she came, by a pseudonym, and not at all, and a raw record of
/// her in quarantine.
async fn store_of(user: &str) -> World {
    let world = World::new().await;
    world.upload("redact-fields").await;
    let mut id = 0;
    let mut send = async |records: &[String]| {
        id += 1;
        world.send(records).await.unwrap()
    };
    send(&[record("a", user, "2026-11-23T08:59:58Z")]).await;
    for action in ["pseudonymize", "drop"] {
        let rules: Vec<_> = ["actor.user.name", "actor.user.uid", "actor.user.uid_alt", "unmapped.**"]
            .map(|path| json!({"path": path, "action": action, "entity": "USER"}))
            .to_vec();
        let mut spec = plain("aws-cloudtrail");
        spec.redactors = vec![stage("redact-fields", Some(json!({"rules": rules})))];
        world.log().put_source("aws", spec, "op").await.unwrap();
        send(&[record(action, user, "2026-11-23T08:59:58Z")]).await;
    }
    send(&[format!("{user} does not parse")]).await;
    world
}

/// All rows but those of plugins, whose components nobody keeps secret.
async fn rows(world: &World) -> Vec<(Family, Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    for family in Family::ALL.into_iter().filter(|family| *family != Family::Plugins) {
        let rows = world.rows(family).await.into_iter();
        all.extend(rows.map(|(key, value)| (family, key, value)));
    }
    all
}

fn sha(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// What a guess comes to without any key.
fn unkeyed(guess: &str) -> Vec<Vec<u8>> {
    let (bytes, zero) = (guess.as_bytes(), [0; 32]);
    vec![
        bytes.to_vec(),
        hex(bytes).into_bytes(),
        cairnlog_verify::b64::encode(bytes).into_bytes(),
        sha(&[bytes])[..8].to_vec(),
        sha(&[&[0], bytes])[..8].to_vec(),
        sha(&[&zero, bytes])[..8].to_vec(),
        drop_commitment(&zero, &Value::Text(guess.to_owned()))[..8].to_vec(),
        pseudonym(&zero, "USER", guess).into_bytes(),
        Tokens::new(&zero).term(Field::Actor, guess).token.0.to_vec(),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn contains(row: &[u8], part: &[u8]) -> bool {
    row.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn nothing_in_the_store_confirms_a_guess() {
    let world = store_of("user-17").await;
    // The guess that is right is confirmed at once by who has the key, so the search below would find it.
    assert_eq!(
        world
            .log()
            .search(&Search { actor: Some("user-17".to_owned()), ..Search::default() }, None, 10)
            .await
            .unwrap()
            .records
            .len(),
        1
    );
    let rows = rows(&world).await;
    let keys =
        LogKeys::open(&world.dir.path().join("keys/hr"), "log.example/logs/hr", &KekSources::default());
    let keys = keys.unwrap();
    let month = keys.index_months()[0];
    let key = keys.existing_index_key(month).unwrap();
    let token = Tokens::new(key.as_bytes()).term(Field::Actor, "user-17").token.0;
    assert!(rows.iter().any(|(family, key, _)| *family == Family::Postings && contains(key, &token)));

    for guess in guesses() {
        for digest in unkeyed(&guess) {
            for (family, key, value) in &rows {
                let found = contains(key, &digest) || contains(value, &digest);
                assert!(!found, "{guess} is confirmed by {} {}", family.name(), hex(key));
            }
        }
    }
}

#[tokio::test]
async fn no_bytes_of_the_store_are_a_key_to_a_guess() {
    let world = store_of("user-17").await;
    let rows = rows(&world).await;
    let tokens: BTreeSet<Vec<u8>> = rows
        .iter()
        .filter(|(family, ..)| *family == Family::Postings)
        .flat_map(|(_, key, _)| key.windows(8).map(<[u8]>::to_vec))
        .collect();
    let small =
        [Family::Payloads, Family::Keys, Family::Quarantine, Family::Seen, Family::Heads, Family::Entries];
    let mut tried = 0;
    for (family, _, value) in rows.iter().filter(|(family, ..)| small.contains(family)) {
        for window in value.windows(32) {
            let key: [u8; 32] = window.try_into().unwrap();
            let token = Tokens::new(&key).term(Field::Actor, "user-17").token.0;
            let plain = hmac(&key, &[b"user-17"])[..8].to_vec();
            let salted = sha(&[&key, b"user-17"])[..8].to_vec();
            for found in [token.to_vec(), plain, salted] {
                assert!(!tokens.contains(&found), "a key lies in {}", family.name());
            }
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried} windows");
}

#[tokio::test]
async fn stores_that_differ_in_values_alone_are_alike() {
    let shape = async |user: &str| {
        let world = store_of(user).await;
        let rows = rows(&world).await.into_iter();
        let mut shape: Vec<_> =
            rows.map(|(family, key, value)| (family.name(), key.len(), value.len())).collect();
        shape.sort_unstable();
        shape
    };
    let (one, other) = (shape("user-17").await, shape("user-28").await);
    assert!(one.len() > 50);
    assert_eq!(one.len(), other.len());
    for ((family, key, value), (of, other_key, other_value)) in one.into_iter().zip(other) {
        assert_eq!((family, key), (of, other_key));
        // What is random in a payload, a pseudonym or a salt, does not always compress the same: a step more or less.
        let step = if family == Family::Payloads.name() { 64 } else { 0 };
        assert!(value.abs_diff(other_value) <= step, "{family}: {value} and {other_value}");
    }
}
