//! Disclosures: some fields of an entry, for who can't read records.

use std::collections::BTreeSet;

use cairnlog_verify::Hash;
use cairnlog_verify::disclosure::{Disclosure, Field, RawOpening};
use cairnlog_verify::entry::Body;
use cairnlog_verify::event::Attribute;
use cairnlog_verify::field::FieldTree;
use cairnlog_verify::limits::DISCLOSURE_FIELDS_MAX;
use cairnlog_verify::receipt::Receipt;
use cairnlog_verify::tree::node_hash;
use rs_merkle::{Hasher, MerkleTree};

use crate::error::LedgerError;
use crate::log::Log;
use crate::read::{Opened, Opening};
use crate::worker::RECEIVED;

impl Log {
    /// Discloses the fields of an entry of any kind at these paths, proven under the published head. With `raw` also the
    /// salt of its raw record, and the time of receipt, so that who has the bytes can complete it.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] beyond the published tree and for a path that the entry does not have,
    /// [`LedgerError::BadRequest`] for no paths, too many, or one twice, [`LedgerError::Conflict`] where the salt of the raw
    /// record is not kept, [`LedgerError::Erased`], [`LedgerError::Internal`].
    pub async fn disclose(
        &self,
        index: u64,
        paths: Vec<String>,
        raw: bool,
    ) -> Result<Disclosure, LedgerError> {
        let paths = distinct(paths, raw)?;
        if index >= self.tree().head().checkpoint.size {
            return Err(LedgerError::NotFound(format!("the published tree has no entry {index}")));
        }
        let mut disturbance = self.keeping().disturbance();
        loop {
            match self.disclose_once(index, &paths, raw).await {
                Err(error) if disturbance.explains(&error, self.keeping()) => {}
                result => return result,
            }
        }
    }

    async fn disclose_once(
        &self,
        index: u64,
        paths: &[String],
        raw: bool,
    ) -> Result<Disclosure, LedgerError> {
        let receipt = self.tree().receipt(index).await.map_err(LedgerError::internal)?;
        let paths = paths.to_vec();
        let disclose = move |opening: &mut Opening<'_>, rows: &_| {
            let (opened, tree) = opening.open_with_tree(rows)?;
            build(opened, &tree, &paths, raw, receipt)
        };
        match self.opened_by(index, disclose).await? {
            Some(disclosure) => Ok(disclosure),
            None => Err(self.gone(index).await?),
        }
    }
}

/// The paths to disclose, with that of the time of receipt where the raw record is to be opened.
fn distinct(mut paths: Vec<String>, raw: bool) -> Result<Vec<String>, LedgerError> {
    let refused = |words: String| Err(LedgerError::BadRequest(words));
    if raw && !paths.iter().any(|path| path == RECEIVED) {
        paths.push(RECEIVED.to_owned());
    }
    if paths.is_empty() {
        return refused("a disclosure needs at least one path in `fields`".to_owned());
    }
    if paths.len() > DISCLOSURE_FIELDS_MAX {
        return refused(format!("a disclosure has at most {DISCLOSURE_FIELDS_MAX} fields"));
    }
    let mut seen = BTreeSet::new();
    match paths.iter().position(|path| !seen.insert(path)) {
        Some(place) => refused(format!("fields[{place}] is the path of an earlier one")),
        None => Ok(paths),
    }
}

/// The disclosure of these fields of an opened entry.
pub(crate) fn build(
    opened: Opened,
    tree: &FieldTree,
    paths: &[String],
    raw: bool,
    receipt: Receipt,
) -> Result<Disclosure, LedgerError> {
    let raw = if raw { Some(raw_opening(&opened)?) } else { None };
    let attributes = &opened.payload.attributes;
    let mut fields = Vec::with_capacity(paths.len());
    for (place, path) in paths.iter().enumerate() {
        let field = field(tree, attributes, path);
        fields.push(field.ok_or_else(|| {
            LedgerError::NotFound(format!(
                "entry {} has no field at the path in fields[{place}]",
                opened.index
            ))
        })?);
    }
    fields.sort_unstable_by_key(|field| field.position);
    let multiproof = multiproof(tree, &fields);
    Ok(Disclosure { entry: opened.entry, fields, multiproof, raw, receipt })
}

/// The attribute at `path`, with what opens it.
fn field(tree: &FieldTree, attributes: &[Attribute], path: &str) -> Option<Field> {
    let place = attributes.binary_search_by(|attribute| attribute.path.as_str().cmp(path)).ok()?;
    let position = u16::try_from(tree.position(place)?).ok()?;
    Some(Field { attribute: attributes[place].clone(), salt: *tree.salt(place)?, position })
}

/// The nodes that can't be computed from these fields' leaves, which stand in the order of their positions.
fn multiproof(tree: &FieldTree, fields: &[Field]) -> Vec<Hash> {
    let leaves: Vec<[u8; 32]> = tree.leaves().iter().map(|leaf| leaf.0).collect();
    let positions: Vec<usize> = fields.iter().map(|field| field.position.into()).collect();
    let proof = MerkleTree::<Rfc6962>::from_leaves(&leaves).proof(&positions);
    proof.proof_hashes().iter().copied().map(Hash).collect()
}

/// The salt of the raw record, if it is kept. The bytes are not: who has them completes the disclosure.
fn raw_opening(opened: &Opened) -> Result<RawOpening, LedgerError> {
    let (index, kind) = (opened.index, opened.entry.kind());
    let words = match (&opened.entry.body, opened.payload.raw_salt) {
        (Body::Record { .. }, Some(salt)) => return Ok(RawOpening { salt, input: None }),
        (Body::Record { .. }, None) => format!(
            "the salt of the raw record of entry {index} is not kept, for something was taken from it or it gave several records; only who sent it could have it"
        ),
        // Nothing was taken from it, as no pipeline could: its salt would confirm guesses of all that it says.
        (Body::Quarantine { .. }, _) => {
            format!("entry {index} is of a quarantined raw record, which is not disclosed")
        }
        _ => format!("entry {index} is of kind {kind} and has no raw record"),
    };
    Err(LedgerError::Conflict(words))
}

/// RFC 6962's nodes for `rs_merkle`. Leaves are hashes already.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(leaf: &[u8]) -> [u8; 32] {
        cairnlog_verify::tree::leaf_hash(leaf).0
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        right.map_or(*left, |right| node_hash(&Hash(*left), &Hash(*right)).0)
    }
}
