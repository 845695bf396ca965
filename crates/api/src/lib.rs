//! api, to be filled.
