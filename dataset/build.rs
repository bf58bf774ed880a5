//! The migrations are embedded at compile time: build again when a file is added.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
