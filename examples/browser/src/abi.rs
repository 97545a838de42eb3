//! The module's three functions, as its host calls them. Nothing here reads or writes through a pointer: the host does, in
//! the memory that it owns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Question, judge};

/// The bytes that the host has written, and the answer that it reads.
struct Exchange {
    input: Vec<u8>,
    answer: Vec<u8>,
}

static EXCHANGE: Mutex<Exchange> = Mutex::new(Exchange { input: Vec::new(), answer: Vec::new() });

fn exchange() -> MutexGuard<'static, Exchange> {
    EXCHANGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where to write so many bytes: the document, the keys, the policy and the raw record, one behind the other.
#[allow(unsafe_code, reason = "a function that a module exports has its name to itself")]
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    let mut exchange = exchange();
    exchange.input = vec![0; length];
    exchange.input.as_mut_ptr()
}

/// Checks what was written, whose parts have these lengths; the length of the answer.
#[allow(unsafe_code, reason = "a function that a module exports has its name to itself")]
#[unsafe(no_mangle)]
pub extern "C" fn check(document: usize, keys: usize, policy: usize, raw: usize) -> usize {
    let mut exchange = exchange();
    let input = std::mem::take(&mut exchange.input);
    let mut left = input.as_slice();
    let mut part = |length: usize| left.split_off(..length.min(left.len())).unwrap_or_default();
    let question =
        Question { document: part(document), keys: part(keys), policy: part(policy), raw: part(raw) };
    exchange.answer = judge(&question).to_string().into_bytes();
    exchange.answer.len()
}

/// Where the answer is.
#[allow(unsafe_code, reason = "a function that a module exports has its name to itself")]
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> *const u8 {
    exchange().answer.as_ptr()
}
