//! Faults: the real binary under load is killed, its disk fails, its files are damaged and put back. After each, what was
//! acknowledged is there or the server refuses to start and says why, and nobody is ever shown two trees of one size.
//!
//! `CAIRNLOG_FAULT_KILLS` and `CAIRNLOG_FAULT_ROUNDS` make it longer, `CAIRNLOG_FAULT_SEED` repeats a run's choices.

mod damage;
mod disk;
mod erasures;
mod inject;
mod kills;
mod monitor;
mod overload;
mod pen;
mod random;
mod ready;
mod restored;
mod states;
mod unlogged;
#[allow(dead_code, reason = "the whole verifier is used beside the other tests of it")]
#[path = "../transparency/verifier.rs"]
mod verifier;
mod world;
