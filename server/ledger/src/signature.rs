//! Signatures of plugins: signed notes (c2sp.org/signed-note) over a component's digest.
//!
//! The text is two lines, `cairnlog/plugin/v1` and `sha256:<hex>`, so a signature says nothing but that its key's owner stands for
//! these bytes. A server that is given keys takes and binds plugins alone that one of them has signed.

use cairnlog_host::{InvalidPlugin, PluginFault};
use cairnlog_verify::entry::Digest;
use cairnlog_verify::note::{self, Note, NoteError, SigningKey, VerifierKey};

use crate::limits::SIGNATURE_BYTES_MAX;

const TITLE: &str = "cairnlog/plugin/v1";

/// What is signed for a component.
fn text(plugin: &Digest) -> String {
    format!("{TITLE}\n{plugin}\n")
}

/// Signs a component: the signed note.
///
/// # Errors
/// Those of [`note::sign`].
pub fn sign_plugin(plugin: &Digest, key: &SigningKey) -> Result<String, NoteError> {
    note::sign(&text(plugin), &[key], 0)
}

/// The names of those keys that have signed the component in this note.
///
/// # Errors
/// In words: it is no such note, it is about another component, or none of these keys has signed.
pub fn check_plugin_signature<'k>(
    plugin: &Digest,
    signature: &str,
    keys: &'k [VerifierKey],
) -> Result<Vec<&'k str>, String> {
    let signers = note_about(plugin, signature)?.verify(keys).map_err(|error| error.to_string())?;
    Ok(signers.into_iter().map(VerifierKey::name).collect())
}

/// A signed note about that component, whoever has signed it.
fn note_about(plugin: &Digest, signature: &str) -> Result<Note, String> {
    if signature.len() > SIGNATURE_BYTES_MAX {
        return Err(format!("it has {} bytes, more than {SIGNATURE_BYTES_MAX}", signature.len()));
    }
    let note = Note::parse(signature).map_err(|error| error.to_string())?;
    if note.text == text(plugin) {
        return Ok(note);
    }
    Err(format!("it does not say `{TITLE}` and {plugin}: it is another component's"))
}

/// One note with the signatures of two about the same component: of each key the later one. Where that would be no note that a
/// server takes, it is the later note alone.
#[must_use]
pub fn join_plugin_signatures(known: &str, new: &str) -> String {
    let lines = |note: &str| {
        let (text, lines) = note.split_once("\n\n")?;
        let signatures = note::parse_signatures(lines).ok()?;
        let keys = signatures.into_iter().map(|signature| (signature.name, signature.id));
        let lines: Vec<_> = keys.zip(lines.lines().map(str::to_owned)).collect();
        Some((text.to_owned(), lines))
    };
    let (Some((text, known)), Some((_, later))) = (lines(known), lines(new)) else { return new.to_owned() };
    let kept = known.iter().filter(|(key, _)| later.iter().all(|(other, _)| other != key));
    let all = kept.chain(&later).map(|(_, line)| format!("{line}\n"));
    let both = format!("{text}\n\n{}", all.collect::<String>());
    if both.len() <= SIGNATURE_BYTES_MAX && Note::parse(&both).is_ok() { both } else { new.to_owned() }
}

/// Whose plugins a server takes: with no keys, everybody's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signers(pub(crate) Vec<VerifierKey>);

impl Signers {
    /// Who has signed the component, of those who may.
    ///
    /// # Errors
    /// That nobody has, where somebody must: `unsigned` without a signature, else `bad-signature`; also for one that is no signed
    /// note about the component.
    pub(crate) fn check(
        &self,
        plugin: &Digest,
        signature: Option<&str>,
    ) -> Result<Vec<String>, InvalidPlugin> {
        let refused = |code, detail| InvalidPlugin { errors: vec![PluginFault { code, detail }] };
        let bad = |words| refused("bad-signature", format!("the signature of {plugin}: {words}"));
        if self.0.is_empty() {
            // Anybody's will do, but not anything.
            signature.map(|signature| note_about(plugin, signature)).transpose().map_err(bad)?;
            return Ok(Vec::new());
        }
        let names: Vec<_> = self.0.iter().map(VerifierKey::name).collect();
        let names = names.join(", ");
        let signature = signature.ok_or_else(|| {
            let words = format!(
                "{plugin} is not signed, and this server takes plugins signed by one of {names} alone: `cairnlog plugin sign`"
            );
            refused("unsigned", words)
        })?;
        let note = note_about(plugin, signature).map_err(bad)?;
        let signers = note.verify(&self.0).map_err(|error| {
            let by: Vec<_> = note.signatures.iter().map(|signature| signature.name.as_str()).collect();
            bad(format!(
                "{error}: it names {}, and this server takes plugins signed by one of {names} alone",
                by.join(", ")
            ))
        })?;
        Ok(signers.into_iter().map(|signer| signer.name().to_owned()).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key(name: &str, seed: u8) -> SigningKey {
        SigningKey::ed25519(name, [seed; 32]).unwrap()
    }

    fn code(checked: Result<Vec<String>, InvalidPlugin>) -> &'static str {
        checked.unwrap_err().errors[0].code
    }

    #[test]
    fn only_a_trusted_key_over_the_very_digest_will_do() {
        let (plugin, other) = (Digest([1; 32]), Digest([2; 32]));
        let trusted = Signers(vec![key("a.example/plugins", 1).verifier_key().clone()]);
        let signed = sign_plugin(&plugin, &key("a.example/plugins", 1)).unwrap();
        assert!(signed.starts_with(&format!("cairnlog/plugin/v1\n{plugin}\n\n— a.example/plugins ")));
        assert_eq!(trusted.check(&plugin, Some(&signed)).unwrap(), ["a.example/plugins"]);
        assert_eq!(code(trusted.check(&plugin, None)), "unsigned");
        let by_other = sign_plugin(&plugin, &key("b.example/plugins", 2)).unwrap();
        let by_namesake = sign_plugin(&plugin, &key("a.example/plugins", 2)).unwrap();
        for signature in [&by_other, &by_namesake] {
            assert_eq!(code(trusted.check(&plugin, Some(signature))), "bad-signature");
        }
        assert_eq!(code(trusted.check(&other, Some(&signed))), "bad-signature", "another's");
        let moved = signed.replace(&plugin.to_string(), &other.to_string());
        assert_eq!(code(trusted.check(&other, Some(&moved))), "bad-signature");
        let same_key_says_else =
            note::sign(&format!("{plugin}\n"), &[&key("a.example/plugins", 1)], 0).unwrap();
        assert_eq!(code(trusted.check(&plugin, Some(&same_key_says_else))), "bad-signature");
        assert_eq!(code(trusted.check(&plugin, Some("nonsense"))), "bad-signature");
        let anybody = Signers::default();
        assert!(anybody.check(&plugin, None).unwrap().is_empty());
        assert!(anybody.check(&plugin, Some(&by_other)).unwrap().is_empty());
        assert_eq!(code(anybody.check(&plugin, Some("nonsense"))), "bad-signature");
        assert_eq!(code(anybody.check(&other, Some(&signed))), "bad-signature");
        let endless = format!("{signed}{}", signed.repeat(200));
        assert_eq!(
            code(anybody.check(&plugin, Some(&endless))),
            "bad-signature",
            "too long for an attribute"
        );
    }

    #[test]
    fn signatures_of_several_keys_are_one_note() {
        let plugin = Digest([1; 32]);
        let [ann, bob] = [key("a.example/plugins", 1), key("b.example/plugins", 2)];
        let [of_ann, of_bob] = [&ann, &bob].map(|key| sign_plugin(&plugin, key).unwrap());
        let both = join_plugin_signatures(&of_ann, &of_bob);
        let keys = [ann.verifier_key().clone(), bob.verifier_key().clone()];
        let signers = |note: &str| check_plugin_signature(&plugin, note, &keys).unwrap().len();
        assert_eq!(signers(&both), 2);
        assert_eq!(signers(&join_plugin_signatures(&both, &of_ann)), 2);
        assert_eq!(join_plugin_signatures(&of_bob, &of_bob), of_bob, "each once");
        // A line under another's name that is no signature goes when the key itself signs.
        let forged = {
            let (head, line) = of_ann.trim_end().rsplit_once(' ').unwrap();
            let mut bytes = cairnlog_verify::b64::decode(line).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            format!("{head} {}\n", cairnlog_verify::b64::encode(&bytes))
        };
        assert!(check_plugin_signature(&plugin, &forged, &keys).is_err());
        assert_eq!(join_plugin_signatures(&forged, &of_ann), of_ann);
        // However many there are, what is kept is a note.
        let mut many = of_ann.clone();
        for seed in 3..=255 {
            many = join_plugin_signatures(
                &many,
                &sign_plugin(&plugin, &key("c.example/plugins", seed)).unwrap(),
            );
            assert!(note_about(&plugin, &many).is_ok(), "{seed}");
        }
    }
}
