//! The host's limits on what a plugin returns. An event beyond them is a bad return, so [`EventBuilder`](crate::EventBuilder)
//! keeps within them or refuses the record.

/// Bytes of a path.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Segments of a path.
pub const PATH_SEGMENTS_MAX: usize = 32;
/// Attributes of an event.
pub const ATTRIBUTES_MAX: usize = 4_096;
/// Bytes of a value.
pub const VALUE_BYTES_MAX: usize = 65_536;
/// Attributes that one source member may become before it is kept as JSON text instead, in an event that would not fit.
pub const MEMBER_ATTRIBUTES_MAX: usize = 256;
