//! The public face of a tile log (C2SP tlog-tiles): checkpoint, tiles, bundles. Nothing here is verified.

use std::fmt;

use bytes::Bytes;
use cairnlog_verify::bundle;
use cairnlog_verify::tile::{BundleId, TILE_WIDTH, Tile};

use crate::error::Error;
use crate::limits;
use crate::secret::Secret;
use crate::transport::{Call, Transport};

/// A reader of any tile log, given its monitoring prefix. Cheap to clone.
#[derive(Clone)]
pub struct TileLog {
    transport: Transport,
}

impl TileLog {
    /// The log whose checkpoint is at `prefix` + `/checkpoint`, such as `http://127.0.0.1:8080/logs/hr-audit`. Only a
    /// private log needs a token.
    ///
    /// # Errors
    /// [`Error::Input`] if the prefix is no plain `http://` or `https://` URL or the token is not visible ASCII;
    /// [`TransportKind::NoAuthorities`](crate::TransportKind::NoAuthorities).
    pub fn new(prefix: &str, token: Option<&Secret>) -> Result<Self, Error> {
        let transport = Transport::new(prefix, token)?;
        Ok(Self { transport })
    }

    pub(crate) fn below(transport: &Transport, name: &str) -> Self {
        let transport = transport.below(&["logs", name]);
        Self { transport }
    }

    /// The prefix, without a slash at the end.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.transport.base().as_str().trim_end_matches('/')
    }

    /// The text of the checkpoint: a signed note.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none at that prefix, or no usable answer.
    pub async fn checkpoint(&self) -> Result<String, Error> {
        let path = "checkpoint";
        let call = Call::get("reading the checkpoint", limits::CHECKPOINT_BYTES_MAX).at([path]);
        match self.transport.send(call).await {
            Ok(answer) => answer.text(),
            Err(e) if e.status() == Some(404) => Err(missing(path.to_owned())),
            Err(e) => Err(e),
        }
    }

    /// A tile's bytes. A partial tile may be gone once the full one is there; it is then cut from that one.
    ///
    /// # Errors
    /// [`Error::Missing`] if the log has neither, or no usable answer. The length is not checked.
    pub async fn tile(&self, tile: Tile) -> Result<Bytes, Error> {
        if let Some(bytes) = self.resource(tile.path(), limits::TILE_BYTES_MAX).await? {
            return Ok(bytes);
        }
        let full = Tile { width: TILE_WIDTH, ..tile };
        match self.full(tile.width, full.path(), limits::TILE_BYTES_MAX).await? {
            Some(bytes) => Ok(bytes.slice(..bytes.len().min(usize::from(tile.width) * 32))),
            None => Err(missing(tile.path())),
        }
    }

    /// A bundle's bytes. A partial bundle may be gone once the full one is there; it is then cut from that one.
    ///
    /// # Errors
    /// [`Error::Missing`] if the log has neither, or no usable answer. What is in it is not checked.
    pub async fn bundle(&self, id: BundleId) -> Result<Bytes, Error> {
        if let Some(bytes) = self.resource(id.path(), limits::BUNDLE_BYTES_MAX).await? {
            return Ok(bytes);
        }
        let full = BundleId { width: TILE_WIDTH, ..id };
        match self.full(id.width, full.path(), limits::BUNDLE_BYTES_MAX).await? {
            Some(bytes) => Ok(first_entries(bytes, usize::from(id.width))),
            None => Err(missing(id.path())),
        }
    }

    /// The full resource behind a partial one; a full one has nothing behind it.
    async fn full(&self, width: u16, path: String, limit: usize) -> Result<Option<Bytes>, Error> {
        if width == TILE_WIDTH {
            return Ok(None);
        }
        self.resource(path, limit).await
    }

    async fn resource(&self, path: String, limit: usize) -> Result<Option<Bytes>, Error> {
        let call = Call::get("reading a tile", limit).at(path.split('/'));
        match self.transport.send(call).await {
            Ok(answer) => Ok(Some(answer.body)),
            Err(e) if e.status() == Some(404) => Ok(None),
            Err(e) => Err(e),
        }
    }
}

impl fmt::Debug for TileLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TileLog").field("prefix", &self.prefix()).finish_non_exhaustive()
    }
}

fn missing(resource: String) -> Error {
    Error::Missing { resource }
}

/// Bytes that are no bundle are handed on as they are: who looks into them finds out.
fn first_entries(full: Bytes, width: usize) -> Bytes {
    let cut = bundle::decode(&full).and_then(|entries| bundle::encode(entries.into_iter().take(width)));
    cut.map_or(full, Bytes::from)
}
