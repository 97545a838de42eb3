//! Lists come in pages.

use serde::{Deserialize, Serialize};

use crate::transport::Call;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Leads to the next page; absent on the last. Sealed by the server: good for the same token and query alone.
    #[serde(default)]
    pub next_cursor: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PageRequest {
    /// At most so many items; the server's default is 100, its maximum 1,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// [`Page::next_cursor`] of the page before; none for the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl PageRequest {
    pub(crate) fn apply(&self, call: Call) -> Call {
        call.query("limit", self.limit).query("cursor", self.cursor.as_ref())
    }
}
