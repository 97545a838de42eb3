//! Lists: `{items, next_cursor?}`, `limit` and `cursor`.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::limits::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use crate::state::App;

/// One page of a list.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page starts; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// Which page of a list.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Rows of the page, 100 by default, 1,000 at most.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// The number of rows of a page.
///
/// # Errors
/// `bad-request` for 0 or more than the most.
pub(crate) fn rows(limit: Option<u32>) -> Result<usize, Problem> {
    match limit.unwrap_or(PAGE_ROWS_DEFAULT) {
        rows @ 1..=PAGE_ROWS_MAX => Ok(rows as usize),
        _ => Err(Problem::bad_request(format!("limit is 1 to {PAGE_ROWS_MAX}"))),
    }
}

impl PageQuery {
    /// Cuts a page out of `all`, which is ordered by `key`. The cursor holds the last key given.
    pub(crate) fn page<T>(
        &self,
        app: &App,
        token: &str,
        list: &str,
        all: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Page<T>, Problem> {
        let limit = rows(self.limit)?;
        let after = match &self.cursor {
            Some(cursor) => Some(app.cursors.open(token, list, cursor)?),
            None => None,
        };
        let mut remaining = all
            .into_iter()
            .filter(|item| after.as_ref().is_none_or(|after| key(item).as_bytes() > after.as_slice()));
        let items: Vec<T> = remaining.by_ref().take(limit).collect();
        let next_cursor = match (remaining.next(), items.last()) {
            (Some(_), Some(end)) => Some(app.cursors.seal(token, list, key(end).as_bytes())?),
            _ => None,
        };
        Ok(Page { items, next_cursor })
    }
}
