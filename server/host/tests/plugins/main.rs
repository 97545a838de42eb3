//! Hostile plugins against the host, through its public face.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod hostile;
mod load;
