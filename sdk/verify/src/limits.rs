//! Every bound of the tree's wire formats, and why it has that value. Bounds of records stand with their modules
//! ([`crate::path`], [`crate::event`]).

/// Most bytes of one entry: a bundle stores the length in 16 bits (c2sp.org/tlog-tiles).
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Most entries of a bundle and hashes of a tile (c2sp.org/tlog-tiles).
pub const TILE_WIDTH: u16 = 256;

/// Highest tile level that a path may name (c2sp.org/tlog-tiles).
pub const TILE_LEVEL_MAX: u8 = 63;

/// Most bytes of an origin: cosignatures store its length in 8 bits (c2sp.org/tlog-cosignature).
pub const ORIGIN_BYTES_MAX: usize = 255;

/// Most hashes of a serialized proof (c2sp.org/tlog-proof).
pub const PROOF_HASHES_MAX: usize = 63;

/// Most signatures of a note. c2sp.org/signed-note asks for at least 16; Go's verifier stops at 100 too.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// Most bytes of a note: [`NOTE_SIGNATURES_MAX`] post-quantum signatures of up to 5 kB each, with room to spare.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Most bytes of a receipt: a note, an entry in base64 and a proof.
pub const RECEIPT_BYTES_MAX: usize = NOTE_BYTES_MAX + (1 << 17);

/// Most bytes of a policy: 256 logs and witnesses with ML-DSA-44 keys of 1.8 kB and their URLs, twice over.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Most logs, witnesses and groups of a policy, each. c2sp.org/tlog-policy asks for at least 32.
pub const POLICY_NAMES_MAX: usize = 256;

/// Most bytes of a request to a witness: a note, and a proof of [`PROOF_HASHES_MAX`] lines.
pub const WITNESS_REQUEST_BYTES_MAX: usize = NOTE_BYTES_MAX + (1 << 12);

/// Most bytes of a COSE receipt: [`PROOF_HASHES_MAX`] hashes, an ML-DSA-44 signature and headers are 5 kB.
pub const COSE_RECEIPT_BYTES_MAX: usize = 8 << 10;

/// Most fields of a disclosure: as many as a record has with all of the server's own.
pub const DISCLOSURE_FIELDS_MAX: usize = 4_160;

/// Most hashes of a disclosure's multiproof: one for every two leaves of the largest field tree that an entry can count.
pub const MULTIPROOF_HASHES_MAX: usize = 16_384;

/// Most bytes of a plugin's input for one raw record, as a disclosure holds it: a raw record of 16 MiB, the most that a
/// setting allows, and what goes with it.
pub const RAW_INPUT_BYTES_MAX: usize = 17 << 20;

/// Most bytes of a disclosure: 8 MiB of attributes of which every character is escaped, a raw record in base64, a receipt.
pub const DISCLOSURE_BYTES_MAX: usize = 80 << 20;
