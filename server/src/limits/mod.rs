//! What one client may take: connections, time, bytes. Whoever is beyond a limit is told which.

pub mod bodies;
pub mod connections;
pub mod quota;
mod stalling;

/// The most bytes of a plain form, and of anything from somebody who is not signed in.
pub const MAX_FORM: usize = 64 * 1024;

/// The most bytes of a request to a server function.
pub const MAX_FUNCTION: usize = 4 * 1024 * 1024;

/// The most bytes of a request to the API: two million characters of any script, in JSON.
pub const MAX_API: usize = 8 * 1024 * 1024;
