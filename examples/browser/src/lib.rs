//! Checks disclosures and receipts where they are read: in a browser, or wherever WebAssembly runs.
//!
//! The module imports nothing, so it can't reach anything. It is called in three steps: [`abi::room`] gives a place for the
//! bytes of what is to be checked, [`abi::check`] checks them, [`abi::answer`] says where the answer is, a JSON object. What
//! is in it [`judge`] says.

pub mod abi;
mod answer;

use cairnlog_verify::disclosure::Disclosure;
use cairnlog_verify::note::{Note, VerifierKey};
use cairnlog_verify::policy::Policy;
use cairnlog_verify::receipt::Receipt;
use serde_json::{Value as Json, json};

/// What a plugin may have been told that a raw record is.
const CONTENT_TYPES: [&str; 3] = ["application/json", "text/plain", "application/octet-stream"];

/// What is to be checked, and whom the reader trusts.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// A disclosure or a receipt.
    pub document: &'a [u8],
    /// The log's verifier keys, one a line.
    pub keys: &'a [u8],
    /// A tlog-policy; empty for none.
    pub policy: &'a [u8],
    /// The exact bytes of the raw record, for a disclosure that has its salt alone; empty for none.
    pub raw: &'a [u8],
}

/// `{"verified": true, "what": "disclosure" | "receipt", …}`, or `{"verified": false, "reason"}`.
#[must_use]
pub fn judge(question: &Question<'_>) -> Json {
    verified(question).unwrap_or_else(|reason| json!({"verified": false, "reason": reason}))
}

fn verified(question: &Question<'_>) -> Result<Json, String> {
    let keys = keys(text(question.keys, "the keys are")?)?;
    let policy = match question.policy {
        [] => None,
        policy => Some(Policy::parse(policy).map_err(|error| error.to_string())?),
    };
    let document = text(question.document, "the document is")?;
    if document.trim_start().starts_with('{') {
        disclosure(document, &keys, policy.as_ref(), question.raw)
    } else {
        receipt(document, &keys, policy.as_ref())
    }
}

fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("{what} not text"))
}

fn keys(lines: &str) -> Result<Vec<VerifierKey>, String> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Vec<VerifierKey> = lines
        .map(|line| line.parse().map_err(|error| format!("no verifier key: {error}")))
        .collect::<Result<_, _>>()?;
    if keys.is_empty() { Err("give the log's verifier key".to_owned()) } else { Ok(keys) }
}

fn disclosure(
    document: &str,
    keys: &[VerifierKey],
    policy: Option<&Policy>,
    raw: &[u8],
) -> Result<Json, String> {
    let mut disclosure = Disclosure::parse(document).map_err(|error| error.to_string())?;
    if !raw.is_empty() {
        disclosure.complete_raw(&CONTENT_TYPES, raw).map_err(|error| error.to_string())?;
    }
    let verified = disclosure.verify(keys, policy).map_err(|error| error.to_string())?;
    Ok(answer::of_disclosure(&verified))
}

fn receipt(document: &str, keys: &[VerifierKey], policy: Option<&Policy>) -> Result<Json, String> {
    let receipt = Receipt::parse(document).map_err(|error| error.to_string())?;
    let verified = receipt.verify(None, keys).map_err(|error| error.to_string())?;
    if let Some(policy) = policy {
        let note = Note::parse(&receipt.checkpoint).map_err(|error| error.to_string())?;
        policy.open(&note, keys).map_err(|error| error.to_string())?;
    }
    Ok(answer::of_receipt(&verified))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] =
        b"transparency.example/logs/hr+8a5d87ff+ARdFU7RW3d/GkI7KscEB/mqyHiuqBhd5W31DpjSCmT/V\n";
    const DISCLOSURE: &[u8] = include_bytes!("../../../fuzz/seeds/disclosures/good-record");
    const RECEIPT: &[u8] = include_bytes!("../../../fuzz/seeds/receipts/good-record");

    fn asked(document: &[u8]) -> Json {
        judge(&Question { document, keys: KEY, ..Question::default() })
    }

    #[test]
    fn a_disclosure_says_its_fields() {
        let answer = asked(DISCLOSURE);
        assert_eq!((&answer["verified"], &answer["what"]), (&json!(true), &json!("disclosure")));
        assert_eq!((&answer["index"], &answer["kind"]), (&json!("3"), &json!("record")));
        assert_eq!(answer["raw"], "proven");
        let field = |path: &str| {
            let fields = answer["fields"].as_array().expect("a list");
            fields.iter().find(|field| field["path"] == path).expect("a field").clone()
        };
        assert_eq!(
            field("count"),
            json!({"path": "count", "type": "integer", "value": "9223372036854775807"})
        );
        assert_eq!(field("resources[1].name"), json!({"path": "resources[1].name", "type": "dropped"}));
    }

    #[test]
    fn a_receipt_says_its_entry() {
        let answer = asked(RECEIPT);
        assert_eq!((&answer["verified"], &answer["what"]), (&json!(true), &json!("receipt")));
        assert_eq!((&answer["kind"], &answer["source"]), (&json!("record"), &json!("okta-prod")));
    }

    #[test]
    fn what_does_not_hold_has_a_reason() {
        for (document, keys, policy, words) in [
            (&b"{}"[..], KEY, &b""[..], "lacks the member v"),
            (b"", KEY, b"", "does not start with the line"),
            (b"\xff", KEY, b"", "not text"),
            (DISCLOSURE, b"\n", b"", "give the log's verifier key"),
            (DISCLOSURE, b"nonsense", b"", "no verifier key"),
            (DISCLOSURE, KEY, b"quorum", "line 1 of the policy"),
            (
                RECEIPT,
                KEY,
                b"witness one witness.example/w1+20324abe+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X\nquorum one\n",
                "quorum",
            ),
        ] {
            let answer = judge(&Question { document, keys, policy, raw: b"" });
            assert_eq!(answer["verified"], json!(false));
            let reason = answer["reason"].as_str().expect("a reason");
            assert!(reason.contains(words), "{reason}");
        }
        let altered = String::from_utf8_lossy(DISCLOSURE).replace("\"value\":true", "\"value\":false");
        assert!(asked(altered.as_bytes())["reason"].to_string().contains("fields root does not match"));
        let other = judge(&Question { document: DISCLOSURE, keys: KEY, policy: b"", raw: b"other bytes" });
        assert!(other["reason"].to_string().contains("raw record does not match"));
    }
}
