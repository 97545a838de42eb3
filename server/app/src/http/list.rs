//! Lists: `{items, next_cursor?}`, `limit` and `cursor`.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::limits::{PAGE_BYTES_MAX, PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
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
        self.page_of_bytes(app, token, list, all, key, |_| 0)
    }

    /// The same of items that may be large: a page ends early when it has [`PAGE_BYTES_MAX`].
    pub(crate) fn page_of_bytes<T>(
        &self,
        app: &App,
        token: &str,
        list: &str,
        all: Vec<T>,
        key: impl Fn(&T) -> String,
        bytes: impl Fn(&T) -> usize,
    ) -> Result<Page<T>, Problem> {
        let limit = rows(self.limit)?;
        let after = match &self.cursor {
            Some(cursor) => Some(app.cursors.open(token, list, cursor)?),
            None => None,
        };
        let remaining = all
            .into_iter()
            .filter(|item| after.as_ref().is_none_or(|after| key(item).as_bytes() > after.as_slice()));
        let (items, is_more) = cut(remaining, limit, PAGE_BYTES_MAX, bytes);
        let next_cursor = match items.last() {
            Some(end) if is_more => Some(app.cursors.seal(token, list, key(end).as_bytes())?),
            _ => None,
        };
        Ok(Page { items, next_cursor })
    }
}

impl<T> Page<T> {
    /// The page with its items as they are shown.
    pub(crate) fn map<V>(self, view: impl Fn(T) -> V) -> Page<V> {
        Page { items: self.items.into_iter().map(view).collect(), next_cursor: self.next_cursor }
    }
}

/// The first items, `limit` and `bytes_max` at most but one in any case; and whether there are more.
fn cut<T>(
    mut items: impl Iterator<Item = T>,
    limit: usize,
    bytes_max: usize,
    bytes: impl Fn(&T) -> usize,
) -> (Vec<T>, bool) {
    let (mut page, mut held) = (Vec::new(), 0_usize);
    for item in items.by_ref() {
        held = held.saturating_add(bytes(&item));
        if page.len() == limit || (held > bytes_max && !page.is_empty()) {
            return (page, true);
        }
        page.push(item);
    }
    (page, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_with_its_rows_or_its_bytes_and_is_never_empty_while_there_are_more() {
        let cut = |sizes: &[usize], limit| cut(sizes.iter().copied(), limit, 10, |size| *size);
        assert_eq!(cut(&[], 2), (vec![], false));
        assert_eq!(cut(&[1, 2], 2), (vec![1, 2], false));
        assert_eq!(cut(&[1, 2, 3], 2), (vec![1, 2], true));
        assert_eq!(cut(&[4, 6, 0, 1], 9), (vec![4, 6, 0], true));
        assert_eq!(cut(&[99, 0], 9), (vec![99], true));
        assert_eq!(cut(&[99], 9), (vec![99], false));
    }
}
