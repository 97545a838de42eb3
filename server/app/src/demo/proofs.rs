//! What the log proves: its signed tree head, a receipt, and that it only ever grew.

use cairnlog_client::limits::RECEIPT_WAIT_DEFAULT;
use cairnlog_client::{LogInfo, Record};
use cairnlog_verify::note::VerifierKey;
use cairnlog_verify::receipt::{Receipt, ReceiptError, Verified};

use super::Stage;
use super::feed::{Fed, Head};
use crate::cli::Failure;

/// The newest signed tree head.
pub(super) fn tree_head(stage: &mut Stage<'_>, fed: &Fed) -> Result<(), Failure> {
    let [_, Head { checkpoint, note }] = &fed.heads;
    stage.tell.step("The signed tree head")?;
    let said = format!(
        "One hash stands for all {} entries. The log signs its name, the size and that hash, and is bound to it:",
        checkpoint.size
    );
    stage.tell.say(&said)?;
    stage.tell.quote(note)?;
    stage.tell.good("the signature is of the log's key")?;
    Ok(())
}

/// A receipt, checked offline, and what becomes of it when one bit of the entry is changed. Gives the entry's index.
pub(super) async fn receipt(
    stage: &mut Stage<'_>,
    info: &LogInfo,
    records: &[Record],
) -> Result<u64, Failure> {
    stage.tell.step("One receipt, checked offline")?;
    let index = records.first().map_or(0, |record| record.index);
    let text = stage.log.receipt(index, RECEIPT_WAIT_DEFAULT).await?;
    let key = info.verifier_key.clone();
    let verified = check(&text, None, &key)?
        .map_err(|error| Failure::refused(format!("the receipt does not verify: {error}")))?;
    let said = format!(
        "Entry {index} is this, and no more of it is public. The content is sealed behind a salted commitment:"
    );
    stage.tell.say(&said)?;
    stage.tell.quote(&String::from_utf8_lossy(&verified.entry))?;
    let size = verified.checkpoint.size;
    stage.tell.good(&format!(
        "{} hashes lead from it to the signed root of {size} entries; no server was asked",
        hashes(&text)
    ))?;
    let mut altered = verified.entry.clone();
    if let Some(last) = altered.last_mut() {
        *last ^= 1;
    }
    match check(&text, Some(&altered), &key)? {
        Err(error) => {
            stage.tell.good(&format!("with one bit of it changed, the same receipt is refused: {error}"))?;
        }
        Ok(_) => return Err(Failure::refused("a changed entry passed as the one in the log")),
    }
    Ok(index)
}

fn check(text: &str, entry: Option<&[u8]>, key: &str) -> Result<Result<Verified, ReceiptError>, Failure> {
    let key: VerifierKey = key
        .parse()
        .map_err(|error| Failure::cannot_tell(format!("the server gave no usable key: {error}")))?;
    Ok(Receipt::parse(text).and_then(|mut receipt| {
        // A given entry is checked against the proof alone, not against the copy that the receipt carries.
        receipt.extra = receipt.extra.filter(|_| entry.is_none());
        receipt.verify(entry, &[key])
    }))
}

fn hashes(text: &str) -> usize {
    Receipt::parse(text).map_or(0, |receipt| receipt.hashes.len())
}

/// The tree after the first half is the beginning of the tree after the second.
pub(super) async fn consistency(stage: &mut Stage<'_>, fed: &Fed) -> Result<(), Failure> {
    stage.tell.step("Two tree heads, and that nothing between them was rewritten")?;
    let [old, new] = &fed.heads;
    let (from, to) = (old.checkpoint.size, new.checkpoint.size);
    let proof = stage.log.consistency(from, Some(to)).await?;
    proof.verify(&old.checkpoint, &new.checkpoint)?;
    if from == to {
        stage.tell.good("the log did not grow since this run began: both tree heads are the same")?;
        return Ok(());
    }
    let said = format!(
        "We kept the tree head of {from} entries, signed after the first half of the lines. Now there are {to}.\n\
         Had anything in between been altered, removed or slipped in, no proof could lead from one to the other."
    );
    stage.tell.say(&said)?;
    let said = format!(
        "{} hashes prove that the tree of {to} entries begins with the tree of {from}",
        proof.hashes.len()
    );
    stage.tell.good(&said)?;
    Ok(())
}
