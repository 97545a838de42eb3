//! The families of rows. How their keys are made is said in [`layout`](crate::layout).

/// A family of rows: a separate ordered key space. A batch spans families atomically.
///
/// Names are part of the layout on disk (`RocksDB`'s column families): they are added to, never changed. "Immutable" rows
/// are written once and only ever deleted; what the values hold is defined by who writes them.
///
/// | family | key after the log id | value | mutability |
/// | --- | --- | --- | --- |
/// | `entries` | index u64 | the entry's bytes | immutable, never deleted |
/// | `tiles` | level u8, n u64 | the 256 hashes of a full tile | immutable, never deleted |
/// | `heads` | kind u8: 0 signed, 1 published | a tree head | rewritten in every batch |
/// | `by_leaf` | leaf-hash prefix \[8\], index u64 | empty | immutable, never deleted |
/// | `payloads` | index u64 | the sealed payload | immutable; deleted by erasure |
/// | `keys` | index u64 | page u32, wrapped record key \[48\] | re-wrapped or deleted by erasure |
/// | `quarantine` | index u64 | the sealed raw record | immutable; deleted by release or erasure |
/// | `postings` | field u8, token \[8\], first u64 | indices of one batch that hold the value | immutable; deleted by erasure |
/// | `times` | 0 u8, event time u64, first u64 | indices of a stretch with that time | immutable; deleted by erasure |
/// | | 1 u8, first u64 | event times of a stretch | rewritten or deleted by erasure |
/// | `expiry` | day u32, first u64 | indices of one batch that expire on that day | immutable; deleted by the sweep |
/// | `seen` | day u32, fingerprint \[16\] | where the request or event was logged | deleted when the day's window has ended |
/// | `classes` | name | a retention class | rewritten |
/// | `plugins` | digest \[32\], no log id | a component and what is known of it | immutable |
/// | `sources` | name | a source and its pipeline | rewritten |
/// | | 0 u8, digest \[32\] | index of the log's entry for a plugin | immutable |
/// | | 1 u8, digest \[32\] | index of the log's entry for a pipeline, its nonce | immutable |
/// | | 2 u8, entity | empty: pseudonyms were made of such values | immutable |
/// | | 3 u8, hour u32, name | what a source sent in an hour, kept by a shutdown | deleted by the hour's tally |
/// | `holds` | id u64 | a legal hold: where its entry stands | deleted by its release |
/// | `erasures` | 0 u8, first index u64 | the end of a stretch of erased records, and where its entry stands | immutable |
/// | | 1 u8, page u32 | empty: the page is to be destroyed | deleted when it is |
/// | | 2 u8, id u64 | what waits for a second person's approval | deleted when it has it |
/// | | 3 u8, index u64 | when an event closed the record u64 | deleted by its erasure |
/// | | 4 u8, index u64 | tokens that the event closes | deleted when it is carried out |
/// | `tokens` | id, no log id | a token's hash and rights | rewritten, deleted |
/// | `logs` | nothing | a log's name, origin and mode | rewritten seldom |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Entries by index.
    Entries,
    /// Full tiles.
    Tiles,
    /// Signed and published tree heads.
    Heads,
    /// Leaf-hash prefix to index.
    ByLeaf,
    /// Sealed payloads by index.
    Payloads,
    /// Wrapped record keys by index.
    Keys,
    /// Sealed raw records that no pipeline could process, by index.
    Quarantine,
    /// Search rows: which records hold a value.
    Postings,
    /// Search rows: which records were received in an hour.
    Times,
    /// Which records expire on a day.
    Expiry,
    /// Requests and events of the last day, to recognize repetitions.
    Seen,
    /// Retention classes.
    Classes,
    /// Plugins of the whole server.
    Plugins,
    /// Sources, and which plugins have an entry in the log.
    Sources,
    /// Access tokens of the whole server.
    Tokens,
    /// The logs themselves.
    Logs,
    /// Legal holds.
    Holds,
    /// What was erased, and what is left to do about it.
    Erasures,
}

impl Family {
    /// All families, in the order of their declaration.
    pub const ALL: [Family; 18] = [
        Family::Entries,
        Family::Tiles,
        Family::Heads,
        Family::ByLeaf,
        Family::Payloads,
        Family::Keys,
        Family::Quarantine,
        Family::Postings,
        Family::Times,
        Family::Expiry,
        Family::Seen,
        Family::Classes,
        Family::Plugins,
        Family::Sources,
        Family::Tokens,
        Family::Logs,
        Family::Holds,
        Family::Erasures,
    ];

    /// The name on disk.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Family::Entries => "entries",
            Family::Tiles => "tiles",
            Family::Heads => "heads",
            Family::ByLeaf => "by_leaf",
            Family::Payloads => "payloads",
            Family::Keys => "keys",
            Family::Quarantine => "quarantine",
            Family::Postings => "postings",
            Family::Times => "times",
            Family::Expiry => "expiry",
            Family::Seen => "seen",
            Family::Classes => "classes",
            Family::Plugins => "plugins",
            Family::Sources => "sources",
            Family::Tokens => "tokens",
            Family::Logs => "logs",
            Family::Holds => "holds",
            Family::Erasures => "erasures",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_disk_never_change() {
        let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
        assert_eq!(
            names.join(" "),
            "entries tiles heads by_leaf payloads keys quarantine postings times expiry seen classes plugins sources tokens logs holds erasures"
        );
    }

    #[test]
    fn every_family_stands_at_its_own_place() {
        for (place, family) in Family::ALL.into_iter().enumerate() {
            assert_eq!(family as usize, place);
        }
    }
}
