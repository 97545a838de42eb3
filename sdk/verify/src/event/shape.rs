//! Whether sorted paths are the paths of one JSON object.
//!
//! Sorting by bytes does not keep a subtree together: `a-b` stands between `a` and `a.b`, `a0` between `a.b` and
//! `a["c"]`. But all paths that begin with the same bytes do stand together, and so do the elements of a list (all that
//! begins with `a[`) and each element (all that begins with `a[1]`). So one pass with a stack of open lists finds gaps,
//! and only where a path's bytes go on in its neighbour does anything have to be searched for.

use super::{Attribute, EventError};
use crate::path::{Elided, Located, Segment, Segments};

/// A list that the path at hand lies in.
struct OpenList {
    /// Offset behind its `[`.
    start: usize,
    last: u32,
    max: u32,
    elements: u32,
}

/// Finds duplicates, values with paths below them, objects that are lists too, and gaps in lists. The paths are of the
/// grammar and sorted by their bytes.
pub(super) fn check(sorted: &[Attribute]) -> Result<(), EventError> {
    let mut open: Vec<OpenList> = Vec::new();
    let mut previous = "";
    for (index, attribute) in sorted.iter().enumerate() {
        let path = attribute.path.as_str();
        let shared = shared_bytes(previous, path);
        if index > 0 && shared == previous.len() {
            check_value_ends(previous, &sorted[index..])?;
        }
        close(&mut open, shared, previous)?;
        if path.contains('[') {
            enter(&mut open, path, shared, &sorted[..index])?;
        }
        previous = path;
    }
    close(&mut open, 0, previous)
}

fn shared_bytes(left: &str, right: &str) -> usize {
    left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count()
}

/// `value`'s bytes go on in the first path of `after`: no path may lie below it.
fn check_value_ends(value: &str, after: &[Attribute]) -> Result<(), EventError> {
    if after.first().is_some_and(|next| next.path == value) {
        return Err(EventError::Duplicate { path: shown(value) });
    }
    if any_begins(after, &[value, "."]) || any_begins(after, &[value, "["]) {
        return Err(EventError::Prefix { path: shown(value) });
    }
    Ok(())
}

/// Closes the lists that a path sharing `shared` bytes with `previous` does not lie in; each must have been dense.
fn close(open: &mut Vec<OpenList>, shared: usize, previous: &str) -> Result<(), EventError> {
    while let Some(list) = open.pop_if(|list| list.start > shared) {
        // Elements are distinct, so as many as the highest index + 1 are all of them.
        if list.elements - 1 != list.max {
            return Err(EventError::Sparse { path: shown(&previous[..list.start - 1]) });
        }
    }
    Ok(())
}

/// Counts the elements that `path` lies in, opening lists that are new.
fn enter(
    open: &mut Vec<OpenList>,
    path: &str,
    shared: usize,
    before: &[Attribute],
) -> Result<(), EventError> {
    let mut depth = 0;
    for Located { start, segment } in Segments::new(path).into_iter().flatten().flatten() {
        let Segment::Index(element) = segment else { continue };
        if let Some(list) = open.get_mut(depth) {
            if list.last != element {
                list.last = element;
                list.max = list.max.max(element);
                list.elements += 1;
            }
        } else {
            let list = &path[..start - 1];
            // Members sort before elements, and right before them stands a path with the list's bytes.
            if shared >= list.len()
                && (any_begins(before, &[list, "."]) || any_begins(before, &[list, "[\""]))
            {
                return Err(EventError::Mixed { path: shown(list) });
            }
            open.push(OpenList { start, last: element, max: element, elements: 1 });
        }
        depth += 1;
    }
    Ok(())
}

/// Whether a path in `sorted` begins with the concatenated `parts`.
fn any_begins(sorted: &[Attribute], parts: &[&str; 2]) -> bool {
    let prefix = parts.concat();
    let first = sorted.partition_point(|attribute| attribute.path < prefix);
    sorted.get(first).is_some_and(|attribute| attribute.path.starts_with(&prefix))
}

fn shown(path: &str) -> String {
    Elided(path).to_string()
}
