//! Has the crate built again when a document is added or removed; those that
//! are there are watched by the compiler.

fn main() {
    println!("cargo::rerun-if-changed=../../docs");
}
