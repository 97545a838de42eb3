//! The stateful side as a whole: a real host with the built-in plugins, over an engine in memory that fails when told to.
#![allow(clippy::unwrap_used)]

mod busy;
mod control;
mod days;
mod disclose;
mod failures;
mod guesses;
mod ingest;
mod interrupted;
mod logs;
mod openings;
mod quarantine;
mod repeats;
mod retention;
mod retries;
mod rollout;
mod search;
mod sources;
mod world;
