//! Proofs over the published tree and every smaller one (RFC 6962 §2.1, C2SP tlog-proof).

use std::collections::BTreeSet;

use cairnlog_verify::{
    Hash,
    checkpoint::Checkpoint,
    cose::CoseReceipt,
    proof::{self, Plan},
    receipt::Receipt,
    tile::{TILE_WIDTH, Tile},
    tree,
};

use crate::{
    error::{ProofFailure, ReadError},
    head::Head,
    log::Log,
    reader::TileReader,
};

/// Where an entry is in a tree, proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// The entry's leaf hash.
    pub leaf: Hash,
    /// The proof, from the leaf's sibling up (RFC 9162 §2.1.3.1).
    pub hashes: Vec<Hash>,
    /// The root of the tree.
    pub root: Hash,
}

impl Log {
    /// The inclusion proof of the entry at `index` in the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`ProofFailure`]: `size` is beyond the published tree, `index` is not below `size`, or the tiles
    /// can't be read.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, ProofFailure> {
        self.prove(&self.head(), size, Plan::inclusion(index, size)?).await
    }

    /// Proves the entry at `index` in the tree of the first `size` entries. The proof has been verified when it is handed
    /// out; the entry itself is not read, its leaf hash is the tree's.
    ///
    /// # Errors
    /// [`ProofFailure`]: `size` is beyond the published tree, `index` is not below `size`, or what is stored can't be
    /// read or does not prove.
    pub async fn prove_inclusion(&self, index: u64, size: u64) -> Result<Inclusion, ProofFailure> {
        self.prove_inclusion_under(&self.head(), index, size).await
    }

    /// The COSE receipt of the entry at `index` under the published head, signed by the log's own Ed25519 key. The proof
    /// has been verified when it is handed out.
    ///
    /// # Errors
    /// [`ProofFailure`]: the entry is not in the published tree, or what is stored can't be read or does
    /// not prove to the signed head.
    pub async fn cose_receipt(&self, index: u64) -> Result<CoseReceipt, ProofFailure> {
        let head = self.head();
        let Checkpoint { origin, size, .. } = &head.checkpoint;
        let Inclusion { leaf, hashes, .. } = self.prove_inclusion_under(&head, index, *size).await?;
        let unproven = || ProofFailure::from(ReadError::Unproven { index });
        let key = head.signers.own(origin, *size).ok_or_else(unproven)?;
        CoseReceipt::sign(key, *size, index, &leaf, hashes).map_err(|_| unproven())
    }

    async fn prove_inclusion_under(
        &self,
        head: &Head,
        index: u64,
        size: u64,
    ) -> Result<Inclusion, ProofFailure> {
        let published = head.checkpoint.size;
        if size > published {
            return Err(ProofFailure::Beyond { size, published });
        }
        let plan = Plan::inclusion(index, size)?;
        let root_plan = (size < published).then(|| Plan::root(size));
        let leaf_tile = leaf_tile(index, size);
        let mut wanted: BTreeSet<Tile> = plan.tiles().into_iter().collect();
        wanted.extend(root_plan.iter().flat_map(Plan::tiles));
        wanted.insert(leaf_tile);
        let tiles = self.tile_reader().tiles(head, wanted.into_iter().collect()).await?;
        let leaf = tiles.get(leaf_tile).and_then(|tile| tile.hash((index % 256) as usize));
        let leaf = leaf.ok_or(ReadError::Unproven { index })?;
        let hashes = plan.evaluate(&tiles)?;
        let root = match root_plan {
            Some(plan) => plan.evaluate(&tiles)?.first().copied().unwrap_or_else(tree::empty_root),
            None => head.checkpoint.root,
        };
        proof::verify_inclusion(index, size, &leaf, &hashes, &root)
            .map_err(|_| ReadError::Unproven { index })?;
        Ok(Inclusion { leaf, hashes, root })
    }

    /// The consistency proof between the trees of the first `from` and the first `to` entries.
    ///
    /// # Errors
    /// [`ProofFailure`]: `to` is beyond the published tree, `from` is above `to`, or the tiles can't be
    /// read.
    pub async fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, ProofFailure> {
        self.prove(&self.head(), to, Plan::consistency(from, to)?).await
    }

    /// The root of the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`ProofFailure`]: `size` is beyond the published tree, or the tiles can't be read.
    pub async fn root(&self, size: u64) -> Result<Hash, ProofFailure> {
        let root = self.prove(&self.head(), size, Plan::root(size)).await?;
        Ok(root.first().copied().unwrap_or_else(tree::empty_root))
    }

    /// The receipt of the entry at `index` under the published head: a tlog-proof with the entry in its
    /// `extra` line, so that it verifies alone. It has been verified when it is handed out.
    ///
    /// # Errors
    /// [`ProofFailure`]: the entry is not in the published tree, or what is stored can't be read or does
    /// not prove to the signed head.
    pub async fn receipt(&self, index: u64) -> Result<Receipt, ProofFailure> {
        let head = self.head();
        let size = head.checkpoint.size;
        if index >= size {
            return Err(ProofFailure::Beyond { size: index.saturating_add(1), published: size });
        }
        let hashes = self.prove(&head, size, Plan::inclusion(index, size)?).await?;
        let entry = self.entry(index).await?.ok_or(ReadError::Entry { index })?;
        let leaf = tree::leaf_hash(&entry);
        proof::verify_inclusion(index, size, &leaf, &hashes, &head.checkpoint.root)
            .map_err(|_| ReadError::Unproven { index })?;
        Ok(Receipt { extra: Some(entry), index, hashes, checkpoint: self.checkpoint(&head).await? })
    }

    async fn prove(&self, head: &Head, size: u64, plan: Plan) -> Result<Vec<Hash>, ProofFailure> {
        prove(&self.tile_reader(), head, size, plan).await
    }
}

/// Reads the tiles that a plan over the first `size` entries of `head` names, and evaluates it.
pub(crate) async fn prove(
    reader: &TileReader,
    head: &Head,
    size: u64,
    plan: Plan,
) -> Result<Vec<Hash>, ProofFailure> {
    let published = head.checkpoint.size;
    if size > published {
        return Err(ProofFailure::Beyond { size, published });
    }
    let tiles = reader.tiles(head, plan.tiles()).await?;
    Ok(plan.evaluate(&tiles)?)
}

/// The tile of an entry's leaf, as wide as it is in the tree of the first `size` entries.
fn leaf_tile(index: u64, size: u64) -> Tile {
    let width = u64::from(TILE_WIDTH);
    let left = size - (index - index % width);
    let width = u16::try_from(left).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH));
    Tile { level: 0, index: index / u64::from(TILE_WIDTH), width }
}
