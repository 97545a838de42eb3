//! Creating logs.

use cairnlog_ledger::{LedgerError, NewLog};
use cairnlog_verify::note::{KeyKind, SigningKey, VerifierKey};

use crate::world::{World, named};

fn key(name: &str, seed: u8) -> String {
    SigningKey::ed25519(name, [seed; 32]).unwrap().to_private_note().to_string()
}

#[tokio::test]
async fn a_log_signs_with_the_keys_that_it_is_given() {
    let mut world = World::empty().await;
    let new = NewLog {
        origin: Some("example.com/hr".to_owned()),
        signing_keys: vec![key("another.example", 1), key("example.com/hr", 2)],
        ..named("hr")
    };
    world.ledger().create_log(new, "op").await.unwrap();
    for _ in 0..2 {
        let info = world.log().info();
        assert!(info.verifier_key.starts_with("example.com/hr+"), "{}", info.verifier_key);
        assert_eq!(info.verifier_keys.len(), 2);
        let head = world.log().tree().head();
        assert_eq!((head.checkpoint.origin.as_str(), head.checkpoint.size), ("example.com/hr", 1));
        let verifier = info.verifier_key.parse().unwrap();
        cairnlog_verify::checkpoint::Checkpoint::open(&head.note, &[verifier]).unwrap();
        world.reopen().await;
    }
    let same_origin = NewLog { origin: Some("example.com/hr".to_owned()), ..named("other") };
    assert!(matches!(world.ledger().create_log(same_origin, "op").await, Err(LedgerError::Conflict(_))));
}

#[tokio::test]
async fn a_log_without_given_keys_signs_with_ed25519_and_ml_dsa_44() {
    let mut world = World::empty().await;
    world.ledger().create_log(named("hr"), "op").await.unwrap();
    for _ in 0..2 {
        let info = world.log().info();
        let keys: Vec<VerifierKey> = info.verifier_keys.iter().map(|key| key.parse().unwrap()).collect();
        assert_eq!(info.verifier_key, info.verifier_keys[0]);
        assert_eq!(
            keys.iter().map(VerifierKey::kind).collect::<Vec<_>>(),
            [KeyKind::Ed25519, KeyKind::MlDsa44]
        );
        assert!(keys.iter().all(|key| key.name() == info.origin));
        assert_ne!(keys[0].public_key()[..], keys[1].public_key()[..32], "each has a seed of its own");
        world.reopen().await;
    }
}

#[tokio::test]
async fn bad_names_origins_and_keys_are_refused_and_quote_no_key() {
    let world = World::empty().await;
    let with = |name: &str, origin: Option<&str>, signing_keys: Vec<String>| NewLog {
        origin: origin.map(str::to_owned),
        signing_keys,
        ..named(name)
    };
    for (case, new) in [
        ("name", with("HR", None, Vec::new())),
        ("empty name", with("", None, Vec::new())),
        ("origin with a space", with("hr", Some("a b"), Vec::new())),
        ("long origin", with("hr", Some(&"x".repeat(256)), Vec::new())),
        ("no key of the origin", with("hr", Some("a"), vec![key("b", 1)])),
        (
            "no Ed25519 key of the origin",
            with(
                "hr",
                Some("a"),
                vec![
                    SigningKey::ml_dsa_44("a", [1; 32]).unwrap().to_private_note().to_string(),
                    SigningKey::cosignature("a", [1; 32]).unwrap().to_private_note().to_string(),
                    key("b", 1),
                ],
            ),
        ),
        ("not a key", with("hr", Some("a"), vec!["PRIVATE+KEY+a+00000000+secret".to_owned()])),
        ("one key twice", with("hr", Some("a"), vec![key("a", 1), key("a", 1)])),
        ("too many keys", with("hr", Some("a"), (0..9).map(|seed| key("a", seed)).collect())),
    ] {
        let refused = world.ledger().create_log(new, "op").await.err().unwrap();
        assert!(matches!(refused, LedgerError::BadRequest(_)), "{case}: {refused}");
        assert!(!refused.to_string().contains("secret"), "{refused}");
    }
    assert!(world.ledger().logs().is_empty());
    assert!(!world.dir.path().join("keys/hr").exists());
}

#[tokio::test]
async fn keys_of_an_unknown_log_are_set_aside_and_never_deleted() {
    let world = World::empty().await;
    let old = world.dir.path().join("keys/hr");
    std::fs::create_dir_all(&old).unwrap();
    std::fs::write(old.join("signing"), "what an older store was signed with").unwrap();
    world.ledger().create_log(named("hr"), "op").await.unwrap();
    let aside = world.dir.path().join(format!("keys/hr.before-{}", crate::world::MORNING_MS));
    assert_eq!(
        std::fs::read_to_string(aside.join("signing")).unwrap(),
        "what an older store was signed with"
    );
    assert!(std::fs::read_to_string(old.join("signing")).unwrap().starts_with("PRIVATE+KEY+"));
}
