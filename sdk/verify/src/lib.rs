//! Everything Cairnlog proves, checked without I/O.
//!
//! # Why one pure crate
//!
//! A transparency log is worth as much as the least careful of its verifiers. So the arithmetic of the tree, the
//! spelling of notes and tiles and the commitments to a record's fields are written once, here, and the server that
//! produces a proof, the command line and the browser that check it and third parties who trust neither share that
//! one truth. The crate opens no file and no socket, reads no clock, draws no randomness and compiles to
//! `wasm32-unknown-unknown`: what it answers depends on its arguments alone.
//!
//! **Parse, don't validate.** Bytes from elsewhere become a type once, at the border, and whatever has the type is
//! well formed: a [`Hash`](struct@Hash) has 32 bytes, a [`note::Note`] splits as signed-note says, an
//! [`entry::Entry`] is canonical byte for byte. Parsers take one spelling of every value (no missing padding, no
//! leading zero, no stray bits), so two readers can't disagree about what was signed. No input makes them panic, and
//! every count and length is bounded ([`limits`]).
//!
//! **One proof generator, one verifier.** Inclusion and consistency are the two ends of one thing, the proof that a
//! subtree `[start, end)` belongs to a tree. [`proof::Plan`] says which hashes such a proof needs and from which tiles
//! they come; the caller fetches those, from memory, a store or a network; [`proof::verify_subtree`] checks the result.
//! There is no second copy of that loop to drift away from the first.
//!
//! # Reading order
//!
//! 1. [`hash`], [`b64`]: the two spellings of bytes. [`limits`]: every bound of the wire formats.
//! 2. [`tree`]: leaf and node hashes, and the right edge that grows a tree. [`tile`], [`bundle`]: how a tree is cut
//!    into immutable files.
//! 3. [`proof`]: plans and their verification. [`audit`]: a whole tree recomputed.
//! 4. [`note`], [`checkpoint`], [`receipt`]: what is signed, and what a holder of an entry keeps. [`policy`]: whose
//!    signatures are enough. [`witness`]: how they are asked for.
//!    [`cose`]: the other form of a receipt.
//! 5. [`path`], [`value`], [`event`]: what a record says. [`field`], [`raw`], [`entry`], [`name`]: how it is committed
//!    to, and the bytes of a leaf.
//! 6. [`disclosure`]: some fields of a record and all that proves them.

pub mod audit;
pub mod b64;
pub mod bundle;
pub mod checkpoint;
pub mod cose;
pub mod disclosure;
pub mod entry;
pub mod event;
pub mod field;
pub mod hash;
pub mod limits;
pub mod name;
pub mod note;
pub mod path;
pub mod policy;
pub mod proof;
pub mod raw;
pub mod receipt;
pub mod tile;
pub mod tree;
pub mod value;
pub mod witness;

mod decimal;

pub use hash::Hash;
