//! Finds the one kind of damage that keeps `RocksDB` from ever ending: a record whose type was altered into one of a
//! recycled file.
//!
//! Its reader of write-ahead logs and manifests (11.8, `log_reader.cc`) meets such a record where none can be, does not
//! step over it, and reads it again for ever; where it is the first of a file it takes all of the file for older than it
//! is. No file is ever recycled here, so that any such record is damage, and every other damage is found by the checksums.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A record never crosses the end of a block.
const BLOCK_BYTES: usize = 32 << 10;

/// Checksum, length (2 bytes, little-endian) and type.
const HEADER_BYTES: usize = 7;

/// The type of what was never written.
const ZERO: u8 = 0;

/// The first such record among the manifests and write-ahead logs in `dir`: its file, and where in it. A directory that
/// is not there has none.
pub(super) fn find(dir: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    let entries = match dir.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if (name.starts_with("MANIFEST-") || path.extension().is_some_and(|kind| kind == "log"))
            && let Some(at) = first(File::open(&path)?)?
        {
            return Ok(Some((path, at)));
        }
    }
    Ok(None)
}

fn first(mut file: impl Read) -> io::Result<Option<u64>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut start = 0;
    loop {
        block.clear();
        let read = file.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        if let Some(at) = within(&block) {
            return Ok(Some(start + at as u64));
        }
        if read < BLOCK_BYTES {
            return Ok(None);
        }
        start += read as u64;
    }
}

/// Where in a block the first such record begins. Behind a length that is wrong nothing is looked at, as `RocksDB` does.
fn within(block: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some([_, _, _, _, low, high, kind]) =
        block.get(at..).and_then(|rest| rest.first_chunk::<HEADER_BYTES>())
    {
        match *kind {
            5..=8 | 11 | 131 => return Some(at),
            ZERO => return None,
            _ => at += HEADER_BYTES + usize::from(u16::from_le_bytes([*low, *high])),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let [low, high] = length.to_le_bytes();
        [vec![0, 0, 0, 0, low, high, kind], vec![5; usize::from(length)]].concat()
    }

    #[test]
    fn only_types_of_recycled_files_are_found_and_never_in_a_payload() {
        let good = [record(1, 40), record(2, 9), record(10, 4), record(130, 20), record(129, 0)].concat();
        assert_eq!(within(&good), None);
        for kind in [5, 6, 7, 8, 11, 131] {
            assert_eq!(within(&[good.clone(), record(kind, 3)].concat()), Some(good.len()));
            assert_eq!(within(&record(kind, 3)), Some(0));
        }
        assert_eq!(within(&[record(0, 0), record(5, 3)].concat()), None, "what was never written");
        assert_eq!(within(&[good, record(1, 40)[..20].to_vec()].concat()), None, "cut short");
        assert_eq!(within(&record(5, 3)[..6]), None);
        assert_eq!(within(&[]), None);
    }

    #[test]
    fn records_begin_anew_in_every_block() {
        let length = u16::try_from(BLOCK_BYTES - 2 * HEADER_BYTES - 3).unwrap();
        // Three bytes are left of the block: too few for a header, so they are filled up.
        let block = [record(1, length), record(1, 0), vec![0; 3]].concat();
        assert_eq!(block.len(), BLOCK_BYTES);
        let file = [block.clone(), block, record(1, 8), record(5, 8)].concat();
        assert_eq!(first(file.as_slice()).unwrap(), Some(2 * BLOCK_BYTES as u64 + 15));
    }
}
