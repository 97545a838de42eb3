//! The allocator of components: it hands out memory front to back and takes none back.
//!
//! An instance lives for one batch and is then dropped with all its memory, so freeing would be work for nothing; and the
//! host allocates once for every text that it hands in, so allocating has to be cheap. What a batch may use in all is bounded
//! by the host. A plugin that must reuse memory within a batch leaves out the feature `allocator` and has Rust's own.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; a component has one thread, so cells suffice"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32;
use std::cell::Cell;
use std::ptr;

/// Bytes of a page of WebAssembly memory.
const PAGE_BYTES: usize = 65_536;

/// Pages asked for at a time, unless more are needed: asking is a call into the host.
const GROWTH_PAGES: usize = 16;

#[global_allocator]
static ALLOCATOR: FrontToBack = FrontToBack { next: Cell::new(0), end: Cell::new(0) };

/// Free memory from `next` to `end`, both addresses.
struct FrontToBack {
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: components have one thread.
unsafe impl Sync for FrontToBack {}

impl FrontToBack {
    /// Takes the bytes if they are there.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let start = self.next.get().checked_next_multiple_of(layout.align())?;
        let end = start.checked_add(layout.size())?;
        (end <= self.end.get()).then(|| {
            self.next.set(end);
            ptr::with_exposed_provenance_mut(start)
        })
    }

    /// Gets enough memory for the bytes from the host; says whether it did.
    #[cold]
    fn grow(&self, layout: Layout) -> bool {
        let Some(bytes) = layout.size().checked_add(layout.align()) else { return false };
        let pages = bytes.div_ceil(PAGE_BYTES).max(GROWTH_PAGES);
        let start = match wasm32::memory_grow(0, pages) {
            usize::MAX => return false,
            page => page * PAGE_BYTES,
        };
        if start != self.end.get() {
            self.next.set(start);
        }
        // The last page of 4 GiB ends at 2^32: give up its last byte.
        self.end.set(start.saturating_add(pages * PAGE_BYTES));
        true
    }
}

// SAFETY: `take` gives every byte between the memory's growth and its end at most once, aligned, and nothing gives any back.
unsafe impl GlobalAlloc for FrontToBack {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(start) = self.take(layout) {
            return start;
        }
        if self.grow(layout) { self.take(layout).unwrap_or(ptr::null_mut()) } else { ptr::null_mut() }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // Memory is handed out once, and zero before.
        // SAFETY: as the caller's.
        unsafe { self.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    #[inline]
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size <= layout.size() {
            return old;
        }
        // What was handed out last grows where it is.
        let is_last = old.addr() + layout.size() == self.next.get();
        if is_last && size <= self.end.get() - old.addr() {
            self.next.set(old.addr() + size);
            return old;
        }
        // SAFETY: the caller's size does not overflow with this alignment; the new bytes are apart from the old ones, which
        // are as many as are copied.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(old, new, layout.size());
            }
            new
        }
    }
}
