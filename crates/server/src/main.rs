//! The taskgate binary.

fn main() {}
