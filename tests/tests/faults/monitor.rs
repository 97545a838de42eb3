//! A monitor that shares nothing with the server but its address: it keeps every head that it was ever shown and every
//! leaf that it verified.

use std::collections::BTreeMap;

use cairnlog_tests::Server;
use reqwest::Method;
use serde_json::Value;

use crate::verifier::{self, Checkpoint, Hash};

/// What a monitor raises.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// The head is smaller than one that was seen.
    RolledBack {
        /// The largest size that was seen.
        had: u64,
        /// The size now.
        now: u64,
    },
    /// Two trees of one size.
    Forked {
        /// The size.
        size: u64,
    },
    /// What is served does not hash to the signed head.
    Unproven(String),
    /// The server does not serve something.
    NotServed(String),
}

/// A monitor of the log `name`.
pub(crate) struct Monitor {
    name: String,
    vkey: String,
    /// Of each size that was ever seen, the root that was signed.
    heads: BTreeMap<u64, Hash>,
    tree: Tree,
}

impl Monitor {
    pub(crate) fn new(name: &str, vkey: &str) -> Self {
        Self { name: name.to_owned(), vkey: vkey.to_owned(), heads: BTreeMap::new(), tree: Tree::default() }
    }

    /// The key that heads must be signed with.
    pub(crate) fn vkey(&self) -> &str {
        &self.vkey
    }

    /// The size of the tree that was verified.
    pub(crate) fn size(&self) -> u64 {
        self.tree.leaves.len() as u64
    }

    /// Opens a head's note.
    pub(crate) fn open(&self, note: &[u8]) -> Checkpoint {
        verifier::open(note, &self.vkey)
    }

    /// The leaf at `index` of the tree that was verified.
    pub(crate) fn leaf(&self, index: u64) -> Option<Hash> {
        self.tree.leaves.get(usize::try_from(index).ok()?).copied()
    }

    /// Takes in a head that someone was shown.
    pub(crate) fn saw(&mut self, head: &Checkpoint) -> Result<(), Alarm> {
        let forked = Alarm::Forked { size: head.size };
        if *self.heads.entry(head.size).or_insert(head.root) != head.root {
            return Err(forked);
        }
        match self.tree.root(head.size) {
            Some(root) if root != head.root => Err(forked),
            _ => Ok(()),
        }
    }

    /// Looks at the log now: its head must be no smaller than any that was seen and commit to all of them, by its
    /// entries and by its own proof. The size.
    pub(crate) async fn observe(&mut self, server: &Server) -> Result<u64, Alarm> {
        let head = self.open(&self.file(server, "checkpoint").await?);
        let newest = self.heads.last_key_value().map(|(size, root)| (*size, *root));
        let before = newest.map_or(0, |(size, _)| size);
        if head.size < before {
            return Err(Alarm::RolledBack { had: before, now: head.size });
        }
        self.saw(&head)?;
        self.read_on(server, head.size).await?;
        for (size, root) in self.heads.range(..=head.size) {
            if *size > 0 && self.tree.root(*size) != Some(*root) {
                return Err(Alarm::Forked { size: *size });
            }
        }
        if let Some((size, root)) = newest.filter(|(size, _)| (1..head.size).contains(size)) {
            self.check_consistency(server, size, &root, &head).await?;
        }
        Ok(head.size)
    }

    /// Reads every file of the tree of the newest head and recomputes it.
    pub(crate) async fn audit(&self, server: &Server) -> Result<(), Alarm> {
        let head = self.open(&self.file(server, "checkpoint").await?);
        let mut files = BTreeMap::new();
        for path in verifier::paths(head.size) {
            files.insert(path.clone(), self.file(server, &path).await?);
        }
        let leaves = verifier::audit(&head, &files);
        assert!(leaves.starts_with(&self.tree.leaves), "entries have changed");
        Ok(())
    }

    /// The entries from the last full bundle on; those that are known must be there as they were.
    async fn read_on(&mut self, server: &Server, size: u64) -> Result<(), Alarm> {
        let known = self.tree.leaves.len() as u64;
        for bundle in known / 256..size.div_ceil(256) {
            let first = bundle * 256;
            let path = verifier::tile_path("entries", bundle, (size - first).min(256));
            let entries = verifier::entries(&self.file(server, &path).await?);
            for (index, entry) in (first..).zip(&entries) {
                let leaf = verifier::leaf(entry);
                match self.leaf(index) {
                    None => self.tree.push(leaf),
                    Some(before) if before == leaf => {}
                    Some(_) => return Err(Alarm::Unproven(format!("entry {index} has changed"))),
                }
            }
        }
        let read = self.tree.leaves.len() as u64;
        if read == size { Ok(()) } else { Err(Alarm::Unproven(format!("{read} of {size} entries"))) }
    }

    async fn check_consistency(
        &self,
        server: &Server,
        from: u64,
        root: &Hash,
        head: &Checkpoint,
    ) -> Result<(), Alarm> {
        let path = format!("/api/v1/logs/{}/proofs/consistency?from={from}&to={}", self.name, head.size);
        let answer = get(server, &path).await?;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        let hashes = answer["hashes"].as_array().expect("hashes");
        let proof: Vec<Hash> =
            hashes.iter().map(|hash| verifier::hash64(hash.as_str().expect("text"))).collect();
        if verifier::verify_consistency(from, head.size, &proof, root, &head.root) {
            return Ok(());
        }
        Err(Alarm::Unproven(format!("{from} in {}", head.size)))
    }

    async fn file(&self, server: &Server, path: &str) -> Result<Vec<u8>, Alarm> {
        get(server, &format!("/logs/{}/{path}", self.name)).await
    }
}

async fn get(server: &Server, path: &str) -> Result<Vec<u8>, Alarm> {
    let not_served = |why: String| Alarm::NotServed(format!("{path}: {why}"));
    let response = server.anonymous(Method::GET, path).send().await;
    let response = response.map_err(|error| not_served(error.to_string()))?;
    if response.status() != 200 {
        return Err(not_served(response.status().to_string()));
    }
    let body = response.bytes().await.map_err(|error| not_served(error.to_string()))?;
    Ok(body.to_vec())
}

/// The leaves in order, and the root at every size.
#[derive(Default)]
struct Tree {
    leaves: Vec<Hash>,
    roots: Vec<Hash>,
    /// The perfect subtrees, largest first.
    peaks: Vec<(u64, Hash)>,
}

impl Tree {
    fn push(&mut self, leaf: Hash) {
        self.leaves.push(leaf);
        let (mut size, mut hash) = (1, leaf);
        while let Some((left_size, left)) = self.peaks.pop_if(|(peak, _)| *peak == size) {
            (size, hash) = (left_size + size, verifier::node(&left, &hash));
        }
        self.peaks.push((size, hash));
        let (_, last) = self.peaks[self.peaks.len() - 1];
        let rest = self.peaks.iter().rev().skip(1);
        self.roots.push(rest.fold(last, |right, (_, left)| verifier::node(left, &right)));
    }

    /// The root at `size`, as far as leaves are known.
    fn root(&self, size: u64) -> Option<Hash> {
        self.roots.get(usize::try_from(size.checked_sub(1)?).ok()?).copied()
    }
}
