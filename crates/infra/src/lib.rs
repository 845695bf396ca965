//! infra, to be filled.
