//! The one thing the host lends.

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For who develops the plugin.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// Writes a message to the source's diagnostic ring, which is in memory and read by role; the operator's own log gets the level
/// and the count alone. In a native test it goes to standard error.
#[cfg(target_arch = "wasm32")]
pub fn log(level: Level, message: &str) {
    use crate::bindings::settings::cairnlog::plugin::host;
    let level = match level {
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    host::log(level, message);
}

/// Writes a message to the source's diagnostic ring, which is in memory and read by role; the operator's own log gets the level
/// and the count alone. In a native test it goes to standard error.
#[cfg(not(target_arch = "wasm32"))]
pub fn log(level: Level, message: &str) {
    eprintln!("{level:?}: {message}");
}
